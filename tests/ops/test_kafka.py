"""Kafka client configuration: complete, taken by librdkafka, and true on a real broker."""

import logging
import uuid
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, murmur2
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.kafka.local import LocalKafka
from ops.kafka import admin_config, consumer_config, producer_config, topic_name
from ops.settings import Kafka, Settings

WAIT_S = 30.0
UNREACHABLE = Settings(kafka=Kafka(bootstrap_servers="127.0.0.1:1"))


def _sasl() -> Settings:
    return Settings(
        kafka=Kafka(
            security_protocol="sasl_ssl",
            sasl_mechanism="PLAIN",
            sasl_username="ada",
            sasl_password="hunter2",  # type: ignore[arg-type]
        )
    )


def test_what_delivery_depends_on_is_set_and_not_left_to_defaults() -> None:
    producer = producer_config(UNREACHABLE, "id")
    expected: dict[str, Any] = {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "transactional.id": "id",
        "transaction.timeout.ms": 5_000,
    }
    assert {k: producer[k] for k in expected} == expected
    consumer = consumer_config(UNREACHABLE, "group")
    expected = {
        "group.id": "group",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6_000,
    }
    assert {k: consumer[k] for k in expected} == expected
    assert consumer["heartbeat.interval.ms"] * 3 <= consumer["session.timeout.ms"]


def test_a_producer_without_transactions_has_no_transactional_options() -> None:
    assert not [name for name in producer_config(UNREACHABLE) if name.startswith("transaction")]


def test_a_caller_s_option_wins() -> None:
    assert producer_config(UNREACHABLE, **{"linger.ms": 0})["linger.ms"] == 0
    changed = consumer_config(UNREACHABLE, "g", **{"isolation.level": "read_uncommitted"})
    assert changed["isolation.level"] == "read_uncommitted"


def test_librdkafka_takes_every_option_in_every_combination() -> None:
    for settings in (UNREACHABLE, _sasl()):
        Producer(producer_config(settings))
        Producer(producer_config(settings, "id"))
        Consumer(consumer_config(settings, "g")).close()
        AdminClient(admin_config(settings))


def test_credentials_are_passed_to_every_kind_of_client() -> None:
    for config in (
        admin_config(_sasl()),
        consumer_config(_sasl(), "g"),
        producer_config(_sasl(), "id"),
    ):
        assert config["security.protocol"] == "sasl_ssl"
        assert (config["sasl.username"], config["sasl.password"]) == ("ada", "hunter2")
    assert "sasl.password" not in admin_config(UNREACHABLE)


def test_the_prefix_goes_before_every_topic() -> None:
    assert topic_name(Settings(kafka=Kafka(topic_prefix="t1.")), "risk.events") == "t1.risk.events"
    assert topic_name(Settings(), "risk.events") == "risk.events"


def test_librdkafka_speaks_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    admin = AdminClient(admin_config(UNREACHABLE))
    with caplog.at_level(logging.INFO, "librdkafka"):
        for _ in range(50):
            admin.poll(0.1)
            if caplog.records:
                break
    assert {record.name for record in caplog.records} == {"librdkafka"}
    assert "127.0.0.1:1" in caplog.text


@pytest.mark.kafka
def test_keys_land_by_murmur2_and_a_transaction_is_read_once(kafka: LocalKafka) -> None:
    settings = Settings(
        kafka=Kafka(
            bootstrap_servers=kafka.bootstrap_servers, topic_prefix=f"{uuid.uuid4().hex[:8]}."
        )
    )
    topic = topic_name(settings, "merchant.payments")
    admin = AdminClient(admin_config(settings))
    for future in admin.create_topics([NewTopic(topic, 4, 1)]).values():
        future.result(WAIT_S)
    keys = [f"m-{i}".encode() for i in range(200)]
    producer = Producer(producer_config(settings, uuid.uuid4().hex))
    producer.init_transactions(WAIT_S)
    for key in keys:
        if key == keys[0]:
            producer.begin_transaction()
        producer.produce(topic, b"v", key)
    producer.commit_transaction(WAIT_S)
    large = Producer(producer_config(settings))
    large.produce(topic, b"\0" * (15 << 20), keys[0])
    assert large.flush(WAIT_S) == 0
    consumer = Consumer(consumer_config(settings, uuid.uuid4().hex))
    consumer.subscribe([topic])
    found: list[tuple[bytes, int]] = []
    try:
        for _ in range(int(WAIT_S / 0.2)):
            for message in consumer.consume(500, 0.2):
                assert message.error() is None
                found.append((message.key(), message.partition()))
            if len(found) > len(keys):
                break
    finally:
        consumer.close()
    assert sorted(found) == sorted((key, murmur2(key, 4)) for key in [*keys, keys[0]])

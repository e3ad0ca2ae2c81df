"""A carrier's merchants fall together: the monitor tells it through the commands' topic."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, murmur2

from schemas import topics
from schemas.codec import Limits, decode_event
from schemas.events import CohortAlerted
from tideline.children import start, stop

from .published import DAY_MS, PARTITIONS, START_MS, Sent, alert, keyed, micro_batch

KEY = b"a key of thirty-two bytes length"
CARRIERS = 6


def portfolio() -> list[Sent]:
    """Merchants with their carriers for 100 days, and alerts today for most of one carrier's."""
    sent = []
    for number in range(120):
        merchant = f"m{number}"
        line: dict[str, Any] = {
            "type": "shipment.dispatched",
            "merchant_id": merchant,
            "carrier_id": f"c{number % CARRIERS}",
        }
        partition = murmur2(merchant.encode(), PARTITIONS)
        days = (START_MS - 100 * DAY_MS, START_MS)
        sent.append(micro_batch(partition, [{**line, "occurred_at": at} for at in days]))
        if number % CARRIERS == 2 and number % 4:
            found = alert(merchant, "overdue_shipments", 1, START_MS - DAY_MS)
            sent.append(keyed(topics.ALERTS, merchant, msgspec.json.encode(found)))
    return sent


@pytest.mark.timeout(120)
def test_the_monitor_tells_of_a_carrier_whose_merchants_fall(tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
    address = f"{broker.host}:{broker.port}"
    for name in (
        topics.ASSESSMENTS,
        topics.ALERTS,
        topics.LIMIT_CHANGES,
        topics.EVENTS,
        topics.COMMANDS,
    ):
        producer.list_topics(name, timeout=10)
    for topic, partition, key, value in portfolio():
        producer.produce(topic, key=key, value=value, partition=partition)
    assert producer.flush(20) == 0
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "intake", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topics.COMMANDS])
    child = start(
        "monitor",
        ["monitor", "--no-declare"],
        {"TIDELINE_KAFKA__BOOTSTRAP_SERVERS": address},
        tmp_path,
    )
    try:
        deadline, told = time.monotonic() + 90, None
        while told is None and time.monotonic() < deadline:
            told = consumer.poll(0.5)
            assert child.process.poll() is None, child.log.read_text("utf-8")
        assert told is not None and told.error() is None, child.log.read_text("utf-8")
    finally:
        consumer.close()
        stop([child])
    event, _ = decode_event(told.value() or b"", now_ms=START_MS, limits=Limits(), privacy_key=KEY)
    assert isinstance(event, CohortAlerted)
    assert told.key() == b"cohort:carrier:c2" == event.merchant_id.encode()
    assert told.partition() == murmur2(told.key() or b"", PARTITIONS), "where intake takes it"
    assert event.struck >= 5 and event.members == 120 // CARRIERS

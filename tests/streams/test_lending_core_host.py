"""The lending core's host under the real runtime, on the embedded broker.

The embedded broker shows aborted records too: delivery under kills is tested on real Kafka.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition, murmur2

from credit.core_book import Instruction
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import Kafka, Settings
from schemas import topics
from schemas.codec import encode
from streams.host import Committed
from streams.lending_core_host import LendingCoreHost
from streams.reading import read_partition
from streams.records import Output, Record
from streams.runtime import Runtime
from tests.credit.limit_changes import change

WAIT_S = 40.0


@pytest.fixture
def broker() -> Iterator[Producer]:
    """A mock cluster; it lives as long as this producer."""
    producer = Producer(
        {
            "bootstrap.servers": "mock",
            "test.mock.num.brokers": 1,
            "partitioner": "murmur2_random",
        }
    )
    for name in (topics.LIMIT_CHANGES, topics.LENDING, topics.CORE_BOOK):
        producer.list_topics(name, timeout=10)
    yield producer
    producer.flush(5)


class Running:
    """One core in a thread of its own, as a process would run it."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.metrics = Metrics()
        self._health = HealthServer(self.metrics, "127.0.0.1", 0)
        self.host = LendingCoreHost(settings, self.metrics, **options)
        self._stop = threading.Event()
        runtime = Runtime(self.host, settings=settings, metrics=self.metrics, health=self._health)
        self._thread = threading.Thread(target=runtime.run, args=(self._stop.is_set,))

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        self._health.stop()
        assert not self._thread.is_alive()

    def figure(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def quarantined(self) -> float:
        return sum(
            self.figure("tideline_core_lines_quarantined", partition=str(p)) for p in range(4)
        )


@pytest.fixture
def settings(broker: Producer) -> Settings:
    """Settings of clients of the mock cluster."""
    address = next(iter(broker.list_topics(timeout=10).brokers.values()))
    return Settings(kafka=Kafka(bootstrap_servers=f"{address.host}:{address.port}"))


def publish(broker: Producer, settings: Settings, changes: list[Instruction]) -> None:
    """Send limit changes as a transactional scoring worker would."""
    address = settings.kafka.bootstrap_servers
    producer = Producer({"bootstrap.servers": address, "partitioner": "murmur2_random"})
    for each in changes:
        producer.produce(topics.LIMIT_CHANGES, key=each.merchant_id.encode(), value=encode(each))
    assert producer.flush(20) == 0


def answers(settings: Settings) -> list[tuple[str, str, int]]:
    """Type, line and version of every answer there is."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "group.id": "look",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(topics.LENDING, p, 0) for p in range(4)])
    found, ends = [], 0
    while ends < 4:
        for message in consumer.consume(100, 1.0):
            if message.error() is not None:
                ends += 1
                continue
            event = msgspec.json.decode(message.value())
            if event["type"].startswith("limit."):
                found.append((event["type"], event["line_id"], event["version"]))
    consumer.close()
    return sorted(found)


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not until():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.1)


def of(merchant: int, version: int, limit_minor: int = 100_000) -> Instruction:
    return change(
        version,
        limit_minor,
        line_id=f"ln_{merchant}",
        merchant_id=f"m{merchant}",
        decision_id=f"dc_{merchant}_{version}",
    )


IN = {"stage": "lending-core", "outcome": "in"}


def restarted(settings: Settings, **options: Any) -> tuple[LendingCoreHost, Metrics]:
    """A host that takes all partitions over at the end of the log.

    The embedded broker keeps no positions that were committed in a transaction.
    """
    metrics = Metrics()
    host = LendingCoreHost(settings, metrics, **options)
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "end"})
    committed = {}
    for partition in range(4):
        place = TopicPartition(topics.LIMIT_CHANGES, partition)
        _, end = consumer.get_watermark_offsets(place, timeout=10)
        committed[topics.LIMIT_CHANGES, partition] = Committed(end or None, "")
    consumer.close()
    host.assign(committed)
    return host, metrics


def take(host: LendingCoreHost, changes: list[Instruction]) -> list[Output]:
    """What a host answers to changes, on the partitions of their merchants."""
    outputs = []
    for each in changes:
        key = each.merchant_id.encode()
        place = (topics.LIMIT_CHANGES, murmur2(key, 4))
        outputs += host.take(Record(*place, 10**6, key, encode(each), [], 0), 0)
    return outputs


def said(outputs: list[Output]) -> list[tuple[str, str, int]]:
    """Type, line and version of the answers among outputs."""
    found = [msgspec.json.decode(o.value or b"") for o in outputs if o.topic == topics.LENDING]
    return sorted((event["type"], event["line_id"], event["version"]) for event in found)


def test_changes_are_answered_and_a_restarted_core_goes_on_from_its_book(
    broker: Producer, settings: Settings
) -> None:
    with Running(settings) as core:
        publish(broker, settings, [of(merchant, v) for merchant in range(8) for v in (1, 2)])
        wait(lambda: core.figure("tideline_events_total", **IN) == 16)
    assert answers(settings) == [
        ("limit.acknowledged", f"ln_{m}", v) for m in range(8) for v in (1, 2)
    ]
    host, metrics = restarted(settings)
    outputs = take(host, [of(merchant, v) for merchant in range(8) for v in (2, 3)])
    assert said(outputs) == [("limit.acknowledged", f"ln_{m}", 3) for m in range(8)]
    book = [o for o in host.drain() if o.topic == topics.CORE_BOOK]
    assert sorted(o.key or b"" for o in book) == [f"ln_{m}".encode() for m in range(8)]
    assert {len(msgspec.json.decode(o.value or b"")["digests"]) for o in book} == {3}
    repeated = {"outcome": "repeated", "reason": ""}
    assert metrics.registry.get_sample_value("tideline_core_changes_total", repeated) == 8


def test_a_group_that_lost_its_positions_reads_all_again_and_books_nothing_twice(
    broker: Producer, settings: Settings
) -> None:
    changes = [of(merchant, version) for merchant in range(8) for version in (1, 2)]
    with Running(settings) as core:
        publish(broker, settings, changes)
        wait(lambda: core.figure("tideline_events_total", **IN) == 16)
    before = answers(settings)
    with Running(settings) as core:  # the embedded broker has kept no position
        wait(lambda: core.figure("tideline_events_total", **IN) == 16)
        repeated = {"outcome": "repeated", "reason": ""}
        assert core.figure("tideline_core_changes_total", **repeated) == 16
    assert answers(settings) == before


def test_a_conflict_is_counted_survives_a_restart_and_is_mended_on_request(
    broker: Producer, settings: Settings
) -> None:
    with Running(settings) as core:
        publish(broker, settings, [of(1, 1), of(1, 1, 5), of(1, 2), of(2, 1)])
        wait(lambda: core.figure("tideline_events_total", **IN) == 4)
        wait(lambda: core.quarantined() == 1)
        for reason in ("version_conflict", "line_quarantined"):
            labels = {"outcome": "refused", "reason": reason}
            assert core.figure("tideline_core_changes_total", **labels) == 1
    assert answers(settings) == [
        ("limit.acknowledged", "ln_1", 1),
        ("limit.acknowledged", "ln_2", 1),
        ("limit.rejected", "ln_1", 1),
        ("limit.rejected", "ln_1", 2),
    ]
    host, metrics = restarted(settings)
    labels = {"partition": str(murmur2(b"m1", 4))}
    assert metrics.registry.get_sample_value("tideline_core_lines_quarantined", labels) == 1
    assert said(take(host, [of(1, 3)])) == [("limit.rejected", "ln_1", 3)]
    host, metrics = restarted(settings, mend=["ln_1", "ln_unknown"])
    assert metrics.registry.get_sample_value("tideline_core_lines_quarantined", labels) == 0
    assert said(host.drain()) == [("limit.acknowledged", "ln_1", 2)]
    assert said(take(host, [of(1, 3)])) == [("limit.acknowledged", "ln_1", 3)]


def test_mending_that_was_not_committed_is_done_again_and_what_was_is_not(
    broker: Producer, settings: Settings
) -> None:
    with Running(settings) as core:
        publish(broker, settings, [of(1, 1), of(1, 1, 5), of(1, 2)])
        wait(lambda: core.figure("tideline_events_total", **IN) == 3)
    host, _ = restarted(settings, mend=["ln_1"])
    source = (topics.LIMIT_CHANGES, murmur2(b"m1", 4))
    assert host.drain()
    host.revoke([source])
    host.assign({source: Committed(3, "")})
    assert said(host.drain()) == [("limit.acknowledged", "ln_1", 2)]
    host.drain()
    host.revoke([source])
    host.assign({source: Committed(3, "")})
    assert host.drain() == [], "the line is in quarantine for a reason of later on"


def test_a_record_that_is_no_limit_change_stops_its_partition_alone(
    broker: Producer, settings: Settings
) -> None:
    broker.produce(topics.LIMIT_CHANGES, partition=0, key=b"x", value=b"nothing")
    broker.flush(10)
    with Running(settings) as core:
        publish(broker, settings, [of(merchant, 1) for merchant in range(12)])
        labels = {"topic": topics.LIMIT_CHANGES, "partition": "0"}
        wait(lambda: core.figure("tideline_partition_stopped", **labels) == 1)
        wait(lambda: core.figure("tideline_events_total", **IN) > 4)
    assert 4 < len(answers(settings)) < 12


def test_with_drawing_loans_go_out_in_the_order_of_their_times(
    broker: Producer, settings: Settings
) -> None:
    day_ms = 86_400_000
    with Running(settings, draw_seed=3) as core:
        changes = [of(1, 1, 1_000_000), of(1, 2, 1_000_000)]
        later = changes[1].decided_at + 300 * day_ms
        changes[1] = msgspec.structs.replace(changes[1], decided_at=later)
        publish(broker, settings, changes)
        wait(lambda: core.figure("tideline_events_total", **IN) == 2)
    lines = [
        msgspec.json.decode(message.value())
        for partition in range(4)
        for message in read_partition(settings, topics.LENDING, partition)
    ]
    assert [line["type"] for line in lines[:2]] == ["limit.acknowledged", "loan.disbursed"]
    happened = [line["occurred_at"] for line in lines]
    assert happened == sorted(happened)
    assert lines[-1]["type"] == "limit.acknowledged"

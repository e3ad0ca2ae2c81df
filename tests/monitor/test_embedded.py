"""The monitor on the embedded broker: topics appear by themselves, the demo's way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas import topics
from tideline.children import Child, start, stop

from .published import Sent, bad_records, figures, good_records
from .running import difference, shown, wait


@pytest.fixture
def embedded() -> Iterator[tuple[Producer, str]]:
    """A mock cluster (it lives as long as this producer) and its address."""
    producer = Producer(
        {
            "bootstrap.servers": "mock",
            "test.mock.num.brokers": 1,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
        }
    )
    broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
    for name in (topics.ASSESSMENTS, topics.ALERTS, topics.EVENTS):
        producer.list_topics(name, timeout=10)
    yield producer, f"{broker.host}:{broker.port}"
    producer.flush(5)


def agree(sent: list[Sent], child: Child) -> None:
    """Wait until the monitor shows what follows from these records."""
    expected = figures(sent)
    wait(lambda: shown(child) == expected, lambda: difference(shown(child), expected), child)


@pytest.mark.timeout(150)
def test_the_monitor_runs_on_the_embedded_broker(embedded, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    producer, address = embedded
    environment = {"TIDELINE_KAFKA__BOOTSTRAP_SERVERS": address}
    sent = good_records(seed=3, count=120)
    for topic, partition, key, value in sent + bad_records():
        producer.produce(topic, key=key, value=value, partition=partition)
    assert producer.flush(20) == 0
    child = start("monitor", ["monitor", "--no-declare"], environment, tmp_path)
    try:
        agree(sent, child)
        child.process.kill()
        child.process.wait(10)
        child = start("monitor", ["monitor", "--no-declare"], environment, tmp_path)
        agree(sent, child)
        child.process.terminate()
        assert child.process.wait(30) == 0
    finally:
        stop([child])

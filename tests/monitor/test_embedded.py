"""The monitor on the embedded broker: topics appear by themselves, the demo's way."""

import os
import subprocess
import sys
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
    for name in (topics.ASSESSMENTS, topics.ALERTS, topics.LIMIT_CHANGES, topics.EVENTS):
        producer.list_topics(name, timeout=10)
    yield producer, f"{broker.host}:{broker.port}"
    producer.flush(5)


def agree(sent: list[Sent], child: Child) -> None:
    """Wait until the monitor shows what follows from these records."""
    expected = figures(sent)
    wait(lambda: shown(child) == expected, lambda: difference(shown(child), expected), child)


def publish_in_transactions(address: str, sent: list[Sent]) -> None:
    """As a worker does: the broker writes a control record after each transaction."""
    producer = Producer({"bootstrap.servers": address, "transactional.id": "as-a-worker"})
    producer.init_transactions(20)
    for first in range(0, len(sent), 20):
        producer.begin_transaction()
        for topic, partition, key, value in sent[first : first + 20]:
            producer.produce(topic, key=key, value=value, partition=partition)
        producer.commit_transaction(20)


FAILING = """
from streams.monitor.state import State
def fail(*_):
    raise ValueError("a fault of our own")
State.take_alert = fail
import sys
sys.argv = ["tideline", "monitor", "--no-declare"]
from tideline.cli import main
main()
"""


def test_an_error_in_an_agent_ends_the_process_and_says_so(embedded) -> None:  # type: ignore[no-untyped-def]
    producer, address = embedded
    topic, partition, key, value = next(
        each for each in good_records(seed=4, count=5) if each.topic == topics.ALERTS
    )
    producer.produce(topic, key=key, value=value, partition=partition)
    assert producer.flush(20) == 0
    ended = subprocess.run(
        [sys.executable, "-c", FAILING],
        env={**os.environ, "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": address},
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = ended.stderr.decode()
    assert ended.returncode == 1, said
    assert '"event": "monitor_ends"' in said
    assert "a fault of our own" in said


@pytest.mark.timeout(150)
def test_the_monitor_runs_on_the_embedded_broker(embedded, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    producer, address = embedded
    environment = {"TIDELINE_KAFKA__BOOTSTRAP_SERVERS": address}
    sent = good_records(seed=3, count=120)
    publish_in_transactions(address, sent)
    for topic, partition, key, value in bad_records():
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

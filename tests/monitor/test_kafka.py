"""The monitor on a real Kafka: the figures are exact, through SIGKILL, aborts and take-overs."""

import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ops.kafka import consumer_config, producer_config, topic_name
from ops.settings import Settings
from schemas import topics
from streams.monitor.app import INPUTS
from streams.monitor.client import app_id, changelog_name
from tideline.children import Child, start, stop
from tideline.commands.topics import apply_catalogue

from .published import (
    BAD,
    PARTITIONS,
    Sent,
    bad_records,
    figures,
    good_records,
    misleading_records,
)
from .running import difference, shown, until_ready, wait

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

TRANSACTION_RECORDS = 7


class Monitors:
    """Monitors over one topic prefix, fed in transactions as scoring and intake do."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        prefix = f"t{uuid.uuid4().hex[:8]}."
        self.settings = Settings.model_validate(
            {"kafka": {"bootstrap_servers": bootstrap, "topic_prefix": prefix}}
        )
        self._environment = {
            "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "TIDELINE_KAFKA__TOPIC_PREFIX": prefix,
        }
        self._folder = folder
        self._producer = Producer(producer_config(self.settings, f"{prefix}test"))
        self._producer.init_transactions(30)
        self.running: list[Child] = []
        apply_catalogue(self.settings)

    def start(self, **settings: str) -> Child:
        name = f"monitor-{len(self.running)}"
        environment = {**self._environment, **settings}
        self.running.append(start(name, ["monitor"], environment, self._folder))
        return self.running[-1]

    def supervise(self, children: list[Child]) -> bool:
        """Start again what has ended with a stated reason, as a supervisor would."""
        for place, child in enumerate(children):
            if child.process.poll() is not None:
                assert child.process.returncode == 1
                assert '"event": "monitor_ends"' in child.log.read_text()
                children[place] = self.start()
        return True

    def publish(self, records: list[Sent], *, commit: bool = True) -> None:
        """Publish in transactions, which end in a commit or an abort."""
        for first in range(0, len(records), TRANSACTION_RECORDS):
            self._producer.begin_transaction()
            for topic, partition, key, value in records[first : first + TRANSACTION_RECORDS]:
                self._producer.produce(
                    topic_name(self.settings, topic), key=key, value=value, partition=partition
                )
            self._producer.flush(30)
            if commit:
                self._producer.commit_transaction(30)
            else:
                self._producer.abort_transaction(30)

    def agree(self, sent: list[Sent], *children: Child) -> None:
        """Wait until the monitors show what follows from all that was committed."""
        expected = figures(sent)
        wait(
            lambda: shown(*children) == expected,
            lambda: difference(shown(*children), expected),
            *children,
        )

    def uncommitted(self) -> int:
        """Records between the group's committed positions and the end, markers included."""
        consumer = Consumer(consumer_config(self.settings, app_id(self.settings)))
        sources = [
            TopicPartition(topic_name(self.settings, name), partition)
            for name in INPUTS
            for partition in range(PARTITIONS)
        ]
        left = 0
        for source in consumer.committed(sources, timeout=10):
            low, high = consumer.get_watermark_offsets(source, timeout=10)
            left += high - max(source.offset, low)
        consumer.close()
        return left


@pytest.fixture
def monitors(kafka, tmp_path: Path) -> Iterator[Monitors]:  # type: ignore[no-untyped-def]
    made = Monitors(kafka.bootstrap_servers, tmp_path)
    yield made
    stop(made.running)


def test_figures_are_exact_whatever_is_bad_aborted_told_twice_or_killed(monitors) -> None:  # type: ignore[no-untyped-def]
    sent = good_records(seed=1, count=450)
    third = len(sent) // 3
    monitors.publish(sent[:third])
    monitors.publish(bad_records())
    monitors.publish(misleading_records(), commit=False)
    child = monitors.start()
    monitors.agree(sent[:third], child)
    until_ready(child)
    assert child.total("tideline_events_total", stage="monitor", outcome="unreadable") == BAD
    # Killed between reading and committing (every second), each time at a different moment.
    for part in range(1, 4):
        end = third + part * third // 3
        monitors.publish(sent[end - third // 3 : end])
        time.sleep(0.3 * part)
        child.process.kill()
        child.process.wait(10)
        child = monitors.start()
        monitors.agree(sent[:end], child)
    monitors.publish(misleading_records(), commit=False)
    monitors.publish(sent[end:])
    monitors.agree(sent, child)
    # A partition's last transaction leaves one marker behind its last record.
    wait(
        lambda: monitors.uncommitted() <= len(INPUTS) * PARTITIONS,
        lambda: f"{monitors.uncommitted()} records are not committed",
        child,
    )
    child.process.kill()
    child.process.wait(10)
    child = monitors.start()
    monitors.agree(sent, child)
    wait(
        lambda: child.total("tideline_consumer_lag_records", topic=topics.EVENTS) == 0,
        lambda: "the lag does not go away",
        child,
    )
    child.process.terminate()
    assert child.process.wait(30) == 0


def test_two_monitors_share_the_work_and_one_takes_over_from_the_other(monitors) -> None:  # type: ignore[no-untyped-def]
    sent = good_records(seed=2, count=240)
    half = len(sent) // 2
    first = monitors.start()
    monitors.publish(sent[:half])
    monitors.agree(sent[:half], first)
    second = monitors.start()
    until_ready(first)
    until_ready(second)
    monitors.publish(sent[half:])
    # The rate is of an hour up to the latest event of each process's own partitions.
    expected = {k: v for k, v in figures(sent).items() if k[0] != "feed_events_per_minute"}
    running = [first, second]
    wait(
        lambda: (
            monitors.supervise(running)
            and expected.items() <= shown(*running).items()
            and all(shown(each) for each in running)
        ),
        lambda: difference(shown(*running), expected),
        *running,
    )
    killed = running.pop(0)
    killed.process.kill()
    killed.process.wait(10)
    expected = figures(sent)
    wait(
        lambda: monitors.supervise(running) and shown(*running) == expected,
        lambda: difference(shown(*running), expected),
        *running,
    )


def test_a_monitor_that_was_stopped_past_its_session_comes_back_exact(monitors) -> None:  # type: ignore[no-untyped-def]
    sent = good_records(seed=6, count=90)
    child = monitors.start()
    monitors.publish(sent[:100])
    monitors.agree(sent[:100], child)
    monitors.publish(sent[100:150])
    child.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(1.5 * monitors.settings.kafka.session_timeout_ms / 1000)
        monitors.publish(sent[150:])
    finally:
        child.process.send_signal(signal.SIGCONT)
    monitors.agree(sent, child)
    assert child.process.poll() is None


def test_partition_counts_that_do_not_fit_are_refused_at_start(monitors) -> None:  # type: ignore[no-untyped-def]
    child = monitors.start(TIDELINE_KAFKA__PARTITIONS="8")
    assert child.process.wait(60) == 2
    said = " ".join(child.log.read_text().split())
    assert "has 4 partitions, TIDELINE_KAFKA__PARTITIONS is 8" in said


def test_topics_that_are_missing_are_named_with_the_remedy(monitors) -> None:  # type: ignore[no-untyped-def]
    child = monitors.start(TIDELINE_KAFKA__TOPIC_PREFIX=f"{uuid.uuid4().hex}.")
    assert child.process.wait(60) == 1
    assert "tideline topics apply" in " ".join(child.log.read_text().split())


def test_a_table_that_cannot_be_read_ends_the_process_and_says_so(monitors) -> None:  # type: ignore[no-untyped-def]
    sent = good_records(seed=5, count=5)
    monitors.publish(sent)
    child = monitors.start()
    monitors.agree(sent, child)
    child.process.kill()
    child.process.wait(10)
    changelog = changelog_name(monitors.settings, "exposures")
    # Not in a transaction, which Faust's own writes are not either.
    producer = Producer(producer_config(monitors.settings))
    producer.produce(changelog, key=b"m1", value=b"not a state", partition=0)
    assert producer.flush(10) == 0
    child = monitors.start()
    assert child.process.wait(60) == 1
    said = child.log.read_text()
    assert '"event": "monitor_ends"' in said
    assert "DecodeError" in said

"""Replay of the captured log from Kafka, and its comparison with what the workers wrote."""

from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, TopicPartition
from msgspec import Struct, field

from ops.kafka import consumer_config, topic_name
from ops.settings import Settings
from schemas import topics
from streams.artifacts import KafkaArtifacts, genesis
from streams.cadence import engine_config
from streams.machine_code import load_machine_code
from streams.reading import log_records, partitions_of, read_partition
from streams.scoring import Scoring

COMPARED = (topics.ASSESSMENTS, topics.ALERTS, topics.LIMIT_CHANGES)
Emit = Callable[[str, bytes], None]


class PartitionReport(Struct, kw_only=True):
    """Outcome of one partition. ``differences`` names the first difference of each topic."""

    partition: int
    position: int
    lines: int
    outputs: dict[str, int]
    digest: str
    committed_digest: str
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether the replay gives what was written."""
        return not self.differences and self.digest == self.committed_digest


def committed_positions(
    settings: Settings, role: str = "scoring", topic: str = topics.EVENTS
) -> dict[int, tuple[int, str]]:
    """Position and metadata (scoring: digest) that a role last committed, by partition."""
    name = topic_name(settings, topic)
    group = f"{settings.kafka.topic_prefix}{role}"
    consumer = Consumer(consumer_config(settings, group))
    try:
        count = partitions_of(settings, topic)
        answers = consumer.committed([TopicPartition(name, p) for p in range(count)], 30)
        return {a.partition: (max(a.offset, 0), a.metadata or "") for a in answers}
    finally:
        consumer.close()


def replay_log(settings: Settings, emit: Emit, *, compare: bool) -> Iterator[PartitionReport]:
    """Replay ``risk.events`` of each partition up to the committed position of scoring."""
    load_machine_code()
    artifacts = KafkaArtifacts(settings)
    for partition, (position, digest) in sorted(committed_positions(settings).items()):
        scoring = Scoring(artifacts, genesis(), engine_config(settings))
        expected: dict[str, list[bytes]] = {topic: [] for topic in COMPARED}
        for record in log_records(settings, partition, end=position):
            for output in scoring.process(record):
                emit(output.topic, output.value or b"")
                if output.topic in expected:  # the digest has the others
                    expected[output.topic].append(output.value or b"")
        report = PartitionReport(
            partition=partition,
            position=position,
            lines=scoring.lines,
            outputs={topic: len(values) for topic, values in expected.items()},
            digest=scoring.digest,
            committed_digest=digest if position else scoring.digest,
        )
        if compare:
            for topic, values in expected.items():
                written = [m.value() for m in read_partition(settings, topic, partition)]
                difference = _difference(values, written)
                if difference:
                    report.differences.append(f"{topic}: {difference}")
        yield report


def _difference(expected: list[bytes], written: list[bytes]) -> str | None:
    for number, (left, right) in enumerate(zip(expected, written, strict=False)):
        if left != right:
            return f"record {number} differs: replay {left[:200]!r}, written {right[:200]!r}"
    if len(expected) != len(written):
        return f"replay gives {len(expected)} records, {len(written)} were written"
    return None

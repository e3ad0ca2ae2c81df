"""Intake, engine and scoring in this process, without Kafka: what each costs by itself."""

import time
from collections import Counter
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import murmur2

from bench.cluster import PARTITIONS
from bench.workload import Keyed
from features.engine import EngineConfig, FeatureEngine
from features.scan import scan
from schemas import topics
from schemas.codec import encode
from schemas.outputs import Alert, Assessment, LimitChange
from streams.artifacts import MemoryArtifacts, genesis
from streams.intake import Intake
from streams.records import Output, Record
from streams.scoring import Scoring

NOW_MS = 1_767_225_600_000  # 2026-01-01: a year after the workload, as in a backfill
KEY = bytes(range(32))
TAKEN_PER_FLUSH = 4_000
"""About what a worker takes between two commits of 50 ms."""


class Timed(NamedTuple):
    """Seconds of a piece over all events, and what came out."""

    seconds: float
    outputs: list[Output]


def input_records(batch: list[Keyed]) -> list[Record]:
    """The events as intake gets them from Kafka, one a record."""
    offsets: Counter[tuple[str, int]] = Counter()
    records = []
    for topic, key, value in batch:
        partition = murmur2(key, PARTITIONS)
        offset = offsets[topic, partition]
        offsets[topic, partition] = offset + 1
        records.append(Record(topic, partition, offset, key, value, [], NOW_MS))
    return records


def intake() -> Intake:
    """An intake as a worker has it with default settings."""
    return Intake(partitions=PARTITIONS, privacy_key=KEY, artifacts=MemoryArtifacts())


def run_intake(records: list[Record]) -> Timed:
    """Take every record and flush now and then. The outputs are the log (and dead letters)."""
    subject = intake()
    outputs: list[Output] = []
    started = time.perf_counter()
    for number, record in enumerate(records, 1):
        subject.take(record, NOW_MS)
        if number % TAKEN_PER_FLUSH == 0:
            outputs += subject.flush()
    outputs += subject.flush()
    return Timed(time.perf_counter() - started, outputs)


def log_records(outputs: list[Output]) -> list[Record]:
    """The log that these outputs of intake make."""
    offsets: Counter[int] = Counter()
    records = []
    for output in outputs:
        if output.topic == topics.EVENTS:
            partition = output.partition
            offset = offsets[partition]
            offsets[partition] = offset + 1
            records.append(
                Record(topics.EVENTS, partition, offset, output.key, output.value, [], NOW_MS)
            )
    return records


def run_decode(log: list[Record]) -> float:
    """Seconds to read every line of the log into columns."""
    started = time.perf_counter()
    for record in log:
        scan(record.value or b"")
    return time.perf_counter() - started


def run_engine(log: list[Record]) -> tuple[float, int]:
    """Seconds of the feature engine over scanned lines, and how many assessments fell due."""
    engines = [FeatureEngine(EngineConfig()) for _ in range(PARTITIONS)]
    seconds, due = 0.0, 0
    for record in log:
        scanned = scan(record.value or b"")
        run = engines[record.partition].run
        started = time.perf_counter()
        for _ in run(scanned):
            due += 1
        seconds += time.perf_counter() - started
    return seconds, due


def scorings() -> list[Scoring]:
    """One ``Scoring`` a partition."""
    return [Scoring(MemoryArtifacts(), genesis()) for _ in range(PARTITIONS)]


def run_scoring(log: list[Record]) -> tuple[Timed, list[Scoring]]:
    """Score the log: decode, features, sentinels, assessments, decisions, encoded outputs."""
    subjects = scorings()
    outputs: list[Output] = []
    started = time.perf_counter()
    for record in log:
        outputs += subjects[record.partition].process(record)
    return Timed(time.perf_counter() - started, outputs), subjects


def run_encode(outputs: list[Output]) -> float:
    """Seconds to encode these outputs of scoring anew."""
    types: dict[str, Any] = {
        topics.ASSESSMENTS: Assessment,
        topics.ALERTS: Alert,
        topics.LIMIT_CHANGES: LimitChange,
    }
    values = [
        msgspec.json.decode(output.value or b"", type=types[output.topic])
        for output in outputs
        if output.topic in types
    ]
    started = time.perf_counter()
    for value in values:
        encode(value)
    return time.perf_counter() - started

"""What the parts of the benchmark share: settings of a run, publishing, workers as processes."""

import os
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Producer

from bench.workload import Keyed
from ops.errors import FatalError
from ops.kafka import producer_config, topic_name
from ops.model_keys import create_key_files
from ops.settings import Settings, load_settings
from schemas import topics
from tideline.children import Child
from tideline.commands.topics import apply_catalogue

PARTITIONS = 4
WAIT_S = 600.0
SAMPLE_S = 0.1
FEEDS = [topics.TRANSACTIONS, topics.LOGISTICS, topics.PAYMENTS, topics.LENDING]
"""The input topics that the workload writes."""


class Site(NamedTuple):
    """One set of topics on the broker, the variables of its workers, and a folder for logs."""

    settings: Settings
    environment: dict[str, str]
    folder: Path


def open_site(bootstrap: str, prefix: str, folder: Path, partitions: int = PARTITIONS) -> Site:
    """Create the topics under a prefix of their own."""
    key = folder / "privacy.key"
    if not key.exists():
        key.write_bytes(os.urandom(32))
    environment = {
        "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "TIDELINE_KAFKA__TOPIC_PREFIX": prefix,
        "TIDELINE_KAFKA__PARTITIONS": str(partitions),
        "TIDELINE_PRIVACY__KEY_FILE": str(key),
        **create_key_files(folder),
    }
    os.environ.update(environment)
    settings = load_settings()
    apply_catalogue(settings)
    return Site(settings, environment, folder)


def producer_of(settings: Settings, *, linger_ms: int) -> Producer:
    """A producer as the product's own, with its own patience for fuller batches."""
    options: dict[str, Any] = {"linger.ms": linger_ms}
    return Producer(producer_config(settings, None, **options))


def publish(settings: Settings, batch: Iterable[Keyed]) -> int:
    """Write events, one a record; returns how many."""
    producer = producer_of(settings, linger_ms=20)
    count = _produce(producer, settings, batch)
    if producer.flush(60):
        raise FatalError("publishing did not finish")
    return count


def publish_at_once(settings: Settings, batch: Iterable[Keyed]) -> tuple[int, float]:
    """Write events in one transaction; returns how many, and when it was committed (monotonic)."""
    options: dict[str, Any] = {"linger.ms": 20, "transaction.timeout.ms": 300_000}
    name = f"{settings.kafka.topic_prefix}backlog"
    producer = Producer(producer_config(settings, name, **options))
    producer.init_transactions(30)
    producer.begin_transaction()
    count = _produce(producer, settings, batch)
    if producer.flush(60):
        raise FatalError("publishing did not finish")
    producer.commit_transaction(60)
    return count, time.monotonic()


def _produce(producer: Producer, settings: Settings, batch: Iterable[Keyed]) -> int:
    names = {topic: topic_name(settings, topic) for topic in topics.INPUT_TOPICS}
    count = 0
    for topic, key, value in batch:
        count += 1
        while True:
            try:
                producer.produce(names[topic], key=key, value=value)
                break
            except BufferError:
                producer.poll(0.05)
    return count


def alive(child: Child) -> None:
    """Raise ``FatalError`` with the end of its log when a worker has ended."""
    if child.process.poll() is not None:
        raise FatalError(f"{child.name} ended: {child.log.read_text('utf-8', 'replace')[-2000:]}")


def wait_ready(child: Child) -> None:
    """Wait until a worker has its partitions, restored."""
    deadline = time.monotonic() + WAIT_S
    while not _ready(child):
        alive(child)
        if time.monotonic() > deadline:
            raise FatalError(f"{child.name} was not ready in {WAIT_S:.0f} s")
        time.sleep(SAMPLE_S)


def _ready(child: Child) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{child.port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Sample(NamedTuple):
    """What a worker had done at a time (monotonic seconds)."""

    at: float
    done: float


def wait_for(child: Child, stage: str, count: int) -> list[Sample]:
    """Samples of the worker's own count of events until it has taken ``count``."""
    samples = []
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        done = child.total("tideline_events_total", stage=stage, outcome="in")
        samples.append(Sample(time.monotonic(), done))
        if done >= count:
            return samples
        alive(child)
        time.sleep(SAMPLE_S)
    raise FatalError(f"{child.name} did not take {count} events in {WAIT_S:.0f} s")


def rate(samples: list[Sample], count: int, *, after: int = 0) -> float:
    """Events/s between the first sample past ``after`` events and the last move before the end.

    The end itself is left out: when exactly within the last pause it came is not known; and so are
    samples that only repeat the last move. A backlog drained within two samples raises
    ``FatalError``.
    """
    busy = [sample for sample in samples if after < sample.done < count]
    if not busy or busy[0].done == busy[-1].done:
        raise FatalError(f"{count} events were drained too fast to time; raise --events")
    last = next(sample for sample in busy if sample.done == busy[-1].done)
    return (last.done - busy[0].done) / (last.at - busy[0].at)

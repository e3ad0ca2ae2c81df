"""``publish``: send event files to Kafka."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaError, Message, Producer

from ops.errors import ConfigurationError, FatalError
from ops.kafka import producer_config, topic_name
from ops.settings import Settings, load_settings
from schemas import topics
from tideline.console import progress, show
from tideline.sources import AdapterReport, estimate_total, open_sources

FLUSH_S = 60.0
PACE_EVERY = 50
"""Records between two looks at the clock when a speed is given."""


def publish(
    files: Annotated[list[str], typer.Argument(help="event files, or - for standard input")],
    format: Annotated[str, typer.Option(help="events, or a data set's adapter")] = "events",
    speed: Annotated[str, typer.Option(help="max, or events per second")] = "max",
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Send event files to Kafka, in file order; several files are merged by occurred_at."""
    rate = _rate(speed)
    settings = load_settings()
    result = send(settings, files, format, rate, quiet=json)
    show(result, as_json=json, title="Published")


def _rate(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        rate = float(speed)
    except ValueError:
        rate = 0.0
    if rate <= 0:
        raise ConfigurationError(f"--speed is {speed!r}; give `max` or events per second above 0")
    return rate


def send(
    settings: Settings, files: list[str], format: str, rate: float | None, *, quiet: bool
) -> dict[str, Any]:
    """Publish all records and wait for their delivery. Raises ``FatalError`` if any is refused."""
    producer = Producer(producer_config(settings))
    by_topic: Counter[str] = Counter()
    failures: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(f"{message.topic()}: {error}")

    report = AdapterReport()
    started = time.monotonic()
    paths = [path if path == "-" else Path(path) for path in files]
    with progress(quiet) as display:
        task = display.add_task("publishing", total=estimate_total(paths, format))
        sent = 0
        for record in open_sources(paths, format, report):
            # A line that names no topic still has to reach intake, which keeps it as a dead letter.
            topic = record.topic or topics.TRANSACTIONS
            _produce(producer, topic_name(settings, topic), record.key, record.value, delivered)
            by_topic[topic] += 1
            sent += 1
            if sent % PACE_EVERY == 0:
                producer.poll(0)
                if rate:
                    time.sleep(max(0.0, started + sent / rate - time.monotonic()))
            if sent % 1000 == 0:
                display.update(task, completed=sent)
        display.update(task, completed=sent, total=sent)
    left = producer.flush(FLUSH_S)
    if failures or left:
        first = failures[0] if failures else "no answer from Kafka in time"
        raise FatalError(f"{len(failures) + left} of {sent} records were not delivered: {first}")
    seconds = time.monotonic() - started
    return {
        "events": sent,
        **({} if format == "events" else {"adapter": report.summary()}),
        "by_topic": dict(sorted(by_topic.items())),
        "seconds": round(seconds, 3),
        "events_per_s": round(sent / seconds) if seconds else 0,
    }


def _produce(
    producer: Producer, topic: str, key: bytes | None, value: bytes, delivered: Any
) -> None:
    deadline = time.monotonic() + FLUSH_S
    while True:
        try:
            producer.produce(topic, value=value, key=key, on_delivery=delivered)
            return
        except BufferError:
            if time.monotonic() > deadline:
                raise FatalError("Kafka takes no more records; is the broker up?") from None
            producer.poll(0.1)

"""A log and lines of merchants for the tests of the merchant page."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.events import BY_TAG
from sinks.embedded import EmbeddedEngine
from sinks.sink import Sink
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka
from tests.sinks.outputs import DAY_MS, START_MS

Log = Callable[..., None]


def event(number: int, kind: str, **over: Any) -> dict[str, Any]:
    """An event by number: the same number gives the same event, one a day."""
    assert kind in BY_TAG, kind
    return {
        "type": kind,
        "event_id": f"e-{number}",
        "merchant_id": "m",
        "occurred_at": START_MS + number * DAY_MS,
        **over,
    }


def record(events: Iterable[dict[str, Any]]) -> bytes:
    """A record of ``risk.events``: lines of JSON."""
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in events)


@pytest.fixture
def log(engine: EmbeddedEngine, metrics: Metrics, health: HealthServer) -> Log:
    """Store events by way of the sink, as one record of the log."""
    kafka, clock = FakeKafka(), Clock()

    def put(*events: dict[str, Any]) -> None:
        kafka.publish(topics.EVENTS, 0, None, record(events))
        consumer = FakeConsumer(kafka)
        settings = Settings(clickhouse=ClickHouse(batch_rows_max=10_000))
        sink = Sink(settings, engine, metrics, health, consumer=consumer, clock=clock)  # type: ignore[arg-type]
        kafka.give(consumer)
        for _ in range(3):
            clock.now += 5
            sink.run_once(0)
        sink.close()

    return put

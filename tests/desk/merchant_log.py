"""A log and lines of merchants for the tests of the merchant page."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from credit.lines import line_id_of
from desk.admission import Rules
from desk.alerting import KindLabel
from desk.app import create_app
from desk.present import Label
from desk.users_file import UsersFile
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.events import BY_TAG
from schemas.outputs import LimitChange
from sinks.embedded import EmbeddedEngine
from sinks.sink import Sink
from streams.artifacts import builtin_policy
from tests.desk.conftest import NOW_S, Sent, log_in
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka
from tests.sinks.outputs import DAY_MS, START_MS, limit_change
from tideline.desk_preview import LinePreviewer

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


LABELS: dict[str, Label] = {
    "turnover_28d_minor": Label(
        "Sales of the last 28 days",
        "近28天净销售额",
        "minor",
        "sales level",
        usual="turnover_usual_28d_minor",
        percentile="turnover_28d_peer_percentile",
        worse="down",
    ),
    "turnover_usual_28d_minor": Label("Usual sales", "常态销售额", "minor", "sales level"),
    "refund_share_28d": Label(
        "Refunded share of sales", "近28天退款率", "ratio", "refunds", worse="up"
    ),
    "silence_days": Label("Days since the last sale", "距上次成交天数", "days", "silence"),
    "turnover_28d_peer_percentile": Label("Sales, against peers", "销售额同业", "ratio", "peers"),
}
KINDS = {"order_collapse": KindLabel("Sales have collapsed", "销售骤降")}
Knock = Callable[..., TestClient]


@pytest.fixture
def as_person(engine: EmbeddedEngine, outbox: Sent, users_path: Path) -> Knock:
    """A desk with the previews of a policy, and one of ``tests.desk.people`` logged in."""

    def enter(name: str, *, language: str = "en", previewer: Any = None) -> TestClient:
        app = create_app(
            engine,
            outbox,
            token=None,
            rules=Rules(users=UsersFile(users_path)),
            labels=LABELS,
            kinds=KINDS,
            clock=lambda: NOW_S,
            previewer=previewer or LinePreviewer(builtin_policy("portfolio-1.yaml"), nothing),
        )
        client = TestClient(app, base_url="http://127.0.0.1:8088", follow_redirects=False)
        assert log_in(client, name).status_code == 303
        client.cookies.set("tideline_language", language)
        return client

    return enter


def nothing(_version: str, _digest: str) -> None:
    """No published policy can be read."""


def line_change(version: int, action: str, before: int, after: int, **over: Any) -> LimitChange:
    """A change of the line of co-lending of merchant ``m``; a version is decided each 10 days."""
    of = {"merchant_id": "m", "product": "co-lending", **over}
    fields = {
        "decision_id": f"{of['product']}-{version}",
        "line_id": line_id_of(of["merchant_id"], of["product"]),
        "version": version,
        "action": action,
        "previous_limit_minor": before,
        "new_limit_minor": after,
        "drawn_minor": 0,
        "funders": [],
        **of,
    }
    return limit_change(10 * version, **fields)

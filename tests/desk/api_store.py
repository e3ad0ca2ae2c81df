"""A store with something of everything, and callers of the API with tokens."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from desk.app import create_app
from desk.identity import Viewer
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.codec import encode
from schemas.events import (
    Event,
    MerchantFreeze,
    ModelActivated,
    OrderPaid,
    PolicyActivated,
)
from schemas.outputs import FunderShare
from sinks.embedded import EmbeddedEngine
from sinks.sink import Sink
from tests.desk.conftest import LABELS, NOW_S, TOKEN, Sent
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka
from tests.sinks.outputs import (
    DAY_MS,
    START_MS,
    alert,
    assessment,
    audit_entry,
    learner_report,
    limit_change,
)

OURS, THEIRS = "m-1", "m-2"
"""The merchant of the funder ``north-bank``, and another one."""
Call = Callable[[str | None], TestClient]
PARTY = "cp-0123456789abcdef"

PEOPLE = {
    "viewer-token": Viewer("vera", "viewer", None, "token"),
    "analyst-token": Viewer("ann", "analyst", None, "token"),
    "approver-token": Viewer("otto", "approver", None, "token"),
    "administrator-token": Viewer("ada", "administrator", None, "token"),
    "funder-token": Viewer("nora", "approver", ("north-bank",), "token"),
}


def caller(app: Starlette, token: str | None) -> TestClient:
    """A client with a token that the desk knows, one that it does not, or none."""
    (guard,) = app.user_middleware
    guard.kwargs["admission"].by_token = PEOPLE.get
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return TestClient(
        app, base_url="http://127.0.0.1:8088", follow_redirects=False, headers=headers
    )


def merchant_events(merchant_id: str, count: int = 5) -> list[Event]:
    """Orders, and a command."""
    common = {"merchant_id": merchant_id}
    found: list[Event] = [
        OrderPaid(
            event_id=f"e-{merchant_id}-{n}",
            occurred_at=START_MS + n * DAY_MS,
            amount=10_000 + n,
            currency="CNY",
            order_id=f"o-{n}",
            counterparty_id=PARTY,
            **common,
        )
        for n in range(count)
    ]
    last = START_MS + count * DAY_MS
    return [
        *found,
        MerchantFreeze(
            event_id=f"freeze-{merchant_id}",
            occurred_at=last,
            actor="ann",
            reason="the shop was seen empty",
            **common,
        ),
    ]


def _debit(merchant_id: str) -> bytes:
    """An event with a field that its sender added."""
    debit = {
        "type": "account.debited",
        "event_id": f"debit-{merchant_id}",
        "merchant_id": merchant_id,
        "occurred_at": START_MS + 5 * DAY_MS,
        "amount": 500,
        "currency": "CNY",
        "payee": "Ms Wang, 5 Elm Road",
    }
    return json.dumps(debit).encode()


CONTROLS: list[Event] = [
    PolicyActivated(
        event_id="p-1", merchant_id="*", occurred_at=START_MS, version="starter-2", digest="ab"
    ),
    PolicyActivated(
        event_id="p-2", merchant_id="*", occurred_at=START_MS + DAY_MS, version="v3", digest="cd"
    ),
    ModelActivated(
        event_id="mo-1", merchant_id="*", occurred_at=START_MS, version="prior-2", digest="ef"
    ),
]


def fill(
    engine: EmbeddedEngine, metrics: Metrics, health: HealthServer, records: list[tuple[str, bytes]]
) -> None:
    """Store records of topics by way of the sink."""
    kafka, clock = FakeKafka(), Clock()
    for topic, value in records:
        kafka.publish(topic, 0, b"key", value)
    consumer = FakeConsumer(kafka)
    settings = Settings(clickhouse=ClickHouse(batch_rows_max=1_000))
    sink = Sink(settings, engine, metrics, health, consumer=consumer, clock=clock)  # type: ignore[arg-type]
    kafka.give(consumer)
    for _ in range(3):
        clock.now += 5
        sink.run_once(0)
    sink.close()


@pytest.fixture(scope="module")
def filled(migrated: EmbeddedEngine) -> EmbeddedEngine:
    """A store with something of everything, for tests that only read it."""
    metrics = Metrics()
    health = HealthServer(metrics, "127.0.0.1", 0)
    fill(migrated, metrics, health, everything())
    health.stop()
    return migrated


@pytest.fixture
def call(filled: EmbeddedEngine, outbox: Sent) -> Call:
    """Clients by their token, over that store."""
    app = create_app(filled, outbox, token=TOKEN, labels=LABELS, clock=lambda: NOW_S)
    return lambda token: caller(app, token)


def everything() -> list[tuple[str, bytes]]:
    """Records of every topic that the API reads: two merchants with lines, five without."""
    shares = {OURS: "north-bank", THEIRS: "south-bank"}
    made: list[tuple[str, Any]] = []
    for number in range(14):
        made.append((topics.ASSESSMENTS, assessment(number)))
        made.append((topics.ALERTS, alert(number)))
        made.append((topics.DESK_AUDIT, audit_entry(number)))
    for number, merchant_id in enumerate((OURS, THEIRS), 1):
        funders = [FunderShare(funder=shares[merchant_id], limit_minor=1_500_000)]
        line = {"merchant_id": merchant_id, "line_id": f"line-{merchant_id}", "funders": funders}
        made.append((topics.LIMIT_CHANGES, limit_change(number, version=1, action="open", **line)))
        made.append(
            (
                topics.LIMIT_CHANGES,
                limit_change(number + 7, version=2, state="proposed", approval="required", **line),
            )
        )
    closed = {"version": 2, "state": "closed", "outcome": "cured", "actor": "ann"}
    made.append((topics.ALERTS, alert(3, updated_at=START_MS + 30 * DAY_MS, **closed)))
    made.append((topics.LEARNER_REPORTS, learner_report(3)))
    log = [
        b"\n".join(encode(event) for event in events) + b"\n"
        for events in (merchant_events(OURS), merchant_events(THEIRS), CONTROLS)
    ]
    log.append(b"\n".join(_debit(merchant_id) for merchant_id in (OURS, THEIRS)) + b"\n")
    records = [(topic, encode(value)) for topic, value in made]
    return records + [(topics.EVENTS, record) for record in log]

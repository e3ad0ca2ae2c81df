"""What the suites of attacks share: a desk with one merchant, its routes, what may come back."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from desk.admission import Rules
from desk.app import create_app
from desk.rate import Limits, Rate
from desk.users_file import UsersFile
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.codec import encode
from schemas.learner_report import LearnerReport
from schemas.outputs import Alert, Assessment, LimitChange
from sinks.embedded import EmbeddedEngine
from sinks.sink import Sink
from tests.desk.conftest import LABELS, NOW_S, TOKEN, Sent
from tests.desk.surface import Answer, Target, targets
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka
from tests.sinks.outputs import alert, assessment, learner_report, limit_change

TOPIC_OF: dict[type, str] = {
    Assessment: topics.ASSESSMENTS,
    Alert: topics.ALERTS,
    LimitChange: topics.LIMIT_CHANGES,
    LearnerReport: topics.LEARNER_REPORTS,
}
FREE = Rate(1_000_000, 1_000_000.0)
UNLIMITED = Limits(FREE, FREE, FREE, FREE)
MARK = "zebra"
"""What the merchant, its alert, line and decision have in their ids."""


class NoEngine:
    """A store without rows, for the list of routes alone."""

    def query(self, sql: str, params: object = None) -> list[dict[str, object]]:
        """No rows."""
        return []


ROUTES = targets(create_app(NoEngine(), Sent(), token=None))
CHANGES = [each for each in ROUTES if each.method != "GET"]
READS = [each for each in ROUTES if each.method == "GET"]

DESIGNED = {(503, "/policy/check"), (503, "/policy/propose")}
"""What a desk answers that was made without the means to read policies."""

VALID = {
    "merchant_id": f"m-{MARK}",
    "alert_id": f"al-{MARK}",
    "decision_id": f"d-{MARK}",
    "line_id": f"l-{MARK}",
    "outcome": "cured",
    "reason": "The customer called back.",
    "assignee": "mei",
    "amount": "100000",
    "currency": "CNY",
    "request_id": "0123456789abcdef",
    "back": "/",
    "language": "zh",
    "theme": "dark",
    "until_at": "1800000000000",
    "version": "prior-2",
    "document": "policy: {}",
    "type": "merchant.freeze",
    "action": "acknowledge",
    "artifact": "policy",
    "hours": "2",
}
"""Values of paths, queries and forms by name."""


def fill(engine: EmbeddedEngine, *outputs: Any) -> None:
    """Store outputs by way of the sink, once for all tests of a file."""
    kafka, clock, metrics = FakeKafka(), Clock(), Metrics()
    health = HealthServer(metrics, "127.0.0.1", 0)
    for made in outputs:
        key = getattr(made, "merchant_id", "learner").encode()
        kafka.publish(TOPIC_OF[type(made)], 0, key, encode(made))
    consumer = FakeConsumer(kafka)
    settings = Settings(clickhouse=ClickHouse(batch_rows_max=1_000))
    sink = Sink(settings, engine, metrics, health, consumer=consumer, clock=clock)  # type: ignore[arg-type]
    kafka.give(consumer)
    for _ in range(3):
        clock.now += 5
        sink.run_once(0)
    sink.close()
    health.stop()


@pytest.fixture(scope="module")
def filled(migrated: EmbeddedEngine) -> EmbeddedEngine:
    """A store with one merchant; tests only read it."""
    ids = {"merchant_id": f"m-{MARK}"}
    fill(
        migrated,
        alert(1, alert_id=f"al-{MARK}", **ids),
        assessment(2, assessment_id=f"as-{MARK}", **ids),
        limit_change(3, decision_id=f"d-{MARK}", line_id=f"l-{MARK}", version=1, **ids),
        learner_report(2),
    )
    return migrated


@pytest.fixture
def app(filled: EmbeddedEngine, outbox: Sent, users_path: Path) -> Starlette:
    """A desk with one merchant, without limits of rates."""
    return unlimited(filled, outbox, users_path)


def unlimited(engine: EmbeddedEngine, outbox: Sent, users_path: Path) -> Starlette:
    """A desk that anybody may ask as often as they like."""
    rules = Rules(users=UsersFile(users_path), limits=UNLIMITED)
    return create_app(engine, outbox, token=TOKEN, rules=rules, labels=LABELS, clock=lambda: NOW_S)


def named(target: Target) -> str:
    """The name of a test's case."""
    return str(target)


def assert_safe(answer: Answer) -> None:
    """Headers that every answer has, and none that was smuggled in."""
    policy = answer.header("content-security-policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("x-frame-options") == "DENY"
    assert answer.header("referrer-policy") == "same-origin"
    assert answer.header("cache-control").startswith("no-store")
    for name, value in answer.headers:
        assert not re.search(r"[\r\n\0]", name + value)
        assert name != "x-smuggled" and not name.startswith("access-control-")


def says_nothing(answer: Answer, path: str) -> bool:
    """Whether an answer has no more of the store than the path that was asked for."""
    return MARK not in answer.text.replace(path, "")

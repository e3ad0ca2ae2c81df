"""A desk over an embedded ClickHouse that a sink has filled."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from desk.admission import COOKIE, Rules
from desk.app import create_app
from desk.identity import Viewer
from desk.present import Label
from desk.users_file import UsersFile
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.codec import encode
from schemas.learner_report import LearnerReport
from schemas.outputs import Alert, Assessment, LimitChange
from sinks.embedded import EmbeddedEngine
from sinks.migrate import migrate
from sinks.sink import Sink
from tests.desk.people import PASSWORD, users_text
from tests.sinks.conftest import clickhouse_folder, health, metrics
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka

__all__ = ["clickhouse_folder", "health", "metrics"]

_numbers = itertools.count(1)

TOKEN = "a-token-of-the-test-0123456789"
NOW_S = 1_760_000_000.0
LABELS = {
    "turnover_28d_minor": Label("Sales of the last 28 days", "近28天净销售额", "minor", "sales"),
    "refund_share_28d": Label("Refunded share of sales", "近28天退款率", "ratio", "refunds"),
    "days_since_sale": Label("Days since the last sale", "距上次成交天数", "days", "sales"),
}

Store = Callable[..., None]


@pytest.fixture(scope="module")
def migrated(clickhouse_folder: Path) -> Iterator[EmbeddedEngine]:
    """A database for the tests of one file: migrations take longer than most of these tests."""
    engine = EmbeddedEngine(str(clickhouse_folder), f"desk_{next(_numbers)}")
    migrate(engine)
    yield engine
    engine.execute(f"DROP DATABASE {engine.database}")
    engine.close()


@pytest.fixture
def engine(migrated: EmbeddedEngine) -> EmbeddedEngine:
    """The database with nothing stored."""
    tables = migrated.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND engine LIKE '%MergeTree' AND name != 'schema_migrations' AND total_rows > 0"
    )
    for table in tables:
        migrated.execute(f"TRUNCATE TABLE {table['name']}")
    return migrated


@pytest.fixture
def store(engine: EmbeddedEngine, metrics: Metrics, health: HealthServer) -> Store:
    """Store outputs by way of the sink."""
    kafka, clock = FakeKafka(), Clock()
    topic_of = {
        Assessment: topics.ASSESSMENTS,
        Alert: topics.ALERTS,
        LimitChange: topics.LIMIT_CHANGES,
        LearnerReport: topics.LEARNER_REPORTS,
    }

    def put(*outputs: Assessment | Alert | LimitChange | LearnerReport) -> None:
        for made in outputs:
            key = getattr(made, "merchant_id", "learner").encode()
            kafka.publish(topic_of[type(made)], 0, key, encode(made))
        consumer = FakeConsumer(kafka)
        settings = Settings(clickhouse=ClickHouse(batch_rows_max=1_000))
        sink = Sink(settings, engine, metrics, health, consumer=consumer, clock=clock)  # type: ignore[arg-type]
        kafka.give(consumer)
        for _ in range(3):
            clock.now += 5
            sink.run_once(0)
        sink.close()

    return put


class Sent:
    """An outbox that keeps what was sent: topic, key and value."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, dict[str, Any]]] = []

    def send(self, topic: str, key: str, value: bytes) -> None:
        self.records.append((topic, key, json.loads(value)))

    def of(self, topic: str) -> list[dict[str, Any]]:
        """Values sent to a topic."""
        return [value for sent_to, _, value in self.records if sent_to == topic]


@pytest.fixture
def outbox() -> Sent:
    """What the desk sent."""
    return Sent()


@pytest.fixture
def visitor(engine: EmbeddedEngine, outbox: Sent) -> TestClient:
    """Somebody without a session."""
    app = create_app(engine, outbox, token=TOKEN, labels=LABELS, clock=lambda: NOW_S)
    return TestClient(app, base_url="http://127.0.0.1:8088", follow_redirects=False)


@pytest.fixture
def analyst(visitor: TestClient) -> TestClient:
    """Somebody who opened the printed address."""
    assert visitor.get("/login", params={"token": TOKEN}).status_code == 303
    return visitor


@pytest.fixture
def users_path(tmp_path: Path) -> Path:
    """A users file of the people in ``tests.desk.people``."""
    path = tmp_path / "users.yaml"
    path.write_text(users_text())
    return path


@pytest.fixture
def desk_of(engine: EmbeddedEngine, outbox: Sent, users_path: Path) -> Callable[..., TestClient]:
    """A desk with a users file, and somebody before it who is not logged in."""

    def make(
        rules: Rules | None = None,
        *,
        token: str | None = TOKEN,
        base_url: str = "http://127.0.0.1:8088",
        engine: Any = engine,
    ) -> TestClient:
        rules = rules or Rules(users=UsersFile(users_path))
        app = create_app(
            engine, outbox, token=token, rules=rules, labels=LABELS, clock=lambda: NOW_S
        )
        return TestClient(app, base_url=base_url, follow_redirects=False)

    return make


def log_in(client: TestClient, name: str, password: str = PASSWORD, **fields: str) -> Any:
    """Post the form of the login; returns the answer."""
    return client.post("/login", data={"name": name, "password": password, **fields})


def csrf_of(client: TestClient) -> str:
    """The token of the forms of the session that a client has."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/login/none").text)
    assert found is not None, "not logged in"
    return found[1]


def session_of(client: TestClient, viewer: Viewer) -> TestClient:
    """A browser of its own at the same desk, where ``viewer`` is logged in."""
    app = client.app
    (guard,) = [each for each in app.user_middleware if "admission" in each.kwargs]  # type: ignore[attr-defined]
    other = TestClient(app, base_url="http://127.0.0.1:8088", follow_redirects=False)
    other.cookies.set(COOKIE, guard.kwargs["admission"].sessions.begin(viewer))
    return other

"""A desk over an embedded ClickHouse that a sink has filled."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from desk.app import create_app
from desk.present import Label
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.codec import encode
from schemas.learner_report import LearnerReport
from schemas.outputs import Alert, Assessment, LimitChange
from sinks.embedded import EmbeddedEngine
from sinks.sink import Sink
from tests.sinks.conftest import bare_engine, clickhouse_folder, engine, health, metrics
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka

__all__ = ["bare_engine", "clickhouse_folder", "engine", "health", "metrics"]

TOKEN = "a-token-of-the-test-0123456789"
LABELS = {
    "turnover_28d_minor": Label("Sales of the last 28 days", "近28天净销售额", "minor", "sales"),
    "refund_share_28d": Label("Refunded share of sales", "近28天退款率", "ratio", "refunds"),
    "days_since_sale": Label("Days since the last sale", "距上次成交天数", "days", "sales"),
}

Store = Callable[..., None]


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


@pytest.fixture
def visitor(engine: EmbeddedEngine) -> TestClient:
    """Somebody without a session."""
    app = create_app(engine, token=TOKEN, labels=LABELS, clock=lambda: 1_760_000_000.0)
    return TestClient(app, base_url="http://127.0.0.1:8088", follow_redirects=False)


@pytest.fixture
def analyst(visitor: TestClient) -> TestClient:
    """Somebody who opened the printed address."""
    assert visitor.get("/login", params={"token": TOKEN}).status_code == 303
    return visitor

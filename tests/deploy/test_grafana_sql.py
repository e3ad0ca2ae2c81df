"""Every query of the dashboards over ClickHouse, run on the embedded engine with rows to find."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.codec import encode
from sinks.embedded import EmbeddedEngine
from sinks.migrate import migrate
from sinks.sink import Sink
from tests.deploy.files import DEPLOY, dashboards, services, walk
from tests.sinks.conftest import clickhouse_folder
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka
from tests.sinks.outputs import START_MS, alert, assessment, dead_letter, limit_change

__all__ = ["clickhouse_folder"]

_TIME_FILTER = re.compile(r"\$__timeFilter\(((?:[^()]|\([^()]*\))*)\)")
_LEFT = re.compile(r"\$\{?\w+")
WRITTEN_MS = 4_000_000_000_000
"""The time of Kafka of what is stored: so late that no row is too old to keep."""


def queries() -> list[tuple[str, str]]:
    """Title and SQL of every panel and variable that asks ClickHouse."""
    found = []
    for dashboard in dashboards().values():
        for part in walk(dashboard):
            source = part.get("datasource")
            if not isinstance(source, dict) or source.get("uid") != "tideline-clickhouse":
                continue
            if "targets" in part:
                found += [(part["title"], target["rawSql"]) for target in part["targets"]]
            elif part.get("type") == "query":
                found.append((f"variable {part['name']}", part["query"]))
    return found


def as_grafana_sends(sql: str) -> str:
    """The macros and variables replaced as the plugin does; everything in time, all currencies."""
    bounds = r"\1 >= toDateTime(1000000000) AND \1 <= toDateTime(4000000000)"
    sql = _TIME_FILTER.sub(bounds, sql)
    sql = sql.replace("${currency:singlequote}", "'CNY', 'JPY'")
    assert not _LEFT.search(sql), sql
    return sql


@pytest.fixture(scope="module")
def filled(clickhouse_folder: Path) -> Iterator[EmbeddedEngine]:
    """A database with a few of everything."""
    engine = EmbeddedEngine(str(clickhouse_folder), "grafana")
    migrate(engine)
    kafka, clock = FakeKafka(), Clock()
    made: list[tuple[str, Any]] = [
        *((topics.ASSESSMENTS, assessment(n)) for n in range(20)),
        (topics.ASSESSMENTS, assessment(21, outcome="late_30", outcome_of="loan-1")),
        *((topics.ALERTS, alert(n)) for n in range(20)),
        (topics.ALERTS, alert(1, version=2, state="closed", outcome="confirmed", actor="mei")),
        *((topics.LIMIT_CHANGES, limit_change(n, action="open")) for n in range(7)),
        (topics.LIMIT_CHANGES, limit_change(8, version=2, action="decrease")),
        (topics.DEAD_LETTERS, dead_letter(1)),
    ]
    for topic, value in made:
        kafka.publish(topic, 0, b"m", encode(value))
    metrics = Metrics()
    health = HealthServer(metrics, "127.0.0.1", 0)
    consumer = FakeConsumer(kafka)
    settings = Settings(clickhouse=ClickHouse(batch_rows_max=1_000))
    sink = Sink(settings, engine, metrics, health, consumer=consumer, clock=clock)  # type: ignore[arg-type]
    kafka.give(consumer)
    for _ in range(3):
        clock.now += 5
        sink.run_once(0)
    sink.close()
    health.stop()
    paid = {"merchant_id": "m-1", "occurred_at": START_MS, "type": "order.paid", "line": 1}
    paid |= {"amount_minor": 1_000, "currency": "CNY", "kafka_timestamp_ms": WRITTEN_MS}
    engine.insert("events", list(paid), [[value] for value in paid.values()], token="paid")
    yield engine
    engine.execute(f"DROP DATABASE {engine.database}")
    engine.close()


def test_there_are_queries_to_run() -> None:
    assert len(queries()) > 15


@pytest.mark.parametrize(("title", "sql"), queries(), ids=lambda text: text[:40])
def test_it_runs_and_finds_something(filled: EmbeddedEngine, title: str, sql: str) -> None:
    rows = filled.query(as_grafana_sends(sql))
    assert rows, title
    assert any(value not in (None, 0, "") for row in rows for value in row.values())


def test_the_datasource_reads_as_the_user_for_dashboards() -> None:
    path = DEPLOY / "grafana" / "provisioning" / "datasources" / "clickhouse.yaml"
    (source,) = yaml.safe_load(path.read_text("utf-8"))["datasources"]
    assert source["jsonData"]["username"] == "tideline_reader"
    secret = source["secureJsonData"]["password"]
    assert secret == "$__file{/run/secrets/clickhouse_reader_password}"
    grafana = services()["grafana"]
    assert "clickhouse_reader_password" in grafana["secrets"]
    assert grafana["environment"]["GF_PLUGINS_PREINSTALL"].startswith(source["type"] + "@")


def test_every_table_that_is_read_is_granted_to_that_user() -> None:
    granted = set(
        re.findall(r"ON tideline\.(\w+)", (DEPLOY / "clickhouse" / "users.xml").read_text("utf-8"))
    )
    for title, sql in queries():
        read = set(re.findall(r"\b(?:FROM|JOIN) (\w+)", sql))
        assert read and read <= granted, title

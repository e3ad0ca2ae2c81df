"""The native protocol: against a real server, and against the true schema by its encoding."""

import random
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from clickhouse_driver.block import ColumnOrientedBlock
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.context import Context
from clickhouse_driver.streams.native import BlockOutputStream

from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from sinks.embedded import EmbeddedEngine
from sinks.engine import EngineError, EngineUnavailable, engine_at
from sinks.log_rows import log_parts
from sinks.migrate import migrate, pending
from sinks.native import NativeEngine
from sinks.rows import TABLES, Part, Record, sort_records
from sinks.sink import Sink
from tests.conftest import require
from tests.sinks.clickhouse_server import Proxy, Server, missing
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka
from tests.sinks.log_lines import events_equal
from tests.sinks.outputs import ID_COLUMNS, output


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require("clickhouse", missing())
    running = Server(tmp_path_factory.mktemp("clickhouse-server"))
    yield running
    running.stop()


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[NativeEngine]:
    engine = server.engine(f"db_{abs(hash(request.node.name))}")
    migrate(engine)
    yield engine
    engine.close()


class _Wire:
    """A socket that keeps what the driver sends."""

    def __init__(self) -> None:
        self.sent = BytesIO()

    def sendall(self, data: bytes) -> None:
        self.sent.write(data)


def native_bytes(names: list[str], types: list[str], data: list[Any]) -> bytes:
    """A block as clickhouse-driver encodes it."""
    context = Context()
    context.client_settings = {
        "strings_as_bytes": False,
        "strings_encoding": "utf-8",
        "use_numpy": False,
        "input_format_null_as_default": False,
        "namedtuple_as_json": True,
    }

    class _Info:
        used_revision = 0
        timezone = "UTC"

        def get_timezone(self) -> str:
            return "UTC"

    context.server_info = _Info()
    wire = _Wire()
    buffer = BufferedSocketWriter(wire, 1 << 20)
    block = ColumnOrientedBlock(list(zip(names, types, strict=True)), data, types_check=False)
    BlockOutputStream(buffer, context).write(block)
    buffer.flush()
    return wire.sent.getvalue()


def records(topic: str, count: int) -> list[Record]:
    made = [output(topic, n) for n in range(count)]
    return [Record(topic, 0, n, 1_760_000_000_000 + n, k, v) for n, (k, v) in enumerate(made)]


def part_of(topic: str, count: int) -> Part:
    """Rows of the topic's table."""
    if topic == topics.EVENTS:
        return log_parts(records(topic, count))[0]
    table = TABLES[topic]
    return Part(table.name, table.columns, sort_records(table, records(topic, count)).rows)


@pytest.mark.parametrize("topic", topics.STORED_TOPICS)
def test_the_true_schema_reads_what_the_driver_writes_as_what_arrow_writes(
    engine: EmbeddedEngine, topic: str
) -> None:
    """No server of the true schema is at hand, but its engine reads the driver's blocks."""
    table, columns, data = part_of(topic, 20)
    engine.insert(table, columns, data, token="arrow")
    types = {
        row["name"]: row["type"]
        for row in engine.query(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase()"
            " AND table = {table:String}",
            {"table": table},
        )
    }
    block = native_bytes(list(columns), [types[c] for c in columns], [list(c) for c in data])
    engine.execute(f"CREATE TABLE other AS {table}")
    quoted = ", ".join(f"`{c}`" for c in columns)
    connection = engine._session._conn  # type: ignore[union-attr]
    with connection.send_insert(f"INSERT INTO other ({quoted})", "Native") as inserter:
        inserter.append(block)
        inserter.finish()
    for a, b in ((table, "other"), ("other", table)):
        assert not engine.query(f"SELECT kafka_offset FROM {a} EXCEPT SELECT kafka_offset FROM {b}")
        both = f"SELECT {quoted} FROM {a} INTERSECT SELECT {quoted} FROM {b}"
        assert engine.query(f"SELECT count() AS n FROM ({both})") == [{"n": len(data[0])}]


@pytest.mark.clickhouse
def test_migrations_run_twice_on_a_server(database: NativeEngine) -> None:
    assert not database.full
    assert migrate(database) == []
    assert pending(database) == []


@pytest.mark.clickhouse
def test_parameters_are_values_whatever_they_contain(database: NativeEngine) -> None:
    for text in ("it's", "a\\b", "a\nb\t", "100 %s {x:String}", "风险'; DROP TABLE alerts --"):
        assert database.query("SELECT {text:String} AS text", {"text": text}) == [{"text": text}]
        assert database.query(
            "SELECT 1 AS one WHERE 'x' LIKE '%' AND {n:Int64} = 5 AND {t:String} != ''",
            {"n": 5, "t": text},
        ) == [{"one": 1}]


@pytest.mark.clickhouse
def test_a_refusal_is_an_error_and_the_engine_goes_on(database: NativeEngine) -> None:
    with pytest.raises(EngineError, match="nowhere") as caught:
        database.query("SELECT * FROM nowhere")
    assert not isinstance(caught.value, EngineUnavailable)
    assert database.query("SELECT 1 AS one") == [{"one": 1}]
    with pytest.raises(EngineError, match="tideline migrate"):
        engine_at(f"clickhouse://default@{database._address}/absent").query("SELECT 1 AS one")


def test_an_absent_server_is_unavailable_within_bounds() -> None:
    pauses: list[float] = []
    engine = NativeEngine(
        "127.0.0.1", 1, user="default", password="", database="d", sleep=pauses.append
    )
    with pytest.raises(EngineUnavailable, match="does not answer"):
        engine.query("SELECT 1")
    assert len(pauses) == 3 and 0.7 <= sum(pauses) <= 1.4


@pytest.mark.clickhouse
def test_the_sink_stores_on_a_server_through_lost_answers_and_a_server_killed_thrice(
    server: Server, database: NativeEngine, metrics: Metrics, health: HealthServer
) -> None:
    kafka = FakeKafka()
    for topic in topics.STORED_TOPICS:
        for number in range(60):
            kafka.publish(topic, number % 2, *output(topic, number))
    kafka.publish(topics.ALERTS, 0, b"m", b"\xff poison")
    proxy = Proxy(server.port)
    engine = server.engine(database.database, proxy.port)
    consumer, clock = FakeConsumer(kafka), Clock()
    settings = Settings(clickhouse=ClickHouse(batch_rows_max=10))
    sink = Sink(settings, engine, metrics, health, consumer=consumer, clock=clock)  # type: ignore[arg-type]
    kafka.give(consumer)

    def turns(count: int) -> None:
        for _ in range(count):
            clock.now += 11
            sink.run_once(0)

    turns(1)
    proxy.cut_answers = 2
    turns(6)
    assert proxy.cut_answers == 0, "answers were lost after the server had done its work"
    draw = random.Random(3)
    for first in range(60, 120, 20):
        server.kill()
        for topic in topics.STORED_TOPICS:
            for number in range(first, first + 20):
                kafka.publish(topic, number % 2, *output(topic, number))
        turns(draw.randint(1, 4))
        assert not health.readiness()[0]
        server.start()
        turns(12)
        assert health.readiness()[0]
    for topic in topics.OUTPUT_TOPICS:
        table, column = ID_COLUMNS[topic]
        ids = [r["id"] for r in engine.query(f"SELECT {column} AS id FROM {table}")]
        assert len(ids) == len(set(ids)) == 120
    log = {
        (m.partition(), m.offset()): m.value() or b""
        for partition in (0, 1)
        for m in kafka.logs[topics.EVENTS, partition]
    }
    events_equal(engine, log)
    rejects = engine.query("SELECT hex(assumeNotNull(value)) AS bytes FROM sink_rejects")
    assert rejects == [{"bytes": b"\xff poison".hex().upper()}]
    row = engine.query("SELECT features.name AS n, features.value AS v FROM assessments LIMIT 1")[0]
    assert dict(zip(row["n"], row["v"], strict=True)) == {
        "orders_7d": 3.0,
        "refund_share_28d": None,
    }
    assert proxy.connections > 3
    engine.close()
    proxy.close()

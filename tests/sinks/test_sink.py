"""The sink in steps, on an embedded ClickHouse and a Kafka in memory."""

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.errors import FatalError
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from sinks.embedded import EmbeddedEngine
from sinks.engine import EngineUnavailable
from sinks.log_rows import log_parts
from sinks.migrate import MigrationError
from sinks.rows import Record
from sinks.sink import Sink
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka, FaultyEngine
from tests.sinks.log_lines import events_equal, line, record
from tests.sinks.outputs import ID_COLUMNS, RECORD_TABLES, output


class Bench:
    """A Kafka, an engine with faults, and as many sinks as a test wants."""

    def __init__(self, engine: EmbeddedEngine, metrics: Metrics, health: HealthServer) -> None:
        self.kafka = FakeKafka()
        self.engine = FaultyEngine(engine)
        self.clock = Clock()
        self.metrics, self.health = metrics, health
        self.settings = Settings(clickhouse=ClickHouse(batch_rows_max=10, batch_age_ms=1_000))

    def sink(self) -> tuple[Sink, FakeConsumer]:
        """A new member that owns everything from now on."""
        consumer = FakeConsumer(self.kafka)
        sink = Sink(
            self.settings,
            self.engine,  # type: ignore[arg-type]
            self.metrics,
            self.health,
            consumer=consumer,  # type: ignore[arg-type]
            clock=self.clock,
        )
        self.kafka.give(consumer)
        return sink, consumer

    def publish(self, topic: str, numbers: range, partitions: int = 1) -> None:
        for number in numbers:
            key, value = output(topic, number)
            # Every tenth offset is a transaction marker, which no reader sees.
            self.kafka.publish(topic, number % partitions, key, value, gap=number % 10 == 9)

    @contextmanager
    def restarted(self, folder: Path) -> Iterator[list[str]]:
        """Between an end and a start of the engine: the folders of its parts of ``alerts``."""
        parts = self.engine.query(
            "SELECT path FROM system.parts"
            " WHERE database = currentDatabase() AND table = 'alerts' AND active"
        )
        self.engine.close()
        yield [row["path"] for row in parts]
        self.engine.reopen(folder)

    def turn(self, sink: Sink, times: int = 3) -> int:
        """Some turns, each after the age of a batch and the longest pause."""
        stored = 0
        for _ in range(times):
            self.clock.now += 11
            stored += sink.run_once(0)
        return stored

    def ids(self, topic: str) -> list[str]:
        table, column = ID_COLUMNS[topic]
        return sorted(r["id"] for r in self.engine.query(f"SELECT {column} AS id FROM {table}"))

    def positions_equal_the_log(self) -> None:
        """Every record of every log is in its table or among the rejects, once, lines included."""
        stored = [
            (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"])
            for table in (*RECORD_TABLES, "sink_rejects")
            for row in self.engine.query(
                f"SELECT kafka_topic, kafka_partition, kafka_offset FROM {table}"
            )
        ]
        written = [
            (m.topic(), m.partition(), m.offset()) for log in self.kafka.logs.values() for m in log
        ]
        assert sorted(stored) == sorted(written)
        log = {
            (m.partition(), m.offset()): m.value() or b""
            for (topic, _), messages in self.kafka.logs.items()
            if topic == topics.EVENTS
            for m in messages
        }
        events_equal(self.engine, log)  # type: ignore[arg-type]


@pytest.fixture
def bench(engine: EmbeddedEngine, metrics: Metrics, health: HealthServer) -> Bench:
    return Bench(engine, metrics, health)


def test_every_output_becomes_one_row_and_offsets_are_committed_after_the_insert(
    bench: Bench,
) -> None:
    for topic in topics.STORED_TOPICS:
        bench.publish(topic, range(25), partitions=2)
    sink, consumer = bench.sink()
    bench.turn(sink, 6)
    for topic in topics.OUTPUT_TOPICS:
        assert len(bench.ids(topic)) == len(set(bench.ids(topic))) == 25
    bench.positions_equal_the_log()
    for (topic, partition), log in bench.kafka.logs.items():
        assert bench.kafka.committed[topic, partition] == (log[-1].offset() + 1, "")
    claims = [c for commit in consumer.commits for c in commit if c[3]]
    assert claims and all(c[3].startswith(f"claim:{c[2]}-") for c in claims)
    assert (
        bench.metrics.registry.get_sample_value("tideline_sink_rows_total", {"table": "alerts"})
        == 25
    )


def test_a_batch_waits_for_its_age_or_its_rows(bench: Bench) -> None:
    bench.publish(topics.ALERTS, range(3))
    sink, _ = bench.sink()
    assert sink.run_once(0) == 0
    bench.clock.now += 0.9
    assert sink.run_once(0) == 0
    bench.clock.now += 0.2
    assert sink.run_once(0) == 3
    bench.publish(topics.ALERTS, range(3, 13))
    assert sink.run_once(0) == 10


def test_tokens_name_table_topic_partition_and_offsets(bench: Bench) -> None:
    bench.publish(topics.ALERTS, range(4))
    sink, _ = bench.sink()
    bench.turn(sink)
    assert bench.engine.tokens == ["alerts:risk.alerts:0:0-3"]


def crash(_token: str) -> None:
    raise KeyboardInterrupt  # as a kill: nothing of the process runs on


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_crash_around_the_insert_doubles_and_loses_nothing(bench: Bench, point: str) -> None:
    bench.publish(topics.ASSESSMENTS, range(9))
    sink, _ = bench.sink()
    setattr(bench.engine, point, crash)
    with pytest.raises(KeyboardInterrupt):
        bench.turn(sink)
    assert bench.kafka.committed[topics.ASSESSMENTS, 0] == (0, "claim:0-8")
    setattr(bench.engine, point, None)
    bench.publish(topics.ASSESSMENTS, range(9, 30))
    successor, _ = bench.sink()
    bench.turn(successor, 6)
    assert bench.ids(topics.ASSESSMENTS) == sorted(f"as-{n}" for n in range(30))
    bench.positions_equal_the_log()


def test_months_missing_of_a_torn_insert_are_completed(bench: Bench) -> None:
    """ClickHouse writes a part for each month; a kill between two leaves the batch in part."""
    bench.publish(topics.ALERTS, range(9))
    sink, _ = bench.sink()
    bench.engine.after = crash
    with pytest.raises(KeyboardInterrupt):
        bench.turn(sink)
    bench.engine.after = None
    months = bench.engine.query("SELECT DISTINCT _partition_id AS month FROM alerts ORDER BY month")
    assert len(months) == 1, "nine days of one month"
    bench.publish(topics.ALERTS, range(9, 40))
    successor, _ = bench.sink()
    bench.turn(successor, 6)
    # The token of a batch is known, some of its months are gone: an engine killed in the insert.
    bench.kafka.committed[topics.ALERTS, 0] = (0, "claim:0-43")
    bench.engine.execute(f"ALTER TABLE alerts DROP PARTITION ID '{months[0]['month']}'")
    third, _ = bench.sink()
    bench.turn(third, 8)
    bench.positions_equal_the_log()


def alerts_tokens(bench: Bench) -> list[str]:
    """Tokens of the inserts into the table itself, not into what follows from it."""
    return [token for token in bench.engine.tokens if token.startswith("alerts:")]


def test_rows_whose_token_outlived_them_are_stored_again(
    bench: Bench, clickhouse_folder: Path
) -> None:
    """The engine notes a token before its part: a kill between the two leaves the token alone."""
    bench.publish(topics.ALERTS, range(5))
    sink, _ = bench.sink()
    bench.engine.after = crash
    with pytest.raises(KeyboardInterrupt):
        bench.turn(sink)
    bench.engine.after = None
    with bench.restarted(clickhouse_folder) as parts:
        assert len(parts) == 1
        shutil.rmtree(parts[0])
    assert bench.engine.query("SELECT count() AS n FROM alerts") == [{"n": 0}]
    successor, _ = bench.sink()
    bench.turn(successor)
    assert alerts_tokens(bench)[-2:] == [
        "alerts:risk.alerts:0:0-4",
        "alerts:risk.alerts:0:0-4:again",
    ]
    bench.positions_equal_the_log()


def test_a_zombie_that_goes_on_in_the_middle_of_its_insert_doubles_nothing(bench: Bench) -> None:
    bench.publish(topics.ASSESSMENTS, range(9))
    zombie, consumer = bench.sink()

    def stopped_meanwhile(_token: str) -> None:
        bench.engine.before = None
        bench.publish(topics.ASSESSMENTS, range(9, 30))
        successor, _ = bench.sink()
        bench.turn(successor, 6)
        assert len(bench.ids(topics.ASSESSMENTS)) == 30

    bench.engine.before = stopped_meanwhile
    bench.turn(zombie, 4)
    assert not consumer.owned
    assert bench.ids(topics.ASSESSMENTS) == sorted(f"as-{n}" for n in range(30))
    bench.positions_equal_the_log()


def test_a_fenced_member_cannot_begin_a_batch(bench: Bench) -> None:
    bench.publish(topics.ASSESSMENTS, range(9))
    zombie, _ = bench.sink()
    zombie.run_once(0)
    successor, _ = bench.sink()
    bench.clock.now += 2
    zombie_turn = zombie._turn  # its next consume would tell it; it was stopped just after that
    assert zombie._attempt(lambda: zombie_turn(bench.clock.now)) == 0
    assert bench.ids(topics.ASSESSMENTS) == []
    bench.turn(successor)
    bench.turn(zombie)
    bench.positions_equal_the_log()


def test_while_clickhouse_is_down_partitions_pause_and_kafka_keeps_the_data(
    bench: Bench, health: HealthServer
) -> None:
    bench.publish(topics.LIMIT_CHANGES, range(5))
    sink, consumer = bench.sink()

    def down(_token: str) -> None:
        raise EngineUnavailable("ClickHouse at 127.0.0.1:1 does not answer: refused")

    bench.engine.before = down
    assert bench.turn(sink, 5) == 0
    assert consumer.paused == {(topics.LIMIT_CHANGES, 0)}
    ready, why = health.readiness()
    assert not ready and "does not answer" in why["sink"]
    bench.publish(topics.LIMIT_CHANGES, range(5, 8))
    bench.turn(sink)
    assert consumer.owned[topics.LIMIT_CHANGES, 0] == 5, "paused: nothing more is read"
    bench.engine.before = None
    bench.turn(sink)
    assert health.readiness() == (True, {})
    assert consumer.paused == set()
    bench.positions_equal_the_log()
    retries = {"table": "limit_changes"}
    assert bench.metrics.registry.get_sample_value("tideline_sink_retries_total", retries) > 1


def test_a_partition_lost_while_paused_is_read_again_when_it_comes_back(bench: Bench) -> None:
    bench.publish(topics.ALERTS, range(5))
    sink, consumer = bench.sink()

    def down(_token: str) -> None:
        raise EngineUnavailable("refused")

    bench.engine.before = down
    bench.turn(sink, 2)
    assert consumer.paused
    bench.engine.before = None
    other, _ = bench.sink()
    bench.turn(sink)  # learns of its loss, and that ClickHouse is back
    bench.publish(topics.ALERTS, range(5, 9))
    bench.kafka.give(consumer)
    bench.turn(sink)
    bench.positions_equal_the_log()
    other.close()


def test_an_insert_that_took_place_but_answered_with_an_error_is_not_repeated(
    bench: Bench,
) -> None:
    bench.publish(topics.ALERTS, range(5))
    sink, _ = bench.sink()

    def broken(_token: str) -> None:
        bench.engine.after = None
        raise EngineUnavailable("connection reset")

    bench.engine.after = broken
    bench.turn(sink, 4)
    bench.positions_equal_the_log()
    assert len(alerts_tokens(bench)) == 1, "the rows were found, not sent again"


def test_a_commit_that_fails_is_made_later(bench: Bench) -> None:
    bench.publish(topics.ALERTS, range(5))
    sink, consumer = bench.sink()
    bench.engine.after = lambda _token: setattr(consumer, "fail_commits", 1)
    bench.turn(sink, 2)
    bench.engine.after = None
    assert bench.kafka.committed[topics.ALERTS, 0] == (0, "claim:0-4")
    bench.turn(sink, 2)
    assert bench.kafka.committed[topics.ALERTS, 0] == (5, "")
    bench.positions_equal_the_log()


def test_poison_goes_to_sink_rejects_with_its_bytes_and_the_rows_around_it_are_stored(
    bench: Bench,
) -> None:
    bench.publish(topics.ALERTS, range(3))
    poison = [b"\xff\xfe", b"{}", b'{"alert_id": 1}', b"", None, b"[" * 100_000]
    for value in poison:
        bench.kafka.publish(topics.ALERTS, 0, b"m-1", value)
    bench.publish(topics.ALERTS, range(3, 6))
    sink, _ = bench.sink()
    bench.turn(sink)
    rows = bench.engine.query(
        "SELECT reason, isNull(value) AS empty, hex(assumeNotNull(value)) AS bytes"
        " FROM sink_rejects ORDER BY kafka_offset"
    )
    kept = [None if r["empty"] else bytes.fromhex(r["bytes"]) for r in rows]
    assert kept == poison
    assert {r["reason"] for r in rows} == {"empty", "not_readable"}
    assert len(bench.ids(topics.ALERTS)) == 6
    bench.positions_equal_the_log()


def test_records_of_ticks_alone_are_passed_and_never_read_again(bench: Bench) -> None:
    for number in range(6):
        bench.kafka.publish(topics.EVENTS, 0, None, record([line("clock.tick", "*", number)]))
    sink, _ = bench.sink()
    bench.turn(sink)
    assert bench.kafka.committed[topics.EVENTS, 0] == (6, "")
    successor, consumer = bench.sink()
    assert bench.turn(successor) == 0
    assert consumer.owned[topics.EVENTS, 0] == 6, "no row, and yet nothing is taken for lost"
    bench.positions_equal_the_log()


@pytest.mark.parametrize("table", ["events", "event_records"])
@pytest.mark.parametrize("point", ["before", "after"])
def test_a_crash_between_the_tables_of_the_log_doubles_and_loses_nothing(
    bench: Bench, table: str, point: str
) -> None:
    bench.publish(topics.EVENTS, range(9))
    sink, _ = bench.sink()

    def crash_at(token: str) -> None:
        if token.startswith(f"{table}:"):
            raise KeyboardInterrupt

    setattr(bench.engine, point, crash_at)
    with pytest.raises(KeyboardInterrupt):
        bench.turn(sink)
    setattr(bench.engine, point, None)
    bench.publish(topics.EVENTS, range(9, 30))
    successor, _ = bench.sink()
    bench.turn(successor, 6)
    bench.positions_equal_the_log()


def test_poison_lines_of_the_log_are_rejected_and_the_lines_around_are_rows(bench: Bench) -> None:
    good = record([line("order.paid", "m-1", 1, amount=5, currency="CNY")])
    bench.kafka.publish(topics.EVENTS, 0, None, good + b"\xff poison\n" + good + b"{}\n")
    sink, _ = bench.sink()
    bench.turn(sink)
    successor, _ = bench.sink()
    bench.turn(successor)
    assert bench.engine.query("SELECT line FROM events ORDER BY line") == [
        {"line": 1},
        {"line": 3},
    ]
    rejects = bench.engine.query("SELECT kafka_topic FROM sink_rejects")
    assert [r["kafka_topic"] for r in rejects] == [topics.EVENTS]
    found = {"table": "events"}
    assert bench.metrics.registry.get_sample_value("tideline_sink_rejects_total", found) == 1


def test_the_same_batch_twice_gives_the_same_sums_of_the_day(bench: Bench) -> None:
    bench.publish(topics.EVENTS, range(9))
    sink, _ = bench.sink()
    bench.turn(sink)
    once = bench.engine.query("SELECT * FROM daily ORDER BY merchant_id, day, currency")
    part = log_parts(
        [
            Record(m.topic(), m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value())
            for m in bench.kafka.logs[topics.EVENTS, 0]
        ]
    )[0]
    bench.engine.insert(part.table, part.columns, part.data, token="events:risk.events:0:0-8")
    assert bench.engine.query("SELECT * FROM daily ORDER BY merchant_id, day, currency") == once
    bench.engine.insert(part.table, part.columns, part.data, token="another token")
    assert bench.engine.query("SELECT * FROM daily ORDER BY merchant_id, day, currency") != once


def test_a_new_database_is_filled_from_what_kafka_still_has(
    bench: Bench, bare_engine: EmbeddedEngine
) -> None:
    bench.publish(topics.ALERTS, range(6))
    sink, _ = bench.sink()
    bench.turn(sink)
    bare_engine.execute("TRUNCATE TABLE alerts")
    successor, _ = bench.sink()
    bench.turn(successor, 4)
    # Truncation forgets no tokens, so this also is the case of tokens that outlived their rows.
    bench.positions_equal_the_log()


def test_a_topic_created_anew_is_refused_instead_of_skipped(bench: Bench) -> None:
    bench.publish(topics.ALERTS, range(6))
    sink, _ = bench.sink()
    bench.turn(sink)
    bench.kafka.committed.clear()
    for message in bench.kafka.logs[topics.ALERTS, 0]:
        message.timestamp = lambda: (1, 5)  # type: ignore[method-assign]
    successor, _ = bench.sink()
    with pytest.raises(FatalError, match="created anew"):
        bench.turn(successor)


def test_a_sink_refuses_a_database_without_the_tables(
    bare_engine: EmbeddedEngine, metrics: Metrics, health: HealthServer
) -> None:
    with pytest.raises(MigrationError, match="tideline migrate"):
        Sink(Settings(), bare_engine, metrics, health, consumer=FakeConsumer(FakeKafka()))  # type: ignore[arg-type]


def test_closing_stores_what_was_read(bench: Bench) -> None:
    bench.publish(topics.ALERTS, range(6))
    sink, consumer = bench.sink()
    sink.run_once(0)
    stop = threading.Event()
    stop.set()
    sink.run(stop)
    assert consumer.closed
    bench.positions_equal_the_log()


@pytest.mark.parametrize("seed", range(6))
def test_rows_equal_the_topics_through_any_order_of_faults(bench: Bench, seed: int) -> None:
    """Kills, take-overs, zombies that go on, outages and lost answers, drawn from a seed."""
    draw = random.Random(seed)
    living: list[Sink] = [bench.sink()[0]]
    published = 0

    def fault(kind: str) -> Callable[[str], None]:
        def act(_token: str) -> None:
            bench.engine.before = bench.engine.after = None
            if kind == "kill":
                raise KeyboardInterrupt
            if kind == "outage":
                raise EngineUnavailable("connection reset")
            living.append(bench.sink()[0])
            bench.turn(living[-1], draw.randrange(1, 4))

        return act

    for _ in range(60):
        topic = draw.choice(topics.STORED_TOPICS)
        more = draw.randrange(0, 12)
        bench.publish(topic, range(published, published + more), partitions=2)
        published += more
        point = draw.choice(["before", "after", ""])
        if point:
            setattr(bench.engine, point, fault(draw.choice(["kill", "outage", "taken over"])))
        sink = draw.choice(living[-3:])
        try:
            bench.turn(sink, draw.randrange(1, 4))
        except KeyboardInterrupt:
            living.remove(sink)
            living.append(bench.sink()[0])
    bench.engine.before = bench.engine.after = None
    last = bench.sink()[0]
    bench.turn(last, 40)
    bench.positions_equal_the_log()

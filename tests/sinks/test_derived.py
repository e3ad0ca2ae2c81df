"""What materialised views keep is right again after a break between a table and its target."""

import pytest

from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import ClickHouse, Settings
from schemas import topics
from schemas.codec import encode
from sinks.derived import SUMS, TARGETS
from sinks.embedded import EmbeddedEngine
from sinks.rows import TABLES
from sinks.sink import Sink
from tests.sinks.derived_rows import derived_rows
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka
from tests.sinks.outputs import alert, output

TARGET_TABLES = (
    "alerts_latest",
    SUMS,
    *(target.table for targets in TARGETS.values() for target in targets),
)
LAST_BATCH = {
    SUMS: "day >= toDate(toDateTime(1700000000)) + 7",
    "alerts_latest": "kafka_offset >= 20",
    "command_lines": "kafka_offset >= 10",
}
"""What of a target comes from the last batch; of the others that is every row."""
BROKEN = (topics.EVENTS, topics.ALERTS, topics.ASSESSMENTS, topics.LIMIT_CHANGES)


class Stored:
    """Two batches of each topic in two partitions, of which the second may be stored again."""

    def __init__(self, engine: EmbeddedEngine, metrics: Metrics, health: HealthServer) -> None:
        self.engine = engine
        self.kafka, self.clock = FakeKafka(), Clock()
        self._metrics, self._health = metrics, health
        self.claims: dict[tuple[str, int], tuple[int, str]] = {}
        for numbers in (range(0, 20), range(20, 40)):
            for topic in BROKEN:
                for number in numbers:
                    self.kafka.publish(topic, number % 2, *output(topic, number))
            for number in numbers:
                state = encode(alert(number, version=2, state="closed"))
                self.kafka.publish(topics.ALERTS, number % 2, b"m", state)
            for source, log in self.kafka.logs.items():
                first = self.kafka.committed.get(source, (0, ""))[0]
                self.claims[source] = (first, f"claim:{first}-{log[-1].offset()}")
            self.work()

    def work(self) -> None:
        """A new member stores what there is to store."""
        consumer = FakeConsumer(self.kafka)
        sink = Sink(
            Settings(clickhouse=ClickHouse(batch_rows_max=1_000)),
            self.engine,
            self._metrics,
            self._health,
            consumer=consumer,  # type: ignore[arg-type]
            clock=self.clock,
        )
        self.kafka.give(consumer)
        for _ in range(4):
            self.clock.now += 5
            sink.run_once(0)

    def broken(self) -> None:
        """As after a kill within the last batches: their claims stand."""
        self.kafka.committed.update(self.claims)
        self.work()


@pytest.fixture
def stored(engine: EmbeddedEngine, metrics: Metrics, health: HealthServer) -> Stored:
    return Stored(engine, metrics, health)


def test_a_batch_whose_targets_have_it_already_adds_nothing(stored: Stored) -> None:
    before = derived_rows(stored.engine)
    assert all(before.values())
    stored.broken()
    stored.broken()
    assert derived_rows(stored.engine) == before


@pytest.mark.parametrize("table", TARGET_TABLES)
def test_a_target_that_lost_the_last_batch_has_it_again(stored: Stored, table: str) -> None:
    before = derived_rows(stored.engine)
    place = LAST_BATCH.get(table, "1")
    stored.engine.execute(f"ALTER TABLE {table} DELETE WHERE {place} SETTINGS mutations_sync = 1")
    assert derived_rows(stored.engine) != before
    stored.broken()
    assert derived_rows(stored.engine) == before


def test_the_targets_have_the_columns_that_are_added_to_them(engine: EmbeddedEngine) -> None:
    for target in (each for targets in TARGETS.values() for each in targets):
        rows = engine.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase()"
            " AND table = {table:String}",
            {"table": target.table},
        )
        assert {row["name"] for row in rows} == set(target.columns)
    rows = engine.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase()"
        " AND table = 'alerts_latest' AND default_kind != 'ALIAS'"
    )
    assert {row["name"] for row in rows} == set(TABLES[topics.ALERTS].columns)

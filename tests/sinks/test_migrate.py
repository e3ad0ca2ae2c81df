"""Migrations on the embedded engine."""

from pathlib import Path

import pytest

from schemas import topics
from schemas.codec import encode
from sinks import migrate as migrations
from sinks.embedded import EmbeddedEngine
from sinks.engine import INSERT_SETTINGS
from sinks.log_rows import EVENT_COLUMNS, EVENTS_TABLE, RECORD_COLUMNS, RECORDS_TABLE
from sinks.migrate import MigrationError, load, migrate, pending, require_current
from sinks.rows import REJECT_COLUMNS, REJECTS, TABLES, Record, sort_records
from tests.sinks.outputs import DAY_MS, START_MS, learner_report, published

WRITTEN = {table.name: table.columns for table in TABLES.values()} | {
    REJECTS: REJECT_COLUMNS,
    EVENTS_TABLE: EVENT_COLUMNS,
    RECORDS_TABLE: RECORD_COLUMNS,
}
"""What the sink writes: columns by table."""


def test_migrating_twice_applies_once(bare_engine: EmbeddedEngine) -> None:
    assert [m.version for m in pending(bare_engine)] == [m.version for m in load()]
    assert migrate(bare_engine) == [f"{m.version:04}_{m.name}" for m in load()]
    assert migrate(bare_engine) == []
    require_current(bare_engine)


def test_a_changed_migration_is_refused(
    bare_engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(bare_engine)
    changed = [m._replace(checksum="0" * 64) for m in load()]
    monkeypatch.setattr(migrations, "load", lambda full=True: changed)
    with pytest.raises(MigrationError, match="changed after it was applied"):
        migrate(bare_engine)


def test_a_database_of_a_newer_release_is_refused(bare_engine: EmbeddedEngine) -> None:
    migrate(bare_engine)
    bare_engine.insert(
        "schema_migrations",
        ("version", "name", "checksum"),
        ([999], ["later"], ["x"]),
        token="later",
    )
    with pytest.raises(MigrationError, match="run the newer release"):
        require_current(bare_engine)


def test_a_migration_that_broke_half_way_is_completed(bare_engine: EmbeddedEngine) -> None:
    bare_engine.execute(load()[0].statements[0])
    migrate(bare_engine)
    made = {r["name"] for r in bare_engine.query("SHOW TABLES")}
    assert made >= WRITTEN.keys() | {"alerts_current"}


def test_every_table_keeps_tokens_and_is_ordered_by_the_kafka_position(
    engine: EmbeddedEngine,
) -> None:
    rows = engine.query(
        "SELECT name, engine, sorting_key, create_table_query AS made FROM system.tables"
        " WHERE database = currentDatabase()"
    )
    tables = {row["name"]: row for row in rows}
    for name in WRITTEN:
        assert tables[name]["engine"] == "ReplacingMergeTree"
        position = "kafka_topic, kafka_partition, kafka_offset"
        ends = f"{position}, line" if name == EVENTS_TABLE else position
        assert tables[name]["sorting_key"].endswith(ends)
        assert "non_replicated_deduplication_window = 10000" in tables[name]["made"]
        assert "fsync_after_insert = 1" in tables[name]["made"]


@pytest.mark.parametrize("full", [True, False])
def test_both_schemas_have_the_columns_that_the_sink_writes(full: bool) -> None:
    made: dict[str, str] = {}
    for statement in (s for migration in load(full) for s in migration.statements):
        if statement.startswith("CREATE TABLE"):
            name, _, body = statement.removeprefix("CREATE TABLE IF NOT EXISTS ").partition("\n(")
            made[name] = body
        elif statement.startswith("ALTER TABLE"):
            name = statement.split()[2]
            made[name] = made.get(name, "") + statement
    for name, columns in WRITTEN.items():
        for column in columns:
            assert f"    {column.split('.')[-1]} " in made[name], (name, column)


def test_the_engine_knows_every_insert_setting(engine: EmbeddedEngine) -> None:
    known = {row["name"] for row in engine.query("SELECT name FROM system.settings")}
    assert set(INSERT_SETTINGS) <= known


def test_a_number_that_was_left_out_may_follow_and_none_may_be_given_twice(
    bare_engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    monkeypatch.setattr(migrations, "files", lambda package: tmp_path)

    def write(name: str) -> None:
        table = name.partition("_")[2]
        text = f"CREATE TABLE IF NOT EXISTS {table} (a Int64) ENGINE = MergeTree ORDER BY a;\n"
        (folder / f"{name}.sql").write_text(text)

    write("0001_first")
    write("0004_fourth")
    assert migrate(bare_engine) == ["0001_first", "0004_fourth"]
    write("0003_third")
    assert migrate(bare_engine) == ["0003_third"]
    require_current(bare_engine)
    write("0003_another")
    with pytest.raises(MigrationError, match="two migrations have one number"):
        pending(bare_engine)


def test_every_published_version_is_in_the_view_once_as_of_the_latest_report(
    engine: EmbeddedEngine,
) -> None:
    table = TABLES[topics.LEARNER_REPORTS]
    reports = [
        learner_report(1, versions=[published(1, compared=90)]),
        learner_report(2, versions=[published(1), published(2, compared=80)]),
        learner_report(3, versions=[published(2)]),
    ]
    records = [
        Record(topics.LEARNER_REPORTS, 0, n, 1, b"learner", encode(report))
        for n, report in enumerate(reports)
    ]
    engine.insert(table.name, table.columns, sort_records(table, records).rows, token="t")
    rows = engine.query(
        "SELECT version, parent, compared, toUnixTimestamp64Milli(published_at) AS at"
        " FROM model_versions ORDER BY version"
    )
    assert rows == [
        {"version": f"default-risk-{n}", "parent": parent, "compared": 100, "at": at}
        for n, parent, at in (
            (1, "prior-2", START_MS + DAY_MS),
            (2, "default-risk-1", START_MS + 2 * DAY_MS),
        )
    ]

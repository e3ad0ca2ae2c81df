"""The views that the desk reads: what they say of a few rows, by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from schemas.codec import encode
from schemas.events import BY_TAG
from schemas.outputs import FunderShare
from sinks.embedded import EmbeddedEngine
from sinks.engine import Engine
from sinks.log_rows import log_parts
from sinks.migrate import load, migrate
from sinks.rows import TABLES, Record, sort_records
from tests.conftest import require
from tests.sinks.clickhouse_server import Server, missing
from tests.sinks.log_lines import DAY_MS, START_MS, line, money, record
from tests.sinks.outputs import alert, assessment, limit_change


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require("clickhouse", missing())
    running = Server(tmp_path_factory.mktemp("clickhouse-desk"))
    yield running
    running.stop()


@pytest.fixture(params=["embedded", "server"])
def either(request: pytest.FixtureRequest, clickhouse_folder: Path) -> Iterator[Engine]:
    """A migrated database in either engine."""
    made: Engine
    if request.param == "embedded":
        made = EmbeddedEngine(str(clickhouse_folder), "desk_views")
    else:
        made = request.getfixturevalue("server").engine("desk_views")
    migrate(made)
    yield made
    made.execute("DROP DATABASE desk_views")
    made.close()


def store(engine: Engine, topic: str, values: list[Any], first: int = 0) -> None:
    """Outputs of a topic, or lines of the log as one record."""
    if topic == topics.EVENTS:
        for part in log_parts([Record(topic, 0, first, 1_900_000_000_000, None, record(values))]):
            if part.data:
                engine.insert(part.table, part.columns, part.data, token=f"{part.table}-{first}")
        return
    table = TABLES[topic]
    records = [Record(topic, 0, first + n, 5, b"m", encode(v)) for n, v in enumerate(values)]
    rows, rejects = sort_records(table, records)
    assert not rejects
    engine.insert(table.name, table.columns, rows, token=f"{topic}-{first}")


def test_open_alerts_are_those_whose_latest_state_is_not_closed(either: Engine) -> None:
    store(either, topics.ALERTS, [alert(n) for n in range(4)])
    later = [
        alert(1, version=2, state="snoozed"),
        alert(2, version=2, state="closed", outcome="cured"),
        alert(3, version=2, state="closed", outcome="cured"),
        alert(3, version=3, state="open"),
    ]
    store(either, topics.ALERTS, later, 4)
    rows = either.query("SELECT alert_id, version, state FROM alerts_open ORDER BY alert_id")
    assert [(r["alert_id"], r["version"], r["state"]) for r in rows] == [
        ("al-0", 1, "open"),
        ("al-1", 2, "snoozed"),
        ("al-3", 3, "open"),
    ]
    closed = either.query("SELECT alert_id FROM alerts_current WHERE state = 'closed'")
    assert closed == [{"alert_id": "al-2"}]


def test_a_state_stored_again_later_does_not_come_back(engine: EmbeddedEngine) -> None:
    store(engine, topics.ALERTS, [alert(1), alert(1, version=2, state="closed")])
    store(engine, topics.ALERTS, [alert(1)], 9)
    assert engine.query("SELECT alert_id FROM alerts_open") == []


def test_the_current_merchant_and_line_are_the_latest(either: Engine) -> None:
    at = START_MS
    store(
        either,
        topics.ASSESSMENTS,
        [assessment(1, as_of=at, band="A"), assessment(1, as_of=at + 1, band="B")],
    )
    store(either, topics.ASSESSMENTS, [assessment(1, as_of=at - 1, band="E")], 2)
    rows = either.query("SELECT merchant_id, band FROM merchants_current")
    assert rows == [{"merchant_id": "m-1", "band": "B"}]
    shares = [FunderShare(funder="own", limit_minor=4), FunderShare(funder="bank", limit_minor=6)]
    store(
        either,
        topics.LIMIT_CHANGES,
        [
            limit_change(1, version=1, new_limit_minor=5),
            limit_change(1, version=2, new_limit_minor=10, funders=shares),
            limit_change(1, version=3, new_limit_minor=99, state="proposed"),
        ],
    )
    rows = either.query("SELECT line_id, version, limit_minor, region FROM lines_current")
    assert [tuple(r.values()) for r in rows] == [("line-1", 2, 10, "unspecified")]
    rows = either.query(
        "SELECT funder, merchant_id, line_id, currency, limit_minor FROM merchant_funders"
        " ORDER BY funder"
    )
    assert [tuple(r.values()) for r in rows] == [
        ("bank", "m-1", "line-1", "CNY", 6),
        ("own", "m-1", "line-1", "CNY", 4),
    ]
    frozen = limit_change(1, version=4, new_limit_minor=0, action="freeze", funders=[])
    store(either, topics.LIMIT_CHANGES, [frozen], 2)
    rows = either.query("SELECT funder, limit_minor FROM merchant_funders ORDER BY funder")
    assert [tuple(r.values()) for r in rows] == [("bank", 0), ("own", 0)], "they still see it"


def test_outcomes_are_of_loans_and_of_alerts(either: Engine) -> None:
    made = [
        assessment(1, outcome="settled", outcome_of="loan-1"),
        assessment(2, outcome="verdict_cured", outcome_of="al-2"),
        assessment(3, outcome="late_30"),
        assessment(4),
    ]
    store(either, topics.ASSESSMENTS, made)
    rows = either.query("SELECT merchant_id, kind, about, outcome FROM outcomes ORDER BY at")
    assert [tuple(r.values()) for r in rows] == [
        ("m-1", "loan", "loan-1", "settled"),
        ("m-2", "alert", "al-2", "verdict_cured"),
        ("m-3", "loan", "", "late_30"),
    ]


def test_commands_are_what_people_asked_for(engine: EmbeddedEngine) -> None:
    lines = [
        line("order.paid", "m-1", 1, **money(5), actor="nobody"),
        line("merchant.freeze", "m-1", 2, actor="ana", reason="a court case"),
        line("alert.assign", "m-2", 3, actor="ben", alert_id="al-1", assignee="ana"),
        line("automation.pause", "*", 4, actor="eve", reason="a feed is wrong"),
        line("limit.acknowledged", "m-1", 5, decision_id="d-1"),
    ]
    store(engine, topics.EVENTS, lines)
    rows = engine.query(
        "SELECT type, actor, reason, merchant_id, alert_id FROM commands ORDER BY occurred_at"
    )
    assert [tuple(r.values()) for r in rows] == [
        ("merchant.freeze", "ana", "a court case", "m-1", ""),
        ("alert.assign", "ben", "", "m-2", "al-1"),
        ("automation.pause", "eve", "a feed is wrong", "*", ""),
    ]


def test_what_was_in_force_when_follows_the_log(engine: EmbeddedEngine) -> None:
    def activated(kind: str, number: int, version: str, **more: str) -> dict[str, Any]:
        return line(kind, "*", number, version=version, digest=f"of-{version}", **more)

    store(engine, topics.EVENTS, [activated("policy.activated", 3, "p-1")], 0)
    later = [
        activated("policy.activated", 6, "s-9", artifact="rules"),
        activated("policy.activated", 9, "p-2", artifact="policy"),
        activated("model.activated", 9, "m-2"),
        activated("model.activated", 9, "a-1", artifact="anomaly"),
        activated("model.activated", 12, "m-1"),
    ]
    store(engine, topics.EVENTS, later, 5)

    def said(view: str) -> list[tuple[Any, ...]]:
        rows = engine.query(
            "SELECT artifact, version, digest, toUnixTimestamp64Milli(activated_at) AS since,"
            f" toUnixTimestamp64Milli(until) AS until FROM {view} ORDER BY artifact, since"
        )
        return [tuple(row.values()) for row in rows]

    def at(number: int) -> int:
        return START_MS + number * DAY_MS // 3

    assert said("policies_in_force") == [
        ("policy", "p-1", "of-p-1", at(3), at(9)),
        ("policy", "p-2", "of-p-2", at(9), None),
        ("rules", "s-9", "of-s-9", at(6), None),
    ]
    assert said("models_in_force") == [
        ("anomaly", "a-1", "of-a-1", at(9), None),
        ("model", "m-2", "of-m-2", at(9), at(12)),
        ("model", "m-1", "of-m-1", at(12), None),
    ]


def test_a_day_is_summed_by_currency_and_each_kind_of_event_once(engine: EmbeddedEngine) -> None:
    kinds = [tag for tag in BY_TAG if tag != "clock.tick"]
    lines = [line(kind, "m-1", 0, amount=1, currency="EUR") for kind in kinds]
    late = {"due_at": START_MS - DAY_MS}
    lines += [line("repayment.received", "m-1", 0, amount=5, currency="USD", **late)]
    lines += [line("shipment.dispatched", "m-1", 0)]
    store(engine, topics.EVENTS, lines)
    rows = {row["currency"]: row for row in engine.query("SELECT * FROM daily")}
    assert set(rows) == {"EUR", "USD", ""}
    euro = rows["EUR"]
    assert euro["events"] == len(kinds)
    twice = {"inflow_minor", "outflow_minor"}
    for name, value in euro.items():
        if name not in ("merchant_id", "day", "currency", "events"):
            expected = 2 if name in twice else 0 if name == "late_repayments" else 1
            assert value == expected, name
    assert (rows["USD"]["repaid_minor"], rows["USD"]["late_repayments"]) == (5, 1)
    assert (rows[""]["shipments"], rows[""]["events"]) == (1, 1)


def test_a_database_that_has_outputs_already_gets_its_current_states(
    bare_engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sinks import migrate as migrations

    whole = load()
    with monkeypatch.context() as before:
        before.setattr(migrations, "load", lambda full=True: [m for m in whole if m.version < 8])
        migrate(bare_engine)
    later = [statement for m in whole if m.version >= 8 for statement in m.statements]
    for statement in later:  # the columns that today's sink writes
        if statement.startswith("ALTER TABLE alerts "):
            bare_engine.execute(statement)
    store(bare_engine, topics.ALERTS, [alert(n) for n in range(300)])
    store(bare_engine, topics.ASSESSMENTS, [assessment(n) for n in range(30)])
    store(bare_engine, topics.LIMIT_CHANGES, [limit_change(n) for n in range(30)])
    for statement in later:
        bare_engine.execute(statement)  # as a migration that breaks at its end
    migrate(bare_engine)
    for view, count in (("alerts_open", 300), ("merchants_current", 7), ("lines_current", 7)):
        assert bare_engine.query(f"SELECT count() AS n FROM {view}") == [{"n": count}]


def test_targets_of_views_have_windows_of_their_own(engine: EmbeddedEngine) -> None:
    rows = engine.query(
        "SELECT name, engine, create_table_query AS made FROM system.tables"
        " WHERE database = currentDatabase()"
    )
    made = {row["name"]: row for row in rows}
    targets = [
        row["made"].partition(" TO ")[2].split()[0].rpartition(".")[2]
        for row in rows
        if row["engine"] == "MaterializedView"
    ]
    assert sorted(targets) == sorted(
        [
            *("daily_sums", "command_lines", "counterparty_links"),
            *("alerts_latest", "merchants_latest", "lines_latest", "line_funders"),
        ]
    )
    for name in targets:
        assert "non_replicated_deduplication_window = 10000" in made[name]["made"], name
        assert "fsync_after_insert = 1" in made[name]["made"], name

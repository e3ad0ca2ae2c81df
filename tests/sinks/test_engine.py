"""Engines: addresses, parameters, tokens, threads."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ops.errors import ConfigurationError
from ops.settings import ClickHouse
from schemas.codec import encode
from sinks.embedded import EmbeddedEngine
from sinks.engine import EngineError, checked_name, engine_at, open_engine, redacted
from sinks.native import NativeEngine
from sinks.rows import TABLES, Record, sort_records
from tests.sinks.outputs import alert, output


def test_an_address_chooses_the_engine(clickhouse_folder: Path) -> None:
    embedded = open_engine(ClickHouse(url=f"chdb://{clickhouse_folder}", database="chosen"))
    assert isinstance(embedded, EmbeddedEngine)
    assert embedded.query("SELECT currentDatabase() AS name") == [{"name": "chosen"}]
    embedded.close()
    with pytest.raises(EngineError, match="closed"):
        embedded.query("SELECT 1")
    native = engine_at("clickhouse://u%40x:p@127.0.0.1/risk", "other")
    assert isinstance(native, NativeEngine) and native.database == "risk"
    assert native._options["user"] == "u@x" and native._options["port"] == 9000
    secure = engine_at("clickhouses://u@127.0.0.1", "other", password="s")
    assert isinstance(secure, NativeEngine)
    assert (secure._options["port"], secure._options["secure"]) == (9440, True)
    assert secure._options["password"] == "s"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "chdb://", "chdb:///", "clickhouse://", "clickhouse://h/a-b", "x"]
)
def test_an_address_that_cannot_be_one_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        engine_at(url)


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    with pytest.raises(ConfigurationError, match="PASSWORD_FILE"):
        open_engine(ClickHouse(url="clickhouse://u@127.0.0.1/d", password_file=path))


def test_passwords_never_show() -> None:
    assert redacted("clickhouse://u:secret@h:9000/d") == "clickhouse://u:***@h:9000/d"
    assert redacted("clickhouse://u@h:9000/d") == "clickhouse://u@h:9000/d"
    with pytest.raises(ConfigurationError) as caught:
        engine_at("mysql://u:secret@h/d")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "a`b", "a;b", "x" * 65])
def test_identifiers_that_could_carry_sql_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_name(name)


@pytest.mark.parametrize(
    "text", ["plain", "it's", "a\\b", "a\nb\t\r", "\\N", "", "风险", "\0x\b", "'; DROP TABLE x --"]
)
def test_parameters_are_values_whatever_they_contain(engine: EmbeddedEngine, text: str) -> None:
    assert engine.query("SELECT {text:String} AS text", {"text": text}) == [{"text": text}]
    assert engine.query("SELECT {n:Int64} AS n, {f:Float64} AS f", {"n": -5, "f": 1.5}) == [
        {"n": -5, "f": 1.5}
    ]


def keep_copies(engine: EmbeddedEngine) -> None:
    """Stop merges, which would fold rows that a test inserts twice on purpose."""
    engine.execute("SYSTEM STOP MERGES alerts")


def alerts(count: int) -> tuple[tuple[str, ...], list]:
    table = TABLES["risk.alerts"]
    records = [Record("risk.alerts", 0, n, 5, *output("risk.alerts", n)) for n in range(count)]
    return table.columns, sort_records(table, records).rows


def count(engine: EmbeddedEngine) -> int:
    return int(engine.query("SELECT count() AS n FROM alerts")[0]["n"])


def test_a_repeated_token_adds_nothing(engine: EmbeddedEngine) -> None:
    keep_copies(engine)
    columns, data = alerts(40)
    for token, rows in (("a", 40), ("a", 40), ("b", 80)):
        engine.insert("alerts", columns, data, token=token)
        assert count(engine) == rows
    with pytest.raises(EngineError, match="tideline migrate"):
        engine.insert("absent", columns, data, token="c")


def test_one_insert_may_touch_more_than_a_hundred_months(engine: EmbeddedEngine) -> None:
    columns, data = alerts(5_000)
    engine.insert("alerts", columns, data, token="years")
    assert count(engine) == 5_000
    months = engine.query("SELECT uniqExact(_partition_id) AS n FROM alerts")
    assert months[0]["n"] > 160


def test_an_engine_is_shared_between_threads(engine: EmbeddedEngine) -> None:
    keep_copies(engine)
    columns, data = alerts(50)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                engine.insert("alerts", columns, data, token=f"{number}-{turn}")
                assert count(engine) >= 50
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert count(engine) == 4 * 10 * 50


def test_a_folder_in_use_by_another_process_says_so(
    engine: EmbeddedEngine, clickhouse_folder: Path
) -> None:
    code = "import sys; from sinks.engine import engine_at; engine_at(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, f"chdb://{clickhouse_folder}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1
    assert "one process at a time" in done.stderr


def test_alerts_current_is_the_latest_version_of_each_episode(engine: EmbeddedEngine) -> None:
    states = [(1, 1, "open"), (2, 1, "open"), (1, 2, "acknowledged"), (1, 3, "closed")]
    table = TABLES["risk.alerts"]
    records = [
        Record("risk.alerts", 0, n, 5, b"m", encode(alert(number, version=version, state=state)))
        for n, (number, version, state) in enumerate(states)
    ]
    data = sort_records(table, records).rows
    keep_copies(engine)
    engine.insert("alerts", table.columns, data, token="first")
    engine.insert("alerts", table.columns, data, token="the same rows from a restored backup")
    rows = engine.query("SELECT alert_id, version, state FROM alerts_current ORDER BY alert_id")
    assert rows == [
        {"alert_id": "al-1", "version": 3, "state": "closed"},
        {"alert_id": "al-2", "version": 1, "state": "open"},
    ]
    assert count(engine) == 8
    engine.execute("SYSTEM START MERGES alerts")
    engine.execute("OPTIMIZE TABLE alerts FINAL")
    assert count(engine) == 4

"""docs/clickhouse.md agrees with the migrations."""

import re
from pathlib import Path

from schemas import topics
from sinks.migrate import load
from sinks.rows import TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "clickhouse.md").read_text("utf-8")
STATEMENTS = [statement for migration in load() for statement in migration.statements]
POSITION = ["kafka_topic", "kafka_partition", "kafka_offset", "line"]


def rows(section: str) -> dict[str, list[str]]:
    """First cell without its back-ticks -> the other cells of a section's table."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


def made(kind: str) -> dict[str, str]:
    """Statements that make a table or a view, by its name; the last of each name counts."""
    head = re.compile(rf"CREATE {kind} IF NOT EXISTS (\w+)")
    return {found[1]: s for s in STATEMENTS if (found := head.match(s))}


def test_every_table_is_there_with_its_key_partition_and_time_to_live() -> None:
    page, tables = rows("Tables"), made("TABLE")
    assert set(page) == set(tables)
    for name, (_, key, month, kept, what) in page.items():
        order = re.search(r"\nORDER BY \(?([^)\n]+)\)?", tables[name])
        assert order, name
        columns = order[1].split(", ")
        stated = key.split(", ")
        assert columns[: len(stated)] == stated, name
        assert set(columns[len(stated) :]) <= set(POSITION), name
        partition = re.search(r"\nPARTITION BY (.+)", tables[name])
        assert (month in partition[1]) if partition else not month, name
        assert bool(partition) == bool(month), name
        life = re.search(r"\nTTL \w+ \+ INTERVAL (\d+) DAY", tables[name])
        assert kept == (f"{life[1]} days" if life else ""), name
        assert what


def test_every_table_says_what_fills_it() -> None:
    page = rows("Tables")
    fills = {table.name: topic for topic, table in TABLES.items()}
    fills |= {"events": topics.EVENTS, "event_records": topics.EVENTS}
    for statement in made("MATERIALIZED VIEW").values():
        found = re.search(r" TO (\w+) AS\n.*?FROM (\w+)", statement, re.DOTALL)
        assert found
        fills[found[1]] = found[2]
    for name, source in fills.items():
        assert page[name][0] == f"`{source}`", name
    assert set(page) - set(fills) == {"sink_rejects"}


def test_every_view_is_there() -> None:
    assert set(rows("Views")) == set(made("VIEW"))


def test_bounds_of_the_reader_are_those_of_its_profile() -> None:
    users = (Path(__file__).parents[2] / "deploy" / "clickhouse" / "users.xml").read_text("utf-8")
    assert "<max_execution_time>20</max_execution_time>" in users and "20 s" in PAGE
    assert "<max_memory_usage>1000000000</max_memory_usage>" in users and "1 GB" in PAGE

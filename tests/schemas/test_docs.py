"""The hand-written pages about the contract agree with it."""

import re
from pathlib import Path

import msgspec
import pytest

from schemas.codec import REASONS
from schemas.events import BY_TAG, Event
from schemas.outputs import DeadLetter
from schemas.topics import CATALOGUE, DAY_MS

DOCS = Path(__file__).parents[2] / "docs"
EVENTS = (DOCS / "events.md").read_text("utf-8")
DEAD_LETTERS = (DOCS / "dead-letters.md").read_text("utf-8")


def rows(markdown: str) -> dict[str, list[str]]:
    """First cell without its back-ticks -> the other cells, of every table."""
    found = {}
    for line in markdown.splitlines():
        if line.startswith("| `"):
            first, *rest = (cell.strip() for cell in line.strip("| ").split(" | "))
            found[first.strip("`")] = rest
    return found


def test_the_table_of_reasons_is_that_of_the_codec() -> None:
    table = {k: v[0] for k, v in rows(DEAD_LETTERS.split("## Reasons")[1]).items()}
    assert table == REASONS
    assert list(table) == list(REASONS)


def test_every_field_of_a_dead_letter_is_explained() -> None:
    fields = {f.name for f in msgspec.structs.fields(DeadLetter)}
    first_cells = " ".join(rows(DEAD_LETTERS.split("## Reasons")[0]))
    assert set(re.findall(r"\w+", first_cells)) == fields


@pytest.mark.parametrize("tag", sorted(BY_TAG))
def test_the_row_of_an_event_has_its_fields(tag: str) -> None:
    cell = rows(EVENTS)[tag][-1]
    common = {f.name for f in msgspec.structs.fields(Event)}
    fields = [f for f in msgspec.structs.fields(BY_TAG[tag]) if f.name not in common]
    optional = set(re.findall(r"\*`(\w+)`\*", cell))
    assert optional == {f.name for f in fields if not f.required}
    assert set(re.findall(r"`(\w+)`", cell)) - optional == {f.name for f in fields if f.required}


def test_the_table_of_topics_is_the_catalogue() -> None:
    table = rows(EVENTS.split("## Topics")[1].split("## Events")[0])
    assert list(table) == [topic.name for topic in CATALOGUE]
    for topic in CATALOGUE:
        key, value, kept, partitions, what = table[topic.name]
        days = "compacted" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} days"
        assert (key, value, kept) == (topic.key, topic.value, days)
        assert partitions == ("1" if topic.single_partition else "n")
        assert what == topic.description + (" (internal)" if topic.internal else "")


def test_every_type_stands_under_its_topic() -> None:
    for section in EVENTS.split("\n### ")[1:]:
        name = section.split("\n")[0]
        tags = set(rows(section.split("\n## ")[0])) - {"clock.tick"}
        assert tags == {tag for topic in CATALOGUE if topic.name == name for tag in topic.types}

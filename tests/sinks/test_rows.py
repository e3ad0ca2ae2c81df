"""From bytes to rows, without any engine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import encode
from schemas.outputs import FunderShare
from sinks.rows import REJECT_COLUMNS, TABLES, Record, sort_records
from tests.sinks.outputs import (
    MAKERS,
    alert,
    assessment,
    dead_letter,
    learner_report,
    limit_change,
    output,
    published,
)


def record(topic: str, value: bytes | None, offset: int = 0) -> Record:
    return Record(topic, 3, offset, 1_760_000_000_000, b"m-1", value)


@pytest.mark.parametrize("topic", topics.OUTPUT_TOPICS)
def test_every_field_of_an_output_has_its_column(topic: str) -> None:
    table = TABLES[topic]
    made = MAKERS[topic](4)
    renamed = {"topic", "partition", "offset", "line"} if topic == topics.DEAD_LETTERS else set()
    for name in made.__struct_fields__:
        column = f"source_{name}" if name in renamed else name
        assert any(c == column or c.startswith(f"{column}.") for c in table.columns), column
    rows = sort_records(table, [record(topic, encode(made), 17)]).rows
    values = dict(zip(table.columns, (column[0] for column in rows), strict=True))
    assert values["kafka_offset"] == 17 and values["kafka_partition"] == 3
    for name in table.columns:
        if hasattr(made, name) and topic != topics.DEAD_LETTERS:
            assert values[name] == getattr(made, name)


def test_a_dead_letter_keeps_the_original_bytes() -> None:
    value = bytes(range(256))
    table = TABLES[topics.DEAD_LETTERS]
    rows = sort_records(table, [record(topics.DEAD_LETTERS, encode(dead_letter(4, value)))]).rows
    values = dict(zip(table.columns, (column[0] for column in rows), strict=True))
    assert values["value"] == value
    assert values["headers.value"] == [b"\x80erp"]


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        (topics.ALERTS, None, "empty"),
        (topics.ALERTS, b"", "not_readable"),
        (topics.ALERTS, b"\xff", "not_readable"),
        (topics.ALERTS, b'"\\ud800"', "not_readable"),
        (topics.ALERTS, encode(alert(1, state="dancing")), "not_readable"),
        (topics.ALERTS, encode(alert(1, version=2**32)), "out_of_range"),
        (topics.ALERTS, encode(alert(1, opened_at=-1)), "out_of_range"),
        (topics.ALERTS, encode(alert(1, snoozed_until=10**15)), "out_of_range"),
        (topics.ASSESSMENTS, encode(assessment(1, exposure_minor=2**63)), "out_of_range"),
        (topics.ASSESSMENTS, encode(assessment(1, horizon_days=70_000)), "out_of_range"),
        (topics.ASSESSMENTS, encode(alert(1)), "not_readable"),
        (
            topics.LIMIT_CHANGES,
            encode(limit_change(1, funders=[FunderShare(funder="f", limit_minor=2**63)])),
            "not_readable",
        ),
        (topics.LEARNER_REPORTS, encode(learner_report(1, pause_labels=2**32)), "out_of_range"),
        (topics.LEARNER_REPORTS, encode(learner_report(1, held_since=-1)), "out_of_range"),
        (
            topics.LEARNER_REPORTS,
            encode(learner_report(1, versions=[published(1, labels=2**63)])),
            "not_readable",
        ),
        (topics.LEARNER_REPORTS, encode(learner_report(1, pause="tired")), "not_readable"),
        (
            topics.DEAD_LETTERS,
            encode(dead_letter(1)).replace(b'"key":"', b'"key":"*'),
            "not_readable",
        ),
    ],
)
def test_what_does_not_read_as_the_output_is_rejected_with_its_bytes(
    topic: str, value: bytes | None, reason: str
) -> None:
    good = output(topic, 5)[1]
    found = sort_records(TABLES[topic], [record(topic, value, 7), record(topic, good, 8)])
    row = dict(zip(REJECT_COLUMNS, (column[0] for column in found.rejects), strict=True))
    assert (row["reason"], row["value"], row["key"]) == (reason, value, b"m-1")
    assert row["detail"] and row["kafka_offset"] == 7
    assert list(found.rows[-2]) == [8], "the good record beside it is a row"


@settings(max_examples=200, deadline=None)
@given(
    topic=st.sampled_from(topics.OUTPUT_TOPICS),
    number=st.integers(0, 50),
    damage=st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=3)), max_size=4),
)
def test_any_bytes_give_exactly_one_row(
    topic: str, number: int, damage: list[tuple[int, bytes]]
) -> None:
    value = output(topic, number)[1]
    for place, inserted in damage:
        value = value[:place] + inserted + value[place + 1 :]
    found = sort_records(TABLES[topic], [record(topic, value)])
    sizes = [len(columns[0]) for columns in (found.rows, found.rejects) if columns]
    assert sizes == [1]

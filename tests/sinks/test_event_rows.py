"""From records of the log to rows, without any engine."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.documents import example
from schemas.events import BY_TAG, EVENT_TYPES, Event, tag_of
from sinks.log_rows import log_parts
from sinks.rows import Record
from tests.sinks.log_lines import kept, line, log_record, money, record

EVENTS, REJECTS, RECORDS = 0, 1, 2


def logged(value: bytes | None, offset: int = 7, partition: int = 0) -> Record:
    return Record(topics.EVENTS, partition, offset, 1_900_000_000_000, None, value)


def rows(records: list[Record], which: int = EVENTS) -> list[dict[str, object]]:
    part = log_parts(records)[which]
    return [dict(zip(part.columns, row, strict=True)) for row in zip(*part.data, strict=True)]


def test_every_line_is_a_row_at_its_position_with_its_bytes() -> None:
    value = log_record(0)
    found = rows([logged(value, 7), logged(log_record(1), 8)])
    expected = [(7, n) for n in kept(0, value)] + [(8, n) for n in kept(0, log_record(1))]
    assert [(r["kafka_offset"], r["line"]) for r in found] == expected
    assert [r["body"] for r in found[:1]] == [value.splitlines()[0]]


@pytest.mark.parametrize("struct", EVENT_TYPES, ids=tag_of)
def test_a_column_has_what_the_line_has_and_is_empty_otherwise(struct: type[Event]) -> None:
    event = example(struct)
    if event["type"] == "clock.tick":
        return
    (row,) = rows([logged(record([event]))])
    assert row["input_topic"] == struct.topic
    amount = event.get("amount", event.get("amount_minor"))
    assert row["amount_minor"] == amount
    assert row["due_at"] == event.get("due_at")
    for name in ("merchant_id", "occurred_at", "event_id", "currency", "order_id", "loan_id"):
        assert row[name] == event.get(name, ""), name
    for name in ("counterparty_id", "line_id", "actor", "alert_id", "decision_id", "reason"):
        assert row[name] == event.get(name, ""), name
    assert row["outcome"] == event.get("outcome", "")
    assert json.loads(str(row["body"], "utf-8")) == event  # type: ignore[call-overload]


def test_a_tick_is_no_row_but_its_record_is_known() -> None:
    value = record([line("clock.tick", "*", 1)])
    assert rows([logged(value)]) == rows([logged(value)], REJECTS) == []
    (known,) = rows([logged(value)], RECORDS)
    assert (known["kafka_offset"], known["lines"], known["stored"]) == (7, 1, 0)


def test_what_stands_in_every_partition_is_stored_from_the_first_alone() -> None:
    pause = line("automation.pause", "*", 1, actor="ana")
    lease = example(BY_TAG["budget.leased"])
    value = record([pause, lease])
    assert [r["type"] for r in rows([logged(value, partition=0)])] == [
        "automation.pause",
        "budget.leased",
    ]
    assert [r["type"] for r in rows([logged(value, partition=3)])] == ["budget.leased"]


def test_a_field_that_its_type_lacks_may_hold_anything() -> None:
    odd = line("order.paid", "m-1", 1, **money(5), loan_id={"deep": [1]}, actor=3)
    (row,) = rows([logged(record([odd]))])
    assert (row["amount_minor"], row["loan_id"], row["actor"]) == (5, "", "")
    assert b'"deep"' in row["body"]  # type: ignore[operator]


def test_a_type_of_a_later_release_is_a_row_too() -> None:
    later = line("order.gifted", "m-1", 1, **money(5), loan_id=5)
    (row,) = rows([logged(record([later]))])
    assert (row["type"], row["input_topic"], row["amount_minor"]) == ("order.gifted", "", None)


@pytest.mark.parametrize(
    "poison",
    [
        b"\xff\xfe",
        b"{}",
        b"[1]",
        b'{"type":"order.paid"',
        b"[" * 5_000,
        b'{"type":"order.paid","event_id":"e","merchant_id":"m","occurred_at":-1}',
        b'{"type":"order.paid","event_id":"e","merchant_id":"m","occurred_at":99999999999999}',
        b'{"type":"order.paid","event_id":"\\ud800","merchant_id":"m","occurred_at":1}',
        b'{"type":"order.paid","event_id":"e","merchant_id":"m","occurred_at":1,"amount":1e30}',
    ],
)
def test_poison_lines_are_one_reject_of_their_record_and_those_around_are_rows(
    poison: bytes,
) -> None:
    good = record([line("order.paid", "m-1", n, **money(5)) for n in range(2)]).splitlines()
    value = b"\n".join([good[0], poison, b"", good[1], b"not JSON"]) + b"\n"
    found = rows([logged(value)])
    assert [(r["line"], r["body"]) for r in found] == [(1, good[0]), (3, good[1])]
    (reject,) = rows([logged(value)], REJECTS)
    assert reject["reason"] == "not_readable"
    assert reject["value"] == poison + b"\nnot JSON"
    assert "line 2: " in str(reject["detail"]) and "line 4: " in str(reject["detail"])
    (known,) = rows([logged(value)], RECORDS)
    assert (known["lines"], known["stored"], known["rejected"]) == (4, 2, 2)


def test_a_record_without_a_value_is_rejected_as_empty() -> None:
    (reject,) = rows([logged(None)], REJECTS)
    assert (reject["reason"], reject["value"]) == ("empty", None)
    assert [r["lines"] for r in rows([logged(None)], RECORDS)] == [0]


@settings(max_examples=200, deadline=None)
@given(
    number=st.integers(0, 40),
    partition=st.integers(0, 2),
    damage=st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=3)), max_size=4),
)
def test_any_bytes_give_rows_rejects_and_one_record_that_add_up(
    number: int, partition: int, damage: list[tuple[int, bytes]]
) -> None:
    value = log_record(number)
    for place, inserted in damage:
        value = value[:place] + inserted + value[place + 1 :]
    events = rows([logged(value, partition=partition)])
    (known,) = rows([logged(value, partition=partition)], RECORDS)
    bodies = [b for b in value.split(b"\n") if b and not b.isspace()]
    assert known["lines"] == len(bodies)
    assert known["stored"] == len(events)
    rejects = rows([logged(value, partition=partition)], REJECTS)
    bad = sum(len(r["value"].split(b"\n")) for r in rejects)  # type: ignore[attr-defined]
    assert known["rejected"] == bad
    assert len(events) + bad <= len(bodies)
    for row in events:
        assert bodies[row["line"] - 1] == row["body"]  # type: ignore[operator]

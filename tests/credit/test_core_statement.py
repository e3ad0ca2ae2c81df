"""A core's statement against the log of limit changes."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.core_book import BookLine, Instruction
from credit.core_statement import REMEDIES, Sent, Statement, compare, statement_of
from tests.credit.limit_changes import book, change


def sent(changes: list[Instruction]) -> list[Sent]:
    return [Sent(0, offset, each) for offset, each in enumerate(changes)]


def stated(*lines: BookLine, positions: dict[int, int] | None = None) -> Statement:
    return statement_of(lines, positions or {})


def kinds(statement: Statement, log: list[Instruction]) -> list[str]:
    found = compare(statement, sent(log))
    assert all(each.remedy == REMEDIES[each.kind] for each in found)
    return [each.kind for each in found]


LOG = [
    change(1, 100),
    change(2, 900, state="proposed"),
    change(3, 900),
    change(4, 0, action="freeze"),
]


def test_a_book_of_the_whole_log_has_no_differences() -> None:
    assert kinds(stated(book(LOG)[0]), LOG) == []


@settings(deadline=None)
@given(st.integers(0, 4), st.integers(0, 4))
def test_what_the_core_may_not_have_read_yet_is_no_difference(booked: int, read: int) -> None:
    lines = [book(LOG[:booked])[0]] if booked else []
    found = kinds(stated(*lines, positions={0: read}), LOG)
    assert (found == []) == (read <= booked)


def test_a_line_that_the_core_lacks_is_missing() -> None:
    other = [change(1, line_id="ln_b", merchant_id="m2")]
    found = compare(stated(book(LOG)[0]), sent(LOG + other))
    assert [(d.kind, d.line_id, d.merchant_id) for d in found] == [("missing", "ln_b", "m2")]


def test_a_line_that_was_never_sent_is_unknown() -> None:
    assert kinds(stated(book(LOG)[0]), []) == ["unknown"]


@pytest.mark.parametrize(
    ("altered", "kind"),
    [
        ({"limit_minor": 7}, "amount"),
        ({"frozen": False}, "frozen"),
        ({"currency": "USD"}, "currency"),
    ],
)
def test_what_was_altered_in_the_core_is_named(altered: dict, kind: str) -> None:
    line = msgspec.structs.replace(book(LOG)[0], **altered)
    assert kinds(stated(line), LOG) == [kind]


def test_a_change_that_was_lost_shows_as_version_amount_and_freeze() -> None:
    assert kinds(stated(book(LOG[:3])[0]), LOG) == ["version", "amount", "frozen"]


def test_a_conflict_shows_as_quarantined_and_a_gap_as_a_version() -> None:
    conflict, _ = book([*LOG, change(3, 901)])
    assert kinds(stated(conflict), [*LOG, change(3, 901)]) == ["quarantined"]
    gap, _ = book([LOG[0], LOG[2]])
    assert kinds(stated(gap), [LOG[0], LOG[2]]) == ["version", "amount"]


def test_a_change_refused_for_its_terms_leaves_another_amount() -> None:
    log = [change(1, 100), change(2, 10**16)]
    assert kinds(stated(book(log)[0]), log) == ["amount"]


def test_totals_are_sums_by_currency() -> None:
    lines = [
        book([change(1, 100, line_id="ln_a")])[0],
        book([change(1, 250, line_id="ln_b")])[0],
        book([change(1, 7, line_id="ln_c", currency="USD")])[0],
    ]
    totals = stated(*reversed(lines)).totals
    assert [(t.currency, t.lines, t.limit_minor, t.drawn_minor) for t in totals] == [
        ("CNY", 2, 350, 0),
        ("USD", 1, 7, 0),
    ]


def test_the_contract_lists_every_kind_of_difference() -> None:
    contract = Path(__file__).parents[2] / "docs" / "lending-core.md"
    table = contract.read_text("utf-8").split("| kind | meaning |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(REMEDIES)

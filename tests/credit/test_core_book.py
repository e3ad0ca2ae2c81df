"""A core's book: once, in order, never in silence."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.core_book import (
    SEQUENCE_REASONS,
    TERMS_REASONS,
    BookLine,
    Instruction,
    Quarantine,
    decode_instruction,
    decode_line,
    mend,
    open_line,
    take,
)
from schemas.codec import encode
from schemas.documents import example
from schemas.outputs import FunderShare, LimitChange
from tests.credit.limit_changes import book, change

CONTRACT = (Path(__file__).parents[2] / "docs" / "lending-core.md").read_text("utf-8")
logs = st.lists(
    st.tuples(
        st.integers(0, 10**9),
        st.sampled_from(["increase", "decrease", "freeze", "release", "override", "close"]),
        st.sampled_from(["sent", "sent", "sent", "proposed", "withdrawn"]),
    ),
    min_size=1,
    max_size=12,
).map(
    lambda items: [
        change(number, limit, action=action, state=state)
        for number, (limit, action, state) in enumerate(items, 1)
    ]
)
"""The changes of a line as Tideline sends them: versions from 1, without gaps."""


def test_changes_in_order_are_booked_and_the_last_one_holds() -> None:
    line, verdicts = book([change(1, 100), change(2, 250), change(3, 80, action="decrease")])
    assert [v.outcome for v in verdicts] == ["booked"] * 3
    assert (line.version, line.limit_minor, line.booked_by) == (3, 80, "dc_3")
    assert line.quarantine is None


@settings(deadline=None)
@given(logs, st.data())
def test_repeats_and_replays_anywhere_give_the_same_book(
    log: list[Instruction], data: st.DataObject
) -> None:
    expected, _ = book(log)
    mixed: list[Instruction] = []
    for number, each in enumerate(log):
        mixed.append(each)
        first = data.draw(st.integers(0, number))
        mixed += data.draw(st.sampled_from([[], log[first : number + 1], log[: number + 1]]))
    line, verdicts = book(mixed)
    assert line == expected
    assert sum(v.outcome in ("booked", "noted") for v in verdicts) == len(log)
    assert {v.outcome for v in verdicts} <= {"booked", "noted", "repeated"}


@settings(deadline=None)
@given(logs, st.data())
def test_whatever_order_changes_come_in_no_gap_is_booked_and_a_replay_makes_it_whole(
    log: list[Instruction], data: st.DataObject
) -> None:
    expected, _ = book(log)
    line = open_line(log[0])
    for each in data.draw(st.permutations(log)):
        before = line
        line, verdict = take(line, each)
        if each.version > before.version + 1:
            assert verdict == ("refused", "version_gap")
            assert line.limit_minor == before.limit_minor
        assert line.version in (before.version, before.version + 1)
        prefix, _ = book(log[: line.version], open_line(log[0]))
        assert (line.limit_minor, line.frozen) == (prefix.limit_minor, prefix.frozen)
    if line.version < len(log):
        assert line.quarantine == Quarantine(reason="version_gap", version=len(log))
    line, _ = book(log, line)
    assert line == expected


@settings(deadline=None)
@given(logs, st.data())
def test_a_conflict_changes_nothing_until_it_is_mended_from_the_log(
    log: list[Instruction], data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, len(log)))
    line, _ = book(log[:at])
    forged = msgspec.structs.replace(log[data.draw(st.integers(0, at - 1))], decision_id="dc_other")
    held, verdict = take(line, forged)
    assert verdict == ("refused", "version_conflict")
    assert msgspec.structs.replace(held, quarantine=None) == line
    assert held.drawable_minor(10**15) == 0
    after, verdicts = book(log[at:], held) if at < len(log) else (held, [])
    assert all(v == ("refused", "line_quarantined") for v in verdicts)
    assert (after.version, after.limit_minor) == (line.version, line.limit_minor)
    mended, waiting = mend(after, data.draw(st.permutations([*log, *log, forged])))
    assert mended.quarantine is None and waiting == log[at:]
    whole = book(waiting, mended)[0] if waiting else mended
    assert whole == book(log)[0]


def test_the_missing_version_mends_a_gap_once_all_that_was_refused_is_booked() -> None:
    line, verdicts = book([change(1), change(3, 300), change(4, 400), change(2, 200)])
    assert [v.reason for v in verdicts] == [None, "version_gap", "version_gap", None]
    assert line.limit_minor == 200
    assert line.quarantine == Quarantine(reason="version_gap", version=4)
    line, _ = book([change(3, 300)], line)
    assert line.quarantine is not None, "version 4 is still missing"
    line, _ = book([change(4, 400)], line)
    assert line.quarantine is None and line.limit_minor == 400


def test_a_line_that_does_not_begin_with_version_one_is_a_gap() -> None:
    line, verdicts = book([change(2)])
    assert verdicts == [("refused", "version_gap")]
    assert (line.version, line.limit_minor) == (0, 0)


def test_the_same_decision_with_another_limit_is_a_conflict() -> None:
    line, verdicts = book([change(1, 100), change(1, 900)])
    assert verdicts[1] == ("refused", "version_conflict")
    assert line.limit_minor == 100 and line.quarantine is not None


def test_a_log_with_a_gap_of_its_own_leaves_a_mended_line_in_quarantine() -> None:
    line, _ = book([change(1), change(1, 900)])
    mended, waiting = mend(line, [change(1), change(3)])
    line, verdicts = book(waiting, mended)
    assert verdicts == [("refused", "version_gap")] and line.quarantine is not None


def test_proposed_and_withdrawn_changes_count_and_move_nothing() -> None:
    line, verdicts = book(
        [change(1, 100), change(2, 900, state="proposed"), change(3, 100, state="withdrawn")]
    )
    assert verdicts[1:] == [("noted", "proposed"), ("noted", "withdrawn")]
    assert (line.version, line.limit_minor, line.booked_by) == (3, 100, "dc_1")
    line, verdicts = book([change(4, 900)], line)
    assert verdicts == [("booked", None)] and line.limit_minor == 900


def test_a_proposed_freeze_freezes_nobody() -> None:
    line, _ = book([change(1, 100), change(2, 0, action="freeze", state="proposed")])
    assert not line.frozen and line.limit_minor == 100


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"merchant_id": "m2"}, "merchant_differs"),
        ({"currency": "USD"}, "currency_differs"),
        ({"limit_minor": -1}, "bad_amount"),
        ({"limit_minor": 10**15 + 1}, "bad_amount"),
        ({"funders": [FunderShare(funder="f", limit_minor=1)]}, "funders_differ"),
        ({"state": "perhaps"}, "unknown_state"),
    ],
)
def test_a_change_refused_for_its_terms_counts_so_that_the_next_one_is_booked(
    wrong: dict, reason: str
) -> None:
    line, verdicts = book([change(1, 100), change(2, **wrong), change(3, 70, action="decrease")])
    assert [v.reason for v in verdicts] == [None, reason, None]
    assert (line.version, line.limit_minor, line.quarantine) == (3, 70, None)
    assert reason in TERMS_REASONS


def test_the_contract_lists_every_reason_and_what_it_means() -> None:
    sequence, terms = CONTRACT.split("## Refusals")[1].split("**The change cannot be booked")
    for text, reasons in ((sequence, SEQUENCE_REASONS), (terms.split("##")[0], TERMS_REASONS)):
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE)
        assert dict(rows) == reasons


def test_funders_shares_that_sum_to_the_limit_are_booked() -> None:
    shares = [FunderShare(funder=f, limit_minor=50_000) for f in ("a", "b")]
    assert book([change(1, 100_000, funders=shares)])[1] == [("booked", None)]


@pytest.mark.parametrize(
    ("actions", "frozen"),
    [
        (["open", "freeze"], True),
        (["open", "freeze", "increase"], True),
        (["open", "freeze", "override"], True),
        (["open", "freeze", "release"], False),
        (["open", "freeze", "close"], False),
        (["open", "freeze", "close", "open"], False),
    ],
)
def test_only_a_release_or_the_end_of_the_line_ends_a_freeze(
    actions: list[str], frozen: bool
) -> None:
    changes = [change(n, 100_000, action=action) for n, action in enumerate(actions, 1)]
    line, _ = book(changes)
    assert line.frozen is frozen
    assert (line.drawable_minor(changes[-1].decided_at) == 0) is frozen


def test_nothing_may_be_drawn_before_a_limit_is_effective_or_after_it_expired() -> None:
    sent = change(1, 500, effective_at=1_000, expires_at=2_000)
    line, _ = book([sent])
    assert [line.drawable_minor(at) for at in (999, 1_000, 1_999, 2_000)] == [0, 500, 500, 0]


def test_a_line_of_the_book_comes_back_from_its_bytes() -> None:
    line, _ = book([change(1), change(2, 0, action="freeze"), change(9)])
    assert isinstance(line, BookLine) and decode_line(encode(line)) == line


def test_a_limit_change_of_tideline_is_an_instruction() -> None:
    sent = msgspec.convert({**example(LimitChange), "state": "sent"}, LimitChange)
    read = decode_instruction(encode(sent))
    assert (read.line_id, read.version, read.new_limit_minor) == (
        sent.line_id,
        sent.version,
        sent.new_limit_minor,
    )
    assert read.moves


def test_a_version_below_one_is_no_instruction() -> None:
    with pytest.raises(msgspec.ValidationError, match="version"):
        decode_instruction(encode(msgspec.structs.replace(change(1), version=0)))


def test_a_field_that_is_left_at_its_default_is_not_part_of_the_content() -> None:
    raw = msgspec.json.decode(encode(change(1)))
    assert {"state", "funders"} & raw.keys() == set()

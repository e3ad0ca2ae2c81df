"""What an outcome teaches: once a loan, bad ones first, verdicts only where loans say nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.labels import (
    DAY_MS,
    HORIZON_MS,
    LOANS_KEPT,
    TEACHINGS,
    Labelled,
    admit,
    stands,
)

BAD = ("defaulted", "late_30", "verdict_defaulted")
OF_LOANS = tuple(name for name, teaching in TEACHINGS.items() if teaching.of_loans)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([("late_30", "a"), ("defaulted", "a")], [True, False]),
        ([("late_30", "a"), ("settled", "a")], [True, False]),
        ([("defaulted", "a"), ("defaulted", "a")], [True, False]),
        ([("settled", "a"), ("settled", "a")], [True, False]),
        ([("defaulted", "a"), ("defaulted", "b")], [True, True]),
        ([("settled", "a"), ("defaulted", "a")], [True, True]),
        ([("settled", None), ("settled", None)], [True, True]),
        ([("verdict_defaulted", None), ("defaulted", "a")], [True, False]),
        ([("defaulted", "a"), ("verdict_defaulted", None)], [True, False]),
        ([("late_30", None), ("defaulted", None)], [True, False]),
        ([("verdict_confirmed", "al"), ("verdict_confirmed", "al")], [True, True]),
    ],
)
def test_a_loan_is_labelled_once(
    outcomes: list[tuple[str, str | None]], expected: list[bool]
) -> None:
    labelled = Labelled()
    found = [admit(labelled, o, loan, i * DAY_MS) for i, (o, loan) in enumerate(outcomes)]
    assert found == expected


def test_bad_outcomes_that_name_no_loan_are_one_for_the_span_of_the_forecast() -> None:
    labelled = Labelled()
    assert admit(labelled, "defaulted", None, 0)
    assert not admit(labelled, "defaulted", None, HORIZON_MS)
    assert admit(labelled, "defaulted", None, 2 * HORIZON_MS + 1)


def test_a_settled_loan_that_defaults_while_it_waits_is_no_good_one() -> None:
    labelled = Labelled()
    admit(labelled, "settled", "a", 0)
    assert stands(labelled, "settled", "a", 0)
    admit(labelled, "defaulted", "a", 5 * DAY_MS)
    assert not stands(labelled, "settled", "a", 0)
    assert stands(labelled, "settled", "b", 0) and stands(labelled, "settled", None, 0)


@pytest.mark.parametrize("later", OF_LOANS)
def test_a_verdict_gives_way_to_what_a_loan_says_later_and_not_to_what_one_said(later: str) -> None:
    labelled = Labelled()
    admit(labelled, "settled", "a", 1)
    admit(labelled, "verdict_false_alarm", "al", 2)
    assert stands(labelled, "verdict_false_alarm", "al", 2)
    admit(labelled, later, "b", 3)
    assert not stands(labelled, "verdict_false_alarm", "al", 2)


def test_verdicts_of_the_desk_are_the_weaker_labels() -> None:
    for name in ("verdict_confirmed", "verdict_false_alarm"):
        teaching = TEACHINGS[name]
        assert teaching.waits and teaching.every == 4 and not teaching.of_loans
    assert [name for name, t in TEACHINGS.items() if t.bad and t.of_loans] == [
        "defaulted",
        "late_30",
        "verdict_defaulted",
    ]
    assert "verdict_cured" not in TEACHINGS


names = st.one_of(st.none(), st.sampled_from([f"loan {i}" for i in range(40)]))


@given(st.lists(st.tuples(st.sampled_from(OF_LOANS), names, st.integers(0, 9)), max_size=80))
def test_memory_is_bounded_and_a_bad_loan_never_twice_while_it_is_remembered(
    outcomes: list[tuple[str, str | None, int]],
) -> None:
    labelled, at, learnt = Labelled(), 0, []
    for outcome, loan, days in outcomes:
        at += days * DAY_MS
        if admit(labelled, outcome, loan, at) and outcome in BAD and loan is not None:
            assert loan not in learnt[-LOANS_KEPT:]
            learnt.append(loan)
    assert len(labelled.bad) <= LOANS_KEPT and len(labelled.good) <= LOANS_KEPT

"""Merchants that draw and repay under a booked line."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.core_book import BookLine, Instruction, take
from credit.drawing import DAY_MS, MONTH_MS, advance, next_at, plan_draw
from schemas.codec import Limits, decode_event, encode
from schemas.events import Event, LoanDisbursed, LoanSettled, RepaymentDue, RepaymentReceived
from tests.credit.limit_changes import START_MS, book, change

END_MS = START_MS + 2_000 * DAY_MS


def live(changes: list[Instruction], seed: int, until: int) -> tuple[BookLine, list[Event]]:
    """Book changes at their times, and draw and repay between them and after."""
    line, _ = book(changes[:1])
    line = plan_draw(line, seed, changes[0].decided_at)
    events: list[Event] = []
    for sent in [*changes[1:], None]:
        to = until if sent is None else sent.decided_at
        while (at := next_at(line)) is not None and at <= to:
            owed = line.drawn_minor
            line, happened = advance(line, seed, at)
            events += happened
            if line.drawn_minor > owed:
                assert line.drawn_minor <= line.limit_minor and not line.frozen
        if sent is not None:
            line, verdict = take(line, sent)
            assert verdict.outcome == "booked"
            line = plan_draw(line, seed, sent.decided_at)
    return line, events


def test_a_share_of_the_limit_is_drawn_and_repaid_by_the_month_until_it_is_settled() -> None:
    _, events = live([change(1, 1_000_000, expires_at=None)], 1, START_MS + 800 * DAY_MS)
    drawn = next(e for e in events if isinstance(e, LoanDisbursed))
    assert 300_000 - 100 <= drawn.amount <= 900_000
    assert 0 < drawn.occurred_at - (START_MS + DAY_MS) <= 5 * DAY_MS
    dues = [e for e in events if isinstance(e, RepaymentDue) and e.loan_id == drawn.loan_id]
    paid = [e for e in events if isinstance(e, RepaymentReceived) and e.loan_id == drawn.loan_id]
    assert len(dues) == len(paid) in (3, 6, 12)
    assert sum(e.amount for e in paid) == drawn.amount == sum(e.amount or 0 for e in dues)
    for month, (due, payment) in enumerate(zip(dues, paid, strict=True), 1):
        assert due.due_at == payment.due_at == drawn.occurred_at + month * MONTH_MS
        assert payment.due_at <= payment.occurred_at
    settled = [e for e in events if isinstance(e, LoanSettled)]
    assert settled[0].loan_id == drawn.loan_id
    assert len([e for e in events if isinstance(e, LoanDisbursed)]) > 1, "the merchant draws again"


def test_about_one_instalment_in_ten_is_late() -> None:
    late: Counter[bool] = Counter()
    for seed in range(60):
        _, events = live([change(1, 1_000_000, expires_at=None)], seed, END_MS)
        for event in events:
            if isinstance(event, RepaymentReceived):
                late[event.occurred_at > (event.due_at or 0)] += 1
    assert 0.05 < late[True] / late.total() < 0.2


actions = st.sampled_from(["increase", "decrease", "freeze", "release", "close", "open"])
lives = st.lists(st.tuples(st.integers(0, 10**8), actions, st.integers(0, 120)), max_size=12)


@settings(deadline=None)
@given(lives, st.integers(0, 5))
def test_no_disbursement_ever_exceeds_the_booked_limit_or_happens_in_a_freeze(
    items: list[tuple[int, str, int]], seed: int
) -> None:
    changes, at = [change(1, 5_000_000)], START_MS + DAY_MS
    for number, (limit, action, days) in enumerate(items, 2):
        at += days * DAY_MS
        limit = 0 if action in ("freeze", "close") else limit
        changes.append(change(number, limit, action=action, decided_at=at, effective_at=at))
    line, events = live(changes, seed, END_MS)  # asserts at each draw
    assert (line, events) == live(changes, seed, END_MS), "the same seed gives the same loans"
    drawn = sum(e.amount for e in events if isinstance(e, LoanDisbursed))
    repaid = sum(e.amount for e in events if isinstance(e, RepaymentReceived))
    assert drawn - repaid == line.drawn_minor
    assert max(Counter(e.event_id for e in events).values(), default=1) == 1


def test_a_draw_that_was_planned_before_a_freeze_does_not_happen() -> None:
    first = change(1, 1_000_000)
    frozen = change(2, 0, action="freeze", decided_at=first.decided_at, effective_at=0)
    assert live([first, frozen], 1, END_MS)[1] == []


def test_another_seed_gives_other_loans() -> None:
    sent = [change(1, 1_000_000)]
    assert live(sent, 1, END_MS)[1] != live(sent, 2, END_MS)[1]


def test_too_small_a_limit_draws_nothing() -> None:
    assert live([change(1, 250)], 1, END_MS)[1] == []


@pytest.mark.parametrize("seed", range(3))
def test_every_event_is_one_that_intake_takes(seed: int) -> None:
    for event in live([change(1, 1_000_000)], seed, END_MS)[1]:
        raw = encode(event)
        taken, _ = decode_event(raw, now_ms=END_MS, limits=Limits(), privacy_key=bytes(32))
        assert taken == event

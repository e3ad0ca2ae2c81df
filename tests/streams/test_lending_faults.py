"""What should not be sent and will be: contradictions, stale answers, wrong clocks and currencies.

Lines of the log go in, limit changes come out; nothing here may move a line that it should not.
"""

import itertools
from typing import Any

import pytest

from credit.lines import line_id_of
from schemas.outputs import LimitChange
from streams.artifacts import builtin_policy
from tests.streams.test_limits import DAY_MS, UNLEASED, Partition

WC, CO = "working-capital", "co-lending"
APPROVED = builtin_policy("working-capital-1.yaml").replace(
    "override_days: 30",
    "override_days: 30\napprovals: {tiers: [{actions: [open], total_above_ratio: 0, "
    "change_above_ratio: 0, approvers: 1}]}",
)
LI, WU = {"actor": "li", "reason": "seen"}, {"actor": "wu", "reason": "heard"}


def actions(changes: list[LimitChange]) -> list[tuple[str, int, str]]:
    return [(change.action, change.new_limit_minor, change.currency) for change in changes]


def check_versions(partition: Partition) -> None:
    """Every line's versions run from 1 without a gap, and each change goes on from the last."""
    for line in {change.line_id for change in partition.changes}:
        history = [change for change in partition.changes if change.line_id == line]
        assert [change.version for change in history] == list(range(1, len(history) + 1))
        for before, after in itertools.pairwise(history):
            if before.state == "sent":
                assert after.previous_limit_minor == before.new_limit_minor
            assert after.currency == before.currency


def lender(text: str | None = None) -> Partition:
    """A partition with a merchant whose line of working capital is open."""
    partition = Partition(builtin_policy() if text is None else text)
    partition.trade(60)
    assert partition.changes[0].action == "open"
    return partition


def two_lines() -> Partition:
    """A merchant that has a second line, of co-lending."""
    partition = lender(UNLEASED)
    partition.feed("merchant.updated", segment="retail")
    (opened,) = partition.money("credit.applied", 300_000, product=CO)
    assert (opened.product, opened.action, opened.version) == (CO, "open", 1)
    return partition


# --- conflicting commands -------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["limit.approve", "limit.reject"])
def test_of_an_approval_and_a_rejection_the_first_in_the_log_holds(first: str) -> None:
    partition = Partition(APPROVED)
    partition.trade(60)
    (proposed,) = partition.changes
    second = {"limit.approve": "limit.reject", "limit.reject": "limit.approve"}[first]
    (done,) = partition.feed(first, decision_id=proposed.decision_id, **LI)
    assert not partition.feed(second, decision_id=proposed.decision_id, **WU)
    assert done.state == ("sent" if first == "limit.approve" else "withdrawn")
    assert partition.scoring.stats["commands_without_target"] == 1
    check_versions(partition)


def test_a_freeze_stands_against_an_override_until_it_is_released() -> None:
    partition = lender()
    before = partition.changes[-1].new_limit_minor
    money = {"amount": 900_000, "currency": "CNY"}
    (frozen,) = partition.feed("merchant.freeze", **LI)
    assert not partition.feed("limit.override", **money, **WU)
    assert not partition.feed("merchant.freeze", **WU), "it is frozen already"
    assert partition.scoring.stats["commands_without_effect"] == 2
    (released,) = partition.feed("merchant.release", **WU)
    assert not partition.feed("merchant.release", **LI)
    found = [(c.action, c.new_limit_minor, c.actor) for c in (frozen, released)]
    assert found == [("freeze", 0, "li"), ("release", before, "wu")]
    check_versions(partition)


def test_of_two_overrides_the_later_holds_and_the_same_command_twice_counts_once() -> None:
    partition = lender()
    for amount, actor in ((700_000, LI), (900_000, WU), (900_000, WU)):
        partition.feed("limit.override", amount=amount, currency="CNY", **actor)
    assert actions(partition.changes[1:]) == [
        ("override", 700_000, "CNY"),
        ("override", 900_000, "CNY"),
    ]
    assert partition.scoring.stats["commands_without_effect"] == 1
    check_versions(partition)


# --- answers out of order, and twice --------------------------------------------------------------


def test_answers_out_of_order_or_twice_change_nothing_but_the_first_that_fits() -> None:
    partition = lender()
    partition.feed("limit.override", amount=700_000, currency="CNY", **LI)
    first, second = partition.changes
    said = [second, first, second, first]
    assert not [c for s in said for c in partition.feed("limit.acknowledged", **answer(s))]
    line = partition.ledger().lending.lines[WC]
    assert (line.core_state, line.booked_minor) == ("acknowledged", 700_000)
    stats = partition.scoring.stats
    assert (stats["limit.acknowledged"], stats["answers_without_target"]) == (4, 2)
    assert not partition.feed("limit.rejected", **answer(first)), "it was overtaken"
    assert partition.ledger().lending.lines[WC] == line


def test_a_refusal_that_comes_twice_or_after_the_acknowledgement_rolls_back_once_at_most() -> None:
    partition = lender()
    opened = partition.changes[-1]
    partition.feed("limit.acknowledged", **answer(opened))
    partition.feed("limit.override", amount=700_000, currency="CNY", **LI)
    raised = partition.changes[-1]
    rolled = partition.feed("limit.rejected", **answer(raised))
    assert actions(rolled) == [("rollback", opened.new_limit_minor, "CNY")]
    assert not partition.feed("limit.rejected", **answer(raised))
    partition.feed("limit.acknowledged", **answer(rolled[0]))
    assert not partition.feed("limit.rejected", **answer(rolled[0])), "the core has it already"
    assert partition.ledger().lending.lines[WC].limit_minor == opened.new_limit_minor
    check_versions(partition)


def answer(change: LimitChange) -> dict[str, Any]:
    return {
        "decision_id": change.decision_id,
        "line_id": change.line_id,
        "version": change.version,
        "reason": "no",
    }


# --- wrong clocks ---------------------------------------------------------------------------------


def test_a_wrong_clock_of_one_merchant_moves_no_line_of_another() -> None:
    partition = lender()
    partition.trade(1, ("m", "other"))
    line = partition.ledger().lending.lines[WC]
    count = len(partition.changes)
    here = partition.at
    for years in (1, 20, 5):
        partition.at = here + years * 365 * DAY_MS
        partition.money("order.paid", 100, "wrong")
    for years in (1, 20):  # back to the past: late, never a reason to move
        partition.at = here - years * 365 * DAY_MS
        partition.money("order.paid", 100, "wrong")
    partition.at = here
    assert len(partition.changes) == count
    assert partition.ledger().lending.lines[WC] == line, "its term has not run out"
    partition.feed("limit.override", amount=700_000, currency="CNY", **LI)
    assert abs(partition.changes[-1].decided_at - here) <= 2 * DAY_MS
    check_versions(partition)


def test_commands_and_answers_from_a_wrong_clock_are_dated_by_the_log() -> None:
    partition = lender()
    partition.trade(1, ("m", "other"))  # a merchant alone has nobody to contradict its clock
    here = partition.at
    partition.at = here + 30 * 365 * DAY_MS
    (frozen,) = partition.feed("merchant.freeze", **LI)
    partition.feed("limit.acknowledged", **answer(frozen))
    partition.at = here - 30 * 365 * DAY_MS
    (released,) = partition.feed("merchant.release", **WU)
    partition.feed("limit.acknowledged", **answer(released))
    partition.at = here
    assert abs(frozen.decided_at - here) <= 2 * DAY_MS, "at most a step from the watermark"
    assert abs(released.decided_at - here) <= 2 * DAY_MS
    assert partition.ledger().lending.lines[WC].core_state == "acknowledged"
    partition.trade(3)
    assert partition.ledger().lending.lines[WC].limit_minor > 0
    check_versions(partition)


# --- a mix of currencies --------------------------------------------------------------------------


def test_a_mix_of_currencies_neither_moves_a_line_nor_turns_it_into_another() -> None:
    partition = lender()
    before = partition.changes[-1].new_limit_minor
    assert not partition.feed("limit.override", amount=700_000, currency="USD", **LI)
    for _ in range(40):
        partition.feed("order.paid", amount=90_000_000, currency="USD")
        partition.money("order.paid", 100_000)
        partition.at += DAY_MS
    found = partition.changes[1:]
    assert {change.currency for change in found} <= {"CNY"}
    assert all(change.new_limit_minor <= before * 1.5 for change in found), "dollars are no yuan"
    check_versions(partition)


def test_an_application_in_another_currency_is_declined_in_that_currency() -> None:
    partition = lender(UNLEASED)
    partition.feed("merchant.updated", segment="retail")
    (declined,) = partition.feed("credit.applied", amount=9_000, currency="USD", product=CO)
    assert (declined.action, declined.reasons[0].code) == ("decline", "currency_not_offered")
    (again,) = partition.feed("credit.applied", amount=9_000, currency="XAU", product=CO)
    assert (again.action, again.version) == ("decline", 2)
    check_versions(partition)


# --- a merchant with two lines --------------------------------------------------------------------


def test_two_lines_of_a_merchant_are_numbered_commanded_and_answered_apart() -> None:
    partition = two_lines()
    first, second = (line_id_of("m", product) for product in (WC, CO))
    (moved,) = partition.feed(
        "limit.override", line_id=second, amount=400_000, currency="CNY", **LI
    )
    assert (moved.product, moved.version, moved.new_limit_minor) == (CO, 2, 400_000)
    assert not partition.feed("limit.override", line_id="ln_none", amount=1, currency="CNY", **LI)
    partition.feed("limit.acknowledged", **answer(moved))
    lines = partition.ledger().lending.lines
    assert (lines[CO].core_state, lines[WC].core_state) == ("acknowledged", "sent")
    (rolled,) = partition.feed("limit.rejected", **answer(newest(partition, WC)))
    assert rolled.line_id == first and lines[CO].booked_minor == 400_000
    check_versions(partition)


def test_what_is_drawn_under_one_of_two_lines_is_not_held_against_the_other() -> None:
    partition = two_lines()
    second = line_id_of("m", CO)
    loan = {"loan_id": "l1", "line_id": second, "currency": "CNY"}
    partition.feed("loan.disbursed", amount=200_000, **loan)
    frozen = partition.feed("merchant.freeze", **LI)
    assert {c.product: c.drawn_minor for c in frozen} == {WC: 0, CO: 200_000}
    partition.feed("repayment.received", amount=200_000, **loan)
    partition.feed("loan.settled", loan_id="l1", line_id=second)
    released = partition.feed("merchant.release", **LI)
    assert {c.product: c.drawn_minor for c in released} == {WC: 0, CO: 0}
    check_versions(partition)


def newest(partition: Partition, product: str) -> LimitChange:
    return next(c for c in reversed(partition.changes) if c.product == product)

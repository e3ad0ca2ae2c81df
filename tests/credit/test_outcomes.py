"""Loans of the log under other limits: shares, interest, losses, and what was withheld."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.outcomes import DAY_MS, Money, Outcomes, Terms
from features.lines import LogLine

TERMS = Terms(annual_rate=0.365, annual_funding_cost=0.0365, loss_given_default=0.5)
"""A day costs a thousandth."""


def line(type: str, day: int, amount: int | None = None, **fields: Any) -> LogLine:
    """A line of ``lending.events``."""
    return LogLine(
        type=type,
        event_id=f"{type}-{day}",
        merchant_id="m",
        occurred_at=day * DAY_MS,
        amount=amount,
        currency="CNY",
        loan_id=fields.pop("loan_id", "l"),
        **fields,
    )


def money_of(outcomes: Outcomes) -> list[Money]:
    """By policy, of the only merchant."""
    ((merchant, currency, money),) = outcomes.results()
    assert (merchant, currency) == ("m", "CNY")
    return money


def test_a_loan_counts_by_the_share_that_the_limit_left_free() -> None:
    outcomes = Outcomes(3, TERMS)
    outcomes.limit(0, "m", "a", 1_000)
    outcomes.limit(1, "m", "a", 250)
    outcomes.take(line("loan.disbursed", 0, 1_000))
    outcomes.take(line("loan.settled", 10))
    full, quarter, none = money_of(outcomes)
    assert (full.funded, quarter.funded, none.funded) == (1_000, 250, 0)
    assert full.interest == pytest.approx(10) and quarter.interest == pytest.approx(2.5)
    assert full.funding_cost == pytest.approx(1)
    assert full.net == pytest.approx(9)
    assert quarter.withheld_good == pytest.approx(750)
    assert none.interest_forgone == pytest.approx(10)
    assert none.net == 0


def test_a_default_loses_what_is_outstanding_and_a_lower_limit_avoids_its_part() -> None:
    outcomes = Outcomes(2, TERMS)
    outcomes.limit(0, "m", "a", 1_000)
    outcomes.limit(1, "m", "a", 400)
    outcomes.take(line("loan.disbursed", 0, 1_000))
    outcomes.take(line("repayment.received", 10, 200))
    assert outcomes.take(line("loan.defaulted", 40))
    full, less = money_of(outcomes)
    assert full.loss == pytest.approx(400) and full.loss_avoided == 0
    assert less.loss == pytest.approx(160) and less.loss_avoided == pytest.approx(240)
    assert less.withheld_bad == pytest.approx(600) and less.withheld_good == 0
    assert full.interest == pytest.approx(10 + 24)


def test_what_is_drawn_already_takes_up_the_limit_until_it_is_repaid() -> None:
    outcomes = Outcomes(1, TERMS)
    outcomes.limit(0, "m", "a", 1_000)
    outcomes.take(line("loan.disbursed", 0, 800, loan_id="1"))
    outcomes.take(line("loan.disbursed", 1, 800, loan_id="2"))
    outcomes.take(line("repayment.received", 2, 800, loan_id="1"))
    outcomes.take(line("loan.disbursed", 3, 800, loan_id="3"))
    outcomes.finish(3 * DAY_MS)
    (money,) = money_of(outcomes)
    assert money.funded == pytest.approx(800 + 200 + 800)


def test_limits_of_several_lines_add_up_and_a_freeze_funds_nothing() -> None:
    outcomes = Outcomes(1, TERMS)
    outcomes.limit(0, "m", "a", 300)
    outcomes.limit(0, "m", "b", 200)
    outcomes.take(line("loan.disbursed", 0, 1_000, loan_id="1"))
    outcomes.limit(0, "m", "a", 0)
    outcomes.limit(0, "m", "b", 0)
    outcomes.take(line("loan.disbursed", 1, 1_000, loan_id="2"))
    outcomes.finish(DAY_MS)
    assert money_of(outcomes)[0].funded == pytest.approx(500)


def test_the_end_of_a_loan_that_is_not_in_the_log_is_counted_and_changes_nothing() -> None:
    outcomes = Outcomes(1, TERMS)
    assert not outcomes.take(line("loan.defaulted", 1))
    outcomes.take(line("repayment.received", 1, 5))
    outcomes.take(line("repayment.due", 1, 5))
    assert outcomes.unmatched == 2
    assert not list(outcomes.results())


@given(
    st.integers(0, 2_000),
    st.lists(st.tuples(st.integers(1, 500), st.integers(0, 5), st.booleans()), max_size=12),
)
def test_a_loan_is_funded_or_withheld_and_never_both(
    limit: int, loans: list[tuple[int, int, bool]]
) -> None:
    outcomes = Outcomes(2, TERMS)
    outcomes.limit(0, "m", "a", 10**9)
    outcomes.limit(1, "m", "a", limit)
    for day, (amount, lasts, bad) in enumerate(loans):
        outcomes.take(line("loan.disbursed", day, amount, loan_id=str(day)))
        if lasts:
            end = "loan.defaulted" if bad else "loan.settled"
            outcomes.take(line(end, day + lasts, loan_id=str(day)))
    outcomes.finish(100 * DAY_MS)
    if not loans:
        return
    full, less = money_of(outcomes)
    drawn = sum(amount for amount, _, _ in loans)
    assert full.funded == pytest.approx(drawn)
    assert less.funded + less.withheld_good + less.withheld_bad == pytest.approx(drawn)
    assert less.loss + less.loss_avoided == pytest.approx(full.loss)
    assert less.interest <= full.interest + 1e-9

"""Lasting changes, each feature worked out by hand. Day 2 is a Monday."""

import pytest

from features.lines import LogLine
from tests.features.build import at, check, last_values, line, probe
from tests.features.test_families_sales import Case, issued, paid

UNTIL_TODAY = 76
"""The tested days are 48-75, the usual ones end with day 47."""


def daily(first: int, last: int, amount: int = 100, without: int = -1) -> list[LogLine]:
    """A sale on each day but those of a weekday (0 is that of day 0)."""
    return [paid(day, amount) for day in range(first, last + 1) if day % 7 != without]


def settled(day: int, amount: int = 700) -> LogLine:
    return line("settlement.received", day, amount=amount)


def credited(first: int, last: int) -> list[LogLine]:
    return [line("account.credited", day, amount=100) for day in range(first, last + 1)]


MONDAYS = [settled(day) for day in range(2, 67, 7)]
STEADY = [*daily(0, 75), probe(76)]
STOPPED = [*daily(0, 69), probe(UNTIL_TODAY)]
FELL = [*daily(0, 59), *daily(60, 89, 20), probe(90.5)]

CASES: list[Case] = [
    ("sales_fall_cusum_score", 0, STEADY),
    ("sales_fall_cusum_score", 6 * 2.5, STOPPED),
    (
        "sales_fall_cusum_score",
        6 * 2.5,
        [*daily(0, 69), *[issued(d, 0) for d in range(70, 76)], probe(76)],
    ),
    # A week without sales is as much for who never opens on one of its days.
    ("sales_fall_cusum_score", 17.5, [*daily(0, 68, without=3), probe(UNTIL_TODAY)]),
    # To three fifths: 1.6 of the least scale, a quarter of the usual, less the allowance.
    ("sales_fall_cusum_score", 28 * 1.1, [*daily(0, 47), *daily(48, 75, 60), probe(76)]),
    ("sales_fall_cusum_score", 0, [*daily(0, 47), *daily(48, 75, 90), probe(76)]),
    # One day of twenty times the usual takes off no more than three usual weeks.
    (
        "sales_fall_cusum_score",
        26 * 2.5 - 21.5 + 2.5,
        [*daily(0, 47), *daily(74, 74, 2000), probe(76)],
    ),
    ("sales_fall_cusum_score", None, [*daily(20, 75), probe(75.5)]),
    ("sales_fall_cusum_score", 0, [*daily(20, 75), probe(76)]),
    ("sales_fall_cusum_score", None, [paid(0, 100), *daily(60, 75), probe(76)]),
    ("inflow_fall_cusum_score", 6 * 2.5, [*credited(0, 69), probe(UNTIL_TODAY)]),
    ("inflow_fall_cusum_score", 17.5, [*MONDAYS, probe(73)]),
    ("inflow_fall_cusum_score", 17.5, [*MONDAYS, probe(73 + 2)]),
    ("inflow_fall_cusum_score", 17.5, [*MONDAYS, line("order.paid", 75, amount=5), probe(76)]),
    ("inflow_fall_cusum_score", None, [*credited(20, 75), probe(75.5)]),
    ("inflow_fall_cusum_score", None, STEADY),
    ("sales_cut_days", 30, FELL),
    ("sales_cut_ratio", 0.2, FELL),
    ("sales_cut_days", None, STEADY),
    ("sales_cut_ratio", 1, STEADY),
    ("sales_cut_ratio", 1, [*daily(0, 28), probe(28)]),
    ("sales_cut_ratio", None, [*daily(0, 27), probe(27)]),
    ("sales_cut_days", 40, [paid(0, 0), *daily(50, 89), probe(90.5)]),
    ("sales_cut_ratio", None, [paid(0, 0), *daily(50, 89), probe(90.5)]),
    ("sales_cut_ratio", None, [paid(0, 0), probe(90)]),
    # A single day, however large, is no change of level.
    ("sales_cut_ratio", 1, [*daily(0, 89), paid(70, 100_000), probe(90.5)]),
]


@pytest.mark.parametrize(("name", "expected", "lines"), CASES)
def test_a_feature_is_what_its_formula_says(
    name: str, expected: float | None, lines: list[LogLine]
) -> None:
    check(name, expected, lines)


def test_a_payout_that_comes_late_takes_off_what_its_absence_added() -> None:
    waiting = [*MONDAYS, probe(73)]
    assert last_values(*waiting)["inflow_fall_cusum_score"] == 17.5
    assert last_values(*waiting, settled(75), probe(77))["inflow_fall_cusum_score"] == 0


def test_inflow_that_left_the_short_ring_still_counts_and_takes_late_amounts() -> None:
    lines = [*credited(0, 75), paid(76, 1)]
    late = [line("account.credited", day, amount=300) for day in range(20, 48)]
    assert last_values(*lines, probe(76))["inflow_fall_cusum_score"] == 0
    # The usual is 400 now: each tested day lies three quarters below it.
    found = last_values(*lines, *late, probe(76))["inflow_fall_cusum_score"]
    assert found == pytest.approx(28 * 2.5)


def test_a_late_sale_amends_the_change_that_its_absence_made() -> None:
    gap = [*daily(0, 69), *daily(74, 75), probe(76)]
    assert last_values(*gap)["sales_fall_cusum_score"] == pytest.approx(4 * 2.5 - 2 * 0.5)
    late = [paid(day, 100) for day in range(70, 74)]
    assert last_values(*gap, *late, probe(76.1))["sales_fall_cusum_score"] == 0


def test_a_corrected_sale_amends_the_cut() -> None:
    lines = [*FELL, *[line("order.refunded", 90.6, amount=80, ordered_at=at(d)) for d in range(60)]]
    found = last_values(*lines, probe(90.7))
    assert found["sales_cut_ratio"] == 1 and "sales_cut_days" not in found

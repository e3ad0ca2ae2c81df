"""Lasting changes: CUSUM of daily sales and inflow, and ADWIN's test of every split."""

from collections.abc import Callable
from fractions import Fraction

from tests.features.oracle.history import SALES, SHORT_HELD, History, Values, amount, median
from tests.features.oracle.roots import logarithm, root
from tests.features.oracle.sales import SPREAD, Turnover

INFLOW_HELD = 2 * SHORT_HELD
TESTED = range(29, 1, -1)
"""Days that a CUSUM adds up, oldest first."""
SIDE = 7
DELTA = Fraction(1, 20)
CLEARLY = 1 + Fraction(1, 10**9)
"""By how much an older cut must be better than a later one."""


def fall(on: Callable[[int], int], last: int) -> Fraction | None:
    """CUSUM of the shortfall of the tested days against days 30 to ``last``."""
    alike: dict[int, list[int]] = {weekday: [] for weekday in range(7)}
    for n in range(30, last + 1):
        alike[n % 7].append(on(n))
    usual = {weekday: median(values) for weekday, values in alike.items()}
    mean = sum(usual.values(), Fraction()) / 7
    if not mean:
        return None
    spread = SPREAD * median([abs(on(n) - usual[n % 7]) for n in range(30, last + 1)])
    scale = max(spread, mean / 4, Fraction(1))
    total = Fraction()
    for n in TESTED:
        weight = usual[n % 7] / mean
        distance = min(max((on(n) - usual[n % 7]) / scale, -3 * weight), Fraction(21))
        total = max(total - distance - weight / 2, Fraction())
    return total


def cut(daily: list[int]) -> tuple[int | None, Fraction | int | None]:
    """Days of the series (oldest first) after its most significant cut, and the ratio of means."""
    window = len(daily)
    mean = Fraction(sum(daily), window)
    if not mean:
        return None, None
    capped = [min(Fraction(value), 2 * mean) for value in daily]
    middle = sum(capped, Fraction()) / window
    variance = sum(((value - middle) ** 2 for value in capped), Fraction()) / window
    log = logarithm(2 * window / DELTA)
    found, best = None, Fraction(1)
    for late in range(SIDE, window - SIDE + 1):
        early = window - late
        harmonic = 1 / (Fraction(1, late) + Fraction(1, early))
        means = sum(capped[early:], Fraction()) / late, sum(capped[:early], Fraction()) / early
        bound = root(2 / harmonic * variance * log) + 2 / (3 * harmonic) * log * 2 * mean
        significance = abs(means[0] - means[1]) / bound
        if significance > (best if found is None else best * CLEARLY):
            found, best = late, significance
    if found is None:
        return None, 1
    before = Fraction(sum(daily[:-found]), window - found)
    return found, Fraction(sum(daily[-found:]), found) / before if before else None


def change(history: History, as_of: int) -> Values:
    """The features of the module ``features.families.change`` that do not come from lending."""
    found: Values = dict.fromkeys(
        ("sales_fall_cusum_score", "inflow_fall_cusum_score", "sales_cut_days", "sales_cut_ratio")
    )
    turnover = Turnover(history, as_of)
    first = history.first_day(*SALES)
    if first is not None:
        known = min(turnover.today - first + 1, 92)
        if known >= 57:
            found["sales_fall_cusum_score"] = fall(turnover.on, known)
        if known >= 29:
            daily = [turnover.on(n) for n in range(known, 1, -1)]
            found["sales_cut_days"], found["sales_cut_ratio"] = cut(daily)
    start = min(event.day for event in history.events)
    kinds = "settlement.received", "account.credited", "account.debited"
    if history.any_of(*kinds) and start <= turnover.day_of(57):
        inflow = history.days(kinds[:2], held=INFLOW_HELD, what=amount)
        by_number = {turnover.today - day + 1: value for day, value in inflow.items()}
        found["inflow_fall_cusum_score"] = fall(lambda n: by_number.get(n, 0), 57)
    return found

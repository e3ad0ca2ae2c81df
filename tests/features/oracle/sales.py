"""Sales: level, trend, volatility, surprise, size of a sale."""

from fractions import Fraction

from tests.features.oracle.history import (
    COUNT_MAX,
    DAY_MS,
    DAYS_HELD,
    HOUR_MS,
    HOURS_HELD,
    PERIOD_DAYS,
    SALES,
    SHORT_HELD,
    YEAR_HELD,
    History,
    Tally,
    Value,
    Values,
    amount,
    less,
    median,
    original_day,
    over,
    ratio,
    week_of,
)
from tests.features.oracle.roots import root

SPREAD = Fraction("1.4826")
SATURDAY = 5


def net_orders(history: History) -> Tally:
    """Paid - cancelled - refunded by day (day ring)."""
    paid = history.days(["order.paid"], held=DAYS_HELD, what=amount)
    back = history.days(
        ["order.cancelled", "order.refunded"], held=DAYS_HELD, day=original_day, what=amount
    )
    return less(paid, back)


def net_invoices(history: History) -> Tally:
    """Issued - voided by day (day ring)."""
    issued = history.days(["invoice.issued"], held=DAYS_HELD, what=amount)
    voided = history.days(["invoice.voided"], held=DAYS_HELD, day=original_day, what=amount)
    return less(issued, voided)


class Turnover:
    """Turnover over any days that count back from that of ``as_of`` (day 1)."""

    def __init__(self, history: History, as_of: int) -> None:
        self.today = as_of // DAY_MS
        self.orders = net_orders(history)
        self.invoices = net_invoices(history)

    def day_of(self, number: int) -> int:
        return self.today - number + 1

    def over(self, first: int, last: int) -> int:
        """Turnover over days ``first`` to ``last`` together, 1 being today."""
        days = self.day_of(last), self.day_of(first)
        return max(over(self.orders, *days), over(self.invoices, *days), 0)

    def on(self, number: int) -> int:
        """Turnover of one day."""
        return self.over(number, number)


def sales_count(history: History, as_of: int, last: int) -> int:
    """max(orders paid, invoices issued) over days 1 to ``last``."""
    today = as_of // DAY_MS
    return max(
        over(history.days([kind], held=SHORT_HELD, most=COUNT_MAX), today - last + 1, today)
        for kind in SALES
    )


def _hours(history: History, as_of: int, first: int, last: int, kind: str, money: bool) -> int:
    """Sum (or count) over hours ``first`` to ``last`` of as_of of the hours held."""
    now = as_of // HOUR_MS
    return sum(
        event.amount if money else 1
        for event in history.of(kind)
        if event.hour > history.head_hour - HOURS_HELD
        and now - last + 1 <= event.hour <= now - first + 1
    )


def _count_hours(history: History, as_of: int, first: int, last: int) -> int:
    return sum(_hours(history, as_of, first, last, kind, False) for kind in SALES)


def _hour_profile(history: History) -> list[int]:
    """Sales by hour of the day, halved whenever the head enters a later period."""
    profile = [0] * 24
    period: int | None = None
    for event in history.events:
        now = event.head // PERIOD_DAYS
        for _ in range(0 if period is None else min(now - period, 64)):
            profile = [count // 2 for count in profile]
        period = now
        if event.kind in SALES:
            hour = event.hour % 24
            profile[hour] = min(profile[hour] + 1, COUNT_MAX)
    return profile


def _total(history: History) -> int:
    """Turnover over all that ever counted."""
    views = (
        ("order.paid", ("order.cancelled", "order.refunded")),
        ("invoice.issued", ("invoice.voided",)),
    )
    net = (
        sum(e.amount for e in history.of(sold)) - sum(e.amount for e in history.of(*back))
        for sold, back in views
    )
    return max(*net, 0)


def level(history: History, as_of: int, turnover: Turnover, first: int | None) -> Values:
    """How much is sold; ``first`` is the day of the first sale."""
    found: Values = dict.fromkeys(
        (
            "gross_sales_24h_minor",
            "turnover_7d_minor",
            "turnover_28d_minor",
            "turnover_92d_minor",
            "turnover_total_minor",
            "turnover_usual_28d_minor",
            "daily_sales_median_28d_minor",
            "sales_count_7d",
            "sales_count_28d",
        )
    )
    if first is None:
        return found
    found["gross_sales_24h_minor"] = sum(_hours(history, as_of, 1, 24, k, True) for k in SALES)
    for days in (7, 28, 92):
        found[f"turnover_{days}d_minor"] = turnover.over(1, days)
    found["turnover_total_minor"] = _total(history)
    known = [n for n in range(29, 85) if turnover.day_of(n) >= first]
    if len(known) >= 28:
        usual = Fraction(turnover.over(29, known[-1]) * 28, len(known))
        found["turnover_usual_28d_minor"] = usual
    if first <= turnover.day_of(29):
        found["daily_sales_median_28d_minor"] = median([turnover.on(n) for n in range(2, 30)])
    for days in (7, 28):
        found[f"sales_count_{days}d"] = sales_count(history, as_of, days)
    return found


def _rolling_weeks(turnover: Turnover, first: int) -> list[int]:
    """Turnover of the last 12 rolling weeks wholly on or after the first sale, oldest first."""
    starts = [1 + 7 * k for k in range(12) if turnover.day_of(7 + 7 * k) >= first]
    return [turnover.over(start, start + 6) for start in reversed(starts)]


def _slope(values: list[int]) -> Fraction:
    """Least-squares slope over 0, 1, 2 ..."""
    count = len(values)
    mid = Fraction(count - 1, 2)
    mean = Fraction(sum(values), count)
    both = sum((i - mid) * (v - mean) for i, v in enumerate(values))
    return Fraction(both) / sum((i - mid) ** 2 for i in range(count))


def trend(history: History, as_of: int, turnover: Turnover, first: int | None) -> Values:
    """Growth, and how steady it is."""
    found: Values = {"turnover_trend_12w_ratio": None, "turnover_volatility_ratio": None}
    weeks = [] if first is None else _rolling_weeks(turnover, first)
    if any(weeks):
        mean = Fraction(sum(weeks), len(weeks))
        if len(weeks) >= 6:
            found["turnover_trend_12w_ratio"] = _slope(weeks) / mean
        if len(weeks) >= 4:
            variance = sum(((v - mean) ** 2 for v in weeks), Fraction()) / len(weeks)
            found["turnover_volatility_ratio"] = root(variance) / mean
    documents = less(
        history.weeks(SALES, held=YEAR_HELD, what=amount),
        history.weeks(
            ["order.cancelled", "order.refunded", "invoice.voided"],
            held=YEAR_HELD,
            day=original_day,
            what=amount,
        ),
    )
    week = week_of(as_of // DAY_MS)
    before = over(documents, week - 53, week - 50)
    late = over(documents, week - 4, week - 1)
    found["turnover_year_ratio"] = ratio(late, before) if before > 0 else None
    return found


def changes(found: Values) -> Values:
    """Levels against their usual."""
    usual = found["turnover_usual_28d_minor"]
    week, month = found["turnover_7d_minor"], found["turnover_28d_minor"]
    if not isinstance(usual, Fraction) or not usual:
        return {"turnover_change_7d_ratio": None, "turnover_change_28d_ratio": None}
    assert isinstance(week, int) and isinstance(month, int)
    return {
        "turnover_change_7d_ratio": week / (usual / 4),
        "turnover_change_28d_ratio": month / usual,
    }


def days(turnover: Turnover, first: int | None) -> Values:
    """Spread, empty days, yesterday against its weekday, weekends."""
    spread: Value = None
    surprise: Value = None
    empty: Value = None
    if first is not None:
        daily = [turnover.on(n) for n in range(2, 30)]
        middle = median(daily)
        if first <= turnover.day_of(29) and middle:
            spread = SPREAD * median([abs(value - middle) for value in daily]) / middle
        numbers = range(2, 30)
        empty = sum(1 for n in numbers if turnover.day_of(n) >= first and not turnover.on(n))
        alike = [turnover.on(2 + 7 * k) for k in range(1, 9) if turnover.day_of(2 + 7 * k) >= first]
        if len(alike) >= 4:
            usual = median(alike)
            around = SPREAD * median([abs(value - usual) for value in alike])
            score = (turnover.on(2) - usual) / max(around, usual / 10, Fraction(1))
            surprise = min(max(score, Fraction(-20)), Fraction(20))
    all_days = [(turnover.day_of(n), turnover.on(n)) for n in range(1, 85)]
    weekend = sum(value for day, value in all_days if (day + 3) % 7 >= SATURDAY)
    return {
        "daily_sales_spread_28d_ratio": spread,
        "zero_sales_days_28d": empty,
        "daily_sales_surprise_score": surprise,
        "weekend_sales_share_84d": ratio(weekend, sum(value for _, value in all_days)),
    }


def hours(history: History, as_of: int, first: int | None) -> Values:
    """Bursts and lulls."""
    found: Values = dict.fromkeys(
        ("sales_count_1h", "sales_count_24h", "sales_burst_24h_ratio", "sales_hour_surprise_score")
    )
    if first is None:
        return found
    found["sales_count_1h"] = _count_hours(history, as_of, 1, 1)
    day_count = found["sales_count_24h"] = _count_hours(history, as_of, 1, 24)
    today = as_of // DAY_MS
    before = sum(
        over(history.days([kind], held=SHORT_HELD, most=COUNT_MAX), today - 27, today - 1)
        for kind in SALES
    )
    if not before or first > today - 27:
        return found
    usual = Fraction(before, 27)
    found["sales_burst_24h_ratio"] = day_count / usual
    profile = _hour_profile(history)
    if sum(profile) >= 50:
        now = as_of // HOUR_MS
        of_day = sum(profile[(now - back) % 24] for back in range(1, 7))
        expected = usual * Fraction(of_day, sum(profile))
        score = _count_hours(history, as_of, 2, 7) - expected
        found["sales_hour_surprise_score"] = score / root(expected + 1)
    return found


def _size(history: History, turnover: Turnover, last: int) -> Fraction | None:
    """Average size of a sale over days 1 to ``last``."""
    window = turnover.day_of(last), turnover.today
    orders = max(over(turnover.orders, *window), 0)
    invoices = max(over(turnover.invoices, *window), 0)
    kind, value = ("invoice.issued", invoices) if invoices > orders else ("order.paid", orders)
    return ratio(value, over(history.days([kind], held=SHORT_HELD, most=COUNT_MAX), *window))


def size(history: History, turnover: Turnover) -> Values:
    """The average sale, and how it changed."""
    month, week = _size(history, turnover, 28), _size(history, turnover, 7)
    change = week / month if week is not None and month else None
    return {"sale_size_28d_minor": month, "sale_size_change_ratio": change}


def sales(history: History, as_of: int) -> Values:
    """All features of the module ``features.families.sales``."""
    first = history.first_day(*SALES)
    turnover = Turnover(history, as_of)
    found = level(history, as_of, turnover, first)
    found |= changes(found)
    found |= trend(history, as_of, turnover, first)
    found |= days(turnover, first)
    found |= hours(history, as_of, first)
    return found | size(history, turnover)

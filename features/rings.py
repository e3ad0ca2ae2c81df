"""The rings of a row: how they turn, and how a number is placed in them."""

from typing import Any

import numpy as np

from features import layout as lay
from features.layout import inner


@inner
def whole(value: Any) -> int:
    """A stored number as int64; compiled arithmetic of unsigned ones never goes below 0."""
    return np.int64(value)  # type: ignore[return-value]


@inner
def bump(g: Any, counts: Any, metric: int, at: int, limit: int) -> None:
    """Add one to a count that stops at ``limit``."""
    if counts[metric, at] < limit:
        counts[metric, at] += 1
    else:
        g.counters[lay.N_SATURATED] += 1


@inner
def bump_short(r: Any, g: Any, metric: int, day: int) -> None:
    """Count on a day of the short ring, where that holds the day (not after the head)."""
    if day > r.head // 24 - lay.SHORT_DAYS:
        bump(g, r.short_count, metric, day % lay.SHORT_DAYS, lay.COUNT_MAX)


@inner
def bump_rare(r: Any, g: Any, metric: int, day: int) -> None:
    """The same of the small counts."""
    if day > r.head // 24 - lay.SHORT_DAYS:
        bump(g, r.short_rare, metric, day % lay.SHORT_DAYS, lay.RARE_MAX)


@inner
def add_short(r: Any, metric: int, day: int, amount: int) -> None:
    """Add to an amount of the short ring, where that holds the day."""
    if day > r.head // 24 - lay.SHORT_DAYS:
        r.short_minor[metric, day % lay.SHORT_DAYS] += amount


@inner
def add_inflow(r: Any, metric: int, day: int, amount: int) -> None:
    """Add money that came in to the short ring, or to the days before it that are held."""
    first = r.head // 24 - lay.SHORT_DAYS + 1
    if day >= first:
        r.short_minor[metric, day % lay.SHORT_DAYS] += amount
    elif day >= first - lay.SHORT_DAYS:
        r.old_inflow[day % lay.SHORT_DAYS] += amount


@inner
def week_of(day: int) -> int:
    """Number of the week (from Monday) of a day; 1970-01-01, day 0, was a Thursday."""
    return (day + 3) // 7


@inner
def add_week(r: Any, metric: int, day: int, amount: int, sign: int) -> bool:
    """Add to an amount of the week ring, or ``sign`` of it to the year ring's older weeks.

    ``sign`` is the part that the metric has in net sales documents. False where nothing holds the
    week.
    """
    week = week_of(day)
    head = week_of(r.head // 24)
    if week > head - lay.WEEKS:
        r.week_minor[metric, week % lay.WEEKS] += amount
        return True
    if week > head - lay.YEAR_WEEKS:
        r.old_weeks[week % lay.OLD_WEEKS] += sign * amount
        return True
    return False


@inner
def net_documents(r: Any, week: int) -> int:
    """Net sales documents of a week that the week ring holds."""
    at = week % lay.WEEKS
    return int(
        r.week_minor[lay.WEEK_ORDERS, at]
        - r.week_minor[lay.WEEK_REFUNDS, at]
        + r.week_minor[lay.WEEK_INVOICES, at]
        - r.week_minor[lay.WEEK_VOIDS, at]
    )


@inner
def set_bit(bits: Any, at: int) -> None:
    """Set a bit of a byte array."""
    bits[at >> 3] |= 1 << (at & 7)


@inner
def has_bit(bits: Any, at: int) -> bool:
    """Whether a bit of a byte array is set."""
    return bool(bits[at >> 3] >> (at & 7) & 1 != 0)


@inner
def _turn_hours(r: Any, before: int, hour: int) -> None:
    for h in range(max(before + 1, hour - lay.HOURS + 1), hour + 1):
        r.hour_minor[h % lay.HOURS] = 0
        r.hour_count[h % lay.HOURS] = 0


@inner
def _turn_inflow(r: Any, before: int, day: int) -> None:
    """Keep what leaves the short ring; before that turns."""
    first = max(before - lay.SHORT_DAYS + 1, day - 2 * lay.SHORT_DAYS + 1)
    for d in range(first, day - lay.SHORT_DAYS + 1):
        at = d % lay.SHORT_DAYS
        settled, credited = r.short_minor[lay.SETTLED, at], r.short_minor[lay.MONEY_IN, at]
        r.old_inflow[at] = settled + credited if d <= before else 0


@inner
def _turn_days(r: Any, before: int, day: int) -> None:
    for d in range(max(before + 1, day - lay.DAYS + 1), day + 1):
        r.net_orders[d % lay.DAYS] = 0
        r.net_invoices[d % lay.DAYS] = 0
        r.day_sales[d % lay.DAYS] = 0
        r.active[d % 96 >> 3] &= 255 ^ (1 << (d % 96 & 7))
    for d in range(max(before + 1, day - lay.SHORT_DAYS + 1), day + 1):
        at = d % lay.SHORT_DAYS
        for metric in range(6):
            r.short_minor[metric, at] = 0
        for metric in range(12):
            r.short_count[metric, at] = 0
        for metric in range(2):
            r.short_rare[metric, at] = 0
            r.short_hours[metric, at] = 0
        r.open_deliveries[at] = 0
        r.sensor[d % 64 >> 3] &= 255 ^ (1 << (d % 64 & 7))
    last = day + lay.PROMISE_AHEAD_DAYS
    first = max(before + lay.PROMISE_AHEAD_DAYS + 1, last - lay.PROMISE_DAYS + 1)
    for d in range(first, last + 1):
        r.promise[lay.MADE, d % lay.PROMISE_DAYS] = 0
        r.promise[lay.OPEN, d % lay.PROMISE_DAYS] = 0


@inner
def _turn_weeks(r: Any, before: int, week: int) -> None:
    first = max(before - lay.WEEKS + 1, week - lay.YEAR_WEEKS + 1)
    for w in range(first, week - lay.WEEKS + 1):
        r.old_weeks[w % lay.OLD_WEEKS] = net_documents(r, w) if w <= before else 0
    for w in range(max(before + 1, week - lay.WEEKS + 1), week + 1):
        at = w % lay.WEEKS
        for metric in range(5):
            r.week_minor[metric, at] = 0
        for metric in range(2):
            r.week_count[metric, at] = 0
            r.week_few[metric, at] = 0
        r.open_invoices[at] = 0


@inner
def _turn_periods(r: Any, periods: int) -> None:
    halvings = min(periods, 62)
    r.settled_ahead = 0
    for side in range(2):
        for byte in range(lay.BITS // 8):
            r.bitmap[side, 1, byte] = r.bitmap[side, 0, byte] if periods == 1 else 0
            r.bitmap[side, 0, byte] = 0
        r.named[side, 1] = r.named[side, 0] if periods == 1 else 0
        r.fresh[side, 1] = r.fresh[side, 0] if periods == 1 else 0
        r.named[side, 0] = 0
        r.fresh[side, 0] = 0
        for place in range(lay.PLACES):
            r.table_minor[side, place] >>= halvings
        r.table_total[side] >>= halvings
    for hour in range(24):
        r.profile[hour] >>= min(halvings, 16)


@inner
def turn(r: Any, hour: int) -> None:
    """Move the head of all rings to ``hour``; what lies between is empty."""
    before, day = r.head // 24, hour // 24
    _turn_hours(r, r.head, hour)
    if day > before:
        _turn_inflow(r, before, day)
        _turn_days(r, before, day)
        if week_of(day) > week_of(before):
            _turn_weeks(r, week_of(before), week_of(day))
        periods = day // lay.PERIOD_DAYS - before // lay.PERIOD_DAYS
        if periods > 0:
            _turn_periods(r, periods)
    r.head = hour

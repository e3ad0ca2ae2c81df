"""The feature vector of one merchant at one time, from its rings (see ``catalogue``)."""

from typing import Any

import numpy as np

from features import layout as lay
from features.layout import entry, inner

KERNEL_NAMES = (
    "turnover_7d_minor",
    "turnover_28d_minor",
    "turnover_usual_28d_minor",
    "turnover_change_7d_ratio",
    "turnover_change_28d_ratio",
    "turnover_volatility_ratio",
    "sales_count_28d",
    "sale_size_28d_minor",
    "active_days_28d",
    "silence_days",
    "silence_usual_days",
    "refund_share_28d",
    "refund_share_usual",
    "dispute_share_28d",
    "dispute_share_usual",
    "cancel_share_28d",
    "void_share_28d",
    "void_share_usual",
    "overdue_shipments",
    "overdue_shipment_share",
    "late_delivery_share_28d",
    "unshipped_share_28d",
    "settlement_to_sales_28d_ratio",
    "purchases_to_sales_28d_ratio",
    "net_inflow_28d_minor",
    "failed_payments_28d",
    "dishonoured_bills_92d",
    "court_cases_92d",
    "registration_changes_92d",
    "review_mean_92d",
    "tenure_days",
)
"""The leading names of the catalogue, in the order in which ``compute`` writes them."""


@inner
def _sum(ring: Any, metric: int, first: int, last: int, head: int) -> int:
    """Sum of a metric over the days ``first``-``last`` that the ring (metric, day) holds."""
    length = ring.shape[1]
    first = max(first, head - length + 1)
    last = min(last, head)
    total = 0
    at = first % length
    for _ in range(first, last + 1):
        total += ring[metric, at]
        at += 1
        if at == length:
            at = 0
    return total


@inner
def _long(r: Any, metric: int, first: int, last: int) -> int:
    return _sum(r.money_long, metric, first, last, r.head)


@inner
def _turnover(r: Any, first: int, last: int) -> int:
    orders = (
        _long(r, lay.PAID, first, last)
        - _long(r, lay.REFUNDED, first, last)
        - _long(r, lay.CANCELLED, first, last)
    )
    invoices = _long(r, lay.ISSUED, first, last) - _long(r, lay.VOIDED, first, last)
    return max(orders, invoices, 0)


@inner
def _share(part: int, whole: int) -> float:
    """Part of whole within 0-1; NaN where there is neither."""
    if part <= 0 and whole <= 0:
        return np.nan
    return min(max(part, 0) / whole, 1.0) if whole > 0 else 1.0


@inner
def _ratio(value: float, base: float) -> float:
    return value / base if base > 0 else np.nan


@inner
def _sales_count(r: Any, first: int, last: int) -> int:
    return max(
        _sum(r.count_long, lay.ORDERS, first, last, r.head),
        _sum(r.count_long, lay.INVOICES, first, last, r.head),
    )


@inner
def _volatility(r: Any, day: int) -> float:
    weeks = min((day - r.first_sale_day + 1) // 7, 12)
    if weeks < 4:
        return np.nan
    values = np.zeros(12)
    total = 0.0
    for week in range(weeks):
        values[week] = _turnover(r, day - 7 * week - 6, day - 7 * week)
        total += values[week]
    if total <= 0:
        return np.nan
    mean = total / weeks
    square = 0.0
    for week in range(weeks):
        square += (values[week] - mean) ** 2
    return float(np.sqrt(square / weeks) / mean)


@inner
def _sales(r: Any, day: int, out: Any) -> None:
    week, month = _turnover(r, day - 6, day), _turnover(r, day - 27, day)
    out[0] = week
    out[1] = month
    history = min(day - 28 - r.first_sale_day + 1, 56)
    if history >= 28:
        usual = _turnover(r, day - 28 - history + 1, day - 28) * 28 / history
        out[2] = usual
        out[3] = _ratio(week * 4, usual)
        out[4] = _ratio(month, usual)
        before, since = day - 28, day - 90
        out[12] = _share(_long(r, lay.REFUNDED, since, before), _long(r, lay.PAID, since, before))
        out[14] = _share(
            _sum(r.count_long, lay.DISPUTES, since, before, r.head), _sales_count(r, since, before)
        )
        out[17] = _share(_long(r, lay.VOIDED, since, before), _long(r, lay.ISSUED, since, before))
    out[5] = _volatility(r, day)
    out[6] = _sales_count(r, day - 27, day)
    paid, issued = _long(r, lay.PAID, day - 27, day), _long(r, lay.ISSUED, day - 27, day)
    if issued > paid:
        out[7] = _ratio(issued, _sum(r.count_long, lay.INVOICES, day - 27, day, r.head))
    else:
        out[7] = _ratio(paid, _sum(r.count_long, lay.ORDERS, day - 27, day, r.head))


@inner
def _activity(r: Any, day: int, as_of: int, out: Any) -> None:
    active, recent, longest, previous = 0, 0, 0, -1
    for d in range(max(day - 91, r.head - lay.LONG_DAYS + 1), min(day, r.head) + 1):
        if r.active[d % lay.LONG_DAYS]:
            active += 1
            if d > day - 28:
                recent += 1
            if previous >= 0:
                longest = max(longest, d - previous)
            previous = d
    out[8] = recent
    if r.last_active_ms >= 0:
        out[9] = max(as_of - r.last_active_ms, 0) / lay.DAY_MS
    if active >= 5:
        out[10] = longest


@inner
def _shares(r: Any, day: int, out: Any) -> None:
    first = day - 27
    out[11] = _share(_long(r, lay.REFUNDED, first, day), _long(r, lay.PAID, first, day))
    out[13] = _share(
        _sum(r.count_long, lay.DISPUTES, first, day, r.head), _sales_count(r, first, day)
    )
    out[15] = _share(
        _sum(r.count_short, lay.CANCELS, first, day, r.head),
        _sum(r.count_long, lay.ORDERS, first, day, r.head),
    )
    out[16] = _share(_long(r, lay.VOIDED, first, day), _long(r, lay.ISSUED, first, day))


@inner
def _promises(r: Any, as_of: int, out: Any) -> None:
    past = (as_of + 1) // lay.DAY_MS - 1
    overdue, overdue_28d, made_28d = 0, 0, 0
    first = max(past - 91, r.head - lay.PROMISE_PAST_DAYS)
    for d in range(first, min(past, r.head + lay.PROMISE_AHEAD_DAYS) + 1):
        unkept = r.promise[lay.OPEN, d % lay.PROMISE_DAYS]
        overdue += unkept
        if d > past - 28:
            overdue_28d += unkept
            made_28d += r.promise[lay.MADE, d % lay.PROMISE_DAYS]
    out[18] = overdue
    out[19] = _share(overdue_28d, made_28d)


@inner
def _logistics(r: Any, day: int, out: Any) -> None:
    out[20] = _share(
        _sum(r.count_short, lay.LATE, day - 27, day, r.head),
        _sum(r.count_short, lay.DELIVERED, day - 27, day, r.head),
    )
    orders, unshipped = 0, 0
    for d in range(max(day - 30, r.head - lay.SHORT_DAYS + 1), min(day - 3, r.head) + 1):
        at = d % lay.SHORT_DAYS
        sold = max(r.count_long[lay.ORDERS, d % lay.LONG_DAYS] - r.count_short[lay.CANCELS, at], 0)
        orders += sold
        unshipped += max(sold - r.count_short[lay.SHIPPED, at], 0)
    out[21] = _share(unshipped, orders)


@inner
def _flows(r: Any, day: int, out: Any) -> None:
    first = day - 27
    turnover = _turnover(r, first, day)
    if r.seen & lay.HAS_SETTLEMENTS:
        out[22] = _ratio(_sum(r.money_short, lay.SETTLED, first, day, r.head), turnover)
    if r.seen & lay.HAS_PURCHASES:
        purchases = max(_sum(r.money_short, lay.PURCHASED, first, day, r.head), 0)
        out[23] = _ratio(purchases, turnover)
    if r.seen & lay.HAS_ACCOUNT:
        out[24] = _sum(r.money_short, lay.INFLOW, first, day, r.head)


@inner
def _events(r: Any, day: int, out: Any) -> None:
    out[25] = _sum(r.count_short, lay.FAILED, day - 27, day, r.head)
    out[26] = _sum(r.count_long, lay.DISHONOURED, day - 91, day, r.head)
    out[27] = _sum(r.count_long, lay.COURT, day - 91, day, r.head)
    out[28] = _sum(r.count_long, lay.REGISTRATION, day - 91, day, r.head)
    reviews = _sum(r.count_long, lay.REVIEWS, day - 91, day, r.head)
    if reviews > 0:
        out[29] = _sum(r.count_long, lay.RATINGS, day - 91, day, r.head) / (100 * reviews)
    out[30] = max(day - r.first_day + 1, 0)


@entry
def compute(rows: Any, state: Any, slot: int, as_of: int, out: Any) -> None:
    """Write the kernel's part of the vector at ``as_of`` into ``out``; the rest becomes NaN.

    ``state`` is only here for its type (see ``engine.code_digest``).
    """
    out[:] = np.nan
    r = rows[slot]
    if r.head < 0:
        return
    day = as_of // lay.DAY_MS
    if r.seen & lay.HAS_SALES:
        _sales(r, day, out)
    _activity(r, day, as_of, out)
    _shares(r, day, out)
    if r.seen & lay.HAS_PROMISES:
        _promises(r, as_of, out)
    if r.seen & lay.HAS_LOGISTICS:
        _logistics(r, day, out)
    _flows(r, day, out)
    _events(r, day, out)

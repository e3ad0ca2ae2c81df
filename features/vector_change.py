"""The part of the vector on lasting changes: CUSUM of daily sales and inflow, ADWIN on sales.

All is worked out anew from the rings at each assessment, so that late and corrected events amend
it as they amend the days that they belong to.
"""

from typing import Any

import numpy as np

from features import layout as lay
from features.catalogue import INDEX
from features.layout import inner
from features.sums import turnover, twice_median, twice_median_of_many

SALES_CUSUM = INDEX["sales_fall_cusum_score"]
INFLOW_CUSUM = INDEX["inflow_fall_cusum_score"]
CUT_DAYS = INDEX["sales_cut_days"]
CUT_RATIO = INDEX["sales_cut_ratio"]


@inner
def _fall(daily: Any, last: int, medians: Any, scratch: Any) -> float:
    """CUSUM of the shortfall of days 2-29 against days 30-``last``; NaN without a usual.

    ``daily`` are amounts by day counted back (day 1 at 1); see the catalogue for the formula.
    """
    twice_week = 0
    for weekday in range(7):
        count = 0
        for n in range(lay.USUAL_FROM + weekday, last + 1, 7):
            scratch[count] = daily[n]
            count += 1
        medians[weekday] = twice_median(scratch, count)
        twice_week += medians[weekday]
    if twice_week <= 0:
        return np.nan
    count = 0
    for weekday in range(7):
        for n in range(lay.USUAL_FROM + weekday, last + 1, 7):
            scratch[count] = abs(2 * daily[n] - medians[weekday])
            count += 1
    usual = twice_week / 14
    # Twice the median of doubled deviations.
    scale = max(1.4826 * (twice_median_of_many(scratch, count) / 4), usual / 4, 1.0)
    total = 0.0
    weekday = 6  # day 29 is that of the last of seven days that begin on day 30
    for n in range(lay.TESTED_DAYS + 1, 1, -1):
        median = medians[weekday] / 2
        weight = median / usual
        distance = min(max((daily[n] - median) / scale, -3.0 * weight), 21.0)
        total = max(total - distance - 0.5 * weight, 0.0)
        weekday = 6 if weekday == 0 else weekday - 1
    return total


@inner
def _cut(daily: Any, window: int, out: Any) -> None:
    """The most significant cut of the window of days 2 to ``window`` + 1 by ADWIN's test."""
    total = 0.0
    for n in range(2, window + 2):
        total += daily[n]
    if total <= 0:
        return
    cap = 2.0 * total / window
    capped, square = 0.0, 0.0
    for n in range(2, window + 2):
        value = min(daily[n] * 1.0, cap)
        capped += value
        square += value * value
    mean = capped / window
    variance = max(square / window - mean * mean, 0.0)
    log = np.log(2.0 * lay.CUT_ODDS * window)
    # 1/h = window / (k (window - k)) of a split k days back; its bound in two parts.
    noise, reach = 2.0 * window * variance * log, 2.0 / 3.0 * window * log * cap
    best, days, since = 1.0, 0, 0.0
    after, late = 0.0, 0.0
    for k in range(1, window - lay.CUT_DAYS_MIN + 1):
        after += min(daily[k + 1] * 1.0, cap)
        late += daily[k + 1]
        if k < lay.CUT_DAYS_MIN:
            continue
        inverse = 1.0 / (k * (window - k))
        apart = abs(after * window - k * capped) * inverse
        bound = np.sqrt(noise * inverse) + reach * inverse
        if apart > bound * best:
            # An older cut must be clearly better, so that rounding never chooses between equals.
            best, days, since = apart / bound * (1.0 + 1e-9), k, late
    out[CUT_RATIO] = 1.0
    if days > 0:
        out[CUT_DAYS] = days
        before = total - since
        out[CUT_RATIO] = since / days / (before / (window - days)) if before > 0 else np.nan


@inner
def _sales(r: Any, day: int, orders: Any, invoices: Any, both: Any, out: Any) -> None:
    daily, scratch = both[0], both[1]
    history = min(day - r.first_sale_day + 1, lay.SALES_DAYS)
    for n in range(1, history + 1):
        daily[n] = turnover(orders, invoices, n, n)
    if history > lay.TESTED_DAYS + lay.USUAL_DAYS_MIN:
        out[SALES_CUSUM] = _fall(daily, history, scratch[-7:], scratch)
    if history > lay.WINDOW_DAYS_MIN:
        _cut(daily, history - 1, out)


@inner
def _inflow(r: Any, day: int, both: Any, out: Any) -> None:
    daily, scratch = both[0], both[1]
    if day - r.first_day + 1 < lay.INFLOW_DAYS:
        return
    head = r.head // 24
    at = day % lay.SHORT_DAYS
    for n in range(1, lay.INFLOW_DAYS + 1):
        d = day - n + 1
        if d > head or d <= head - 2 * lay.SHORT_DAYS:
            daily[n] = 0
        elif d <= head - lay.SHORT_DAYS:
            daily[n] = r.old_inflow[at]
        else:
            daily[n] = r.short_minor[lay.SETTLED, at] + r.short_minor[lay.MONEY_IN, at]
        at = lay.SHORT_DAYS - 1 if at == 0 else at - 1
    out[INFLOW_CUSUM] = _fall(daily, lay.INFLOW_DAYS, scratch[-7:], scratch)


@inner
def write_change(r: Any, day: int, orders: Any, invoices: Any, scratch: Any, out: Any) -> None:
    """The changes of sales and of inflow. ``scratch`` is int64, shape (2, 100)."""
    if r.seen & lay.HAS_SALES:
        _sales(r, day, orders, invoices, scratch, out)
    if r.seen & (lay.HAS_SETTLEMENTS | lay.HAS_ACCOUNT):
        _inflow(r, day, scratch, out)

"""The sales part of the vector: level, trend, volatility, surprise, size."""

from typing import Any

import numpy as np

from features import layout as lay
from features.catalogue import INDEX
from features.layout import inner
from features.rings import week_of, whole
from features.sums import (
    documents_sum,
    four_spreads,
    hour_sum,
    ratio,
    short_sum,
    turnover,
    twice_median,
)

GROSS_24H = INDEX["gross_sales_24h_minor"]
TURNOVER_7D = INDEX["turnover_7d_minor"]
TURNOVER_28D = INDEX["turnover_28d_minor"]
TURNOVER_92D = INDEX["turnover_92d_minor"]
TURNOVER_USUAL = INDEX["turnover_usual_28d_minor"]
MEDIAN_28D = INDEX["daily_sales_median_28d_minor"]
TURNOVER_TOTAL = INDEX["turnover_total_minor"]
COUNT_7D = INDEX["sales_count_7d"]
COUNT_28D = INDEX["sales_count_28d"]
CHANGE_7D = INDEX["turnover_change_7d_ratio"]
CHANGE_28D = INDEX["turnover_change_28d_ratio"]
TREND_12W = INDEX["turnover_trend_12w_ratio"]
YEAR = INDEX["turnover_year_ratio"]
VOLATILITY = INDEX["turnover_volatility_ratio"]
SPREAD_28D = INDEX["daily_sales_spread_28d_ratio"]
ZERO_DAYS = INDEX["zero_sales_days_28d"]
DAY_SURPRISE = INDEX["daily_sales_surprise_score"]
WEEKEND = INDEX["weekend_sales_share_84d"]
COUNT_1H = INDEX["sales_count_1h"]
COUNT_24H = INDEX["sales_count_24h"]
BURST_24H = INDEX["sales_burst_24h_ratio"]
HOUR_SURPRISE = INDEX["sales_hour_surprise_score"]
SIZE_28D = INDEX["sale_size_28d_minor"]
SIZE_CHANGE = INDEX["sale_size_change_ratio"]


@inner
def _levels(r: Any, day: int, orders: Any, invoices: Any, out: Any) -> None:
    week, month = turnover(orders, invoices, 1, 7), turnover(orders, invoices, 1, 28)
    out[TURNOVER_7D] = week
    out[TURNOVER_28D] = month
    out[TURNOVER_92D] = turnover(orders, invoices, 1, 92)
    out[TURNOVER_TOTAL] = max(r.total_orders, r.total_invoices, 0)
    history = min(day - 28 - r.first_sale_day + 1, 56)
    if history >= 28:
        usual = turnover(orders, invoices, 29, 28 + history) * 28 / history
        out[TURNOVER_USUAL] = usual
        out[CHANGE_7D] = ratio(week * 4, usual)
        out[CHANGE_28D] = ratio(month, usual)


@inner
def _weeks(r: Any, day: int, orders: Any, invoices: Any, values: Any, out: Any) -> None:
    """Volatility and trend of the rolling weeks."""
    weeks = min((day - r.first_sale_day + 1) // 7, 12)
    if weeks < 4:
        return
    total = 0
    for week in range(weeks):
        values[week] = turnover(orders, invoices, 7 * week + 1, 7 * week + 7)
        total += values[week]
    if total <= 0:
        return
    mean = total / weeks
    square = 0.0
    slope = 0
    for week in range(weeks):
        square += (values[week] - mean) ** 2
        slope += (weeks - 1 - 2 * week) * values[week]  # twice the distance from the middle
    out[VOLATILITY] = np.sqrt(square / weeks) / mean
    if weeks >= 6:
        # sum((x - mean x) (y - mean y)) / sum((x - mean x)^2), of which the latter is n(n^2-1)/12
        # In floats: 143 times the largest total does not fit into 64 bits.
        out[TREND_12W] = 6.0 * slope / ((weeks * weeks - 1.0) * total)


@inner
def _days(r: Any, day: int, orders: Any, invoices: Any, values: Any, out: Any) -> None:
    """Median, spread and empty days of days 2-29."""
    empty = 0
    for n in range(2, 30):
        values[n - 2] = turnover(orders, invoices, n, n)
        if values[n - 2] == 0 and day - n + 1 >= r.first_sale_day:
            empty += 1
    out[ZERO_DAYS] = empty
    if r.first_sale_day <= day - 28:
        twice = twice_median(values, 28)
        out[MEDIAN_28D] = twice / 2
        if twice > 0:
            out[SPREAD_28D] = 1.4826 * (four_spreads(values, 28, twice) / 4) / (twice / 2)


@inner
def _weekdays(r: Any, day: int, orders: Any, invoices: Any, values: Any, out: Any) -> None:
    count = 0
    for k in range(1, 9):
        if day - 1 - 7 * k >= r.first_sale_day:
            values[count] = turnover(orders, invoices, 2 + 7 * k, 2 + 7 * k)
            count += 1
    if count >= 4:
        twice = twice_median(values, count)
        usual = twice / 2
        spread = max(1.4826 * (four_spreads(values, count, twice) / 4), usual / 10, 1.0)
        score = (turnover(orders, invoices, 2, 2) - usual) / spread
        out[DAY_SURPRISE] = min(max(score, -20.0), 20.0)
    weekend, total = 0, 0
    for n in range(1, 85):
        sales = turnover(orders, invoices, n, n)
        total += sales
        if (day - n + 1 + 3) % 7 >= 5:
            weekend += sales
    out[WEEKEND] = ratio(weekend, total)


@inner
def _hours(r: Any, day: int, hour: int, out: Any) -> None:
    out[GROSS_24H] = hour_sum(r, r.hour_minor, hour - 23, hour)
    out[COUNT_1H] = hour_sum(r, r.hour_count, hour, hour)
    recent = hour_sum(r, r.hour_count, hour - 23, hour)
    out[COUNT_24H] = recent
    usual = (
        short_sum(r, r.short_count, lay.ORDERS, day - 27, day - 1)
        + short_sum(r, r.short_count, lay.INVOICES, day - 27, day - 1)
    ) / 27
    if usual <= 0 or r.first_sale_day > day - 27:
        return
    out[BURST_24H] = recent / usual
    profile, here = 0, 0
    for h in range(24):
        profile += whole(r.profile[h])
    for h in range(hour - 6, hour):
        here += whole(r.profile[h % 24])
    if profile >= 50:
        expected = usual * (here / profile)
        found = hour_sum(r, r.hour_count, hour - 6, hour - 1)
        out[HOUR_SURPRISE] = (found - expected) / np.sqrt(expected + 1)


@inner
def _size(orders: Any, invoices: Any, days: int, paid: int, issued: int) -> float:
    """Average sale of the last days, whose orders and invoices are counted."""
    net_orders, net_invoices = max(orders[days], 0), max(invoices[days], 0)
    return ratio(net_invoices, issued) if net_invoices > net_orders else ratio(net_orders, paid)


@inner
def write_sales(r: Any, as_of: int, orders: Any, invoices: Any, values: Any, out: Any) -> None:
    """The sales part, for a merchant that has sold."""
    day = as_of // lay.DAY_MS
    _levels(r, day, orders, invoices, out)
    _weeks(r, day, orders, invoices, values, out)
    _days(r, day, orders, invoices, values, out)
    _weekdays(r, day, orders, invoices, values, out)
    _hours(r, day, as_of // lay.HOUR_MS, out)
    paid_7d = short_sum(r, r.short_count, lay.ORDERS, day - 6, day)
    issued_7d = short_sum(r, r.short_count, lay.INVOICES, day - 6, day)
    paid = paid_7d + short_sum(r, r.short_count, lay.ORDERS, day - 27, day - 7)
    issued = issued_7d + short_sum(r, r.short_count, lay.INVOICES, day - 27, day - 7)
    out[COUNT_7D] = max(paid_7d, issued_7d)
    out[COUNT_28D] = max(paid, issued)
    size = _size(orders, invoices, 28, paid, issued)
    out[SIZE_28D] = size
    out[SIZE_CHANGE] = ratio(_size(orders, invoices, 7, paid_7d, issued_7d), size)


@inner
def write_year(r: Any, day: int, out: Any) -> None:
    """Sales against the year before."""
    head, week = week_of(r.head // 24), week_of(day)
    out[YEAR] = ratio(
        documents_sum(r, head, week - 4, week - 1), documents_sum(r, head, week - 53, week - 50)
    )

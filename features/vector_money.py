"""The part of the vector on cash, invoices, tax and signals, and on presence."""

from typing import Any

from features import layout as lay
from features.catalogue import INDEX
from features.layout import inner
from features.rings import has_bit, week_of, whole
from features.sums import ratio, share, short_sum, twice_median, week_sum
from features.timers import active_days
from features.vector_sales import COUNT_28D

SETTLEMENT_28D = INDEX["settlement_to_sales_28d_ratio"]
SETTLEMENT_USUAL = INDEX["settlement_usual_ratio"]
UNSETTLED = INDEX["delivered_unsettled_minor"]
UNSETTLED_14D = INDEX["delivered_unsettled_14d_minor"]
INFLOW = INDEX["inflow_28d_minor"]
OUTFLOW = INDEX["outflow_28d_minor"]
NET_INFLOW = INDEX["net_inflow_28d_minor"]
INFLOW_CHANGE = INDEX["inflow_change_14d_ratio"]
OUT_TO_IN = INDEX["outflow_to_inflow_28d_ratio"]
BALANCE = INDEX["balance_minor"]
RUNWAY = INDEX["balance_runway_days"]
FAILED_28D = INDEX["failed_payments_28d"]
FAILED_7D = INDEX["failed_payments_7d"]
UTILITY_GAP = INDEX["utility_gap_days"]
UTILITY_USUAL = INDEX["utility_usual_days"]
INVOICED_28D = INDEX["invoiced_28d_minor"]
VOID_28D = INDEX["void_share_28d"]
VOID_USUAL = INDEX["void_share_usual"]
INVOICES_OPEN = INDEX["invoices_open_minor"]
INVOICES_OPEN_8W = INDEX["invoices_open_8w_minor"]
PURCHASES_28D = INDEX["purchases_28d_minor"]
PURCHASES_TO_SALES = INDEX["purchases_to_sales_28d_ratio"]
MARGIN = INDEX["margin_28d_ratio"]
DECLARED = INDEX["declared_to_invoiced_ratio"]
TAX_GAP = INDEX["tax_gap_days"]
BILLS = INDEX["dishonoured_bills_92d"]
COURT = INDEX["court_cases_92d"]
REGISTRATION = INDEX["registration_changes_92d"]
BUREAU_SCORE = INDEX["bureau_score"]
OTHER_DEBT = INDEX["other_debt_minor"]
DEBT_TO_SALES = INDEX["other_debt_to_sales_ratio"]
SENSOR_DAYS = INDEX["sensor_days_28d"]
SENSOR_SILENCE = INDEX["sensor_silence_days"]
ACTIVE_DAYS = INDEX["active_days_28d"]
SILENCE = INDEX["silence_days"]
SILENCE_USUAL = INDEX["silence_usual_days"]
FEED_SILENCE = INDEX["transactions_silence_days"]
"""The first of four, in the order of the feeds of ``layout``."""
TENURE = INDEX["tenure_days"]
THIN = INDEX["thin_file"]


@inner
def _since(as_of: int, then: int) -> float:
    return max(as_of - then, 0) / lay.DAY_MS


@inner
def _flows(r: Any, day: int, out: Any) -> None:
    credited = short_sum(r, r.short_minor, lay.MONEY_IN, day - 13, day)
    before = short_sum(r, r.short_minor, lay.MONEY_IN, day - 27, day - 14)
    inflow = credited + before
    outflow = short_sum(r, r.short_minor, lay.MONEY_OUT, day - 27, day)
    out[INFLOW] = inflow
    out[OUTFLOW] = outflow
    out[NET_INFLOW] = inflow - outflow
    out[INFLOW_CHANGE] = ratio(credited, before)
    out[OUT_TO_IN] = ratio(outflow, inflow)
    if r.seen & lay.HAS_BALANCE:
        out[BALANCE] = r.balance
        if outflow > 0:
            out[RUNWAY] = min(max(r.balance, 0) * 28 / outflow, 365.0)


@inner
def _utilities(r: Any, day: int, values: Any, out: Any) -> None:
    days = r.listed[lay.UTILITY_LIST]
    last = whole(days[lay.LISTED_DAYS - 1])
    if last == 0:
        return
    out[UTILITY_GAP] = max(day - (last - 1), 0)
    count = 0
    for at in range(lay.LISTED_DAYS - 1):
        if days[at] > 0:
            values[count] = whole(days[at + 1]) - whole(days[at])
            count += 1
    if count >= 3:
        out[UTILITY_USUAL] = twice_median(values, count) / 2


@inner
def write_cash(r: Any, day: int, sold: int, values: Any, out: Any) -> None:
    """Settlements, flows, failed payments, utilities; ``sold`` is the turnover of 28 days."""
    head, week = week_of(r.head // 24), week_of(day)
    if r.seen & lay.HAS_SETTLEMENTS:
        settled = short_sum(r, r.short_minor, lay.SETTLED, day - 27, day)
        out[SETTLEMENT_28D] = ratio(settled, sold)
        sums = values
        for metric in range(5):
            sums[metric] = week_sum(head, r.week_minor, metric, week - 13, week - 5)
        sales = max(
            sums[lay.WEEK_ORDERS] - sums[lay.WEEK_REFUNDS],
            sums[lay.WEEK_INVOICES] - sums[lay.WEEK_VOIDS],
        )
        out[SETTLEMENT_USUAL] = ratio(sums[lay.WEEK_SETTLED], sales)
    if r.seen & lay.HAS_DELIVERED:
        total, old = 0, 0
        for d in range(r.head // 24 - lay.SHORT_DAYS + 1, r.head // 24 + 1):
            total += r.open_deliveries[d % lay.SHORT_DAYS]
            if d <= day - 14:
                old += r.open_deliveries[d % lay.SHORT_DAYS]
        out[UNSETTLED] = total
        out[UNSETTLED_14D] = old
    if r.seen & lay.HAS_ACCOUNT:
        _flows(r, day, out)
    out[FAILED_28D] = short_sum(r, r.short_rare, lay.FAILURES, day - 27, day)
    out[FAILED_7D] = short_sum(r, r.short_rare, lay.FAILURES, day - 6, day)
    _utilities(r, day, values, out)


@inner
def write_invoices(r: Any, day: int, sold: int, invoices: Any, out: Any) -> None:
    """Invoices issued and received, margin, tax."""
    head, week = week_of(r.head // 24), week_of(day)
    voided = short_sum(r, r.short_minor, lay.VOIDED, day - 27, day)
    out[VOID_28D] = share(voided, invoices[28] + voided)
    out[VOID_USUAL] = share(
        week_sum(head, r.week_minor, lay.WEEK_VOIDS, week - 13, week - 5),
        week_sum(head, r.week_minor, lay.WEEK_INVOICES, week - 13, week - 5),
    )
    if r.seen & lay.HAS_ISSUED:
        out[INVOICED_28D] = max(invoices[28], 0)
        total, old = 0, 0
        for w in range(head - lay.WEEKS + 1, head + 1):
            total += r.open_invoices[w % lay.WEEKS]
            if week - 13 <= w <= week - 9:
                old += r.open_invoices[w % lay.WEEKS]
        out[INVOICES_OPEN] = total
        out[INVOICES_OPEN_8W] = old
    if r.seen & lay.HAS_RECEIVED:
        purchases = max(short_sum(r, r.short_minor, lay.PURCHASED, day - 27, day), 0)
        out[PURCHASES_28D] = purchases
        out[PURCHASES_TO_SALES] = ratio(purchases, sold)
        if sold > 0:
            out[MARGIN] = max(1 - purchases / sold, -10.0)
    if r.seen & lay.HAS_TAX:
        out[DECLARED] = r.declared_ratio
        out[TAX_GAP] = max(day - r.tax_ms // lay.DAY_MS, 0)


@inner
def _listed(r: Any, which: int, day: int) -> int:
    """Days of a list that lie in days 1-92."""
    count = 0
    for at in range(lay.LISTED_DAYS):
        value = whole(r.listed[which, at])
        if value > 0 and day - 91 <= value - 1 <= day:
            count += 1
    return count


@inner
def write_signals(r: Any, day: int, as_of: int, sold: int, out: Any) -> None:
    """Bills, courts, register, bureau and machines."""
    out[BILLS] = _listed(r, lay.BILLS_LIST, day)
    out[COURT] = _listed(r, lay.COURT_LIST, day)
    out[REGISTRATION] = _listed(r, lay.REGISTER_LIST, day)
    if r.seen & lay.HAS_SCORE:
        out[BUREAU_SCORE] = r.score
    if r.seen & lay.HAS_DEBT:
        out[OTHER_DEBT] = r.debt
        out[DEBT_TO_SALES] = ratio(r.debt, sold)
    if r.seen & lay.HAS_SENSOR:
        days = 0
        head = r.head // 24
        for d in range(max(day - 27, head - lay.SHORT_DAYS + 1), min(day, head) + 1):
            if has_bit(r.sensor, d % 64):
                days += 1
        out[SENSOR_DAYS] = days
        out[SENSOR_SILENCE] = _since(as_of, r.sensor_ms)


@inner
def write_presence(r: Any, day: int, as_of: int, out: Any) -> None:
    """Activity, silence, tenure; after the sales part, whose count it reads."""
    out[ACTIVE_DAYS] = active_days(r, day - 27, day)
    if r.seen & lay.HAS_ACTIVITY:
        out[SILENCE] = _since(as_of, r.active_ms)
    active, longest, previous = 0, 0, -1
    for d in range(max(day - 91, r.head // 24 - lay.DAYS + 1), min(day, r.head // 24) + 1):
        if has_bit(r.active, d % 96):
            active += 1
            if previous >= 0:
                longest = max(longest, d - previous)
            previous = d
    if active >= 5:
        out[SILENCE_USUAL] = longest
    for feed in range(4):
        if r.seen & (1 << feed):
            out[FEED_SILENCE + feed] = _since(as_of, r.feed_ms[feed])
    tenure = max(day - r.first_day + 1, 0)
    out[TENURE] = tenure
    out[THIN] = 0.0 if tenure >= 56 and out[COUNT_28D] >= 10 else 1.0

"""How a business event changes its row."""

from typing import Any

import numpy as np

from features import kinds
from features import layout as lay
from features.counterparties import meet
from features.layout import inner
from features.parcels import close_promise, deliver_amount, promise, settle_deliveries, ship
from features.rings import (
    add_inflow,
    add_short,
    add_week,
    bump,
    bump_rare,
    bump_short,
    set_bit,
    turn,
    week_of,
    whole,
)
from features.scanner import HAS_BALANCE


@inner
def _is_own(r: Any, g: Any, currency: int) -> bool:
    """Whether a currency is the row's, which the first one fixes. None at all is not."""
    if currency == 0:
        return False
    if r.currency == 0:
        r.currency = currency
    if r.currency != currency:
        g.counters[lay.N_CURRENCY] += 1
        return False
    return True


@inner
def _money(r: Any, g: Any, e: Any) -> int:
    """The amount, or 0 where it is not in the row's currency."""
    return int(e.amount) if _is_own(r, g, e.currency) else 0


@inner
def _receive(r: Any, settled: int, credited: int) -> None:
    """Take money that came in off the oldest weeks of open invoices.

    A settlement that is also seen on the account is one payment: each takes off what it adds to
    the larger of the two sums of the period.
    """
    before = r.settled_ahead
    r.settled_ahead += settled - credited
    amount = credited + max(r.settled_ahead, 0) - max(before, 0)
    if not r.seen & lay.HAS_ISSUED:
        return
    head = week_of(r.head // 24)
    week = head - lay.WEEKS + 1
    while amount > 0 and week <= head:
        at = week % lay.WEEKS
        part = min(amount, r.open_invoices[at])
        r.open_invoices[at] -= part
        amount -= part
        week += 1


@inner
def _correct(r: Any, g: Any, e: Any, day: int, ordered: int) -> None:
    """A cancellation, refund or void, on the ``day`` of its original (``ordered``, or -1)."""
    amount = _money(r, g, e)
    held = day > r.head // 24 - lay.DAYS
    if e.kind == kinds.INVOICE_VOIDED:
        r.total_invoices -= amount
        if held:
            r.net_invoices[day % lay.DAYS] -= amount
        add_short(r, lay.VOIDED, day, amount)
        placed = add_week(r, lay.WEEK_VOIDS, day, amount, -1)
        week = week_of(day)
        if week > week_of(r.head // 24) - lay.WEEKS:
            at = week % lay.WEEKS
            r.open_invoices[at] = max(r.open_invoices[at] - amount, 0)
    else:
        r.total_orders -= amount
        if held:
            r.net_orders[day % lay.DAYS] -= amount
        if e.kind == kinds.ORDER_REFUNDED:
            add_short(r, lay.REFUNDED, day, amount)
            placed = add_week(r, lay.WEEK_REFUNDS, day, amount, -1)
            # The platform pays it back out of what it has still to settle.
            settle_deliveries(r, ordered, amount)
        else:
            bump_short(r, g, lay.CANCELS, day)
            placed = add_week(r, lay.WEEK_ORDERS, day, -amount, 1)
    if not placed:
        g.counters[lay.N_LATE] += 1


@inner
def _sale(r: Any, g: Any, e: Any, day: int) -> None:
    """An order paid or an invoice issued."""
    amount = _money(r, g, e)
    if e.kind == kinds.ORDER_PAID:
        r.seen |= lay.HAS_ORDERS
        r.total_orders += amount
        r.net_orders[day % lay.DAYS] += amount
        add_week(r, lay.WEEK_ORDERS, day, amount, 1)
        bump_short(r, g, lay.ORDERS, day)
        if e.promised_at >= 0:
            r.seen |= lay.ORDERS_PROMISE
            promise(r, g, e.promised_at)
    else:
        r.seen |= lay.HAS_ISSUED
        r.total_invoices += amount
        r.net_invoices[day % lay.DAYS] += amount
        add_week(r, lay.WEEK_INVOICES, day, amount, 1)
        bump_short(r, g, lay.INVOICES, day)
        if week_of(day) > week_of(r.head // 24) - lay.WEEKS:
            r.open_invoices[week_of(day) % lay.WEEKS] += amount
    if not r.seen & lay.HAS_SALES:
        r.first_sale_day = day
        r.seen |= lay.HAS_SALES
    r.first_sale_day = min(r.first_sale_day, day)
    if r.day_sales[day % lay.DAYS] < lay.COUNT_MAX:
        r.day_sales[day % lay.DAYS] += 1
    else:
        g.counters[lay.N_SATURATED] += 1
    if week_of(day) > week_of(r.head // 24) - lay.WEEKS:
        r.week_count[lay.WEEK_SALES, week_of(day) % lay.WEEKS] += 1
    hour = e.ts // lay.HOUR_MS
    if hour > r.head - lay.HOURS:
        r.hour_minor[hour % lay.HOURS] += amount
        if r.hour_count[hour % lay.HOURS] < lay.COUNT_MAX:
            r.hour_count[hour % lay.HOURS] += 1
        else:
            g.counters[lay.N_SATURATED] += 1
    if r.profile[hour % 24] < lay.COUNT_MAX:
        r.profile[hour % 24] += 1
    else:
        g.counters[lay.N_SATURATED] += 1
    meet(r, lay.BUYERS, day, e.counterparty, amount)


@inner
def _flow(r: Any, g: Any, e: Any, day: int, ordered: int) -> None:
    """A settlement or an account movement."""
    own = _is_own(r, g, e.currency)
    amount = int(e.amount) if own else 0
    if e.kind == kinds.SETTLEMENT:
        r.seen |= lay.HAS_SETTLEMENTS
        add_inflow(r, lay.SETTLED, day, amount)
        add_week(r, lay.WEEK_SETTLED, day, amount, 0)
        settle_deliveries(r, ordered, amount)
        _receive(r, amount, 0)
        return
    r.seen |= lay.HAS_ACCOUNT
    if e.kind == kinds.CREDITED:
        add_inflow(r, lay.MONEY_IN, day, amount)
        _receive(r, 0, amount)
    else:
        add_short(r, lay.MONEY_OUT, day, amount)
    if own and e.flags & HAS_BALANCE:
        if not r.seen & lay.HAS_BALANCE or e.ts >= r.balance_ms:
            r.balance = e.balance_minor
            r.balance_ms = e.ts
        r.seen |= lay.HAS_BALANCE


@inner
def _list_day(r: Any, which: int, day: int, distinct: bool) -> None:
    """Keep a day among the latest of a list, in ascending order."""
    value = min(day + 1, lay.COUNT_MAX)
    if distinct:
        for at in range(lay.LISTED_DAYS):
            if r.listed[which, at] == value:
                return
    if value <= r.listed[which, 0]:
        return
    at = 0
    while at + 1 < lay.LISTED_DAYS and r.listed[which, at + 1] < value:
        r.listed[which, at] = r.listed[which, at + 1]
        at += 1
    r.listed[which, at] = value


@inner
def _file_tax(r: Any, g: Any, e: Any) -> None:
    """Set the latest return against the invoices of its period as they stand now."""
    own = e.declared_turnover_minor >= 0 and _is_own(r, g, e.currency)
    if r.seen & lay.HAS_TAX and e.ts < r.tax_ms:
        return
    r.seen |= lay.HAS_TAX
    r.tax_ms = e.ts
    r.declared_ratio = np.nan
    head = r.head // 24
    first, last = e.period_start_at // lay.DAY_MS, e.period_end_at // lay.DAY_MS
    if not own or e.period_start_at < 0 or e.period_end_at < 0 or first <= head - lay.DAYS:
        return
    invoiced = 0
    for day in range(first, min(last, head) + 1):
        invoiced += r.net_invoices[day % lay.DAYS]
    if invoiced > 0:
        r.declared_ratio = e.declared_turnover_minor / invoiced


@inner
def _score(r: Any, g: Any, e: Any) -> None:
    if not np.isnan(e.score):
        if not r.seen & lay.HAS_SCORE or e.ts >= r.score_ms:
            r.score = e.score
            r.score_ms = e.ts
        r.seen |= lay.HAS_SCORE
    if e.other_debt_minor >= 0 and (e.currency == 0 or _is_own(r, g, e.currency)):
        if not r.seen & lay.HAS_DEBT or e.ts >= r.debt_ms:
            r.debt = e.other_debt_minor
            r.debt_ms = e.ts
        r.seen |= lay.HAS_DEBT


@inner
def _review(r: Any, g: Any, e: Any, day: int) -> None:
    if e.rating < 0 or week_of(day) <= week_of(r.head // 24) - lay.WEEKS:
        return
    at = week_of(day) % lay.WEEKS
    if r.week_few[lay.WEEK_REVIEWS, at] >= lay.COUNT_MAX:
        g.counters[lay.N_SATURATED] += 1
        return
    r.week_few[lay.WEEK_REVIEWS, at] += 1
    r.week_count[lay.WEEK_RATINGS, at] += e.rating


@inner
def _dispute(r: Any, g: Any, day: int, ordered: int) -> None:
    """Count a dispute, and learn how long after the day of its order it comes.

    The mean of the first ``LAG_MEMORY`` lags, then one that decays; in whole numbers, rounded down
    at each step, so that it is the same on any host.
    """
    bump_short(r, g, lay.DISPUTES, day)
    if week_of(day) > week_of(r.head // 24) - lay.WEEKS:
        at = week_of(day) % lay.WEEKS
        bump(g, r.week_few, lay.WEEK_DISPUTES, at, lay.COUNT_MAX)
    if ordered >= 0:
        r.dispute_lags = min(whole(r.dispute_lags) + 1, lay.LAG_MEMORY)
        lag, mean = min(day - ordered, lay.LAG_MAX_DAYS) * lay.LAG_UNIT, whole(r.dispute_lag)
        r.dispute_lag = mean + (lag - mean) // whole(r.dispute_lags)


@inner
def _signal(r: Any, g: Any, e: Any, day: int) -> None:
    """The kinds that leave a single trace."""
    kind = e.kind
    if kind == kinds.REVIEW:
        _review(r, g, e, day)
    elif kind == kinds.UTILITY:
        _list_day(r, lay.UTILITY_LIST, day, True)
    elif kind == kinds.PAYMENT_FAILED:
        bump_rare(r, g, lay.FAILURES, day)
    elif kind == kinds.BILL_DISHONOURED:
        _list_day(r, lay.BILLS_LIST, day, False)
    elif kind == kinds.COURT_CASE and e.role == kinds.ROLE_DEFENDANT:
        _list_day(r, lay.COURT_LIST, day, False)
    elif kind == kinds.REGISTRATION_CHANGED:
        _list_day(r, lay.REGISTER_LIST, day, False)
    elif kind == kinds.TAX:
        _file_tax(r, g, e)
    elif kind == kinds.BUREAU:
        _score(r, g, e)
    elif kind == kinds.SENSOR:
        r.sensor_ms = max(r.sensor_ms, e.ts) if r.seen & lay.HAS_SENSOR else e.ts
        r.seen |= lay.HAS_SENSOR
        if day > r.head // 24 - lay.SHORT_DAYS:
            set_bit(r.sensor, day % 64)


@inner
def _is_activity(kind: int) -> bool:
    return (
        kind == kinds.ORDER_PAID
        or kind == kinds.DISPATCHED
        or kinds.SETTLEMENT <= kind <= kinds.UTILITY
        or kind == kinds.INVOICE_ISSUED
        or kind == kinds.INVOICE_RECEIVED
        or kind == kinds.BILL
        or kind == kinds.TAX
        or kind == kinds.SENSOR
    )


@inner
def appear(r: Any, feed: int, ts: int) -> None:
    """Note that the merchant is seen on a feed."""
    r.feed_ms[feed] = max(r.feed_ms[feed], ts) if r.seen & (1 << feed) else ts
    r.seen |= 1 << feed


@inner
def _act(r: Any, e: Any, day: int) -> None:
    """Note that the merchant is active, where the event says so."""
    if _is_activity(e.kind):
        set_bit(r.active, day % 96)
        r.active_ms = max(r.active_ms, e.ts) if r.seen & lay.HAS_ACTIVITY else e.ts
        r.seen |= lay.HAS_ACTIVITY


@inner
def apply(r: Any, g: Any, e: Any, feed: int) -> bool:
    """Place a business event of a feed. False where it is older than the day ring."""
    day, hour = e.ts // lay.DAY_MS, e.ts // lay.HOUR_MS
    if not r.seen & lay.HAS_EVENTS:
        r.seen |= lay.HAS_EVENTS
        r.head = hour
        r.first_day = day
        r.trigger_ms = -1
    elif hour > r.head:
        turn(r, hour)
    elif day <= r.head // 24 - lay.DAYS:
        g.counters[lay.N_LATE] += 1
        return False
    r.first_day = min(r.first_day, day)
    appear(r, feed, e.ts)
    _act(r, e, day)
    ordered = -1 if e.ordered_at < 0 else min(day, e.ordered_at // lay.DAY_MS)
    kind = e.kind
    if kind == kinds.ORDER_PAID or kind == kinds.INVOICE_ISSUED:
        _sale(r, g, e, day)
    elif kinds.DISPATCHED <= kind <= kinds.LOST:
        ship(r, g, e, day, ordered)
        if kind == kinds.DELIVERY and e.amount > 0 and _is_own(r, g, e.currency):
            deliver_amount(r, day, ordered, e.amount)
    elif kinds.SETTLEMENT <= kind <= kinds.DEBITED:
        _flow(r, g, e, day, ordered)
    elif kind == kinds.ORDER_CANCELLED or kind == kinds.ORDER_REFUNDED:
        _correct(r, g, e, day if ordered < 0 else ordered, ordered)
        if kind == kinds.ORDER_CANCELLED and (e.promised_at >= 0 or r.seen & lay.ORDERS_PROMISE):
            close_promise(r, e.promised_at, True)
    elif kind == kinds.INVOICE_RECEIVED:
        r.seen |= lay.HAS_RECEIVED
        amount = _money(r, g, e)
        add_short(r, lay.PURCHASED, day, amount)
        meet(r, lay.SUPPLIERS, day, e.counterparty, amount)
    elif kind == kinds.INVOICE_VOIDED or kind == kinds.PURCHASE_VOIDED:
        issued = day if e.issued_at < 0 else min(day, e.issued_at // lay.DAY_MS)
        if kind == kinds.INVOICE_VOIDED:
            _correct(r, g, e, issued, -1)
        else:
            add_short(r, lay.PURCHASED, issued, -_money(r, g, e))
    elif kind == kinds.ORDER_DISPUTED:
        _dispute(r, g, day, ordered)
    else:
        _signal(r, g, e, day)
    return True

"""How a business event changes the rings of its row."""

from typing import Any

from features import layout as lay
from features.layout import inner


@inner
def _roll(r: Any, day: int) -> None:
    """Move the head of all rings to ``day``; the days between are empty."""
    for d in range(max(r.head + 1, day - lay.LONG_DAYS + 1), day + 1):
        r.money_long[:, d % lay.LONG_DAYS] = 0
        r.count_long[:, d % lay.LONG_DAYS] = 0
        r.active[d % lay.LONG_DAYS] = 0
    for d in range(max(r.head + 1, day - lay.SHORT_DAYS + 1), day + 1):
        r.money_short[:, d % lay.SHORT_DAYS] = 0
        r.count_short[:, d % lay.SHORT_DAYS] = 0
    last = day + lay.PROMISE_AHEAD_DAYS
    for d in range(max(r.head + lay.PROMISE_AHEAD_DAYS + 1, last - lay.PROMISE_DAYS + 1), last + 1):
        r.promise[:, d % lay.PROMISE_DAYS] = 0
    r.head = day


@inner
def _promise(r: Any, g: Any, promised: int) -> None:
    day = promised // lay.DAY_MS
    r.seen |= lay.HAS_PROMISES
    if r.head - lay.PROMISE_PAST_DAYS <= day <= r.head + lay.PROMISE_AHEAD_DAYS:
        r.promise[lay.MADE, day % lay.PROMISE_DAYS] += 1
        r.promise[lay.OPEN, day % lay.PROMISE_DAYS] += 1
    else:
        g.counters[lay.N_UNTRACKED] += 1


@inner
def _close_promise(r: Any, promised: int, withdrawn: bool) -> None:
    """Close a promise of that day, or the oldest open one; ``withdrawn`` unmakes it as well."""
    first = r.head - lay.PROMISE_PAST_DAYS
    last = r.head + lay.PROMISE_AHEAD_DAYS
    if promised >= 0:
        first = max(first, promised // lay.DAY_MS)
        last = min(last, promised // lay.DAY_MS)
    for day in range(first, last + 1):
        at = day % lay.PROMISE_DAYS
        if r.promise[lay.OPEN, at] > 0:
            r.promise[lay.OPEN, at] -= 1
            if withdrawn:
                r.promise[lay.MADE, at] -= 1
            return


@inner
def _dispatch(r: Any, day: int, origin: int) -> None:
    """Count a parcel on the day of its order, else of the oldest order that waits for one."""
    oldest = r.head - lay.SHORT_DAYS + 1
    at = origin
    if origin < 0:
        at = day
        for d in range(max(oldest, day - 30), day + 1):
            waiting = (
                r.count_long[lay.ORDERS, d % lay.LONG_DAYS]
                - r.count_short[lay.CANCELS, d % lay.SHORT_DAYS]
            )
            if waiting > r.count_short[lay.SHIPPED, d % lay.SHORT_DAYS]:
                at = d
                break
    if at >= oldest:
        r.count_short[lay.SHIPPED, at % lay.SHORT_DAYS] += 1


@inner
def _money(r: Any, g: Any, e: Any) -> int:
    """The amount, or 0 where it is not in the row's currency, which the first amount fixes."""
    if e.currency == 0:
        return 0
    if r.currency == 0:
        r.currency = e.currency
    if r.currency != e.currency:
        g.counters[lay.N_CURRENCY] += 1
        return 0
    return int(e.amount)


@inner
def _correct(r: Any, g: Any, e: Any, metric: int, day: int, origin: int) -> None:
    """Place a correction's amount on the day of the original."""
    at = day if origin < 0 else origin
    amount = _money(r, g, e)
    if at > r.head - lay.LONG_DAYS:
        r.money_long[metric, at % lay.LONG_DAYS] += amount
    else:
        g.counters[lay.N_LATE] += 1
    if metric == lay.CANCELLED and at > r.head - lay.SHORT_DAYS:
        r.count_short[lay.CANCELS, at % lay.SHORT_DAYS] += 1


@inner
def _sale(r: Any, g: Any, e: Any, day: int) -> None:
    long = day % lay.LONG_DAYS
    amount = _money(r, g, e)
    if e.kind == lay.ORDER_PAID:
        r.money_long[lay.PAID, long] += amount
        r.count_long[lay.ORDERS, long] += 1
        if e.promised >= 0:
            r.seen |= lay.ORDERS_PROMISE
            _promise(r, g, e.promised)
    else:
        r.money_long[lay.ISSUED, long] += amount
        r.count_long[lay.INVOICES, long] += 1
    if not r.seen & lay.HAS_SALES:
        r.first_sale_day = day
        r.seen |= lay.HAS_SALES
    r.first_sale_day = min(r.first_sale_day, day)


@inner
def _shipment(r: Any, g: Any, e: Any, day: int, origin: int, short: bool) -> None:
    r.seen |= lay.HAS_LOGISTICS
    if e.kind == lay.DISPATCHED:
        _dispatch(r, day, origin)
        if e.promised >= 0 and not r.seen & lay.ORDERS_PROMISE:
            _promise(r, g, e.promised)
        return
    if e.kind == lay.DELIVERY and e.promised >= 0 and short:
        r.count_short[lay.DELIVERED, day % lay.SHORT_DAYS] += 1
        if day > e.promised // lay.DAY_MS:
            r.count_short[lay.LATE, day % lay.SHORT_DAYS] += 1
    _close_promise(r, e.promised, False)


@inner
def _flow(r: Any, g: Any, e: Any, day: int, short: bool) -> None:
    """Settlements, purchases and account movements: signed sums of the short ring."""
    amount = _money(r, g, e)
    metric = lay.INFLOW
    if e.kind == lay.SETTLEMENT:
        metric = lay.SETTLED
        r.seen |= lay.HAS_SETTLEMENTS
    elif e.kind == lay.CREDITED or e.kind == lay.DEBITED:
        r.seen |= lay.HAS_ACCOUNT
    else:
        metric = lay.PURCHASED
        r.seen |= lay.HAS_PURCHASES
    if short:
        sign = -1 if e.kind == lay.DEBITED or e.kind == lay.PURCHASE_VOIDED else 1
        r.money_short[metric, day % lay.SHORT_DAYS] += sign * amount


@inner
def _is_activity(kind: int) -> bool:
    return (
        kind == lay.ORDER_PAID
        or kind == lay.DISPATCHED
        or lay.SETTLEMENT <= kind <= lay.UTILITY
        or kind == lay.INVOICE_ISSUED
        or kind == lay.INVOICE_RECEIVED
        or kind == lay.BILL
        or kind == lay.TAX
        or kind == lay.SENSOR
    )


@inner
def _count(r: Any, e: Any, day: int, short: bool) -> None:
    """The kinds that are only counted."""
    at = day % lay.LONG_DAYS
    if e.kind == lay.ORDER_DISPUTED:
        r.count_long[lay.DISPUTES, at] += 1
    elif e.kind == lay.REVIEW and e.rating >= 0:
        r.count_long[lay.REVIEWS, at] += 1
        r.count_long[lay.RATINGS, at] += e.rating
    elif e.kind == lay.BILL_DISHONOURED:
        r.count_long[lay.DISHONOURED, at] += 1
    elif e.kind == lay.COURT_CASE:
        r.count_long[lay.COURT, at] += 1
    elif e.kind == lay.REGISTRATION_CHANGED:
        r.count_long[lay.REGISTRATION, at] += 1
    elif e.kind == lay.PAYMENT_FAILED and short:
        r.count_short[lay.FAILED, day % lay.SHORT_DAYS] += 1


@inner
def apply(r: Any, g: Any, e: Any) -> bool:
    """Place a business event. False where it is older than the ring."""
    day = e.ts // lay.DAY_MS
    if r.head < 0:
        r.head = day
        r.first_day = day
    elif day > r.head:
        _roll(r, day)
    elif day <= r.head - lay.LONG_DAYS:
        g.counters[lay.N_LATE] += 1
        return False
    r.first_day = min(r.first_day, day)
    short = day > r.head - lay.SHORT_DAYS
    origin = -1 if e.origin < 0 else min(day, e.origin // lay.DAY_MS)
    kind = e.kind
    if _is_activity(kind):
        r.active[day % lay.LONG_DAYS] = 1
        r.last_active_ms = max(r.last_active_ms, e.ts)
    if kind == lay.ORDER_PAID or kind == lay.INVOICE_ISSUED:
        _sale(r, g, e, day)
    elif kind == lay.ORDER_CANCELLED:
        _correct(r, g, e, lay.CANCELLED, day, origin)
        if e.promised >= 0 or r.seen & lay.ORDERS_PROMISE:
            _close_promise(r, e.promised, True)
    elif kind == lay.ORDER_REFUNDED:
        _correct(r, g, e, lay.REFUNDED, day, origin)
    elif kind == lay.INVOICE_VOIDED:
        _correct(r, g, e, lay.VOIDED, day, origin)
    elif lay.DISPATCHED <= kind <= lay.LOST:
        _shipment(r, g, e, day, origin, short)
    elif kind == lay.PURCHASE_VOIDED:
        at = day if origin < 0 else origin
        _flow(r, g, e, at, at > r.head - lay.SHORT_DAYS)
    elif lay.SETTLEMENT <= kind <= lay.DEBITED or kind == lay.INVOICE_RECEIVED:
        _flow(r, g, e, day, short)
    else:
        _count(r, e, day, short)
    return True

"""Parcels of a row: promises, orders without a parcel, open parcels and open deliveries."""

from typing import Any

from features import kinds
from features import layout as lay
from features.layout import inner
from features.rings import bump, bump_rare, bump_short, whole


@inner
def promise(r: Any, g: Any, promised: int) -> None:
    """Make a promise, where its day is held."""
    day = promised // lay.DAY_MS
    head = r.head // 24
    r.seen |= lay.HAS_PROMISES
    if head - lay.PROMISE_PAST_DAYS <= day <= head + lay.PROMISE_AHEAD_DAYS:
        bump(g, r.promise, lay.MADE, day % lay.PROMISE_DAYS, lay.COUNT_MAX)
        bump(g, r.promise, lay.OPEN, day % lay.PROMISE_DAYS, lay.COUNT_MAX)
    else:
        g.counters[lay.N_UNTRACKED] += 1


@inner
def close_promise(r: Any, promised: int, withdrawn: bool) -> None:
    """Close a promise of that day, or the oldest open one; ``withdrawn`` unmakes it as well."""
    if not r.seen & lay.HAS_PROMISES:
        return
    head = r.head // 24
    first, last = head - lay.PROMISE_PAST_DAYS, head + lay.PROMISE_AHEAD_DAYS
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
def without_parcel(r: Any, at: int) -> int:
    """Orders without a parcel at a place of the short ring."""
    counts = r.short_count
    waiting = (
        whole(counts[lay.ORDERS, at])
        - whole(counts[lay.CANCELS, at])
        - whole(counts[lay.SHIPPED, at])
    )
    return max(waiting, 0)


@inner
def _ship(r: Any, g: Any, day: int, ordered: int) -> None:
    """Count a parcel on the day of its order, else of the oldest order that waits for one."""
    at = ordered
    if ordered < 0:
        at = day
        for d in range(max(r.head // 24 - lay.SHORT_DAYS + 1, day - lay.SHIP_DAYS), day + 1):
            if without_parcel(r, d % lay.SHORT_DAYS) > 0:
                at = d
                break
    bump_short(r, g, lay.SHIPPED, at)


@inner
def _time(r: Any, g: Any, e: Any, day: int, hours: int, timed: int) -> None:
    """Add the whole hours since the order to the day of the event."""
    if e.ordered_at < 0 or day <= r.head // 24 - lay.SHORT_DAYS:
        return
    at = day % lay.SHORT_DAYS
    if r.short_count[timed, at] >= lay.COUNT_MAX:
        g.counters[lay.N_SATURATED] += 1
        return
    r.short_count[timed, at] += 1
    r.short_hours[hours, at] += min(max((e.ts - e.ordered_at) // lay.HOUR_MS, 0), lay.HOURS_CAP)


@inner
def _close_parcel(r: Any) -> None:
    if not r.seen & lay.HAS_PARCELS:
        return
    head = r.head // 24
    for day in range(head - lay.SHORT_DAYS + 1, head + 1):
        at = day % lay.SHORT_DAYS
        if r.short_count[lay.OPEN_PARCELS, at] > 0:
            r.short_count[lay.OPEN_PARCELS, at] -= 1
            return


@inner
def deliver_amount(r: Any, day: int, ordered: int, amount: int) -> None:
    """Open a delivery of an amount on the day of its order, else on its own."""
    r.seen |= lay.HAS_DELIVERED
    at = day if ordered < 0 else ordered
    if at > r.head // 24 - lay.SHORT_DAYS:
        r.open_deliveries[at % lay.SHORT_DAYS] += amount


@inner
def settle_deliveries(r: Any, ordered: int, amount: int) -> None:
    """Take a settlement or refund off the day of its order, the rest off the oldest days."""
    if not r.seen & lay.HAS_DELIVERED:
        return
    head = r.head // 24
    if ordered > head - lay.SHORT_DAYS:
        at = ordered % lay.SHORT_DAYS
        part = min(amount, r.open_deliveries[at])
        r.open_deliveries[at] -= part
        amount -= part
    day = head - lay.SHORT_DAYS + 1
    while amount > 0 and day <= head:
        at = day % lay.SHORT_DAYS
        part = min(amount, r.open_deliveries[at])
        r.open_deliveries[at] -= part
        amount -= part
        day += 1


@inner
def ship(r: Any, g: Any, e: Any, day: int, ordered: int) -> None:
    """A line of logistics, but for the amount of a delivery."""
    if e.kind == kinds.DISPATCHED:
        r.seen |= lay.HAS_PARCELS
        bump_short(r, g, lay.PARCELS, day)
        bump_short(r, g, lay.OPEN_PARCELS, day)
        _time(r, g, e, day, lay.DISPATCH_HOURS, lay.TIMED_DISPATCHES)
        _ship(r, g, day, ordered)
        if e.promised_at >= 0 and not r.seen & lay.ORDERS_PROMISE:
            promise(r, g, e.promised_at)
        return
    if e.kind == kinds.DELIVERY:
        _time(r, g, e, day, lay.DELIVERY_HOURS, lay.TIMED_DELIVERIES)
        if e.promised_at >= 0:
            bump_short(r, g, lay.PROMISED, day)
            if day > e.promised_at // lay.DAY_MS:
                bump_short(r, g, lay.LATE, day)
    elif e.kind == kinds.RETURNED:
        bump_short(r, g, lay.RETURNS, day)
    else:
        bump_rare(r, g, lay.LOSSES, day)
    _close_parcel(r)
    close_promise(r, e.promised_at, False)

"""Logistics: delays, lost and late parcels, overdue shipments, sales without shipments."""

from fractions import Fraction

from tests.features.oracle.history import (
    COUNT_MAX,
    DAY_MS,
    HOUR_MS,
    RARE_MAX,
    SHORT_HELD,
    History,
    Placed,
    Tally,
    Value,
    Values,
    less,
    over,
    ratio,
    share,
)
from tests.features.oracle.parcels import Parcels, play
from tests.features.oracle.sales import net_orders

HOURS_MAX = 10_000


def _hours_since_order(event: Placed) -> int:
    assert event.original_at is not None
    return min(max((event.at - event.original_at) // HOUR_MS, 0), HOURS_MAX)


def _mean_hours(history: History, kind: str, first: int, last: int) -> Value:
    """Mean hours from the order, of the timed events of these days."""
    hours: Tally = {}
    timed: Tally = {}
    for event in history.of(kind):
        held = event.day > history.head - SHORT_HELD
        if event.original_at is not None and held and timed.get(event.day, 0) < COUNT_MAX:
            timed[event.day] = timed.get(event.day, 0) + 1
            hours[event.day] = hours.get(event.day, 0) + _hours_since_order(event)
    return ratio(over(hours, first, last), over(timed, first, last))


def _late_share(history: History, first: int, last: int) -> Value:
    promised = [
        event
        for event in history.of("shipment.delivered")
        if event.line.promised_at is not None
        and event.day > history.head - SHORT_HELD
        and first <= event.day <= last
    ]
    return share(sum(event.day > event.promised_day for event in promised), len(promised))


def _parcels(history: History, today: int, parcels: Parcels, sent: int) -> Values:
    names = ("parcels_28d", "in_transit_parcels", "in_transit_14d_parcels")
    found: Values = dict.fromkeys(names)
    if history.any_of("shipment.dispatched"):
        found["parcels_28d"] = sent
        found["in_transit_parcels"] = sum(parcels.open.values())
        found["in_transit_14d_parcels"] = sum(n for d, n in parcels.open.items() if d <= today - 14)
    return found


def _late_expected(history: History, today: int, parcels: Parcels, overdue: int) -> Value:
    promised = [
        event
        for event in history.of("shipment.delivered")
        if event.line.promised_at is not None
        and event.day > history.head - SHORT_HELD
        and today - 27 <= event.day <= today
    ]
    late = sum(event.day > event.promised_day for event in promised) + overdue
    orders = over(parcels.orders, today - 27, today) - over(parcels.cancelled, today - 27, today)
    return Fraction(late + 1, len(promised) + overdue + 10) * max(orders, 0) / 2


def _promises(history: History, as_of: int, parcels: Parcels) -> Values:
    """A day has ended from its last millisecond on."""
    last = (as_of + 1) // DAY_MS - 1
    open_of_28 = over(parcels.promised, last - 27, last)
    return {
        "overdue_shipments": over(parcels.promised, last - 41, last)
        if parcels.any_promise
        else None,
        "promises_due_14d": over(parcels.promised, last + 1, last + 14)
        if parcels.any_promise
        else None,
        "late_orders_expected_14d": _late_expected(history, as_of // DAY_MS, parcels, open_of_28)
        if parcels.any_promise
        else None,
        "overdue_shipment_share": share(open_of_28, over(parcels.made, last - 27, last)),
    }


def _unshipped(history: History, today: int, parcels: Parcels) -> Values:
    names = (
        "unshipped_share_28d",
        "unshipped_orders_28d",
        "oldest_unshipped_days",
        "unshipped_minor",
    )
    found: Values = dict.fromkeys(names)
    if not history.any_of("shipment.dispatched"):
        return found
    window = range(today - 27, today - 2)
    net = less(parcels.orders, parcels.cancelled)
    waiting = {day: parcels.without(day) for day in net}
    orders = sum(max(net.get(day, 0), 0) for day in window)
    unshipped = over(waiting, window[0], window[-1])
    found["unshipped_share_28d"] = share(unshipped, orders)
    found["unshipped_orders_28d"] = unshipped
    with_any = [d for d, n in waiting.items() if n and today - 27 <= d <= today]
    found["oldest_unshipped_days"] = today - min(with_any, default=today)
    amounts = net_orders(history)
    found["unshipped_minor"] = sum(
        max(amounts.get(day, 0), 0) * waiting[day] // net[day]
        for day in window
        if waiting.get(day, 0)
    )
    return found


def _without_orders(history: History, today: int, parcels: Parcels, sent: int) -> Value:
    if not history.any_of("order.paid") or not sent:
        return None
    orders = over(parcels.orders, today - 27, today) - over(parcels.cancelled, today - 27, today)
    return share(max(sent - orders, 0), sent)


def logistics(history: History, as_of: int) -> Values:
    """All features of the module ``features.families.logistics``."""
    today = as_of // DAY_MS
    month = today - 27, today
    parcels = play(history)
    sent = over(history.days(["shipment.dispatched"], held=SHORT_HELD, most=COUNT_MAX), *month)
    lost = over(history.days(["shipment.lost"], held=SHORT_HELD, most=RARE_MAX), *month)
    back = over(history.days(["shipment.returned"], held=SHORT_HELD, most=COUNT_MAX), *month)
    found: Values = {
        "dispatch_delay_28d_hours": _mean_hours(history, "shipment.dispatched", *month),
        "dispatch_delay_7d_hours": _mean_hours(history, "shipment.dispatched", today - 6, today),
        "delivery_time_28d_hours": _mean_hours(history, "shipment.delivered", *month),
        "late_delivery_share_28d": _late_share(history, *month),
        "lost_share_28d": share(lost, sent),
        "return_share_28d": share(back, sent),
        "parcels_without_orders_share": _without_orders(history, today, parcels, sent),
    }
    found |= _parcels(history, today, parcels, sent)
    found |= _promises(history, as_of, parcels)
    return found | _unshipped(history, today, parcels)

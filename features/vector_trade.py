"""The part of the vector on customers and logistics."""

from typing import Any

import numpy as np

from features import layout as lay
from features.catalogue import INDEX
from features.compiled import address_of, load, ones
from features.layout import inner
from features.parcels import without_parcel
from features.rings import week_of, whole
from features.sums import ratio, share, short_sum, week_sum

REFUND_28D = INDEX["refund_share_28d"]
REFUND_7D = INDEX["refund_share_7d"]
REFUND_USUAL = INDEX["refund_share_usual"]
CANCEL_28D = INDEX["cancel_share_28d"]
DISPUTE_28D = INDEX["dispute_share_28d"]
LAGGED_7D = INDEX["dispute_share_lagged_7d"]
LAGGED_28D = INDEX["dispute_share_lagged_28d"]
DISPUTE_USUAL = INDEX["dispute_share_usual"]
REVIEW_4W = INDEX["review_mean_4w"]
REVIEW_13W = INDEX["review_mean_13w"]
REVIEW_COUNT = INDEX["review_count_4w"]
BUYERS_ESTIMATE = INDEX["buyers_estimate"]
BUYER_TOP = INDEX["buyer_top_share"]
BUYER_NEW = INDEX["buyer_new_share"]
SUPPLIERS_ESTIMATE = INDEX["suppliers_estimate"]
SUPPLIER_TOP = INDEX["supplier_top_share"]
SUPPLIER_NEW = INDEX["supplier_new_share"]
PARCELS_28D = INDEX["parcels_28d"]
DISPATCH_28D = INDEX["dispatch_delay_28d_hours"]
DISPATCH_7D = INDEX["dispatch_delay_7d_hours"]
DELIVERY_28D = INDEX["delivery_time_28d_hours"]
LATE_28D = INDEX["late_delivery_share_28d"]
IN_TRANSIT = INDEX["in_transit_parcels"]
IN_TRANSIT_14D = INDEX["in_transit_14d_parcels"]
LOST_28D = INDEX["lost_share_28d"]
RETURN_28D = INDEX["return_share_28d"]
OVERDUE = INDEX["overdue_shipments"]
OVERDUE_SHARE = INDEX["overdue_shipment_share"]
DUE_14D = INDEX["promises_due_14d"]
LATE_EXPECTED = INDEX["late_orders_expected_14d"]
UNSHIPPED_SHARE = INDEX["unshipped_share_28d"]
UNSHIPPED_ORDERS = INDEX["unshipped_orders_28d"]
UNSHIPPED_OLDEST = INDEX["oldest_unshipped_days"]
UNSHIPPED_MINOR = INDEX["unshipped_minor"]
NO_ORDER = INDEX["parcels_without_orders_share"]


@inner
def _named(r: Any, side: int, out: Any, estimate: int, top: int, fresh: int) -> None:
    """Number, weight and newness of buyers or suppliers."""
    zeros = lay.BITS
    before = address_of(r.bitmap[side, 1])
    for place in range(lay.BITS // 64):
        union = load(address_of(r.bitmap[side, 0]) + 8 * place) | load(before + 8 * place)
        zeros -= ones(union)
    if zeros < lay.BITS:
        out[estimate] = -lay.BITS * np.log(max(zeros, 1) / lay.BITS)
    largest = 0
    for place in range(lay.PLACES):
        largest = max(largest, r.table_minor[side, place])
    out[top] = ratio(largest, r.table_total[side])
    named = whole(r.named[side, 0]) + whole(r.named[side, 1])
    if named >= 5:
        out[fresh] = (whole(r.fresh[side, 0]) + whole(r.fresh[side, 1])) / named


@inner
def _sales_between(r: Any, first: int, last: int) -> int:
    """Orders paid and invoices issued on days, of which the day ring holds the last."""
    head, total = r.head // 24, 0
    for d in range(max(first, head - lay.DAYS + 1), min(last, head) + 1):
        total += whole(r.day_sales[d % lay.DAYS])
    return total


@inner
def _lagged_disputes(r: Any, day: int, disputes: int, out: Any) -> None:
    """Disputes of late over the sales that they come from; ``disputes`` are those of 28 days."""
    last = day - (whole(r.dispute_lag) + lay.LAG_UNIT // 2) // lay.LAG_UNIT
    sales_7d = _sales_between(r, last - 6, last)
    usual = share(disputes, sales_7d + _sales_between(r, last - 27, last - 7))
    out[LAGGED_28D] = usual
    if np.isnan(usual):
        return
    disputes_7d = short_sum(r, r.short_count, lay.DISPUTES, day - 6, day)
    out[LAGGED_7D] = min((disputes_7d + 10 * usual) / (sales_7d + 10), 1.0)


@inner
def write_customers(r: Any, day: int, orders: Any, out: Any) -> None:
    """Refunds, cancellations, disputes, reviews, buyers; and suppliers, which are counted alike."""
    head, week = week_of(r.head // 24), week_of(day)
    first, last = week - 13, week - 5
    refunded_7d = short_sum(r, r.short_minor, lay.REFUNDED, day - 6, day)
    refunded = short_sum(r, r.short_minor, lay.REFUNDED, day - 27, day - 7) + refunded_7d
    out[REFUND_28D] = share(refunded, orders[28] + refunded)
    out[REFUND_7D] = share(refunded_7d, orders[7] + refunded_7d)
    out[REFUND_USUAL] = share(
        week_sum(head, r.week_minor, lay.WEEK_REFUNDS, first, last),
        week_sum(head, r.week_minor, lay.WEEK_ORDERS, first, last),
    )
    paid = short_sum(r, r.short_count, lay.ORDERS, day - 27, day)
    issued = short_sum(r, r.short_count, lay.INVOICES, day - 27, day)
    out[CANCEL_28D] = share(short_sum(r, r.short_count, lay.CANCELS, day - 27, day), paid)
    disputes = short_sum(r, r.short_count, lay.DISPUTES, day - 27, day)
    out[DISPUTE_28D] = share(disputes, max(paid, issued))
    _lagged_disputes(r, day, disputes, out)
    out[DISPUTE_USUAL] = share(
        week_sum(head, r.week_few, lay.WEEK_DISPUTES, first, last),
        week_sum(head, r.week_count, lay.WEEK_SALES, first, last),
    )
    late = week_sum(head, r.week_few, lay.WEEK_REVIEWS, week - 4, week)
    stars = week_sum(head, r.week_count, lay.WEEK_RATINGS, week - 4, week)
    out[REVIEW_COUNT] = late
    out[REVIEW_4W] = ratio(stars, late * 100)
    reviews = week_sum(head, r.week_few, lay.WEEK_REVIEWS, week - 13, week)
    stars = week_sum(head, r.week_count, lay.WEEK_RATINGS, week - 13, week)
    out[REVIEW_13W] = ratio(stars, reviews * 100)
    _named(r, lay.BUYERS, out, BUYERS_ESTIMATE, BUYER_TOP, BUYER_NEW)
    _named(r, lay.SUPPLIERS, out, SUPPLIERS_ESTIMATE, SUPPLIER_TOP, SUPPLIER_NEW)


@inner
def _delays(r: Any, day: int, out: Any) -> None:
    out[DISPATCH_28D] = ratio(
        short_sum(r, r.short_hours, lay.DISPATCH_HOURS, day - 27, day),
        short_sum(r, r.short_count, lay.TIMED_DISPATCHES, day - 27, day),
    )
    out[DISPATCH_7D] = ratio(
        short_sum(r, r.short_hours, lay.DISPATCH_HOURS, day - 6, day),
        short_sum(r, r.short_count, lay.TIMED_DISPATCHES, day - 6, day),
    )
    out[DELIVERY_28D] = ratio(
        short_sum(r, r.short_hours, lay.DELIVERY_HOURS, day - 27, day),
        short_sum(r, r.short_count, lay.TIMED_DELIVERIES, day - 27, day),
    )
    out[LATE_28D] = share(
        short_sum(r, r.short_count, lay.LATE, day - 27, day),
        short_sum(r, r.short_count, lay.PROMISED, day - 27, day),
    )


@inner
def _unshipped(r: Any, day: int, out: Any) -> None:
    head = r.head // 24
    sold, waiting, minor, oldest = 0, 0, 0, 0
    for d in range(max(day - 27, head - lay.SHORT_DAYS + 1), min(day, head) + 1):
        at = d % lay.SHORT_DAYS
        unserved = without_parcel(r, at)
        if unserved > 0:
            oldest = max(oldest, day - d)
        if d > day - 3:
            continue
        orders = whole(r.short_count[lay.ORDERS, at]) - whole(r.short_count[lay.CANCELS, at])
        sold += max(orders, 0)
        if unserved > 0:
            waiting += unserved
            net = max(whole(r.net_orders[d % lay.DAYS]), 0)
            # net * unserved // orders, without the product's overflow
            minor += net // orders * unserved + net % orders * unserved // orders
    out[UNSHIPPED_SHARE] = share(waiting, sold)
    out[UNSHIPPED_ORDERS] = waiting
    out[UNSHIPPED_OLDEST] = oldest
    out[UNSHIPPED_MINOR] = minor


@inner
def _orders_28d(r: Any, day: int) -> int:
    """Orders less cancellations of days 1-28."""
    paid = short_sum(r, r.short_count, lay.ORDERS, day - 27, day)
    return paid - short_sum(r, r.short_count, lay.CANCELS, day - 27, day)


@inner
def _ahead(r: Any, day: int, past: int, overdue: int, out: Any) -> None:
    """Promises of the days after ``past``, and the late ones to expect; ``overdue`` of 28 days."""
    due, head = 0, r.head // 24
    first, last = max(past + 1, head - lay.PROMISE_PAST_DAYS), past + 14
    for d in range(first, min(last, head + lay.PROMISE_AHEAD_DAYS) + 1):
        due += whole(r.promise[lay.OPEN, d % lay.PROMISE_DAYS])
    out[DUE_14D] = due
    late = overdue + short_sum(r, r.short_count, lay.LATE, day - 27, day)
    judged = overdue + short_sum(r, r.short_count, lay.PROMISED, day - 27, day)
    out[LATE_EXPECTED] = (late + 1) / (judged + 10) * max(_orders_28d(r, day), 0) / 2


@inner
def _promises(r: Any, as_of: int, out: Any) -> None:
    head, past = r.head // 24, (as_of + 1) // lay.DAY_MS - 1
    overdue, overdue_28d, made_28d = 0, 0, 0
    first = max(past - lay.PROMISE_PAST_DAYS + 1, head - lay.PROMISE_PAST_DAYS)
    for d in range(first, min(past, head + lay.PROMISE_AHEAD_DAYS) + 1):
        unkept = whole(r.promise[lay.OPEN, d % lay.PROMISE_DAYS])
        overdue += unkept
        if d > past - 28:
            overdue_28d += unkept
            made_28d += whole(r.promise[lay.MADE, d % lay.PROMISE_DAYS])
    out[OVERDUE] = overdue
    out[OVERDUE_SHARE] = share(overdue_28d, made_28d)
    _ahead(r, as_of // lay.DAY_MS, past, overdue_28d, out)


@inner
def write_logistics(r: Any, as_of: int, out: Any) -> None:
    """Delays, losses, overdue shipments, sales without shipments and the reverse."""
    day, head = as_of // lay.DAY_MS, r.head // 24
    _delays(r, day, out)
    parcels = short_sum(r, r.short_count, lay.PARCELS, day - 27, day)
    lost = short_sum(r, r.short_rare, lay.LOSSES, day - 27, day)
    out[LOST_28D] = share(lost, parcels)
    out[RETURN_28D] = share(short_sum(r, r.short_count, lay.RETURNS, day - 27, day), parcels)
    if r.seen & lay.HAS_PROMISES:
        _promises(r, as_of, out)
    if not r.seen & lay.HAS_PARCELS:
        return
    out[PARCELS_28D] = parcels
    out[IN_TRANSIT] = short_sum(r, r.short_count, lay.OPEN_PARCELS, 0, head)
    out[IN_TRANSIT_14D] = short_sum(r, r.short_count, lay.OPEN_PARCELS, 0, day - 14)
    _unshipped(r, day, out)
    if r.seen & lay.HAS_ORDERS and parcels > 0:
        out[NO_ORDER] = share(max(parcels - _orders_28d(r, day), 0), parcels)

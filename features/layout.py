"""Where the kernel keeps what: kinds of lines, rings, and the record types of rows and columns."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

DAY_MS = 86_400_000
NEVER = 2**63 - 1
"""A deadline that does not come."""

LONG_DAYS = 96
"""Days of the long ring: 92 for the windows, and a margin for rows that run ahead of ``as_of``."""
SHORT_DAYS = 36
"""Days of the short ring, for metrics that are read over at most 31 days."""
PROMISE_PAST_DAYS = 92
PROMISE_AHEAD_DAYS = 35
PROMISE_DAYS = PROMISE_PAST_DAYS + 1 + PROMISE_AHEAD_DAYS
"""Promised days held: from 92 before to 35 after the latest day of the row."""

# Money, long ring.
PAID, REFUNDED, CANCELLED, ISSUED, VOIDED = range(5)
# Money, short ring; both are signed sums.
SETTLED, PURCHASED, INFLOW = range(3)
# Counts, long ring.
ORDERS, DISPUTES, INVOICES, DISHONOURED, COURT, REGISTRATION, REVIEWS, RATINGS = range(8)
# Counts, short ring.
CANCELS, SHIPPED, DELIVERED, LATE, FAILED = range(5)
# Promises.
MADE, OPEN = range(2)

# What a row has ever seen.
HAS_SALES, HAS_LOGISTICS, HAS_SETTLEMENTS, HAS_PURCHASES, HAS_ACCOUNT = 1, 2, 4, 8, 16
HAS_PROMISES, ORDERS_PROMISE = 32, 64

ROW = np.dtype(
    [
        ("head", "i8"),
        ("first_day", "i8"),
        ("first_sale_day", "i8"),
        ("last_active_ms", "i8"),
        ("last_end_ms", "i8"),
        ("last_trigger_ms", "i8"),
        ("currency", "i4"),
        ("seen", "i4"),
        ("money_long", "i8", (5, LONG_DAYS)),
        ("money_short", "i8", (3, SHORT_DAYS)),
        ("count_long", "i4", (8, LONG_DAYS)),
        ("count_short", "i4", (5, SHORT_DAYS)),
        ("promise", "i4", (2, PROMISE_DAYS)),
        ("active", "u1", (LONG_DAYS,)),
    ]
)
"""One merchant. Rings are indexed by UTC day number modulo their length; -1 means never."""

LAYOUT = hashlib.blake2b(repr(ROW.descr).encode(), digest_size=8).hexdigest()
"""Digest of the row layout; pages of another layout are refused."""

COLUMNS = np.dtype(
    [
        ("kind", "i4"),
        ("slot", "i4"),
        ("ts", "i8"),
        ("amount", "i8"),
        ("currency", "i4"),
        ("rating", "i4"),
        ("origin", "i8"),
        ("promised", "i8"),
        ("hash", "i8"),
    ]
)
"""One line. ``origin`` is the time of what it corrects or serves; -1 means absent."""

STATE = np.dtype(
    [
        ("high", "i8"),
        ("watermark", "i8"),
        ("pending_ts", "i8"),
        ("pending_slot", "i8"),
        ("merchants", "i8"),
        ("earliest", "i8"),
        ("swept", "i8"),
        ("dedup_count", "i8"),
        ("lateness_ms", "i8"),
        ("step_ms", "i8"),
        ("live_distance_ms", "i8"),
        ("trigger_gap_ms", "i8"),
        ("as_of", "i8"),
        ("counters", "i8", (10,)),
    ]
)
"""One partition: clock, deadlines, position of the duplicates' ring, counters, configuration."""

COUNTERS = (
    "lines",
    "events",
    "duplicates",
    "late_dropped",
    "currency_mismatch",
    "promises_untracked",
    "ticks",
    "clock_jumps_held",
    "unknown_types",
    "timers",
)
(
    N_LINES,
    N_EVENTS,
    N_DUPLICATES,
    N_LATE,
    N_CURRENCY,
    N_UNTRACKED,
    N_TICKS,
    N_HELD,
    N_UNKNOWN,
    N_TIMERS,
) = range(10)

# Kinds of lines. Those from APPLICATION on move the clock; those from ORDER_PAID on are business.
UNKNOWN, TICK, CONTROL, COMMAND, PROFILE, APPLICATION, LENDING = range(7)
ORDER_PAID, ORDER_CANCELLED, ORDER_REFUNDED, ORDER_DISPUTED, REVIEW = range(10, 15)
DISPATCHED, DELIVERY, RETURNED, LOST = range(15, 19)
SETTLEMENT, CREDITED, DEBITED, UTILITY, PAYMENT_FAILED = range(19, 24)
INVOICE_ISSUED, INVOICE_RECEIVED, INVOICE_VOIDED, PURCHASE_VOIDED = range(24, 28)
BILL, BILL_DISHONOURED, TAX, COURT_CASE, REGISTRATION_CHANGED = range(28, 33)
BUREAU, SENSOR = range(33, 35)

KIND_OF: dict[str, int] = {
    "clock.tick": TICK,
    "model.activated": CONTROL,
    "policy.activated": CONTROL,
    "merchant.registered": PROFILE,
    "merchant.updated": PROFILE,
    "credit.applied": APPLICATION,
    "consent.changed": APPLICATION,
    "order.paid": ORDER_PAID,
    "order.cancelled": ORDER_CANCELLED,
    "order.refunded": ORDER_REFUNDED,
    "order.disputed": ORDER_DISPUTED,
    "review.posted": REVIEW,
    "shipment.dispatched": DISPATCHED,
    "shipment.delivered": DELIVERY,
    "shipment.returned": RETURNED,
    "shipment.lost": LOST,
    "settlement.received": SETTLEMENT,
    "account.credited": CREDITED,
    "account.debited": DEBITED,
    "utility.paid": UTILITY,
    "payment.failed": PAYMENT_FAILED,
    "invoice.issued": INVOICE_ISSUED,
    "invoice.received": INVOICE_RECEIVED,
    "invoice.voided": INVOICE_VOIDED,
    "bill.accepted": BILL,
    "bill.settled": BILL,
    "bill.dishonoured": BILL_DISHONOURED,
    "tax.filed": TAX,
    "court.case": COURT_CASE,
    "registration.changed": REGISTRATION_CHANGED,
    "bureau.scored": BUREAU,
    "sensor.reading": SENSOR,
    **dict.fromkeys(
        (
            "loan.disbursed",
            "repayment.due",
            "repayment.received",
            "loan.defaulted",
            "loan.settled",
            "limit.acknowledged",
            "limit.rejected",
        ),
        LENDING,
    ),
    **dict.fromkeys(
        (
            "alert.assign",
            "alert.acknowledge",
            "alert.snooze",
            "alert.close",
            "limit.approve",
            "limit.reject",
            "limit.override",
            "merchant.freeze",
            "merchant.release",
            "policy.publish",
            "model.rollback",
            "automation.pause",
            "automation.resume",
        ),
        COMMAND,
    ),
}
"""Kind by ``type`` tag. An ``invoice.voided`` of side ``received`` is PURCHASE_VOIDED."""

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def entry(function: Compiled) -> Compiled:
    """Compile on first use what Python calls; the machine code is cached beside the source."""
    return cast(Compiled, njit(cache=True)(function))


def inner(function: Compiled) -> Compiled:
    """Compile what only compiled code calls, anew with each entry point."""
    return cast(Compiled, njit()(function))

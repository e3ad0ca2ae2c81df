"""Where the kernel keeps what: the rings and the record types of rows and partitions."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
NEVER = 2**63 - 1
"""A deadline that does not come."""

HOURS = 48
DAYS = 94
"""Days of the day ring; an event further back than these is too late."""
SHORT_DAYS = 30
WEEKS = 14
YEAR_WEEKS = 54
OLD_WEEKS = YEAR_WEEKS - WEEKS
"""Weeks of the year ring that the week ring, which has the same sums in parts, does not hold."""
PERIOD_DAYS = 28
PROMISE_PAST_DAYS = 42
PROMISE_AHEAD_DAYS = 35
PROMISE_DAYS = PROMISE_PAST_DAYS + 1 + PROMISE_AHEAD_DAYS
SHIP_DAYS = 27
"""Days before a parcel in which the order that it serves may lie."""
HOURS_CAP = 10_000
"""Hours from order to dispatch or delivery are counted up to here."""
COUNT_MAX = 65_535
RARE_MAX = 255
LISTED_DAYS = 8
PLACES = 6
"""Counterparties of a table."""
BITS = 512
"""Bits of a bitmap."""
LAG_MAX_DAYS = 60
"""A dispute counts as at most so many days after its order."""
LAG_UNIT = 1024
"""The mean lag is kept in these parts of a day."""
LAG_MEMORY = 16
"""A further dispute moves the mean lag by one in so many at least."""
TESTED_DAYS = 28
"""Full days before ``as_of`` (days 2-29) over which a CUSUM adds up."""
USUAL_FROM = TESTED_DAYS + 2
USUAL_DAYS_MIN = 28
"""Days before the tested ones from which on there is a usual: four of each weekday."""
INFLOW_DAYS = TESTED_DAYS + 1 + USUAL_DAYS_MIN
SALES_DAYS = 92
CUT_DAYS_MIN = 7
"""Days on either side of a cut: a whole week, so that weekdays cancel out."""
WINDOW_DAYS_MIN = 28
CUT_ODDS = 20
"""Inverse of the confidence parameter delta of ADWIN, 0.05."""
BURST_MIN = 20
BURST_DAYS = 6
"""A burst is an hour of at least so many sales, and with the sales of so many usual days."""
USUALLY_BUSY_DAYS = 20
"""Active days of days 2-29 from which on a merchant's silence is looked at within the day."""

# Amounts of the short ring.
REFUNDED, VOIDED, SETTLED, PURCHASED, MONEY_IN, MONEY_OUT = range(6)
# Counts of the short ring.
(
    ORDERS,
    INVOICES,
    CANCELS,
    DISPUTES,
    PARCELS,
    RETURNS,
    PROMISED,
    LATE,
    SHIPPED,
    OPEN_PARCELS,
    TIMED_DISPATCHES,
    TIMED_DELIVERIES,
) = range(12)
# Counts of the short ring that are small.
LOSSES, FAILURES = range(2)
# Hours of the short ring.
DISPATCH_HOURS, DELIVERY_HOURS = range(2)
# Amounts of the week ring.
WEEK_ORDERS, WEEK_REFUNDS, WEEK_INVOICES, WEEK_VOIDS, WEEK_SETTLED = range(5)
# Counts of the week ring.
WEEK_SALES, WEEK_RATINGS = range(2)
WEEK_DISPUTES, WEEK_REVIEWS = range(2)
# Promises.
MADE, OPEN = range(2)
# Sides, of bitmaps and tables.
BUYERS, SUPPLIERS = range(2)
# Lists of days.
BILLS_LIST, COURT_LIST, REGISTER_LIST, UTILITY_LIST = range(4)
# Feeds.
TRANSACTIONS, LOGISTICS, PAYMENTS, SIGNALS, LENDING_FEED = range(5)
FEEDS_COUNT = 5

# What a row has ever seen. The lowest five bits are the feeds.
FEED_BITS = 31
HAS_EVENTS, HAS_ACTIVITY, HAS_SALES, HAS_ORDERS, HAS_ISSUED = 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9
HAS_RECEIVED, HAS_PARCELS, HAS_PROMISES, ORDERS_PROMISE = 1 << 10, 1 << 11, 1 << 12, 1 << 13
HAS_SETTLEMENTS, HAS_ACCOUNT, HAS_DELIVERED, HAS_BALANCE = 1 << 14, 1 << 15, 1 << 16, 1 << 17
HAS_SCORE, HAS_DEBT, HAS_TAX, HAS_SENSOR = 1 << 18, 1 << 19, 1 << 20, 1 << 21
# What scoring asked for: lines of claims and bills make the merchant due.
WATCHED = 1 << 22

ROW = np.dtype(
    [
        ("head", "i8"),
        ("active_ms", "i8"),
        ("trigger_ms", "i8"),
        ("sensor_ms", "i8"),
        ("feed_ms", "i8", (FEEDS_COUNT,)),
        ("balance", "i8"),
        ("balance_ms", "i8"),
        ("score", "f8"),
        ("score_ms", "i8"),
        ("debt", "i8"),
        ("debt_ms", "i8"),
        ("declared_ratio", "f8"),
        ("tax_ms", "i8"),
        ("end_ms", "i8"),
        ("total_orders", "i8"),
        ("total_invoices", "i8"),
        ("settled_ahead", "i8"),
        ("hour_minor", "i8", (HOURS,)),
        ("net_orders", "i8", (DAYS,)),
        ("net_invoices", "i8", (DAYS,)),
        ("short_minor", "i8", (6, SHORT_DAYS)),
        ("old_inflow", "i8", (SHORT_DAYS,)),
        ("open_deliveries", "i8", (SHORT_DAYS,)),
        ("week_minor", "i8", (5, WEEKS)),
        ("open_invoices", "i8", (WEEKS,)),
        ("old_weeks", "i8", (OLD_WEEKS,)),
        ("table_minor", "i8", (2, PLACES)),
        ("table_total", "i8", (2,)),
        ("table_hash", "u4", (2, PLACES)),
        ("named", "u4", (2, 2)),
        ("fresh", "u4", (2, 2)),
        ("short_hours", "u4", (2, SHORT_DAYS)),
        ("week_count", "u4", (2, WEEKS)),
        ("first_day", "i4"),
        ("first_sale_day", "i4"),
        ("currency", "i4"),
        ("seen", "i4"),
        ("hour_count", "u2", (HOURS,)),
        ("short_count", "u2", (12, SHORT_DAYS)),
        ("day_sales", "u2", (DAYS,)),
        ("dispute_lag", "u2"),
        ("dispute_lags", "u2"),
        ("week_few", "u2", (2, WEEKS)),
        ("promise", "u2", (2, PROMISE_DAYS)),
        ("profile", "u2", (24,)),
        ("listed", "u2", (4, LISTED_DAYS)),
        ("short_rare", "u1", (2, SHORT_DAYS)),
        ("bitmap", "u1", (2, 2, BITS // 8)),
        ("active", "u1", (12,)),
        ("sensor", "u1", (8,)),
    ],
)
"""One merchant, all zero until its first business event.

Rings are indexed by UTC hour, day or week number modulo their length; bits of ``active`` and
``sensor`` by day modulo 96 and 64. ``head`` is the hour of the head. ``named``, ``fresh`` and
``bitmap`` are [side, this period or the one before]. ``listed`` are day numbers plus 1 in
ascending order, 0 for a free place. ``old_inflow`` holds settled + credited of the days before
those of the short ring. ``settled_ahead`` is settled - credited since the head entered its period.
``dispute_lag`` is the mean lag of ``dispute_lags`` disputes (see
``events``).
"""

LAYOUT = hashlib.blake2b(repr(ROW.descr).encode(), digest_size=8).hexdigest()
"""Digest of the row layout; pages of another layout are refused."""

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
    "counts_saturated",
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
    N_SATURATED,
) = range(11)

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
        ("close_ms", "i8"),
        ("as_of", "i8"),
        ("counters", "i8", (len(COUNTERS),)),
    ]
)
"""One partition: clock, deadlines, position of the duplicates' ring, counters, configuration."""

# Deadlines of a merchant: close of a bucket, lending's, silence or an overdue promise.
CLOSE, LENDING_CHECK, CHECK = range(3)
DEADLINES = 3
# Why a timer made a merchant due; the engine gives them their public names.
NOT_DUE, AT_CLOSE, AT_IDLE, AT_SILENCE, AT_OVERDUE = range(5)

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def entry(function: Compiled) -> Compiled:
    """Compile on first use what Python calls; the machine code is cached beside the source."""
    return cast(Compiled, njit(cache=True)(function))


def inner(function: Compiled) -> Compiled:
    """Compile what only compiled code calls, anew with each entry point."""
    return cast(Compiled, njit()(function))

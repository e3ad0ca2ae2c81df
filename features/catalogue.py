"""What each feature means: the one table behind the vector, the documentation and the reasons.

The order of the table is the order of the vector. A value that is not available is NaN, never 0.

**Time.** "Days a-b" count back from the UTC day of ``as_of``, which is day 1. "Hours a-b" count
back from the clock hour of ``as_of``, which is hour 1. Weeks begin on Monday (UTC); week 0 is the
week of ``as_of``, weeks 1, 2 ... lie before it. A *period* is 28 days counted from 1970-01-01 (day
number // 28). *Share* of a in b is a / b within 0-1, 1 where only a is above 0, NaN where neither
is. Before the first business event (an event of one of the four merchant feeds) that was
placed, the whole vector but its lending part is NaN. *Until the first* x: ever, wherever x lay.

**What is held.** Every ring holds the last units up to the head, the latest day (week, hour) of any
business event of the merchant: 48 hours, 94 days (day ring), 30 days (short ring), 54 weeks (year
ring), 14 weeks (week ring). Daily inflow is held for 60 days. An event more than 93 days before the
head changes nothing and is counted. What lies outside a ring is not held in it and comes into no
sum. Counts of the hour ring, of the hour profile, of the short ring, of promises, of week disputes
and of week reviews stop at 65,535, those of parcels lost and of payments failed at 255 a day; stars
and hours of what is not counted are not added. Amounts in another currency than the merchant's
first are not added up; the first is that of the first event with a currency among orders paid,
corrections, invoices, settlements, account movements, deliveries with an amount above 0, tax
returns with a declared turnover and bureau answers with a debt. An amount without a currency is 0,
but for ``other_debt_minor``, which then is in the merchant's. A balance counts as an amount of its
event: one without a currency is not known. An event counts as the first of its kind whatever its
currency (what a delivery with an amount is, see *open deliveries*); the first in time, not to
arrive.

- *Corrections* (cancelled, refunded, invoice.voided) amend the day or week of the original,
  ``ordered_at`` or ``issued_at``, where given and not later than the event; else their own. So does
  every other use of ``ordered_at``: one later than the event is read as the event's day.
- *Net orders* = paid - cancelled - refunded, *net invoices* = issued - voided, by day (day ring).
  *Turnover* over days is ``max(net orders, net invoices, 0)`` of the sums: orders and invoices are
  two views of the same sales. Year ring: *net sales documents* = net orders + net invoices. Week
  ring: *week orders* = paid - cancelled, week refunds, week invoices (issued), week voids, week
  settlements; counts week sales (orders + invoices), week disputes, week reviews, week ratings
  (stars x 100 as a double, rounded half to even); corrections by their original, others by their
  own time. A review without stars is none. Sums over weeks are made first, shares and differences
  of them.
- *Short ring*, by day: refunded, voided, settled (by day received), purchases (received - voided
  ones of side received), credited, debited; counts of orders, invoices, cancellations, disputes,
  parcels dispatched, returned, lost, payments failed, sensor readings, deliveries with
  ``promised_at`` and those on a later UTC day than promised; orders and cancellations count on the
  day of the order. *Dispatch hours* and *delivery hours*: whole hours (rounded down, within
  0-10,000) from ``ordered_at`` to the event, by day of the event, and how many were timed. A
  purchase voided counts on the day of ``issued_at`` as above. A *parcel* is a dispatch.
- *An order without a parcel*, by day: max(orders - cancellations - shipped, 0). A parcel is shipped
  on the day of its ``ordered_at`` where given, else on the oldest day within the short ring, at
  most 27 days before it, that has an order without a parcel, else on its own day.
- *Open parcels*, by day of dispatch (short ring): a delivery, return or loss closes one of the
  oldest day that has any.
- *Promises*, by day promised (42 before the head to 35 after it; others are counted and dropped):
  made and open. Orders make them where they carry ``promised_at``; dispatches do for merchants
  whose orders never did so far. Delivery, return and loss close one of the day of ``promised_at``
  where given (none where that day has none open), else of the oldest day that has an open one; so
  does a cancellation, which also unmakes it, where it has ``promised_at`` or the merchant's orders
  carry promises. A day has ended from its last millisecond on.
- *Open deliveries*, amounts by day (short ring): a delivery with an amount (above 0, in the
  merchant's currency) adds it on the day of its ``ordered_at`` (else its own); a settlement takes
  its amount off the day of its ``ordered_at`` where that is given and held, the rest of it (all of
  it where not given) off the oldest days that have any; what is left then is dropped. So does a
  refund, which a platform keeps back from its next settlement.
- *Open invoices*, amounts by week (week ring): an issued invoice adds, a void takes off its
  original's week, money that comes in takes off the oldest weeks that have any. A week never goes
  below 0. *Money that comes in* is the larger of the sums of settled and credited that arrived
  since the head entered its period, as a settlement to an account that is seen is one payment and
  told twice: each takes off what it adds to that.
- *Dispute lag*: the mean of day of dispute - day of ``ordered_at`` (within 0-60) over the disputes
  that give it, 0 without one, in parts of 1/1,024 day: the nth in order of arrival adds (its lag -
  mean) / min(n, 16), rounded down, so that it decays; read in whole days, a half rounded up. Of the
  merchant, since one without disputes has a share of 0 whatever the lag. Days 1-n before it are
  days 1 + lag to n + lag; orders paid + invoices issued are counted by day (day ring, up to 65,535
  a day).
- *Changes* are found anew at each assessment from the days held, so that late and corrected events
  amend them like the days that they belong to. *Fall*, a one-sided CUSUM (Page, 1954) of amounts by
  day against the merchant's own usual: m, the usual of a day, is the median of its weekday over the
  usual days given (medians of an even number are the mean of the middle two); u = mean of the seven
  m; s = max(1.4826 x median of |x - m| over the usual days, u / 4, 1); w = m / u; z = (x - m) / s,
  within -3w to 21; from 0 on, S = max(S - z - w / 2, 0) over days 29, 28 ... 2, and its value after
  day 2 is the feature. Half of w is the usual allowance of half a deviation, spread over weekdays
  as sales are, so that weekly payouts count like daily ones. A usual day without anything adds up
  to 2.5. *Daily inflow* = settled + credited.
- *Cut*, found anew likewise: the test of ADWIN (Bifet and Gavalda, 2007) over all splits of days
  2-92 since the first sale (W of them), on the whole window rather than an exponential histogram:
  turnover of a day, at most c = 2 x the mean of the window, so that one day hides no change; a
  split of n1 days from n0 before, each at least 7, is significant where the means differ by more
  than e = sqrt(2/h x v x L) + 2/(3h) x L x c, h = 1 / (1/n0 + 1/n1), v = population variance, L =
  ln(2W / 0.05); the cut is the one whose difference / e is largest, of those equal to within 1e-9
  the latest, and lies n1 days back. Its ratio is of turnover without the bound.
- *Activity*: an order paid, a dispatch, a settlement, an account movement, a utility payment, an
  invoice issued or received, a bill accepted or settled, a tax return, a sensor reading; its days
  in the day ring.
- *Bitmaps* of buyers (``counterparty_id`` of orders paid and invoices issued) and suppliers (of
  invoices received): 512 bits for the period of the head, 512 for the one before; the bit of a
  counterparty is its 64-bit hash (xxh64, seed 0) modulo 512. A sale to a named buyer counts in the
  period; it counts as new where its bit was set in neither. Events of the period before the head's
  go to that period's bitmap and counts; older ones are left out. *Tables* of buyers and suppliers
  hold 6 counterparties by amount (Space-Saving: Metwally et al., 2005): a known one adds its
  amount, an unknown one takes the first free place, else the place of the least (of equal ones the
  first), adding to its amount; the *total* adds every amount that enters. Events with a
  counterparty enter in order of arrival, with 0 amount left out; voids and cancellations take
  nothing off. A counterparty is known by the lower half of its hash; a place halved to 0 is free
  again. When the head enters a later period all amounts and the total are halved (rounded down)
  once for each period passed.
- *Hour profile*: orders paid + invoices issued by hour of the day (UTC), in order of arrival;
  halved (rounded down) likewise.
- *Days held* of dishonoured bills, court cases (defendant) and register changes: the latest 8 of
  each by day of the event; utility payments: the latest 8 distinct days. Days after 2149-06-05 are
  held as that day.

**Feeds.** While a feed is quiet for everyone (see ``features.feeds``), every feature that needs it
is NaN for the merchants that have used it. **Peers.** Each amount is also given as its percentile
among the partition's merchants of the same segment: (those below + half of those equal) / all, by
the value that each had when last assessed, in bins of half an octave; NaN with fewer than 20.
"""

import hashlib

import msgspec

from features.families import cash, change, customers, invoices, lending, logistics, sales, signals
from features.feature import Feature

FEATURE_VERSION = "f3"
"""Version of the table and of the arithmetic behind it; changes with either."""

PEERS_MIN = 20
"""Merchants of a segment below which there is no percentile."""

PEERS_EN, PEERS_ZH = ", against peers", "（同业百分位）"
"""Ends of the labels of percentiles."""


def _peer(feature: Feature) -> Feature:
    """The percentile of an amount within the segment. It moves the way of the amount."""
    return Feature(
        name=percentile_of(feature.name),
        family="peers",
        unit="ratio",
        windows=feature.windows,
        formula=f"percentile of {feature.name} within the segment",
        direction=feature.direction,
        label=feature.label + PEERS_EN,
        label_zh=feature.label_zh + PEERS_ZH,
        cold_start=f"NaN without {feature.name}, or with fewer than {PEERS_MIN} peers that have it",
        types=feature.types,
        feeds=feature.feeds,
    )


def percentile_of(amount: str) -> str:
    """Name of the percentile of an amount."""
    return amount.removesuffix("_minor") + "_peer_percentile"


_OWN: tuple[Feature, ...] = (
    *sales.FEATURES,
    *customers.FEATURES,
    *logistics.FEATURES,
    *cash.FEATURES,
    *invoices.FEATURES,
    *signals.FEATURES,
    *lending.FEATURES,
    *change.FEATURES,
)
MONEY: tuple[str, ...] = tuple(feature.name for feature in _OWN if feature.money)
"""The amounts, in vector order; their percentiles end the vector in the same order."""

CATALOGUE: tuple[Feature, ...] = (*_OWN, *(_peer(feature) for feature in _OWN if feature.money))

NAMES: tuple[str, ...] = tuple(feature.name for feature in CATALOGUE)
"""Names in vector order."""

INDEX: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
"""Place in the vector by name."""

FEATURE_DIGEST = hashlib.blake2b(
    FEATURE_VERSION.encode() + msgspec.json.encode(CATALOGUE), digest_size=8
).hexdigest()
"""Digest of the table; a model trained on another one does not fit."""

"""What each feature means: the one table behind the vector, the documentation and the reasons.

The order of the table is the order of the vector. A value that is not available is NaN, never 0.
"Days a-b" count back from the day (UTC) of ``as_of``, which is day 1; a window of N days is days
1-N. *Turnover* over days is ``max(paid - refunded - cancelled, issued - voided, 0)``: orders and
invoices are two views of the same sales. Corrections count on the day of what they correct.
"""

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

FEATURE_VERSION = "f1"
"""Version of the table and of the arithmetic behind it; changes with either."""

Unit = Literal["minor", "count", "ratio", "days", "score"]
Direction = Literal["up", "down", "none"]
Transform = Literal["log1p", "identity", "asinh"]


class Feature(Struct, kw_only=True, frozen=True):
    """One entry of the vector.

    ``direction`` is the side that is riskier, ``usual`` names the feature that holds its usual
    level, ``feeds`` the event types without which it stays NaN (or 0, see ``cold_start``),
    ``transform`` the scale on which a model should read it, and ``money`` whether it is an amount
    of the merchant's currency.
    """

    name: str
    unit: Unit
    windows: tuple[str, ...]
    formula: str
    direction: Direction
    label: str
    cold_start: str
    feeds: tuple[str, ...]
    usual: str | None = None
    transform: Transform = "identity"
    money: bool = False


_SALES = ("order.paid", "invoice.issued")
_NO_SALES = "NaN until the first sale"
_USUAL = "NaN with fewer than 28 days of sales history before day 28"

CATALOGUE: tuple[Feature, ...] = (
    Feature(
        name="turnover_7d_minor",
        unit="minor",
        windows=("7d",),
        formula="turnover over days 1-7",
        direction="down",
        label="Sales of the last 7 days",
        cold_start=_NO_SALES,
        feeds=_SALES,
        transform="log1p",
        money=True,
    ),
    Feature(
        name="turnover_28d_minor",
        unit="minor",
        windows=("28d",),
        formula="turnover over days 1-28",
        direction="down",
        label="Sales of the last 28 days",
        cold_start=_NO_SALES,
        feeds=_SALES,
        usual="turnover_usual_28d_minor",
        transform="log1p",
        money=True,
    ),
    Feature(
        name="turnover_usual_28d_minor",
        unit="minor",
        windows=("56d before 28d",),
        formula="turnover over the n days of days 29-84 since the first sale, times 28 / n",
        direction="down",
        label="Usual sales of 28 days",
        cold_start=_USUAL,
        feeds=_SALES,
        transform="log1p",
        money=True,
    ),
    Feature(
        name="turnover_change_7d_ratio",
        unit="ratio",
        windows=("7d", "56d before 28d"),
        formula="turnover_7d_minor / (turnover_usual_28d_minor / 4)",
        direction="down",
        label="Sales of the last 7 days against usual",
        cold_start=_USUAL + ", or where the usual is 0",
        feeds=_SALES,
        transform="log1p",
    ),
    Feature(
        name="turnover_change_28d_ratio",
        unit="ratio",
        windows=("28d", "56d before 28d"),
        formula="turnover_28d_minor / turnover_usual_28d_minor",
        direction="down",
        label="Sales of the last 28 days against usual",
        cold_start=_USUAL + ", or where the usual is 0",
        feeds=_SALES,
        transform="log1p",
    ),
    Feature(
        name="turnover_volatility_ratio",
        unit="ratio",
        windows=("84d",),
        formula="population standard deviation / mean of the turnover of up to 12 weeks, counted "
        "back from as_of, that lie wholly after the first sale",
        direction="up",
        label="Unsteadiness of weekly sales",
        cold_start="NaN with fewer than 4 such weeks, or without sales in them",
        feeds=_SALES,
    ),
    Feature(
        name="sales_count_28d",
        unit="count",
        windows=("28d",),
        formula="max(orders paid, invoices issued) over days 1-28",
        direction="down",
        label="Number of sales in 28 days",
        cold_start=_NO_SALES,
        feeds=_SALES,
        transform="log1p",
    ),
    Feature(
        name="sale_size_28d_minor",
        unit="minor",
        windows=("28d",),
        formula="paid / orders, or issued / invoices where more was issued than paid; days 1-28",
        direction="none",
        label="Average sale in 28 days",
        cold_start="NaN without a sale in the window",
        feeds=_SALES,
        transform="log1p",
        money=True,
    ),
    Feature(
        name="active_days_28d",
        unit="count",
        windows=("28d",),
        formula="days 1-28 with activity: an order paid, a dispatch, a settlement, an account "
        "movement, a utility payment, an invoice issued or received, a bill accepted or settled, "
        "a tax return or a sensor reading",
        direction="down",
        label="Days with business in the last 28",
        cold_start="NaN until the first event",
        feeds=("any",),
    ),
    Feature(
        name="silence_days",
        unit="days",
        windows=("now",),
        formula="as_of - time of the latest activity (see active_days_28d), at least 0",
        direction="up",
        label="Days since the last business event",
        cold_start="NaN until the first activity",
        feeds=("any",),
        usual="silence_usual_days",
        transform="log1p",
    ),
    Feature(
        name="silence_usual_days",
        unit="days",
        windows=("92d",),
        formula="longest distance between neighbouring active days within days 1-92",
        direction="none",
        label="Longest usual pause",
        cold_start="NaN with fewer than 5 active days",
        feeds=("any",),
        transform="log1p",
    ),
    Feature(
        name="refund_share_28d",
        unit="ratio",
        windows=("28d",),
        formula="amount refunded / amount paid over days 1-28 by day of order, at most 1",
        direction="up",
        label="Share of sales refunded",
        cold_start="NaN where nothing was paid or refunded in the window",
        feeds=("order.paid", "order.refunded"),
        usual="refund_share_usual",
    ),
    Feature(
        name="refund_share_usual",
        unit="ratio",
        windows=("63d before 28d",),
        formula="the same over days 29-91",
        direction="none",
        label="Usual share of sales refunded",
        cold_start=_USUAL,
        feeds=("order.paid", "order.refunded"),
    ),
    Feature(
        name="dispute_share_28d",
        unit="ratio",
        windows=("28d",),
        formula="disputes / max(orders paid, invoices issued) over days 1-28, at most 1",
        direction="up",
        label="Share of sales disputed",
        cold_start="NaN where nothing was sold or disputed in the window",
        feeds=("order.disputed",),
        usual="dispute_share_usual",
    ),
    Feature(
        name="dispute_share_usual",
        unit="ratio",
        windows=("63d before 28d",),
        formula="the same over days 29-91",
        direction="none",
        label="Usual share of sales disputed",
        cold_start=_USUAL,
        feeds=("order.disputed",),
    ),
    Feature(
        name="cancel_share_28d",
        unit="ratio",
        windows=("28d",),
        formula="orders cancelled / orders paid over days 1-28 by day of order, at most 1",
        direction="up",
        label="Share of orders cancelled",
        cold_start="NaN where nothing was ordered or cancelled in the window",
        feeds=("order.paid", "order.cancelled"),
    ),
    Feature(
        name="void_share_28d",
        unit="ratio",
        windows=("28d",),
        formula="amount voided / amount issued over days 1-28 by day of invoice, at most 1",
        direction="up",
        label="Share of invoiced sales voided",
        cold_start="NaN where nothing was issued or voided in the window",
        feeds=("invoice.issued", "invoice.voided"),
        usual="void_share_usual",
    ),
    Feature(
        name="void_share_usual",
        unit="ratio",
        windows=("63d before 28d",),
        formula="the same over days 29-91",
        direction="none",
        label="Usual share of invoiced sales voided",
        cold_start=_USUAL,
        feeds=("invoice.issued", "invoice.voided"),
    ),
    Feature(
        name="overdue_shipments",
        unit="count",
        windows=("92d",),
        formula="delivery promises of the last 92 full days that are neither delivered, returned, "
        "lost nor cancelled; overdue from the end of the promised day",
        direction="up",
        label="Overdue deliveries",
        cold_start="NaN until the first promise",
        feeds=("promised_at on order.paid or shipment.dispatched",),
        transform="log1p",
    ),
    Feature(
        name="overdue_shipment_share",
        unit="ratio",
        windows=("28d",),
        formula="overdue promises / promises of the last 28 full days",
        direction="up",
        label="Share of due deliveries that are overdue",
        cold_start="NaN where no promise fell due in the window",
        feeds=("promised_at on order.paid or shipment.dispatched",),
    ),
    Feature(
        name="late_delivery_share_28d",
        unit="ratio",
        windows=("28d",),
        formula="deliveries on a later day than promised / deliveries with promised_at, days 1-28",
        direction="up",
        label="Share of deliveries that came late",
        cold_start="NaN without such a delivery in the window",
        feeds=("shipment.delivered",),
    ),
    Feature(
        name="unshipped_share_28d",
        unit="ratio",
        windows=("28d before 3d",),
        formula="orders of days 4-31 without dispatch / orders of those days, cancelled ones left "
        "out; a dispatch without ordered_at serves the oldest such order of 31 days",
        direction="up",
        label="Share of paid orders not shipped",
        cold_start="NaN without a logistics feed, or without orders in the window",
        feeds=("order.paid", "shipment.dispatched"),
    ),
    Feature(
        name="settlement_to_sales_28d_ratio",
        unit="ratio",
        windows=("28d",),
        formula="settlements received over days 1-28 / turnover_28d_minor",
        direction="down",
        label="Settlements against sales",
        cold_start="NaN until the first settlement, or without turnover",
        feeds=("settlement.received",),
        transform="log1p",
    ),
    Feature(
        name="purchases_to_sales_28d_ratio",
        unit="ratio",
        windows=("28d",),
        formula="invoices received less those voided over days 1-28 / turnover_28d_minor",
        direction="up",
        label="Purchases against sales",
        cold_start="NaN until the first purchase invoice, or without turnover",
        feeds=("invoice.received",),
        transform="log1p",
    ),
    Feature(
        name="net_inflow_28d_minor",
        unit="minor",
        windows=("28d",),
        formula="account credits less debits over days 1-28",
        direction="down",
        label="Net inflow of 28 days",
        cold_start="NaN until the first account movement",
        feeds=("account.credited", "account.debited"),
        transform="asinh",
        money=True,
    ),
    Feature(
        name="failed_payments_28d",
        unit="count",
        windows=("28d",),
        formula="failed payments over days 1-28",
        direction="up",
        label="Failed payments in 28 days",
        cold_start="0 without the feed; NaN until the first event",
        feeds=("payment.failed",),
        transform="log1p",
    ),
    Feature(
        name="dishonoured_bills_92d",
        unit="count",
        windows=("92d",),
        formula="dishonoured bills over days 1-92",
        direction="up",
        label="Dishonoured bills in 92 days",
        cold_start="0 without the feed; NaN until the first event",
        feeds=("bill.dishonoured",),
        transform="log1p",
    ),
    Feature(
        name="court_cases_92d",
        unit="count",
        windows=("92d",),
        formula="court cases over days 1-92",
        direction="up",
        label="Court cases in 92 days",
        cold_start="0 without the feed; NaN until the first event",
        feeds=("court.case",),
        transform="log1p",
    ),
    Feature(
        name="registration_changes_92d",
        unit="count",
        windows=("92d",),
        formula="changes in the business register over days 1-92",
        direction="up",
        label="Registration changes in 92 days",
        cold_start="0 without the feed; NaN until the first event",
        feeds=("registration.changed",),
        transform="log1p",
    ),
    Feature(
        name="review_mean_92d",
        unit="score",
        windows=("92d",),
        formula="mean rating of the reviews of days 1-92, each rounded to 0.01",
        direction="down",
        label="Average review (0 to 5)",
        cold_start="NaN without a rated review in the window",
        feeds=("review.posted",),
    ),
    Feature(
        name="tenure_days",
        unit="days",
        windows=("all",),
        formula="days from the first business event to as_of, both counted",
        direction="down",
        label="Days of observed history",
        cold_start="NaN until the first event",
        feeds=("any",),
        transform="log1p",
    ),
    Feature(
        name="exposure_minor",
        unit="minor",
        windows=("now",),
        formula="disbursed less repaid, over all loans, at least 0 each",
        direction="up",
        label="Outstanding debt",
        cold_start="0 without loans",
        feeds=("loan.disbursed",),
        transform="log1p",
        money=True,
    ),
    Feature(
        name="utilisation",
        unit="ratio",
        windows=("now",),
        formula="exposure_minor / limit; above 1 when over the limit",
        direction="up",
        label="Use of the credit line",
        cold_start="NaN without a limit",
        feeds=("loan.disbursed",),
    ),
    Feature(
        name="days_past_due",
        unit="days",
        windows=("now",),
        formula="calendar days (UTC) since the oldest unpaid due date, 0 when none is past",
        direction="up",
        label="Days past due",
        cold_start="NaN until the first due date",
        feeds=("repayment.due", "due_at on loan.disbursed"),
        transform="log1p",
    ),
    Feature(
        name="repayment_late_share",
        unit="ratio",
        windows=("all",),
        formula="dues paid after their day or now past due / dues paid or now past due",
        direction="up",
        label="Share of repayments that came late",
        cold_start="NaN until the first repayment or past due date",
        feeds=("repayment.received",),
    ),
    Feature(
        name="repayment_delay_mean_days",
        unit="days",
        windows=("all",),
        formula="mean of payment time less due time, each held within -30 to 120 days",
        direction="up",
        label="Average delay of repayments",
        cold_start="NaN until the first repayment of a due",
        feeds=("repayment.received",),
        transform="asinh",
    ),
    Feature(
        name="repayment_delay_last_days",
        unit="days",
        windows=("last",),
        formula="the same for the latest repayment",
        direction="up",
        label="Delay of the last repayment",
        cold_start="NaN until the first repayment of a due",
        feeds=("repayment.received",),
        transform="asinh",
    ),
    Feature(
        name="loans_settled_count",
        unit="count",
        windows=("all",),
        formula="loans repaid in full",
        direction="down",
        label="Loans repaid in full",
        cold_start="0 without loans",
        feeds=("loan.settled",),
        transform="log1p",
    ),
)

NAMES: tuple[str, ...] = tuple(feature.name for feature in CATALOGUE)
"""Names in vector order."""

INDEX: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
"""Place in the vector by name."""

FEATURE_DIGEST = hashlib.blake2b(
    FEATURE_VERSION.encode() + msgspec.json.encode(CATALOGUE), digest_size=8
).hexdigest()
"""Digest of the table; a model trained on another one does not fit."""

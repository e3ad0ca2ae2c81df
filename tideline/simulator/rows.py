"""Events as rows of numbers, and rows as the events of ``schemas.events``."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tideline.simulator.segments import NAMES, REGIONS

Rows = NDArray[Any]
Event = dict[str, Any]
CURRENCY = "CNY"
TAX = 13
"""Per cent of value added tax on goods (PRC, since 2019)."""

ROW = np.dtype(
    [
        ("arrives", "<i8"),
        ("at", "<i8"),
        ("kind", "u1"),
        ("merchant", "<u4"),
        ("amount", "<i8"),
        ("ref", "<i8"),
        ("since", "<i8"),
        ("until", "<i8"),
        ("other", "<i8"),
    ]
)
"""``arrives`` and ``at`` are epoch ms. ``ref`` tells the event from others of its kind and
merchant, and joins those of an order. ``since`` is the time of the original, ``until`` the promised
or due time, ``other`` a party or what the kind makes of it; 0 where there is none."""

_PLAIN = np.dtype((np.void, ROW.itemsize))

TYPES = (
    "order.paid", "order.cancelled", "order.refunded", "order.disputed", "review.posted",
    "shipment.dispatched", "shipment.delivered", "shipment.returned", "shipment.lost",
    "settlement.received", "account.credited", "account.debited", "utility.paid", "payment.failed",
    "invoice.issued", "invoice.received", "invoice.voided", "bill.accepted", "bill.settled",
    "bill.dishonoured", "tax.filed", "court.case", "registration.changed", "bureau.scored",
    "sensor.reading", "merchant.registered", "credit.applied", "consent.changed", "loan.disbursed",
    "repayment.due", "repayment.received", "loan.defaulted", "loan.settled",
)  # fmt: skip
KIND = {name: number for number, name in enumerate(TYPES)}
FEEDS = ("transactions", "logistics", "payments", "signals", "profiles", "lending")
FEED_OF = np.array([0] * 5 + [1] * 4 + [2] * 5 + [3] * 11 + [4] * 3 + [5] * 5)
"""Feed of each kind of row."""
BUYER, SUPPLIER, PLATFORM, CORE, OWNER, LANDLORD, TAX_OFFICE, LENDER, CIRCLE = range(1, 10)
PARTY_BITS = 48
_PARTIES = (
    "", "buyer", "supplier", "platform", "core", "owner", "landlord", "tax-office", "lender",
    "circle",
)  # fmt: skip
REGISTER_FIELDS = ("payout_account", "contact_phone", "legal_representative", "address")
PRODUCTS = 64
"""``other`` of a loan is its place x this + its product."""
SLOTS = 64
"""``ref`` of a day's events is day x this + a number for what they are."""


def party(role: int, number: Any) -> Any:
    """The code of a party for ``other``."""
    return (role << PARTY_BITS) + number


def make(kind: str, at: Any, merchant: Any, **columns: Any) -> Rows:
    """Rows of one kind; columns that are not given are 0, ``arrives`` is ``at``."""
    rows = np.zeros(len(merchant), ROW)
    rows["kind"] = KIND[kind]
    rows["at"] = rows["arrives"] = at
    rows["merchant"] = merchant
    for name, column in columns.items():
        rows[name] = column
    return rows


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows of some; as plain bytes, since numpy joins records field by field."""
    whole = np.concatenate([np.ascontiguousarray(rows).view(_PLAIN) for rows in parts])
    return whole.view(ROW)


def merchant_id(number: int) -> str:
    """The name of a merchant."""
    return f"m{number:07d}"


def _party(code: int) -> str:
    return f"{_PARTIES[code >> PARTY_BITS]}-{code & ((1 << PARTY_BITS) - 1)}"


def _order(event: Event, row: tuple[Any, ...]) -> None:
    _, _, _, merchant, _, ref, _, until, other = row
    event["order_id"] = f"o{merchant}-{ref}"
    event["counterparty_id"] = _party(other)
    if until:
        event["promised_at"] = until


def _correction(event: Event, row: tuple[Any, ...]) -> None:
    _, _, _, merchant, _, ref, since, _, other = row
    event["order_id"] = f"o{merchant}-{ref}"
    event["counterparty_id"] = _party(other)
    event["ordered_at"] = since


def _review(event: Event, row: tuple[Any, ...]) -> None:
    event["rating"] = event.pop("amount")
    del event["currency"]
    _correction(event, row)


def _parcel(event: Event, row: tuple[Any, ...]) -> None:
    _, _, _, merchant, amount, ref, since, until, other = row
    if not amount:
        del event["amount"], event["currency"]
    event["order_id"] = f"o{merchant}-{ref}"
    event["shipment_id"] = f"s{merchant}-{ref}"
    event["carrier_id"] = f"carrier-{other}"
    event["ordered_at"] = since
    event["promised_at"] = until


def _money(event: Event, row: tuple[Any, ...]) -> None:
    event["counterparty_id"] = _party(row[8])
    if row[7]:
        event["due_at"] = row[7]


def _account(event: Event, row: tuple[Any, ...]) -> None:
    event["counterparty_id"] = _party(row[8])
    event["balance_minor"] = row[6]


def _failed(event: Event, row: tuple[Any, ...]) -> None:
    _money(event, row)
    event["reason"] = "insufficient_funds"


def _invoice(event: Event, row: tuple[Any, ...]) -> None:
    _, _, _, merchant, amount, ref, _, _, _ = row
    event["invoice_id"] = f"i{merchant}-{ref}"
    event["tax_minor"] = amount * TAX // (100 + TAX)
    _money(event, row)


def _void(event: Event, row: tuple[Any, ...]) -> None:
    _invoice(event, row)
    event["side"] = "issued"
    event["issued_at"] = row[6]


def _bill(event: Event, row: tuple[Any, ...]) -> None:
    event["bill_id"] = f"b{row[3]}-{row[5]}"
    _money(event, row)


def _tax(event: Event, row: tuple[Any, ...]) -> None:
    event["declared_turnover_minor"] = row[8]
    event["period_start_at"] = row[6]
    event["period_end_at"] = row[7]


def _court(event: Event, row: tuple[Any, ...]) -> None:
    event["case_id"] = f"case-{row[3]}-{row[5]}"
    event["role"] = "defendant"
    event["status"] = "filed"


def _register(event: Event, row: tuple[Any, ...]) -> None:
    del event["amount"], event["currency"]
    event["field"] = REGISTER_FIELDS[row[8]]


def _bureau(event: Event, row: tuple[Any, ...]) -> None:
    event["score"] = event.pop("amount")
    event["other_debt_minor"] = row[8]


def _sensor(event: Event, row: tuple[Any, ...]) -> None:
    event["reading"] = event.pop("amount") / 10
    del event["currency"]
    event["sensor_id"] = f"machine-{row[3]}"
    event["unit"] = "h"


def _registered(event: Event, row: tuple[Any, ...]) -> None:
    event["segment"] = NAMES[event.pop("amount")]
    event["region"] = REGIONS[row[8]]
    event["opened_at"] = row[6]


def _applied(event: Event, row: tuple[Any, ...]) -> None:
    product = event["product"] = PRODUCT_OF[row[8]]
    if product in CHANNEL_OF:
        event["channel"] = CHANNEL_OF[product]
    event["consent"] = True


def _consent(event: Event, row: tuple[Any, ...]) -> None:
    del event["amount"], event["currency"]
    event["granted"] = row[8] == 1
    event["scope"] = "data"


def _loan(event: Event, row: tuple[Any, ...]) -> None:
    """``since`` is the first day of the loan, which names it; ``other`` its product or place."""
    _, _, _, merchant, _, _, since, until, other = row
    event["loan_id"] = f"l{merchant}-{since}-{other // PRODUCTS}"
    if until:
        event["due_at"] = until


def _disbursed(event: Event, row: tuple[Any, ...]) -> None:
    _loan(event, row)
    event["product"] = PRODUCT_OF[row[8] % PRODUCTS]


_Fill = Callable[[Event, tuple[Any, ...]], None]
_FILL: dict[str, _Fill] = {
    "order.paid": _order,
    "order.cancelled": _correction,
    "order.refunded": _correction,
    "order.disputed": _correction,
    "review.posted": _review,
    "shipment.dispatched": _parcel,
    "shipment.delivered": _parcel,
    "shipment.returned": _parcel,
    "shipment.lost": _parcel,
    "settlement.received": _money,
    "account.credited": _account,
    "account.debited": _account,
    "utility.paid": _money,
    "payment.failed": _failed,
    "invoice.issued": _invoice,
    "invoice.received": _invoice,
    "invoice.voided": _void,
    "bill.accepted": _bill,
    "bill.settled": _bill,
    "bill.dishonoured": _bill,
    "tax.filed": _tax,
    "court.case": _court,
    "registration.changed": _register,
    "bureau.scored": _bureau,
    "sensor.reading": _sensor,
    "merchant.registered": _registered,
    "credit.applied": _applied,
    "consent.changed": _consent,
    "loan.disbursed": _disbursed,
    "repayment.due": _loan,
    "repayment.received": _loan,
    "loan.defaulted": _loan,
    "loan.settled": _loan,
}
_FILLS = tuple(_FILL[name] for name in TYPES)
PRODUCT_OF: tuple[str, ...] = (
    "working-capital", "marketplace-seller", "platform-embedded", "tax-and-invoice", "supply-chain",
    "rural-seasonal",
)  # fmt: skip
"""Names of products under ``credit/products``; numbered by place."""
CHANNEL_OF = {"platform-embedded": "erp"}
"""The channel through which merchants apply, for products that have some."""


def event_of(row: tuple[Any, ...]) -> Event:
    """The event of one row."""
    _, at, kind, merchant, amount, ref, _, _, _ = row
    event: Event = {
        "type": TYPES[kind],
        "event_id": f"{kind}-{merchant}-{ref}",
        "merchant_id": merchant_id(merchant),
        "occurred_at": at,
        "amount": amount,
        "currency": CURRENCY,
    }
    _FILLS[kind](event, row)
    return event

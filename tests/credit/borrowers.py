"""Merchants that trade as each product of ``portfolio-1`` asks, by the day; and apply for it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from bench.workload import DAY_MS, START_MS

HISTORY_DAYS = 100
"""Days before the applications: longer than any product asks for."""
SALES_MINOR = 60_000
_SETTLED_AFTER_DAYS = 5
_PAID_AFTER_DAYS = 30
_BILL_DAYS = 60
_BUYERS = 3
_QUARTER_MONTHS = 3
_FIRST_HOUR = 9 * 3_600_000

Fields = dict[str, Any]
"""Of an event: type, day, and what is its own."""
Day = Callable[[int], Iterator[Fields]]


def money(kind: str, amount_minor: int, **more: Any) -> Fields:
    """An event with an amount."""
    return {"type": kind, "amount": amount_minor, "currency": "CNY", **more}


def at_ms(day: int) -> int:
    """The hour of business of a day, counted from the first."""
    return START_MS + day * DAY_MS + _FIRST_HOUR


def _sells(day: int, amount_minor: int = SALES_MINOR) -> Fields:
    return money("order.paid", amount_minor, order_id=f"o{day}")


def _shop(day: int) -> Iterator[Fields]:
    yield _sells(day)


def _settled(day: int, after_days: int) -> Iterator[Fields]:
    if day >= after_days:
        yield money("settlement.received", SALES_MINOR, order_id=f"o{day - after_days}")


def _marketplace(day: int) -> Iterator[Fields]:
    yield _sells(day)
    yield {"type": "shipment.delivered", "order_id": f"o{day}", "ordered_at": at_ms(day)}
    yield from _settled(day, _SETTLED_AFTER_DAYS)


def _platform(day: int) -> Iterator[Fields]:
    yield _sells(day)
    yield from _settled(day, 1)


def _supplier(day: int) -> Iterator[Fields]:
    """Invoices a few buyers, who pay after a month."""
    for buyer in range(_BUYERS):
        named = {"counterparty_id": f"buyer{buyer}"}
        yield money("invoice.issued", SALES_MINOR, invoice_id=f"i{day}-{buyer}", **named)
        if day >= _PAID_AFTER_DAYS:
            yield money("settlement.received", SALES_MINOR, **named)


def _invoices(day: int) -> Iterator[Fields]:
    """Invoices what it sells, and declares all of it by the quarter."""
    yield _sells(day)
    yield money("invoice.issued", SALES_MINOR, invoice_id=f"i{day}")
    today = datetime.fromtimestamp(at_ms(day) / 1000, UTC)
    if day and today.day == 1 and today.month % _QUARTER_MONTHS == 1:
        yield _tax_return(today, day)


def _tax_return(today: datetime, day: int) -> Fields:
    """The return of the quarter that ended yesterday."""
    begins = today.replace(month=(today.month - _QUARTER_MONTHS) % 12, hour=0)
    begins_ms = int(begins.timestamp() * 1000)
    ends_ms = at_ms(day) - _FIRST_HOUR - DAY_MS
    days = min((ends_ms - begins_ms) // DAY_MS + 1, day)
    turnover = SALES_MINOR * days
    period = {"period_start_at": begins_ms, "period_end_at": ends_ms}
    return money("tax.filed", turnover // 100, declared_turnover_minor=turnover, **period)


def _bills(day: int) -> Iterator[Fields]:
    """Is paid in bills of exchange by three buyers, one a day."""
    yield _sells(day)
    yield _bill("bill.accepted", day)
    if day >= _BILL_DAYS:
        yield _bill("bill.settled", day - _BILL_DAYS)


def _bill(kind: str, accepted_day: int) -> Fields:
    named = {"bill_id": f"b{accepted_day}", "counterparty_id": f"buyer{accepted_day % _BUYERS}"}
    return money(kind, 3 * SALES_MINOR, due_at=at_ms(accepted_day + _BILL_DAYS), **named)


def _machine(day: int) -> Iterator[Fields]:
    """Runs a leased machine, and is paid into its account."""
    yield _sells(day)
    yield money("account.credited", SALES_MINOR)
    yield {"type": "sensor.reading", "sensor_id": "press", "reading": 7.5, "unit": "h"}


def _green(day: int) -> Iterator[Fields]:
    yield from _invoices(day)
    yield {"type": "sensor.reading", "sensor_id": "panel", "reading": 31.0, "unit": "kWh"}


def _farm(day: int) -> Iterator[Fields]:
    """Sells so much that a second line needs two persons."""
    yield _sells(day, 6 * SALES_MINOR)


TRADES: dict[str, Day] = {
    "working-capital": _shop,
    "tax-and-invoice": _invoices,
    "supply-chain": _supplier,
    "marketplace-seller": _marketplace,
    "bill-financing": _bills,
    "equipment-leasing": _machine,
    "rural-seasonal": _farm,
    "platform-embedded": _platform,
    "green-uplift": _green,
    "co-lending": _shop,
}
"""What happens on a day, by the product that such a merchant applies for."""
WISHES_MINOR: dict[str, int] = {"rural-seasonal": 10_000_000}
"""Applied for; 500,000 where nothing else is said."""


def borrower(product: str, number: int = 0) -> str:
    """The id of a merchant that applies for a product."""
    return f"{product}-{number}"


def registered(merchant: str) -> Fields:
    """The merchant joins, before its first day."""
    at = {"event_id": f"{merchant}-joins", "merchant_id": merchant, "occurred_at": START_MS}
    return {"type": "merchant.registered", "segment": "trade", "currency": "CNY", **at}


def day_of(merchant: str, product: str, day: int) -> Iterator[Fields]:
    """Whole events of one day of a merchant, a minute after each other."""
    for place, fields in enumerate(TRADES[product](day)):
        own = {"event_id": f"{merchant}-{day}-{place}", "merchant_id": merchant}
        yield {**own, "occurred_at": at_ms(day) + place * 60_000, **fields}


def applies(merchant: str, product: str, day: int = HISTORY_DAYS) -> Fields:
    """The merchant asks for a line after business."""
    fields = money("credit.applied", WISHES_MINOR.get(product, 500_000), product=product)
    if product == "platform-embedded":
        fields["channel"] = "erp"
    own = {"event_id": f"{merchant}-applies-{day}", "merchant_id": merchant}
    return {**own, "occurred_at": at_ms(day) + 3_600_000, **fields}

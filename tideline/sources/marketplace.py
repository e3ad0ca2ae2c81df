"""Marketplace orders with items, carrier and delivery times, promises and reviews."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ops.errors import ConfigurationError
from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged
from tideline.sources.tables import Rows, load, minor, text_ms

CURRENCY = "BRL"
SEGMENT = "marketplace-seller"
SETTLED_AFTER_MS = 7 * 86_400_000
"""Assumed: the platform settles a week after delivery; the data has no settlement date."""
COLUMNS: dict[str, tuple[str, ...]] = {
    "orders": ("order_id", "order_status", "order_estimated_delivery_date"),
    "order_items": ("order_id", "seller_id", "price", "freight_value"),
    "order_payments": ("order_id",),
    "order_reviews": ("review_id", "order_id", "review_score", "review_answer_timestamp"),
    "sellers": ("seller_id", "seller_state"),
}
STEPS = ("order_approved_at", "order_delivered_carrier_date", "order_delivered_customer_date")
"""What an order has reached; null where it has not."""


class Timed(NamedTuple):
    """An event with its time and the place in its table that it comes from."""

    at: int
    event: Event
    place: int


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """The five ``marketplace_*.parquet`` files, or the folder that holds them.

    An order is split by seller: each gets its items' price and freight. It is paid when the
    payment was approved; one that never was is skipped. Orders of status canceled or unavailable
    are cancelled at their estimate. Payments add nothing to this and are counted.
    """
    tables = _tables(paths, report)
    shares = _shares(tables["order_items"])
    report.skipped["payment (the items have the amounts)"] += len(tables["order_payments"].line)
    orders, paid = _orders(tables["orders"], shares, report)
    reviews = _reviews(tables["order_reviews"], shares, paid, report)
    first: dict[str, int] = {}
    for timed in (*orders, *reviews):
        merchant = timed.event["merchant_id"]
        first[merchant] = min(timed.at, first.get(merchant, timed.at))
    sellers = _sellers(tables["sellers"], first, report)
    # Sellers first at equal times: a merchant is known before its first order.
    parts = (("sellers", sellers), ("orders", orders), ("order_reviews", reviews))
    yield from merged([_stream(tables[name], timed) for name, timed in parts], report)


def _tables(paths: list[Path], report: AdapterReport) -> dict[str, Rows]:
    files = [
        f for p in paths for f in (sorted(p.glob("marketplace_*.parquet")) if p.is_dir() else [p])
    ]
    by_name = {f.stem.removeprefix("marketplace_"): f for f in files if "marketplace_" in f.name}
    missing = [name for name in COLUMNS if name not in by_name]
    if missing:
        raise ConfigurationError(
            f"marketplace lacks marketplace_{', marketplace_'.join(missing)}: "
            "give all five files, or their folder"
        )
    return {
        name: load(
            [by_name[name]], report, required=columns, nullable=STEPS if name == "orders" else ()
        )
        for name, columns in COLUMNS.items()
    }


def _shares(items: Rows) -> dict[str, dict[str, int]]:
    """Order -> seller -> price and freight of its items, in minor units."""
    table = items.table
    totals = (minor(table["price"]) + minor(table["freight_value"])).tolist()
    shares: dict[str, dict[str, int]] = {}
    for order_id, seller, total in zip(
        table["order_id"].to_pylist(), table["seller_id"].to_pylist(), totals, strict=True
    ):
        sellers = shares.setdefault(order_id, {})
        sellers[seller] = sellers.get(seller, 0) + total
    return shares


def _orders(
    rows: Rows, shares: dict[str, dict[str, int]], report: AdapterReport
) -> tuple[list[Timed], set[str]]:
    """The events of all orders, and which orders have any."""
    table = rows.table
    times = [text_ms(table[name]).tolist() for name in (*STEPS, "order_estimated_delivery_date")]
    events: list[Timed] = []
    paid: set[str] = set()
    columns = (table["order_id"].to_pylist(), table["order_status"].to_pylist(), *times)
    for place, (order_id, status, *moments) in enumerate(zip(*columns, strict=True)):
        if order_id not in shares:
            report.skipped["order without items"] += 1
        elif moments[0] < 0:
            report.skipped["order never paid"] += 1
        else:
            paid.add(order_id)
            for seller, amount in shares[order_id].items():
                events += [
                    Timed(at, event, place)
                    for at, event in _order(order_id, status, moments, seller, amount)
                ]
    return events, paid


def _order(
    order_id: str, status: str, moments: list[int], seller: str, amount: int
) -> Iterator[tuple[int, Event]]:
    """What one seller's part of an order went through; -1 is a moment that never came."""
    paid, shipped, delivered, promised = moments
    money = {"amount": amount, "currency": CURRENCY}
    parcel = {"ordered_at": paid, "promised_at": promised}

    def event(kind: str, **more: Any) -> Event:
        return {
            "type": kind,
            "event_id": f"marketplace-{order_id}-{seller}-{kind}",
            "merchant_id": seller,
            "order_id": order_id,
            **more,
        }

    yield paid, event("order.paid", promised_at=promised, **money)
    if shipped >= 0:
        yield shipped, event("shipment.dispatched", **parcel)
    if delivered >= 0:
        yield delivered, event("shipment.delivered", **parcel)
        yield delivered + SETTLED_AFTER_MS, event("settlement.received", ordered_at=paid, **money)
    if status in ("canceled", "unavailable"):
        yield max(moments), event("order.cancelled", ordered_at=paid, **money)


def _reviews(
    rows: Rows, shares: dict[str, dict[str, int]], paid: set[str], report: AdapterReport
) -> list[Timed]:
    table = rows.table
    columns = (
        table["order_id"].to_pylist(),
        table["review_id"].to_pylist(),
        table["review_score"].to_pylist(),
        text_ms(table["review_answer_timestamp"]).tolist(),
    )
    events = []
    for place, (order_id, review_id, score, at) in enumerate(zip(*columns, strict=True)):
        if order_id not in paid:
            report.skipped["review of an order that is skipped"] += 1
            continue
        for seller in shares[order_id]:
            event: Event = {
                "type": "review.posted",
                "event_id": f"marketplace-{review_id}-{order_id}-{seller}",
                "merchant_id": seller,
                "order_id": order_id,
                "rating": float(score),
            }
            events.append(Timed(at, event, place))
    return events


def _sellers(rows: Rows, first: dict[str, int], report: AdapterReport) -> list[Timed]:
    """Registrations, each with the seller's first event."""
    names = rows.table["seller_id"].to_pylist()
    states = rows.table["seller_state"].to_pylist()
    report.skipped["seller without orders"] += sum(name not in first for name in names)
    return [
        Timed(
            first[name],
            {
                "type": "merchant.registered",
                "event_id": f"marketplace-seller-{name}",
                "merchant_id": name,
                "segment": SEGMENT,
                "region": state,
                "currency": CURRENCY,
            },
            place,
        )
        for place, (name, state) in enumerate(zip(names, states, strict=True))
        if name in first
    ]


def _stream(rows: Rows, timed: list[Timed]) -> Stream:
    return Stream(
        np.array([t.at for t in timed], dtype=np.int64),
        lambda i: dict(timed[i].event),
        rows,
        np.array([t.place for t in timed], dtype=np.int64),
    )

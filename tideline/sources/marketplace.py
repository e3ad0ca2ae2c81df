"""Marketplace orders with items, carrier and delivery times, promises and reviews."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ops.errors import ConfigurationError
from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged, text_ms

CURRENCY = "BRL"
SEGMENT = "marketplace-seller"
TABLES = ("orders", "order_items", "order_payments", "order_reviews", "sellers")
SETTLED_AFTER_MS = 7 * 86_400_000
"""Assumed: the platform settles a week after delivery; the data has no settlement date."""
DIGITS = 100


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """The five ``marketplace_*.parquet`` files, or the folder that holds them.

    An order is split by seller: each gets its items' price and freight. Orders of status canceled
    or unavailable are cancelled at their estimate. Payments add nothing to this and are counted.
    """
    tables = _tables(paths)
    report.rows_in += sum(len(rows) for rows in tables.values())
    shares: dict[str, dict[str, int]] = {}
    for item in tables["order_items"]:
        sellers = shares.setdefault(item["order_id"], {})
        price = round((item["price"] + item["freight_value"]) * DIGITS)
        sellers[item["seller_id"]] = sellers.get(item["seller_id"], 0) + price
    report.skipped["payment (the items have the amounts)"] += len(tables["order_payments"])
    timed: list[tuple[int, Event]] = []
    orders = {order["order_id"]: order for order in tables["orders"]}
    seen: set[str] = set()
    for order in tables["orders"]:
        if order["order_id"] not in shares:
            report.skipped["order without items"] += 1
        for seller, amount in shares.get(order["order_id"], {}).items():
            timed += _order(order, seller, amount)
            seen.add(seller)
    for review in tables["order_reviews"]:
        found = shares.get(review["order_id"], {})
        if not found or review["order_id"] not in orders:
            report.skipped["review of an order without items"] += 1
        for seller in found if review["order_id"] in orders else ():
            timed.append(_review(review, seller))
    timed += _sellers(tables["sellers"], seen, timed, report)
    # Sellers first at equal times: a merchant is known before its first order.
    timed.sort(key=lambda item: (item[0], item[1]["type"] != "merchant.registered"))
    times = np.array([at for at, _ in timed], dtype=np.int64)
    stream = Stream(times, lambda i: dict(timed[i][1]))
    yield from merged("marketplace", [stream], report)


def _tables(paths: list[Path]) -> dict[str, list[dict[str, Any]]]:
    files = [f for p in paths for f in (sorted(p.glob("*.parquet")) if p.is_dir() else [p])]
    by_name = {f.stem.removeprefix("marketplace_"): f for f in files if "marketplace_" in f.name}
    missing = [name for name in TABLES if name not in by_name]
    if missing:
        raise ConfigurationError(
            f"marketplace lacks {', '.join(missing)}: give all files or folder"
        )
    return {name: pq.read_table(by_name[name]).to_pylist() for name in TABLES}


def _at(text: str | None) -> int | None:
    moment = int(text_ms([text])[0])
    return None if moment < 0 else moment


def _order(order: dict[str, Any], seller: str, amount: int) -> list[tuple[int, Event]]:
    order_id = order["order_id"]
    bought = _at(order["order_purchase_timestamp"])
    if bought is None:
        return []
    promised = _at(order["order_estimated_delivery_date"])
    money = {"amount": amount, "currency": CURRENCY}

    def event(kind: str, at: int, **more: Any) -> tuple[int, Event]:
        fields = {
            "type": kind,
            "event_id": f"marketplace-{order_id}-{seller}-{kind}",
            "merchant_id": seller,
            "order_id": order_id,
            **more,
        }
        return at, {k: v for k, v in fields.items() if v is not None}

    buyer = order["customer_id"]
    events = [event("order.paid", bought, promised_at=promised, counterparty_id=buyer, **money)]
    parcel = {"ordered_at": bought, "promised_at": promised}
    shipped = _at(order["order_delivered_carrier_date"])
    delivered = _at(order["order_delivered_customer_date"])
    if shipped is not None:
        events.append(event("shipment.dispatched", shipped, **parcel))
    if delivered is not None:
        events.append(event("shipment.delivered", delivered, **parcel))
        settled = delivered + SETTLED_AFTER_MS
        events.append(event("settlement.received", settled, ordered_at=bought, **money))
    if order["order_status"] in ("canceled", "unavailable"):
        when = max(promised or bought, bought, shipped or 0, delivered or 0)
        events.append(event("order.cancelled", when, ordered_at=bought, **money))
    return events


def _review(review: dict[str, Any], seller: str) -> tuple[int, Event]:
    at = _at(review["review_answer_timestamp"]) or _at(review["review_creation_date"]) or 0
    return at, {
        "type": "review.posted",
        "event_id": f"marketplace-{review['review_id']}-{review['order_id']}-{seller}",
        "merchant_id": seller,
        "order_id": review["order_id"],
        "rating": float(review["review_score"]),
    }


def _sellers(
    rows: list[dict[str, Any]],
    seen: set[str],
    timed: list[tuple[int, Event]],
    report: AdapterReport,
) -> list[tuple[int, Event]]:
    first: dict[str, int] = {}
    for at, event in timed:
        merchant = event["merchant_id"]
        first[merchant] = min(at, first.get(merchant, at))
    report.skipped["seller without orders"] += sum(r["seller_id"] not in seen for r in rows)
    return [
        (
            first[row["seller_id"]],
            {
                "type": "merchant.registered",
                "event_id": f"marketplace-seller-{row['seller_id']}",
                "merchant_id": row["seller_id"],
                "segment": SEGMENT,
                "region": row["seller_state"],
                "currency": CURRENCY,
            },
        )
        for row in rows
        if row["seller_id"] in first
    ]

"""The marketplace's adapter: orders split by seller, and only what happened."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sources.tables import day, read

STEPS = ("order_approved_at", "order_delivered_carrier_date", "order_delivered_customer_date")


def order(order_id: str, status: str, *steps: str | None) -> dict[str, Any]:
    """An order of 1 May with the days on which it took its steps."""
    times = [None if s is None else f"2017-05-{s} 10:00:00" for s in steps]
    return {
        "order_id": order_id,
        "order_status": status,
        "order_estimated_delivery_date": "2017-05-20 00:00:00",
        **dict(zip(STEPS, times, strict=True)),
    }


def item(order_id: str, seller: str, price: float) -> dict[str, Any]:
    """An item with 1.50 of freight."""
    return {"order_id": order_id, "seller_id": seller, "price": price, "freight_value": 1.5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five orders, three sellers."""
    tables: dict[str, list[dict[str, Any]]] = {
        "orders": [
            order("shared", "delivered", "02", "03", "09"),
            order("gone", "canceled", "02", None, None),
            order("lost", "shipped", "03", "04", None),
            order("bare", "unavailable", "02", None, None),
            order("unpaid", "canceled", None, None, None),
        ],
        "order_items": [
            item("shared", "a", 10.0),
            item("shared", "a", 5.0),
            item("shared", "b", 1.01),
            item("gone", "a", 7.0),
            item("lost", "b", 3.0),
            item("unpaid", "a", 3.0),
        ],
        "order_payments": [{"order_id": "shared"}],
        "order_reviews": [
            {
                "review_id": f"r-{name}",
                "order_id": name,
                "review_score": 2,
                "review_answer_timestamp": "2017-05-12 08:00:00",
            }
            for name in ("shared", "bare")
        ],
        "sellers": [{"seller_id": s, "seller_state": "SP"} for s in ("a", "b", "idle")],
    }
    for name, rows in tables.items():
        table = pa.Table.from_pylist(rows)
        pq.write_table(table, tmp_path / f"marketplace_{name}.parquet")
    return tmp_path


def test_an_order_of_two_sellers_gives_each_its_items(folder: Path) -> None:
    events, _ = read([folder], "marketplace")
    seen = [
        (e["merchant_id"], e["type"], day(e), e.get("amount"))
        for e in events
        if e.get("order_id") == "shared"
    ]
    for seller, amount in (("a", 1_800), ("b", 251)):
        assert [row[1:] for row in seen if row[0] == seller] == [
            ("order.paid", "2017-05-02", amount),
            ("shipment.dispatched", "2017-05-03", None),
            ("shipment.delivered", "2017-05-09", None),
            ("review.posted", "2017-05-12", None),
            ("settlement.received", "2017-05-16", amount),
        ]
    paid, dispatched = events[2], next(e for e in events if e["type"] == "shipment.dispatched")
    assert dispatched["ordered_at"] == paid["occurred_at"]
    assert day(dispatched, "promised_at") == "2017-05-20"


def test_a_cancellation_comes_no_sooner_than_the_promise_and_a_parcel_stays_on_its_way(
    folder: Path,
) -> None:
    events, _ = read([folder], "marketplace")
    seen = {
        name: [(e["type"], day(e)) for e in events if e.get("order_id") == name]
        for name in ("gone", "lost")
    }
    assert seen == {
        "gone": [("order.paid", "2017-05-02"), ("order.cancelled", "2017-05-20")],
        "lost": [("order.paid", "2017-05-03"), ("shipment.dispatched", "2017-05-04")],
    }


def test_what_was_never_paid_or_names_no_seller_is_counted(folder: Path) -> None:
    events, report = read([folder], "marketplace")
    assert {e.get("order_id") for e in events} == {None, "shared", "gone", "lost"}
    assert report.summary() == {
        "rows_in": 17,
        "events_out": 16,
        "rows_skipped": {
            "order never paid": 1,
            "order without items": 1,
            "payment (the items have the amounts)": 1,
            "review of an order that is skipped": 1,
            "seller without orders": 1,
        },
    }


def test_sellers_are_registered_before_their_first_order(folder: Path) -> None:
    events, _ = read([folder], "marketplace")
    known = set()
    for event in events:
        if event["type"] == "merchant.registered":
            known.add(event["merchant_id"])
        assert event["merchant_id"] in known
    assert known == {"a", "b"}

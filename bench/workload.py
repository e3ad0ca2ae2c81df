"""The events that every benchmark uses: seeded steady trade of many merchants.

Steady means that the window is cut out of trade that went on before it and goes on after it: in it
there are as many parcels of earlier orders as there are orders whose parcels come later, and every
merchant is busy through all of it. The default window is the 24 hours from noon, so that exactly
one end of a day is in it.
"""

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from schemas.events import BY_TAG

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
START_MS = 1_735_732_800_000  # 2025-01-01 12:00 UTC
Keyed = tuple[str, bytes, bytes]
"""Topic, key, value."""
Timed = tuple[int, str, bytes, dict[str, Any]]
"""Event time, topic, key, fields."""

SINGLE = (
    ("account.debited", 0.50),
    ("utility.paid", 0.20),
    ("order.refunded", 0.10),
    ("loan.disbursed", 0.10),
    ("repayment.received", 0.10),
)
ORDER_SHARE = 0.88
"""Share of events that belong to an order: paid, dispatched, delivered, settled."""


def events(
    count: int, merchants: int, seed: int, *, start_ms: int = START_MS, span_ms: int = DAY_MS
) -> list[Keyed]:
    """``count`` events in event-time order, spread evenly over ``span_ms``, encoded."""
    encode = msgspec.json.Encoder().encode
    return [
        (topic, key, encode(fields))
        for _, topic, key, fields in timed(count, merchants, seed, start_ms, span_ms)
    ]


def timed(count: int, merchants: int, seed: int, start_ms: int, span_ms: int) -> list[Timed]:
    """The same, with each event's time and fields."""
    rnd = random.Random(seed)
    found: list[Timed] = []
    of_orders = 0
    while len(found) < count:
        merchant = f"m{rnd.randrange(merchants):06d}"
        if of_orders <= ORDER_SHARE * len(found):
            steps = list(_order(rnd, start_ms, span_ms, f"o{seed}-{len(found)}"))
            of_orders += len(steps)
        else:
            steps = [(start_ms + rnd.randrange(span_ms), _single(rnd, merchant))]
        key = merchant.encode()
        for at, fields in steps:
            event_id = f"b{seed}-{len(found):09d}"
            whole = {"event_id": event_id, "merchant_id": merchant, "occurred_at": at, **fields}
            found.append((at, BY_TAG[fields["type"]].topic, key, whole))
    del found[count:]
    found.sort(key=lambda event: (event[0], event[3]["event_id"]))
    return found


def first_events(merchants: int, start_ms: int) -> Iterator[Keyed]:
    """One sale of each merchant within the minute of ``start_ms``, so that all of them exist."""
    encode = msgspec.json.Encoder().encode
    for number in range(merchants):
        merchant = f"m{number:06d}"
        fields = {
            "event_id": f"first-{number:07d}",
            "merchant_id": merchant,
            "occurred_at": start_ms + number * 60_000 // merchants,
            **{"type": "order.paid", "order_id": f"of-{number}", "amount": 5_000 + number % 9_000},
            **{"currency": "CNY", "counterparty_id": f"c{number}"},
        }
        yield BY_TAG["order.paid"].topic, merchant.encode(), encode(fields)


def _single(rnd: random.Random, merchant: str) -> dict[str, Any]:
    kind = rnd.choices([k for k, _ in SINGLE], [w for _, w in SINGLE])[0]
    more = {"loan_id": f"l{merchant}"} if kind.startswith(("loan", "repay")) else {}
    return {"type": kind, "amount": rnd.randrange(100, 9_000), "currency": "CNY", **more}


def _order(
    rnd: random.Random, start_ms: int, span_ms: int, order_id: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The steps within the window of an order that goes well.

    Shipped within a day, delivered in time, settled in full an hour later. One of its steps is
    drawn into the window; the order counts only if it is the first one there, else orders with
    several steps in the window would come too often.
    """
    end_ms = start_ms + span_ms
    while True:
        shipped = rnd.randrange(24) * HOUR_MS
        delivered = shipped + rnd.randrange(12, 36) * HOUR_MS
        after = (0, shipped, delivered, delivered + HOUR_MS)
        drawn = rnd.randrange(4)
        paid = start_ms + rnd.randrange(span_ms) - after[drawn]
        inside = [step for step in range(4) if start_ms <= paid + after[step] < end_ms]
        if inside[0] == drawn:
            break
    money = {"amount": rnd.randrange(1_000, 90_000), "currency": "CNY"}
    promised = {"promised_at": paid + 3 * DAY_MS}
    buyer = {"counterparty_id": f"c{rnd.randrange(10**6)}"}
    parcel = {"order_id": order_id, "ordered_at": paid, **promised}
    fields: tuple[dict[str, Any], ...] = (
        {"type": "order.paid", "order_id": order_id, **money, **promised, **buyer},
        {"type": "shipment.dispatched", **parcel},
        {"type": "shipment.delivered", **parcel},
        {"type": "settlement.received", "order_id": order_id, **money},
    )
    for step in inside:
        yield paid + after[step], fields[step]

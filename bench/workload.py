"""The events that every benchmark uses: seeded steady trade of many merchants."""

import random
from typing import Any

import msgspec

from schemas.events import BY_TAG

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
START_MS = 1_735_689_600_000  # 2025-01-01
Keyed = tuple[str, bytes, bytes]
"""Topic, key, value."""

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
    """``count`` events in event-time order, orders spread evenly over ``span_ms``."""
    rnd = random.Random(seed)
    timed: list[tuple[int, int, dict[str, Any]]] = []
    while len(timed) < count:
        merchant = f"m{rnd.randrange(merchants):06d}"
        at = start_ms + rnd.randrange(span_ms)
        if rnd.random() < ORDER_SHARE / (ORDER_SHARE + 4 * (1 - ORDER_SHARE)):
            steps = _order(rnd, at, f"o{seed}-{len(timed)}")
        else:
            kind = rnd.choices([k for k, _ in SINGLE], [w for _, w in SINGLE])[0]
            more = {"loan_id": f"l{merchant}"} if kind.startswith(("loan", "repay")) else {}
            money = {"amount": rnd.randrange(100, 9_000), "currency": "CNY"}
            steps = [(at, {"type": kind, **money, **more})]
        for when, fields in steps:
            event = {**fields, "merchant_id": merchant, "occurred_at": when}
            timed.append((when, len(timed), event))
    del timed[count:]
    timed.sort(key=lambda item: item[:2])
    encode = msgspec.json.Encoder().encode
    return [
        (
            BY_TAG[event["type"]].topic,
            event["merchant_id"].encode(),
            encode({"event_id": f"b{seed}-{number:09d}", **event}),
        )
        for number, (_, _, event) in enumerate(timed)
    ]


def _order(rnd: random.Random, at: int, order_id: str) -> list[tuple[int, dict[str, Any]]]:
    """An order that goes well: shipped within a day, delivered in time, settled in full."""
    shipped = at + rnd.randrange(24) * HOUR_MS
    delivered = shipped + rnd.randrange(12, 36) * HOUR_MS
    money = {"amount": rnd.randrange(1_000, 90_000), "currency": "CNY"}
    promised = {"promised_at": at + 3 * DAY_MS}
    buyer = {"counterparty_id": f"c{rnd.randrange(10**6)}"}
    parcel = {"order_id": order_id, "ordered_at": at, **promised}
    return [
        (at, {"type": "order.paid", "order_id": order_id, **money, **promised, **buyer}),
        (shipped, {"type": "shipment.dispatched", **parcel}),
        (delivered, {"type": "shipment.delivered", **parcel}),
        (delivered + HOUR_MS, {"type": "settlement.received", "order_id": order_id, **money}),
    ]

"""The events that every benchmark uses: a seeded mix over many merchants."""

import random
from collections.abc import Iterator

import msgspec

from schemas.events import BY_TAG

DAY_MS = 86_400_000
START_MS = 1_735_689_600_000  # 2025-01-01
MIX = (
    ("order.paid", 0.22),
    ("shipment.dispatched", 0.24),
    ("shipment.delivered", 0.26),
    ("settlement.received", 0.19),
    ("account.debited", 0.06),
    ("utility.paid", 0.02),
    ("order.refunded", 0.01),
    ("repayment.received", 0.005),
    ("loan.disbursed", 0.005),
)


def events(
    count: int, merchants: int, seed: int, *, start_ms: int = START_MS, span_ms: int = DAY_MS
) -> Iterator[tuple[str, bytes, bytes]]:
    """``count`` events as (topic, key, value), spread evenly over ``span_ms`` of event time."""
    rnd = random.Random(seed)
    types = [name for name, _ in MIX]
    weights = [weight for _, weight in MIX]
    encode = msgspec.json.Encoder().encode
    for number in range(count):
        kind = rnd.choices(types, weights)[0]
        merchant = f"m{rnd.randrange(merchants):06d}"
        at = start_ms + number * span_ms // count
        event = {
            "type": kind,
            "event_id": f"b{seed}-{number:09d}",
            "merchant_id": merchant,
            "occurred_at": at,
            "order_id": f"o{number}",
        }
        if not kind.startswith("shipment"):
            event |= {"amount": rnd.randrange(100, 90_000), "currency": "CNY"}
        if kind == "order.paid":
            event |= {"counterparty_id": f"c{rnd.randrange(10**6)}", "promised_at": at + 3 * DAY_MS}
        elif kind.startswith("shipment"):
            # Steady trade: what arrives now was ordered, and promised for now, three days ago.
            event |= {"ordered_at": at - 3 * DAY_MS, "promised_at": at}
        elif kind in ("repayment.received", "loan.disbursed"):
            event |= {"loan_id": f"l{merchant}"}
        yield BY_TAG[kind].topic, merchant.encode(), encode(event)

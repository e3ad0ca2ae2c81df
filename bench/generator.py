"""Publish live trade at a steady rate: ``python -m bench.generator RATE SECONDS MERCHANTS``.

All but the time is encoded beforehand; every 2 ms the events that are due go out as a burst. The
instalments of the first ``LEAD_IN_S`` are not marked as measured: caches and connections warm up.
What was sent, and how late the latest burst was, is printed as one JSON line.
"""

import json
import random
import sys
import time
from typing import Any, NamedTuple

import msgspec

from bench.cluster import producer_of
from bench.workload import DAY_MS, timed
from ops.errors import FatalError
from ops.kafka import topic_name
from ops.settings import load_settings
from schemas import topics

BURST_S = 0.002
LEAD_IN_S = 10
OVERDUE_PER_S = 200
MARK = "late-"
"""Begins the identifier of an overdue instalment; the time of sending (ns) ends it."""
APPLIED = "applied-"
"""Begins that of an application for credit."""
_TIME = b"1111111111111"
_SENT = b"2222222222222222222"
"""Stand where the time in ms, and the time of sending in ns, will be."""


def overdue(merchant: str, event_id: str, now_ms: int) -> dict[str, Any]:
    """An instalment that was due long ago: the sentinel of late repayment fires on it."""
    return {
        "type": "repayment.due",
        "event_id": event_id,
        "merchant_id": merchant,
        "occurred_at": now_ms,
        "due_at": now_ms - 40 * DAY_MS,
        "loan_id": f"l{merchant}",
        "amount": 50_000,
        "currency": "CNY",
    }


def application(merchant: str, event_id: str, now_ms: int) -> dict[str, Any]:
    """A wish for a line: a limit change answers it, a decline is one too."""
    return {
        "type": "credit.applied",
        "event_id": event_id,
        "merchant_id": merchant,
        "occurred_at": now_ms,
        "amount": 500_000,
        "currency": "CNY",
    }


class Piece(NamedTuple):
    """An encoded event in pieces: between them go the time of sending (instalments), the time."""

    topic: str
    key: bytes
    pieces: tuple[bytes, ...]


def prepare(total: int, merchants: int, rate: int, seconds: int, now_ms: int) -> list[Piece]:
    """The events to send, in order: trade, and each merchant's own instalments and applications.

    Every so many events there is an overdue instalment, and half way to the next an application.
    """
    every = max(1, rate // OVERDUE_PER_S)
    order = random.Random(4).sample(range(merchants), merchants)
    encode = msgspec.json.Encoder().encode
    found = []
    for number, (_, topic, key, fields) in enumerate(
        timed(total, merchants, 3, now_ms, seconds * 1000)
    ):
        if number % every not in (0, every // 2):
            raw = encode({**fields, "occurred_at": int(_TIME)})
            found.append(Piece(topic, key, tuple(raw.split(_TIME))))
            continue
        merchant = f"m{order[number // every % merchants]:06d}"
        applies = number % every != 0
        mark = APPLIED if applies else MARK
        if number < LEAD_IN_S * rate:
            mark = f"lead-in-{mark}"
        make, to = (application, topics.PROFILES) if applies else (overdue, topics.LENDING)
        event = make(merchant, f"{mark}{number}-{_SENT.decode()}", now_ms)
        first, rest = encode({**event, "occurred_at": int(_TIME)}).split(_SENT)
        found.append(Piece(to, merchant.encode(), (first, *rest.split(_TIME))))
    return found


def value(piece: Piece, now_ns: int) -> bytes:
    """The event as of now."""
    now_ms = b"%d" % (now_ns // 1_000_000)
    if len(piece.pieces) == 3:
        first, middle, last = piece.pieces
        return b"".join((first, b"%d" % now_ns, middle, now_ms, last))
    return now_ms.join(piece.pieces)


def send(rate: int, seconds: int, merchants: int) -> dict[str, Any]:
    """Publish and return what was really done."""
    settings = load_settings()
    seconds += LEAD_IN_S
    total = rate * seconds
    work = prepare(total, merchants, rate, seconds, time.time_ns() // 1_000_000)
    producer = producer_of(settings, linger_ms=1)
    names = {topic: topic_name(settings, topic) for topic in topics.INPUT_TOPICS}
    begin = time.monotonic()
    done, late_s = 0, 0.0
    while done < total:
        due = min(total, int((time.monotonic() - begin) * rate) + 1)
        if done >= LEAD_IN_S * rate:
            late_s = max(late_s, time.monotonic() - begin - done / rate)
        for piece in work[done:due]:
            producer.produce(names[piece.topic], key=piece.key, value=value(piece, time.time_ns()))
        done = due
        producer.poll(0)
        time.sleep(max(0.0, begin + done / rate + BURST_S - time.monotonic()))
    elapsed = time.monotonic() - begin
    if producer.flush(30):
        raise FatalError("the events were not all delivered in 30 s")
    return {
        "events": total,
        "events_per_s": round(total / elapsed),
        "flush_s": round(time.monotonic() - begin - elapsed, 3),
        "late_ms_max": round(late_s * 1000, 1),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(send(*(int(argument) for argument in sys.argv[1:]))) + "\n")

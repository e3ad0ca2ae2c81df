"""Merchants that fall due in one record are assessed together, as if each had come alone."""

import random
from typing import Any

import msgspec

from schemas import topics
from streams.artifacts import MemoryArtifacts, genesis
from streams.records import Output, Record
from streams.scoring import Scoring

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 19_723 * DAY_MS
KINDS = (
    *["order.paid"] * 60,
    *["order.refunded"] * 3,
    "loan.disbursed",
    "repayment.due",
    "repayment.received",
    "merchant.updated",
    "credit.applied",
    "consent.changed",
    "merchant.freeze",
    "merchant.release",
)


def trade(seed: int, count: int) -> list[bytes]:
    """Lines of a few merchants, close together, with commands and profiles among them."""
    rnd = random.Random(seed)
    lines = []
    at = START_MS
    for number in range(count):
        at += rnd.randrange(3 * HOUR_MS)
        kind = rnd.choice(KINDS)
        line: dict[str, Any] = {
            "type": kind,
            "event_id": f"e{number}",
            "merchant_id": f"m{rnd.randrange(6)}",
            "occurred_at": at,
            "amount": rnd.randrange(1, 20_000 if kind == "order.refunded" else 900_000),
            "currency": "CNY",
        }
        if kind.startswith(("loan", "repayment")):
            line |= {"loan_id": "l", "due_at": START_MS + 400 * DAY_MS}
        if kind == "repayment.due" and rnd.random() < 0.3:
            line |= {"due_at": at - rnd.randrange(1, 30) * DAY_MS}
        if kind == "merchant.updated":
            line |= {"segment": rnd.choice(["food", "retail"])}
        if kind == "consent.changed":
            line |= {"granted": rnd.random() < 0.7}
        if kind.startswith("merchant.f"):
            line |= {"actor": "a", "reason": "r"}
        lines.append(msgspec.json.encode(line))
    return lines


def score(lines: list[bytes], at_once: int) -> list[Output]:
    scoring = Scoring(MemoryArtifacts(), genesis())
    outputs = []
    for offset, first in enumerate(range(0, len(lines), at_once)):
        value = b"\n".join(lines[first : first + at_once])
        outputs += scoring.process(Record(topics.EVENTS, 0, offset, None, value, [], 0))
    return outputs


def test_outputs_do_not_depend_on_how_lines_share_records() -> None:
    lines = trade(seed=3, count=4_000)
    alone = score(lines, 1)
    of_topic = {topic: sum(o.topic == topic for o in alone) for topic in {o.topic for o in alone}}
    assert of_topic[topics.ASSESSMENTS] > 2_000
    assert of_topic[topics.ALERTS] > 10 and of_topic[topics.LIMIT_CHANGES] > 10
    for at_once in (2, 7, 300, len(lines)):
        assert score(lines, at_once) == alone

"""Outputs and log records for a monitor to read, and the figures that it must show of them.

The figures are computed here from all that was published, with none of the monitor's code.
"""

import random
from collections import Counter
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import murmur2

from schemas import topics
from schemas.outputs import Alert, Assessment

PARTITIONS = 4
MINUTE_MS = 60_000
START_MS = 1_700_000_000_000 // MINUTE_MS * MINUTE_MS
DAY_MS = 86_400_000
SEGMENTS = ("shop", "farm", "wholesale")
KINDS = ("sales_collapse", "silence")
FEED_OF = {
    "order.paid": "merchant.transactions",
    "shipment.lost": "merchant.logistics",
    "settlement.received": "merchant.payments",
    "tax.filed": "merchant.signals",
    "repayment.received": "lending.events",
}
VERSIONS = {"model_version": "m", "policy_version": "p", "feature_version": "f"}


class Sent(NamedTuple):
    """A record as it is produced."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


def keyed(topic: str, merchant_id: str, value: bytes | None) -> Sent:
    """A record on the partition of its merchant."""
    key = merchant_id.encode()
    return Sent(topic, murmur2(key, PARTITIONS), key, value)


def assessment(merchant_id: str, as_of: int, segment: str, minor: int, currency: str) -> Assessment:
    return Assessment(
        assessment_id=f"{merchant_id}-{as_of}",
        merchant_id=merchant_id,
        as_of=as_of,
        segment=segment,
        trigger="event",
        probability_of_default=0.1,
        horizon_days=90,
        anomaly_score=None,
        band="C",
        exposure_minor=minor,
        currency=currency,
        reasons=[],
        features={},
        causes=[],
        **VERSIONS,  # type: ignore[arg-type]
    )


def alert(merchant_id: str, kind: str, version: int, opened_at: int, **over: Any) -> Alert:
    fields: dict[str, Any] = {
        "alert_id": f"{merchant_id}-{kind}-{opened_at}",
        "merchant_id": merchant_id,
        "segment": SEGMENTS[int(merchant_id[1:]) % 3],
        "kind": kind,
        "severity": "warning",
        "opened_at": opened_at,
        "updated_at": opened_at + version,
        "state": "open",
        "version": version,
        "exposure_minor": 1,
        "currency": "CNY",
        "reasons": [],
        "evidence": [],
        "evidence_count": 0,
        **VERSIONS,
        **over,
    }
    return Alert(**fields)


def micro_batch(partition: int, lines: list[dict[str, Any]]) -> Sent:
    """A record of the log."""
    return Sent(topics.EVENTS, partition, None, b"\n".join(map(msgspec.json.encode, lines)))


def good_records(seed: int, count: int) -> list[Sent]:
    """Assessments, alerts in all their states, and micro-batches, in order; with redeliveries."""
    pick = random.Random(seed)
    sent: list[Sent] = []
    for number in range(count):
        now_ms = START_MS + number * 7 * MINUTE_MS
        merchant = f"m{pick.randrange(40)}"
        segment = SEGMENTS[(int(merchant[1:]) + number // 150) % 3]
        currency = "EUR" if int(merchant[1:]) % 5 == 0 else "CNY"
        money = assessment(merchant, now_ms, segment, pick.randrange(10**6), currency)
        sent.append(keyed(topics.ASSESSMENTS, merchant, msgspec.json.encode(money)))
        sent.append(_change(pick, merchant, number, now_ms))
        if number % 3 == 0:
            sent.extend(_episode(pick, merchant, now_ms))
        sent.append(
            micro_batch(
                pick.randrange(PARTITIONS),
                [
                    {"type": pick.choice(list(FEED_OF)), "occurred_at": now_ms + i * 1_000, "x": i}
                    for i in range(pick.randrange(1, 6))
                ]
                + [{"type": "clock.tick", "occurred_at": now_ms + 9_000}],
            )
        )
        if number % 10 == 0:
            # Assessments and alerts may be told twice; a log has each record once.
            again = [s for s in sent if s.topic != topics.EVENTS]
            sent.append(again[-pick.randrange(1, min(len(again), 8) + 1)])
    return sent


def _change(pick: random.Random, merchant: str, version: int, now_ms: int) -> Sent:
    """A limit of two funders; every fourth is a proposal, which moves nothing."""
    parts = {"own": pick.randrange(10**6), "bank": pick.randrange(10**6)}
    change = {
        "line_id": f"line-{merchant}",
        "product": ("flex", "season")[int(merchant[1:]) % 2],
        "currency": "CNY",
        "version": version + 1,
        "new_limit_minor": sum(parts.values()),
        "funders": [{"funder": name, "limit_minor": minor} for name, minor in parts.items()],
        "state": "proposed" if version % 4 == 3 else "sent",
        "decided_at": now_ms,
    }
    return keyed(topics.LIMIT_CHANGES, merchant, msgspec.json.encode(change))


def _episode(pick: random.Random, merchant: str, now_ms: int) -> list[Sent]:
    kind = pick.choice(KINDS)
    states = [
        alert(merchant, kind, 1, now_ms),
        alert(merchant, kind, 2, now_ms, severity="critical"),
        alert(merchant, kind, 3, now_ms, severity="critical", state="assigned"),
        alert(merchant, kind, 4, now_ms, state="closed", outcome="confirmed"),
    ][: pick.randrange(1, 5)]
    return [keyed(topics.ALERTS, merchant, msgspec.json.encode(each)) for each in states]


def bad_records() -> list[Sent]:
    """What cannot be read, one of each kind on each topic (11 unreadable things in all)."""
    wrong_type = b'{"merchant_id":1,"alert_id":2,"type":3,"occurred_at":"x"}'
    return [
        Sent(topic, number % PARTITIONS, b"k", value)
        for topic in (topics.ASSESSMENTS, topics.ALERTS, topics.EVENTS)
        for number, value in enumerate((b"{", b"\xff\xfe", wrong_type))
    ] + [keyed(topics.ASSESSMENTS, "m1", None), keyed(topics.ALERTS, "m1", None)]


BAD = 11


def misleading_records() -> list[Sent]:
    """Readable records that would change every figure: for transactions that are aborted."""
    later = START_MS + 10 * 365 * DAY_MS
    return (
        [
            keyed(
                topics.ASSESSMENTS,
                f"m{n}",
                msgspec.json.encode(assessment(f"m{n}", later, "aborted", 10**9, "USD")),
            )
            for n in range(40)
        ]
        + [
            keyed(
                topics.ALERTS,
                f"m{n}",
                msgspec.json.encode(alert(f"m{n}", "aborted", 9, START_MS, segment="aborted")),
            )
            for n in range(40)
        ]
        + [
            micro_batch(partition, [{"type": "bill.settled", "occurred_at": START_MS}] * 50)
            for partition in range(PARTITIONS)
        ]
    )


def figures(sent: list[Sent]) -> dict[tuple[str, tuple[str, ...]], float]:
    """Samples of the monitors' gauges by name and values of their labels in order of name."""
    latest: dict[str, Any] = {}
    episodes: dict[str, Any] = {}
    feeds: dict[str, list[int]] = {}
    lines: dict[str, Any] = {}
    for topic, _, _, value in sent:
        if topic == topics.ASSESSMENTS:
            found = msgspec.json.decode(value or b"")
            known = latest.get(found["merchant_id"])
            if known is None or found["as_of"] > known["as_of"]:
                latest[found["merchant_id"]] = found
        elif topic == topics.LIMIT_CHANGES:
            found = msgspec.json.decode(value or b"")
            known = lines.get(found["line_id"], {"version": 0})
            if found["state"] == "sent" and found["version"] > known["version"]:
                lines[found["line_id"]] = found
        elif topic == topics.ALERTS:
            found = msgspec.json.decode(value or b"")
            known = episodes.get(found["alert_id"])
            if known is None or found["version"] > known["version"]:
                episodes[found["alert_id"]] = found
        else:
            for line in msgspec.json.Decoder().decode_lines(value or b""):
                if line["type"] in FEED_OF:
                    feeds.setdefault(FEED_OF[line["type"]], []).append(line["occurred_at"])
    now = max(
        [at for times in feeds.values() for at in times]
        + [each["opened_at"] for each in episodes.values()]
    )
    expected: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for each in latest.values():
        where = (each["currency"], each["segment"])
        expected["exposure_minor", where] += each["exposure_minor"]
        expected["expected_loss_minor", where] += round(each["exposure_minor"] * 0.1 * 0.65)
    for each in lines.values():
        names = [("product", each["product"], each["new_limit_minor"])]
        names += [("funder", f["funder"], f["limit_minor"]) for f in each["funders"]]
        for dimension, name, minor in names:
            expected["limit_minor", ("CNY", dimension, name)] += minor
    for each in episodes.values():
        if each["state"] != "closed":
            expected["open_alerts", (each["kind"], each["segment"], each["severity"])] += 1
        if now // MINUTE_MS - each["opened_at"] // MINUTE_MS < 24 * 60:
            expected["alerts_24h", (each["kind"], each["segment"])] += 1
    shown: dict[tuple[str, tuple[str, ...]], float] = dict(expected)
    for currency in {each["currency"] for each in latest.values()}:
        minor = [e["exposure_minor"] for e in latest.values() if e["currency"] == currency]
        shown["exposure_squares", (currency,)] = sum(each**2 for each in minor)
    for feed, times in feeds.items():
        last_hour = sum(now // MINUTE_MS - at // MINUTE_MS < 60 for at in times)
        shown["feed_last_event_timestamp_seconds", (feed,)] = max(times) / 1000
        shown["feed_events_per_minute", (feed,)] = last_hour / 60
    return shown

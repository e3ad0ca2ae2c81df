"""Realistic outputs to store, by number: the same number gives the same output."""

import base64

from confluent_kafka import murmur2

from schemas import topics
from schemas.codec import encode
from schemas.outputs import (
    Alert,
    Assessment,
    DeadLetter,
    FunderShare,
    Header,
    LimitChange,
    Reason,
)

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000

VERSIONS = {"model_version": "m-7", "policy_version": "p-3", "feature_version": "f-2"}


def reasons() -> list[Reason]:
    return [
        Reason(
            code="order_collapse",
            text="Paid orders fell to 3 a day from a usual 41",
            feature="orders_7d",
            value=3.0,
            usual=41.0,
            contribution=1.25,
        ),
        Reason(code="silence", text="No shipment for 9 days", feature="days_since_shipment"),
    ]


def assessment(number: int, **over: object) -> Assessment:
    fields = {
        "assessment_id": f"as-{number}",
        "merchant_id": f"m-{number % 7}",
        "as_of": START_MS + number * DAY_MS // 3,
        "segment": "wholesale",
        "trigger": "sentinel",
        "probability_of_default": None if number % 5 == 0 else 0.01 * (number % 50),
        "horizon_days": 90,
        "anomaly_score": 0.4,
        "band": "insufficient_history" if number % 5 == 0 else "C",
        "exposure_minor": 1_250_000 + number,
        "currency": "CNY",
        "reasons": reasons(),
        "features": {"orders_7d": 3.0, "refund_share_28d": None},
        "causes": [f"e-{number}"],
        **VERSIONS,
        **over,
    }
    return Assessment(**fields)


def alert(number: int, **over: object) -> Alert:
    at = START_MS + number * DAY_MS
    fields = {
        "alert_id": f"al-{number}",
        "merchant_id": f"m-{number % 7}",
        "segment": "wholesale",
        "kind": "order_collapse",
        "severity": ("info", "warning", "critical")[number % 3],
        "opened_at": at,
        "updated_at": at,
        "state": "open",
        "version": 1,
        "exposure_minor": 900_000 + number,
        "currency": "CNY",
        "reasons": reasons(),
        "evidence": [f"e-{number}", f"e-{number + 1}"],
        "evidence_count": 2,
        **VERSIONS,
        **over,
    }
    return Alert(**fields)


def limit_change(number: int, **over: object) -> LimitChange:
    at = START_MS + number * DAY_MS
    fields = {
        "decision_id": f"d-{number}",
        "line_id": f"line-{number % 7}",
        "merchant_id": f"m-{number % 7}",
        "segment": "wholesale",
        "product": "flex-90",
        "version": 1 + number // 7,
        "action": "decrease",
        "previous_limit_minor": 2_000_000,
        "new_limit_minor": 1_500_000,
        "drawn_minor": 1_250_000,
        "currency": "CNY",
        "decided_at": at,
        "effective_at": at + DAY_MS,
        "expires_at": None,
        "reasons": reasons(),
        "causes": [f"e-{number}"],
        "approval": "automatic",
        "state": "sent",
        "funders": [FunderShare(funder="own", limit_minor=1_500_000)],
        **VERSIONS,
        **over,
    }
    return LimitChange(**fields)


def dead_letter(number: int, value: bytes = b"\xff\x00 not JSON") -> DeadLetter:
    return DeadLetter(
        reason="not_utf8",
        detail="byte 0 is not UTF-8; encode the JSON as UTF-8",
        topic="merchant.payments",
        partition=number % 4,
        offset=number,
        key=base64.b64encode(f"m-{number % 7}".encode()).decode(),
        value=base64.b64encode(value).decode(),
        headers=[Header(name="source", value=base64.b64encode(b"\x80erp").decode())],
        line=None if number % 2 else number,
    )


MAKERS = {
    topics.ASSESSMENTS: assessment,
    topics.ALERTS: alert,
    topics.LIMIT_CHANGES: limit_change,
    topics.DEAD_LETTERS: dead_letter,
}

ID_COLUMNS = {
    topics.ASSESSMENTS: ("assessments", "assessment_id"),
    topics.ALERTS: ("alerts", "alert_id"),
    topics.LIMIT_CHANGES: ("limit_changes", "decision_id"),
    topics.DEAD_LETTERS: ("dead_letters", "toString(source_offset)"),
}


def output(topic: str, number: int) -> tuple[bytes, bytes]:
    """Key and value of a record of a topic."""
    made = MAKERS[topic](number)
    return getattr(made, "merchant_id", f"m-{number % 7}").encode(), encode(made)


def partition_of(key: bytes, partitions: int) -> int:
    return (murmur2(key, partitions)) % partitions

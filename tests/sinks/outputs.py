"""Realistic outputs to store, by number: the same number gives the same output."""

import base64

from confluent_kafka import murmur2

from schemas import topics
from schemas.audit import AuditEntry
from schemas.codec import encode
from schemas.learner_report import (
    LEARNER_REPORT_SCHEMA,
    CalibrationBin,
    DriftAlarm,
    LabelCount,
    LearnerReport,
    ModelStanding,
    PublishedVersion,
    VariableDrift,
)
from schemas.outputs import (
    Alert,
    Assessment,
    DeadLetter,
    FunderShare,
    Header,
    LimitChange,
    Reason,
)
from tests.sinks.log_lines import DAY_MS, START_MS, log_record

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
        "acknowledge_by": at + DAY_MS,
        "close_by": at + 10 * DAY_MS,
        "acknowledged_at": None if number % 2 else at + 1,
        "reopened": number % 3,
        "probability_of_default": None if number % 5 == 0 else 0.01 * (number % 50),
        "headroom_minor": 10_000 * number,
        "note": "a promotion" if number % 2 else None,
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


def standing(name: str, role: str = "challenger", **over: object) -> ModelStanding:
    """Of a floor neither log loss nor calibration is stated."""
    floor = role == "floor"
    fields = {
        "name": name,
        "role": role,
        "labels": 240,
        "defaults": 31,
        "log_loss": None if floor else 0.312,
        "roc_auc": 0.71,
        "calibration_error": None if floor else -0.012,
        "precision": 0.42,
        "recall": 0.32,
        "exposure_found": 0.4,
        "lead_time_days": 31.0,
        **over,
    }
    return ModelStanding(**fields)


def published(number: int, **over: object) -> PublishedVersion:
    at = START_MS + number * DAY_MS
    fields = {
        "version": f"default-risk-{number}",
        "kind": "scorecard",
        "parent": f"default-risk-{number - 1}" if number > 1 else "prior-2",
        "challenger": "scorecard",
        "published_at": at,
        "trained_from": START_MS,
        "trained_until": at,
        "labels": 100 * number,
        "defaults": 12 * number,
        "compared": 100,
        "log_loss": 0.3,
        "champion_log_loss": 0.34,
        "roc_auc": 0.75,
        "champion_roc_auc": 0.7,
        "best_floor": "days-past-due",
        "best_floor_roc_auc": 0.68,
        **over,
    }
    return PublishedVersion(**fields)


def learner_report(number: int, **over: object) -> LearnerReport:
    at = START_MS + number * DAY_MS
    fields = {
        "schema": LEARNER_REPORT_SCHEMA,
        "number": number + 1,
        "as_of": at,
        "champion": f"default-risk-{number}",
        "champion_since": at - DAY_MS if number % 2 else None,
        "pause": None if number % 3 else "labels_held",
        "pause_labels": 0,
        "labels_learnt": 240 + number,
        "labels_ripening": 12,
        "labels_held": 0 if number % 3 else 7,
        "held_since": None if number % 3 else at - DAY_MS,
        "labels_given_up": 3,
        "outcomes_without_history": 1,
        "last_label_at": at,
        "last_due_at": at,
        "standings": [
            standing("champion", "champion"),
            standing("logistic", roc_auc=0.74),
            standing("volume-rank", "floor", roc_auc=None, recall=None),
        ],
        "drift": [
            VariableDrift(variable="score", psi=0.31, level="act", moving=True),
            VariableDrift(variable="turnover_28d_minor", psi=0.12, level="watch", moving=False),
        ],
        "alarms": [
            DriftAlarm(
                signal="error",
                found_at=at,
                direction="up",
                before=0.2,
                after=0.5,
                observations=320,
            )
        ],
        "label_counts": [
            LabelCount(outcome="defaulted", bad=True, labels=31),
            LabelCount(outcome="settled", bad=False, labels=209),
        ],
        "calibration": [CalibrationBin(labels=120, predicted=0.08, observed=0.1)],
        "versions": [published(each) for each in range(1, number % 4 + 1)],
        **over,
    }
    return LearnerReport(**fields)


def audit_entry(number: int, **over: object) -> AuditEntry:
    fields = {
        "audit_id": f"au-{number}",
        "at": START_MS + number * DAY_MS // 5,
        "actor": f"analyst-{number % 3}",
        "role": "analyst",
        "action": "unmask" if number % 2 else "command",
        "subject": f"m-{number % 7}",
        "reason": "the customer called back",
        "detail": "alert.close",
        **over,
    }
    return AuditEntry(**fields)


MAKERS = {
    topics.ASSESSMENTS: assessment,
    topics.ALERTS: alert,
    topics.LIMIT_CHANGES: limit_change,
    topics.DEAD_LETTERS: dead_letter,
    topics.LEARNER_REPORTS: learner_report,
    topics.DESK_AUDIT: audit_entry,
}

ID_COLUMNS = {
    topics.ASSESSMENTS: ("assessments", "assessment_id"),
    topics.ALERTS: ("alerts", "alert_id"),
    topics.LIMIT_CHANGES: ("limit_changes", "decision_id"),
    topics.DEAD_LETTERS: ("dead_letters", "toString(source_offset)"),
    topics.LEARNER_REPORTS: ("learner_reports", "toString(number)"),
    topics.DESK_AUDIT: ("desk_audit", "audit_id"),
}

RECORD_TABLES = (*(name for name, _ in ID_COLUMNS.values()), "event_records")
"""Tables with a row for each record that is stored; what is not in one is in ``sink_rejects``."""


def output(topic: str, number: int) -> tuple[bytes | None, bytes]:
    """Key and value of a record of a topic."""
    if topic == topics.EVENTS:
        return None, log_record(number)
    made = MAKERS[topic](number)
    return getattr(made, "merchant_id", f"m-{number % 7}").encode(), encode(made)


def partition_of(key: bytes, partitions: int) -> int:
    return (murmur2(key, partitions)) % partitions

"""What queue and merchant page ask of ClickHouse: reads only, all values bound, all bounded."""

from desk.ports import Engine, Row
from desk.scope import Scope

CHANGES_MAX = 30
HISTORY_MAX = 50


REASONS = (
    "reasons.code AS codes, reasons.text AS texts, reasons.feature AS reason_features,"
    " reasons.value AS reason_values, reasons.usual AS reason_usuals,"
    " reasons.contribution AS contributions"
)

_ALERT = (
    "alert_id, merchant_id, segment, kind, severity, state, version, exposure_minor, currency,"
    " toUnixTimestamp64Milli(opened_at) AS opened_ms,"
    " toUnixTimestamp64Milli(updated_at) AS updated_ms,"
    f" evidence_count, assignee, outcome, {REASONS}"
)

_CHANGE = (
    "decision_id, line_id, merchant_id, product, version, action, previous_limit_minor,"
    " new_limit_minor, drawn_minor, currency, approval, state,"
    " toUnixTimestamp64Milli(decided_at) AS decided_ms,"
    " toUnixTimestamp64Milli(effective_at) AS effective_ms,"
    f" policy_version, actor, {REASONS}"
)


def latest_changes(engine: Engine, scope: Scope) -> list[Row]:
    """The most recent limit changes of all merchants."""
    return engine.query(
        f"SELECT {_CHANGE} FROM limit_changes WHERE {scope.where()}"  # noqa: S608 - constants
        f" ORDER BY decided_at DESC, kafka_offset DESC, line_id, version DESC LIMIT {CHANGES_MAX}",
        scope.params,
    )


def merchant_assessments(engine: Engine, scope: Scope, merchant_id: str) -> list[Row]:
    """Assessments of a merchant, the latest first; only it carries reasons and features."""
    history = engine.query(
        "SELECT assessment_id, toUnixTimestamp64Milli(as_of) AS as_of_ms, probability_of_default,"  # noqa: S608 - constants
        " horizon_days, anomaly_score, band, exposure_minor, currency, trigger, segment,"
        " model_version, policy_version, feature_version, outcome, kafka_offset"
        " FROM assessments WHERE merchant_id = {merchant_id:String}"
        f" AND {scope.where()} ORDER BY as_of DESC, kafka_offset DESC LIMIT {HISTORY_MAX}",
        {"merchant_id": merchant_id, **scope.params},
    )
    if history:
        latest = engine.query(
            f"SELECT {REASONS}, anomaly_version, unusual,"  # noqa: S608 - constants
            " mapKeys(features) AS names, mapValues(features) AS vector"
            " FROM assessments WHERE merchant_id = {merchant_id:String}"
            " AND assessment_id = {assessment_id:String} LIMIT 1",
            {"merchant_id": merchant_id, "assessment_id": history[0]["assessment_id"]},
        )
        history[0] |= latest[0] if latest else {}
    return history


def merchant_alerts(engine: Engine, scope: Scope, merchant_id: str) -> list[Row]:
    """Latest state of every episode of a merchant, open ones first."""
    return engine.query(
        f"SELECT {_ALERT} FROM alerts WHERE merchant_id = {{merchant_id:String}}"  # noqa: S608 - constants
        f" AND {scope.where()} ORDER BY version DESC LIMIT 1 BY alert_id",
        {"merchant_id": merchant_id, **scope.params},
    )

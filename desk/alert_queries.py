"""What the page of an alert asks of ClickHouse: reads only, all values bound, all bounded."""

from collections.abc import Sequence

from desk.alerting import PEERS
from desk.ports import Engine, Row
from desk.queue_queries import ALERT
from desk.scope import Scope

STATES_MAX = 200
EVENTS_MAX = 30
MEMBERS_MAX = 100
LINES_MAX = 20
PEOPLE_MAX = 50
_SEPARATOR = "\n"


def states(engine: Engine, scope: Scope, alert_id: str, *, after: int = 0) -> list[Row]:
    """States of an episode by version, those beyond version ``after``; of many the latest."""
    rows = engine.query(
        f"SELECT {ALERT} FROM alerts WHERE alert_id = {{alert_id:String}}"  # noqa: S608 - constants
        # `alerts` is by merchant, and the latest states have an index by alert.
        " AND merchant_id IN (SELECT merchant_id FROM alerts_latest"
        " WHERE alert_id = {alert_id:String})"
        f" AND version > {{after:UInt32}} AND {scope.where()}"
        f" ORDER BY version DESC LIMIT 1 BY version LIMIT {STATES_MAX}",
        {"alert_id": alert_id, "after": after, **scope.params},
    )
    return rows[::-1]


def evidence(engine: Engine, scope: Scope, alert: Row) -> list[Row]:
    """The events that an alert rests on, the latest first."""
    return engine.query(
        "SELECT event_id, type, toUnixTimestamp64Milli(occurred_at) AS occurred_ms, amount_minor,"  # noqa: S608 - constants
        " currency, order_id, loan_id, line_id, reason, actor FROM events"
        " WHERE merchant_id = {merchant_id:String}"
        " AND has(splitByString('\\n', {ids:String}), event_id)"
        f" AND {scope.where()} ORDER BY occurred_at DESC LIMIT 1 BY event_id LIMIT {EVENTS_MAX}",
        {
            "merchant_id": alert["merchant_id"],
            "ids": _SEPARATOR.join(alert["evidence"]),
            **scope.params,
        },
    )


def members(engine: Engine, scope: Scope, alert: Row) -> list[Row]:
    """The members' alerts that a cohort's alert rests on, open ones first."""
    rows = engine.query(
        f"SELECT {ALERT} FROM alerts"  # noqa: S608 - constants
        " WHERE alert_id IN (SELECT arrayJoin(splitByString('\\n', {ids:String})))"
        f" AND {scope.where()} ORDER BY version DESC LIMIT 1 BY alert_id LIMIT {MEMBERS_MAX}",
        {"ids": _SEPARATOR.join(alert["evidence"]), **scope.params},
    )
    return sorted(rows, key=lambda row: (row["state"] == "closed", -row["exposure_minor"]))


def others(engine: Engine, scope: Scope, alert: Row) -> list[Row]:
    """Latest states of the other episodes of the same merchant, open ones first."""
    rows = engine.query(
        f"SELECT {ALERT} FROM alerts WHERE merchant_id = {{merchant_id:String}}"  # noqa: S608 - constants
        f" AND alert_id != {{alert_id:String}} AND {scope.where()}"
        f" ORDER BY version DESC LIMIT 1 BY alert_id LIMIT {MEMBERS_MAX}",
        {"merchant_id": alert["merchant_id"], "alert_id": alert["alert_id"], **scope.params},
    )
    return sorted(rows, key=lambda row: (row["state"] == "closed", -row["updated_ms"]))


def lines(engine: Engine, scope: Scope, merchant_id: str) -> list[Row]:
    """The merchant's lines as they stand."""
    return engine.query(
        "SELECT line_id, product, currency, limit_minor, drawn_minor,"  # noqa: S608 - constants
        " toUnixTimestamp64Milli(decided_at) AS decided_ms FROM lines_current"
        f" WHERE merchant_id = {{merchant_id:String}} AND {scope.where()}"
        f" ORDER BY line_id LIMIT {LINES_MAX}",
        {"merchant_id": merchant_id, **scope.params},
    )


def peers(
    engine: Engine, scope: Scope, merchant_id: str, features: Sequence[str]
) -> dict[str, float]:
    """Where the latest assessment places the merchant among its peers in these features, 0-1."""
    if not features:
        return {}
    rows = engine.query(
        "SELECT mapKeys(features) AS names, mapValues(features) AS vector FROM assessments"  # noqa: S608 - constants
        f" WHERE merchant_id = {{merchant_id:String}} AND {scope.where()}"
        " ORDER BY as_of DESC, kafka_offset DESC LIMIT 1",
        {"merchant_id": merchant_id, **scope.params},
    )
    if not rows:
        return {}
    wanted = {feature + PEERS for feature in features}
    pairs = zip(rows[0]["names"], rows[0]["vector"], strict=True)
    return {name: value for name, value in pairs if name in wanted and value is not None}


def in_log(engine: Engine, merchant_id: str, event_id: str) -> bool:
    """Whether a command stands in the log, as far as it is stored."""
    rows = engine.query(
        "SELECT 1 AS found FROM events WHERE merchant_id = {merchant_id:String}"
        " AND event_id = {event_id:String} LIMIT 1",
        {"merchant_id": merchant_id, "event_id": event_id},
    )
    return bool(rows)


def people(engine: Engine, scope: Scope) -> list[str]:
    """Who has alerts, or worked on one, for the list of those to assign to."""
    rows = engine.query(
        "SELECT name, count() AS alerts FROM (SELECT arrayJoin([assignee, actor]) AS name"  # noqa: S608 - constants
        f" FROM alerts_open WHERE {scope.where()}) WHERE ifNull(name, '') != ''"
        f" GROUP BY name ORDER BY alerts DESC, name LIMIT {PEOPLE_MAX}",
        scope.params,
    )
    return sorted(row["name"] for row in rows)

"""How well the desk does: were those that fell late found before, and was that worked in time.

A merchant *fell* at its first loan that was 30 days late or defaulted within the window. It was
*found* if an alert of it had opened in the ``FOUND_DAYS`` before, and *worked* if a person had said
anything of such an alert by then. Money is the exposure at the fall. Days are of event time.
"""

from desk.ports import Engine, Row
from desk.scope import Scope

FOUND_DAYS = 180
KINDS_MAX = 60
WEEKS_MAX = 53

_FELL = """
SELECT merchant_id, min(at) AS fell_at, argMin(exposure_minor, at) AS exposure_minor,
    argMin(currency, at) AS currency
FROM outcomes
WHERE kind = 'loan' AND outcome IN ('late_30', 'defaulted') AND {scope}
GROUP BY merchant_id
HAVING toUnixTimestamp64Milli(fell_at) >= {{since_ms:Int64}}
"""


def _fell(scope: Scope) -> str:
    return _FELL.format(scope=scope.where())


def latest_ms(engine: Engine) -> int | None:
    """The latest event time of an assessment."""
    rows = engine.query("SELECT max(toUnixTimestamp64Milli(as_of)) AS ms FROM assessments")
    return int(rows[0]["ms"]) or None


def found(engine: Engine, scope: Scope, since_ms: int) -> list[Row]:
    """By currency: merchants that fell, found and worked before, their exposure, days of lead."""
    return engine.query(
        "SELECT currency, count() AS fell, countIf(opened > 0) AS found,"  # noqa: S608 - constants
        " countIf(worked > 0) AS worked,"
        " sum(exposure_minor) AS fell_minor, sumIf(exposure_minor, opened > 0) AS found_minor,"
        " sumIf(exposure_minor, worked > 0) AS worked_minor,"
        " if(found = 0, NULL, quantileExactIf(0.5)(lead_days, opened > 0)) AS lead_days,"
        " if(worked = 0, NULL, quantileExactIf(0.5)(worked_days, worked > 0)) AS worked_days"
        " FROM (SELECT merchant_id, any(exposure_minor) AS exposure_minor,"
        "  any(currency) AS currency, countIf(before) AS opened,"
        "  countIf(before AND by_person AND updated_at < fell_at) AS worked,"
        "  (toUnixTimestamp64Milli(any(fell_at)) - minIf(toUnixTimestamp64Milli(opened_at),"
        "   before)) / 86400000 AS lead_days,"
        "  (toUnixTimestamp64Milli(any(fell_at)) - minIf(toUnixTimestamp64Milli(updated_at),"
        "   before AND by_person AND updated_at < fell_at)) / 86400000 AS worked_days"
        f"  FROM (SELECT *, alert_id != '' AND opened_at < fell_at"
        f"   AND opened_at >= fell_at - INTERVAL {FOUND_DAYS} DAY AS before,"
        f"   ifNull(actor, '') != '' AS by_person FROM ({_fell(scope)}) AS fell"
        "   LEFT JOIN (SELECT merchant_id, alert_id, opened_at, updated_at, actor FROM alerts)"
        "   AS told USING (merchant_id))"
        "  GROUP BY merchant_id)"
        " GROUP BY currency ORDER BY fell DESC, currency LIMIT 20",
        {"since_ms": since_ms, **scope.params},
    )


def verdicts(engine: Engine, scope: Scope, since_ms: int) -> list[Row]:
    """By kind of alert: episodes opened, open still, and closed by each outcome."""
    return engine.query(
        "SELECT kind, count() AS opened, countIf(state != 'closed') AS open,"  # noqa: S608 - constants
        " countIf(outcome = 'confirmed') AS confirmed, countIf(outcome = 'defaulted') AS defaulted,"
        " countIf(outcome = 'false_alarm') AS false_alarms, countIf(outcome = 'cured') AS cured,"
        " if(confirmed + defaulted + false_alarms = 0, NULL,"
        "  (confirmed + defaulted) / (confirmed + defaulted + false_alarms)) AS precision"
        " FROM alerts_current"
        f" WHERE toUnixTimestamp64Milli(opened_at) >= {{since_ms:Int64}} AND {scope.where()}"
        f" GROUP BY kind ORDER BY opened DESC, kind LIMIT {KINDS_MAX}",
        {"since_ms": since_ms, **scope.params},
    )


def answers(engine: Engine, scope: Scope, since_ms: int) -> list[Row]:
    """By severity at opening: episodes, those a person touched, hours to the first touch."""
    return engine.query(
        "SELECT severity, count() AS opened, countIf(touched_ms > 0) AS touched,"  # noqa: S608 - constants
        " if(touched = 0, NULL, quantileExactIf(0.5)((touched_ms - opened_ms) / 3600000,"
        "  touched_ms > 0)) AS median_hours,"
        " if(touched = 0, NULL, quantileExactIf(0.9)((touched_ms - opened_ms) / 3600000,"
        "  touched_ms > 0)) AS slow_hours"
        " FROM (SELECT alert_id, argMin(severity, version) AS severity,"
        "  min(toUnixTimestamp64Milli(opened_at)) AS opened_ms,"
        "  minIf(toUnixTimestamp64Milli(updated_at), ifNull(actor, '') != '') AS touched_ms"
        f"  FROM alerts WHERE toUnixTimestamp64Milli(opened_at) >= {{since_ms:Int64}}"
        f"  AND {scope.where()} GROUP BY alert_id)"
        " GROUP BY severity ORDER BY indexOf(['critical', 'warning', 'info'], severity)",
        {"since_ms": since_ms, **scope.params},
    )


def weeks(engine: Engine, scope: Scope, since_ms: int) -> list[Row]:
    """By week (Monday, UTC): episodes opened and closed, the latest first."""
    return engine.query(
        "SELECT week, sum(opened) AS opened, sum(closed) AS closed FROM ("  # noqa: S608 - constants
        "SELECT toString(toMonday(opened_at)) AS week, count() AS opened, 0 AS closed"
        f" FROM alerts_current WHERE {scope.where()}"
        " AND toUnixTimestamp64Milli(opened_at) >= {since_ms:Int64} GROUP BY week"
        " UNION ALL "
        "SELECT toString(toMonday(updated_at)) AS week, 0 AS opened, count() AS closed"
        f" FROM alerts_current WHERE state = 'closed' AND {scope.where()}"
        " AND toUnixTimestamp64Milli(updated_at) >= {since_ms:Int64} GROUP BY week"
        f") GROUP BY week ORDER BY week DESC LIMIT {WEEKS_MAX}",
        {"since_ms": since_ms, **scope.params},
    )

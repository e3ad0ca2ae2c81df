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
SELECT merchant_id, min(toUnixTimestamp64Milli(o.at)) AS fell_ms,
    argMin(o.exposure_minor, o.at) AS exposure_minor, argMin(o.currency, o.at) AS currency
FROM outcomes AS o
WHERE kind = 'loan' AND outcome IN ('late_30', 'defaulted') AND {scope}
GROUP BY merchant_id
HAVING fell_ms >= {{since_ms:Int64}}
"""


def _fell(scope: Scope) -> str:
    return _FELL.format(scope=scope.where())


def latest_ms(engine: Engine) -> int | None:
    """The latest event time of an assessment."""
    rows = engine.query("SELECT toUnixTimestamp64Milli(max(as_of)) AS ms FROM assessments")
    return int(rows[0]["ms"]) or None


def found(engine: Engine, scope: Scope, since_ms: int) -> list[Row]:
    """By currency: merchants that fell, found and worked before, their exposure, days of lead."""
    return engine.query(
        "SELECT currency, count() AS fell, countIf(alerts_before > 0) AS found,"  # noqa: S608 - constants
        " countIf(answers_before > 0) AS worked, sum(lost_minor) AS fell_minor,"
        " sumIf(lost_minor, alerts_before > 0) AS found_minor,"
        " sumIf(lost_minor, answers_before > 0) AS worked_minor,"
        " if(found = 0, NULL, quantileExactIf(0.5)(days_opened, alerts_before > 0)) AS lead_days,"
        " if(worked = 0, NULL, quantileExactIf(0.5)(days_answered, answers_before > 0))"
        "  AS worked_days"
        " FROM (SELECT merchant_id, any(exposure_minor) AS lost_minor, any(currency) AS currency,"
        "  countIf(is_before) AS alerts_before, countIf(is_answer) AS answers_before,"
        "  any(fell_ms) - minIf(opened_ms, is_before) AS opened_ago,"
        "  any(fell_ms) - minIf(updated_ms, is_answer) AS answered_ago,"
        "  opened_ago / 86400000 AS days_opened, answered_ago / 86400000 AS days_answered"
        "  FROM (SELECT merchant_id, exposure_minor, currency, fell_ms, opened_ms, updated_ms,"
        f"   alert_id != '' AND opened_ms < fell_ms"
        f"    AND opened_ms >= fell_ms - {FOUND_DAYS} * 86400000 AS is_before,"
        "   is_before AND by_person AND updated_ms < fell_ms AS is_answer"
        f"   FROM ({_fell(scope)}) AS fell"
        "   LEFT JOIN (SELECT merchant_id, alert_id, ifNull(actor, '') != '' AS by_person,"
        "    toUnixTimestamp64Milli(opened_at) AS opened_ms,"
        "    toUnixTimestamp64Milli(updated_at) AS updated_ms FROM alerts"
        f"    WHERE merchant_id IN (SELECT merchant_id FROM ({_fell(scope)}))) AS told"
        "   USING (merchant_id))"
        "  GROUP BY merchant_id)"
        " GROUP BY currency ORDER BY fell DESC, currency LIMIT 20",
        {"since_ms": since_ms, **scope.params},
    )


def verdicts(engine: Engine, scope: Scope, since_ms: int) -> list[Row]:
    """By kind of alert: episodes opened, open still, and closed by each outcome."""
    return engine.query(
        "SELECT kind, count() AS opened, countIf(state != 'closed') AS still_open,"  # noqa: S608 - constants
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
        "SELECT first AS severity, count() AS opened, countIf(touched_ms > 0) AS touched,"  # noqa: S608 - constants
        " if(touched = 0, NULL, quantileExactIf(0.5)((touched_ms - opened_ms) / 3600000,"
        "  touched_ms > 0)) AS median_hours,"
        " if(touched = 0, NULL, quantileExactIf(0.9)((touched_ms - opened_ms) / 3600000,"
        "  touched_ms > 0)) AS slow_hours"
        " FROM (SELECT alert_id, argMin(severity, version) AS first,"
        "  min(toUnixTimestamp64Milli(opened_at)) AS opened_ms,"
        "  minIf(toUnixTimestamp64Milli(updated_at), ifNull(actor, '') != '') AS touched_ms"
        f"  FROM alerts WHERE toUnixTimestamp64Milli(opened_at) >= {{since_ms:Int64}}"
        f"  AND {scope.where()} GROUP BY alert_id)"
        " GROUP BY first ORDER BY indexOf(['critical', 'warning', 'info'], first)",
        {"since_ms": since_ms, **scope.params},
    )


def weeks(engine: Engine, scope: Scope, since_ms: int) -> list[Row]:
    """By week (Monday, UTC): episodes opened and closed, the latest first."""
    return engine.query(
        "SELECT week, sum(opens) AS opened, sum(closes) AS closed FROM ("  # noqa: S608 - constants
        "SELECT toString(toMonday(opened_at)) AS week, count() AS opens, 0 AS closes"
        f" FROM alerts_current WHERE {scope.where()}"
        " AND toUnixTimestamp64Milli(opened_at) >= {since_ms:Int64} GROUP BY week"
        " UNION ALL "
        "SELECT toString(toMonday(updated_at)) AS week, 0 AS opens, count() AS closes"
        f" FROM alerts_current WHERE state = 'closed' AND {scope.where()}"
        " AND toUnixTimestamp64Milli(updated_at) >= {since_ms:Int64} GROUP BY week"
        f") GROUP BY week ORDER BY week DESC LIMIT {WEEKS_MAX}",
        {"since_ms": since_ms, **scope.params},
    )

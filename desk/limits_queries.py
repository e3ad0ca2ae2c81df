"""What the page of limits asks of ClickHouse: bounded reads, each within a viewer's scope."""

from collections.abc import Mapping

from desk.ports import Engine, Row
from desk.scope import Scope

PROPOSALS_MAX = 20
CHANGES_MAX = 50
CHOICES_MAX = 60
SWITCHES_MAX = 10
BUDGET_DAYS = 7
FILTERS = ("action", "product", "state", "policy_version")
"""Columns that the latest changes may be filtered by."""

_REASONS = (
    "reasons.code AS codes, reasons.text AS texts, reasons.feature AS reason_features,"
    " reasons.value AS reason_values, reasons.usual AS reason_usuals,"
    " reasons.contribution AS contributions"
)
_CHANGE = (
    "decision_id, line_id, merchant_id, segment, product, version, action, previous_limit_minor,"
    " new_limit_minor, drawn_minor, currency, approval, state, actor, policy_version,"
    " model_version, toUnixTimestamp64Milli(decided_at) AS decided_ms,"
    " toUnixTimestamp64Milli(expires_at) AS expires_ms,"
    f" funders.funder AS funder_names, funders.limit_minor AS funder_parts, {_REASONS}"
)
_OPEN = (
    "state = 'proposed' AND (line_id, version) IN (SELECT line_id, max(version)"
    " FROM limit_changes WHERE line_id IN"
    " (SELECT line_id FROM limit_changes WHERE state = 'proposed') GROUP BY line_id)"
)
"""A proposal is open while it is the latest change of its line."""


def proposals(engine: Engine, scope: Scope, page: int) -> list[Row]:
    """A page of open proposals, from 1; the one that has waited longest comes first."""
    return engine.query(
        f"SELECT {_CHANGE} FROM limit_changes WHERE {_OPEN} AND {scope.where()}"  # noqa: S608 - constants
        f" ORDER BY decided_at, decision_id LIMIT {PROPOSALS_MAX} OFFSET {{skipped:Int64}}",
        {"skipped": (page - 1) * PROPOSALS_MAX, **scope.params},
    )


def proposals_total(engine: Engine, scope: Scope) -> int:
    """The number of open proposals."""
    rows = engine.query(
        f"SELECT count() AS n FROM limit_changes WHERE {_OPEN} AND {scope.where()}",  # noqa: S608 - constants
        scope.params,
    )
    return int(rows[0]["n"])


def proposal(engine: Engine, scope: Scope, decision_id: str) -> Row | None:
    """The open proposal of this id, None where there is none that the viewer may see."""
    rows = engine.query(
        f"SELECT {_CHANGE} FROM limit_changes WHERE {_OPEN} AND {scope.where()}"  # noqa: S608 - constants
        " AND decision_id = {decision_id:String} LIMIT 1",
        {"decision_id": decision_id, **scope.params},
    )
    return rows[0] if rows else None


def approvals(engine: Engine, scope: Scope) -> dict[str, list[Row]]:
    """What was said of open proposals, by decision, in the order of the log."""
    rows = engine.query(
        "SELECT decision_id, type, actor, reason,"  # noqa: S608 - constants
        " toUnixTimestamp64Milli(occurred_at) AS at_ms FROM commands"
        " WHERE type IN ('limit.approve', 'limit.reject') AND decision_id IN"
        f" (SELECT decision_id FROM limit_changes WHERE {_OPEN} AND {scope.where()})"
        " ORDER BY kafka_partition, kafka_offset, line LIMIT 1000",
        scope.params,
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["decision_id"], []).append(row)
    return found


def granted(engine: Engine, scope: Scope) -> dict[tuple[str, str], int]:
    """Limits that the merchants of open proposals have, by merchant and currency."""
    rows = engine.query(
        "SELECT merchant_id, currency, sum(limit_minor) AS total FROM lines_current"  # noqa: S608 - constants
        f" WHERE merchant_id IN (SELECT merchant_id FROM limit_changes WHERE {_OPEN})"
        f" AND {scope.where()} GROUP BY merchant_id, currency LIMIT 2000",
        scope.params,
    )
    return {(row["merchant_id"], row["currency"]): int(row["total"]) for row in rows}


def changes(engine: Engine, scope: Scope, wanted: Mapping[str, str]) -> list[Row]:
    """The latest changes; ``wanted`` gives values of ``FILTERS``, any where it has none."""
    chosen = {name: wanted[name] for name in FILTERS if wanted.get(name)}
    where = "".join(f" AND {name} = {{{name}:String}}" for name in chosen)
    return engine.query(
        f"SELECT {_CHANGE} FROM limit_changes WHERE {scope.where()}{where}"  # noqa: S608 - constants
        " ORDER BY decided_at DESC, line_id, version DESC"
        f" LIMIT {CHANGES_MAX}",
        {**chosen, **scope.params},
    )


def choices(engine: Engine, scope: Scope) -> dict[str, list[str]]:
    """Values by which the changes may be filtered."""
    lists = ", ".join(f"groupUniqArray({CHOICES_MAX})(toString({n})) AS {n}s" for n in FILTERS)
    rows = engine.query(
        f"SELECT {lists} FROM limit_changes WHERE {scope.where()}",  # noqa: S608 - constants
        scope.params,
    )
    return {name: sorted(rows[0][f"{name}s"]) for name in FILTERS}


# --- automation as a whole ------------------------------------------------------------------------


def switches(engine: Engine) -> list[Row]:
    """The latest uses of the kill switch, the last one first."""
    return engine.query(
        "SELECT type, actor, reason, toUnixTimestamp64Milli(occurred_at) AS at_ms FROM commands"  # noqa: S608 - constants
        " WHERE merchant_id = '*' AND type IN ('automation.pause', 'automation.resume')"
        f" ORDER BY kafka_offset DESC, line DESC LIMIT {SWITCHES_MAX}"
    )


def policy_in_force(engine: Engine) -> str | None:
    """The version of the policy in force, None where none was ever published."""
    rows = engine.query(
        "SELECT version FROM policies_in_force WHERE artifact = 'policy' AND isNull(until)"
        " ORDER BY activated_at DESC LIMIT 1"
    )
    return str(rows[0]["version"]) if rows else None


def latest_ms(engine: Engine) -> int:
    """The time of the latest change of a line or lease of a budget, epoch ms; 0 if none."""
    rows = engine.query(
        "SELECT greatest((SELECT toUnixTimestamp64Milli(max(decided_at)) FROM limit_changes),"
        " (SELECT toUnixTimestamp64Milli(max(occurred_at)) FROM events"
        " WHERE merchant_id = '*' AND type = 'budget.leased')) AS ms"
    )
    return int(rows[0]["ms"])


def leased(engine: Engine, first_day: int) -> list[Row]:
    """What was leased of each daily budget from a UTC day (its number) on, over all partitions."""
    return engine.query(
        "SELECT leased_day AS day, budget, sum(amount) AS leased_minor, count() AS leases FROM"
        " (SELECT event_id, JSONExtract(body, 'day', 'Nullable(Int64)') AS leased_day,"
        " JSONExtractString(body, 'budget_id') AS budget, ifNull(amount_minor, 0) AS amount"
        " FROM events WHERE merchant_id = '*' AND type = 'budget.leased' LIMIT 1 BY event_id)"
        " WHERE leased_day >= {first_day:Int64} GROUP BY day, budget ORDER BY day DESC, budget"
        " LIMIT 1000",
        {"first_day": first_day},
    )


def spent(engine: Engine, first_day: int) -> list[Row]:
    """What rules moved from a UTC day (its number) on, by segment and direction."""
    return engine.query(
        "SELECT intDiv(toUnixTimestamp64Milli(decided_at), 86400000) AS day, currency, segment,"
        " if(action IN ('decrease', 'close'), 'cuts', 'raises') AS what,"
        " sum(abs(new_limit_minor - previous_limit_minor)) AS moved_minor FROM limit_changes"
        " WHERE state = 'sent' AND approval = 'automatic'"
        " AND action IN ('decrease', 'close', 'open', 'increase')"
        " AND decided_at >= fromUnixTimestamp64Milli({first_day:Int64} * 86400000, 'UTC')"
        " GROUP BY day, currency, segment, what LIMIT 5000",
        {"first_day": first_day},
    )


def carried(engine: Engine, scope: Scope) -> list[Row]:
    """Limits in force that each funder carries."""
    return engine.query(
        "SELECT funder, currency, sum(limit_minor) AS carried_minor FROM merchant_funders"  # noqa: S608 - constants
        f" WHERE {scope.funder_is_ours} GROUP BY funder, currency ORDER BY funder, currency"
        " LIMIT 500",
        scope.params,
    )


def waves(engine: Engine, since_ms: int) -> list[Row]:
    """Lines cut or frozen by rule after a time, and what is open, by partition and currency."""
    return engine.query(
        "SELECT partition, currency, count() AS lines, countIf(limit_now > 0) AS open_lines,"
        " sum(limit_now) AS limits_minor, sum(cuts) AS cut_lines, sum(cut) AS cut_minor FROM"
        " (SELECT line_id, any(kafka_partition) AS partition, any(toString(currency)) AS currency,"
        " argMax(new_limit_minor, version) AS limit_now,"
        " countIf(approval = 'automatic' AND action IN ('decrease', 'close', 'freeze')"
        " AND new_limit_minor < previous_limit_minor AND decided_at > since) AS cuts,"
        " sumIf(previous_limit_minor - new_limit_minor, approval = 'automatic'"
        " AND action IN ('decrease', 'close', 'freeze')"
        " AND new_limit_minor < previous_limit_minor AND decided_at > since) AS cut"
        " FROM (SELECT *, fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC') AS since"
        " FROM limit_changes WHERE state = 'sent') GROUP BY line_id)"
        " GROUP BY partition, currency ORDER BY partition, currency LIMIT 500",
        {"since_ms": since_ms},
    )

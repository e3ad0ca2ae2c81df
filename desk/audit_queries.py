"""What was done at the desk: its own audit entries, and the commands as the log has them."""

from desk.ports import Engine, Row

PAGE_ROWS = 100

_ENTRIES = """
SELECT 'desk' AS source, toUnixTimestamp64Milli(at) AS at_ms, actor, role, action, subject, reason,
    detail, audit_id AS id
FROM desk_audit
"""
_COMMANDS = """
SELECT 'log' AS source, toUnixTimestamp64Milli(occurred_at) AS at_ms, actor, '' AS role,
    type AS action,
    multiIf(alert_id != '', alert_id, decision_id != '', decision_id, merchant_id) AS subject,
    reason, outcome AS detail, event_id AS id
FROM commands
"""
_SOURCES = {"desk": _ENTRIES, "log": _COMMANDS}


def entries(
    engine: Engine, source: str, *, actor: str, action: str, subject: str, before_ms: int
) -> list[Row]:
    """A page of ``desk`` (the desk's audit) or ``log`` (commands that intake took), latest first.

    Empty filters take all; ``subject`` finds what begins with it. ``before_ms`` is exclusive.
    """
    return engine.query(
        f"SELECT * FROM ({_SOURCES[source]})"  # noqa: S608 - constants
        " WHERE at_ms < {before_ms:Int64}"
        " AND ({actor:String} = '' OR actor = {actor:String})"
        " AND ({action:String} = '' OR action = {action:String})"
        " AND startsWith(subject, {subject:String})"
        f" ORDER BY at_ms DESC, id LIMIT {PAGE_ROWS + 1}",
        {"before_ms": before_ms, "actor": actor, "action": action, "subject": subject},
    )


def names(engine: Engine, source: str) -> tuple[list[str], list[str]]:
    """The actors and the actions that there are, for the filters."""
    rows = engine.query(
        "SELECT groupUniqArray(200)(actor) AS actors, groupUniqArray(50)(action) AS actions"  # noqa: S608 - constants
        f" FROM ({_SOURCES[source]})"
    )
    return sorted(rows[0]["actors"]), sorted(rows[0]["actions"])

"""What the page of policies asks of ClickHouse: versions in force and who published them."""

from desk.ports import Engine, Row

HISTORY_MAX = 100


def history(engine: Engine) -> list[Row]:
    """Versions of policies and rule files in force, the latest first, with who published each.

    Who is told by the command's audit entry, which names the event that the activation has too.
    """
    return engine.query(
        "SELECT artifact, version, digest, toUnixTimestamp64Milli(activated_at) AS from_ms,"  # noqa: S608 - constants
        " toUnixTimestamp64Milli(until) AS until_ms, actor, reason FROM policies_in_force"
        " ANY LEFT JOIN (SELECT substring(detail, length('policy.publish ') + 1) AS event_id,"
        " toString(actor) AS actor, reason FROM desk_audit"
        " WHERE action = 'command' AND startsWith(detail, 'policy.publish ')) AS said"
        f" USING (event_id) ORDER BY from_ms DESC, artifact LIMIT {HISTORY_MAX}"
    )

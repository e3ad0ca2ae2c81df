"""What the API asks of ClickHouse: reads only, all values bound, all bounded, scope in each."""

from collections.abc import Mapping, Sequence
from typing import Any

from desk.api.paging import LIMIT_MAX, read_cursor, write_cursor
from desk.api.rows import columns_of, records
from desk.api.types import (
    Day,
    Exposure,
    InForce,
    Limits,
    Line,
    Merchant,
    ModelVersion,
)
from desk.ports import Engine, Row
from desk.scope import Scope
from schemas.audit import AuditEntry
from schemas.outputs import Alert, Assessment, LimitChange

LOSS_GIVEN_DEFAULT = 0.65
"""As in the views of the portfolio (``portfolio_exposure``)."""

Params = dict[str, str | int | float]


def equals(**wanted: str | int | None) -> tuple[str, Params]:
    """Conditions that columns have these values, as far as any is wanted."""
    given = {name: value for name, value in wanted.items() if value is not None}
    parts = [f"{name} = {{{name}:{_type(value)}}}" for name, value in given.items()]
    return " AND ".join(parts) or "1", dict(given)


def _type(value: str | int) -> str:
    return "String" if isinstance(value, str) else "Int64"


def _before(time: str, key: str, cursor: str | None) -> tuple[str, Params]:
    """The rows behind a cursor in a list by falling ``time`` and ``key``."""
    if cursor is None:
        return "1", {}
    at, last = read_cursor(cursor, tuple[int, str])
    moment = "fromUnixTimestamp64Milli({cursor_at:Int64}, 'UTC')"
    return (
        f"({time} < {moment} OR ({time} = {moment} AND {key} < {{cursor_key:String}}))",
        {"cursor_at": at, "cursor_key": last},
    )


def page_of(
    engine: Engine,
    struct: type[Any],
    source: str,
    conditions: Sequence[tuple[str, Mapping[str, str | int | float]]],
    *,
    order: tuple[str, str],
    limit: int,
    cursor: str | None,
    keys_first: bool = False,
) -> tuple[list[Any], str | None]:
    """One page of a table or view by falling time and id, and the cursor of the next page.

    ``keys_first`` finds the keys of the page before its rows: quicker where the conditions leave
    most of a large table, whose wide columns would all be read.
    """
    time, key = order
    texts, params = zip(*conditions, _before(time, key, cursor), strict=True)
    where = " AND ".join(texts)
    page = f"ORDER BY {time} DESC, {key} DESC LIMIT {limit + 1}"
    if keys_first:
        where = f"({time}, {key}) IN (SELECT {time}, {key} FROM {source} WHERE {where} {page})"  # noqa: S608 - constants
    found = engine.query(
        f"SELECT {columns_of(struct)} FROM {source} WHERE {where} {page}",  # noqa: S608 - as above
        {name: value for each in params for name, value in each.items()},
    )
    items = records(struct, found[:limit])
    more = len(found) > limit
    last = items[-1] if more else None
    return items, write_cursor(getattr(last, time), getattr(last, key)) if more else None


def scoped(scope: Scope) -> tuple[str, Params]:
    """The condition that the viewer may see the merchant of a row."""
    return scope.where(), dict(scope.params)


def alert_states(engine: Engine, scope: Scope, alert_id: str) -> list[Alert]:
    """All states of an alert, the first first."""
    rows = engine.query(
        f"SELECT {columns_of(Alert)} FROM alerts WHERE alert_id = {{alert_id:String}}"  # noqa: S608 - constants
        # `alerts` is by merchant, and the latest states have an index by alert.
        " AND merchant_id IN (SELECT merchant_id FROM alerts_latest"
        " WHERE alert_id = {alert_id:String})"
        f" AND {scope.where()} ORDER BY alerts.version LIMIT 1 BY alerts.version LIMIT {LIMIT_MAX}",
        {"alert_id": alert_id, **scope.params},
    )
    return records(Alert, rows)


def merchants(
    engine: Engine,
    scope: Scope,
    condition: tuple[str, Params],
    *,
    limit: int,
    cursor: str | None,
) -> tuple[list[Merchant], str | None]:
    """Merchants by id, and the cursor of the next page."""
    text, params = condition
    last = "" if cursor is None else read_cursor(cursor, tuple[str])[0]
    rows = engine.query(
        f"SELECT {columns_of(Merchant)} FROM merchants_current WHERE {text} AND {scope.where()}"  # noqa: S608 - constants
        f" AND merchant_id > {{last:String}} ORDER BY merchant_id LIMIT {limit + 1}",
        {"last": last, **params, **scope.params},
    )
    items = records(Merchant, rows[:limit])
    return items, write_cursor(items[-1].merchant_id) if len(rows) > limit else None


def merchant_exists(engine: Engine, scope: Scope, merchant_id: str) -> bool:
    """Whether the viewer may see the merchant, and anything is stored of it."""
    tables = ("merchants_latest", "lines_latest", "alerts", "events")
    parts = " UNION ALL ".join(
        f"SELECT merchant_id FROM {table} WHERE merchant_id = {{merchant_id:String}} LIMIT 1"  # noqa: S608 - constants
        for table in tables
    )
    rows = engine.query(
        f"SELECT merchant_id FROM ({parts}) WHERE {scope.where()} LIMIT 1",  # noqa: S608 - as above
        {"merchant_id": merchant_id, **scope.params},
    )
    return bool(rows)


def latest_assessment(engine: Engine, merchant_id: str) -> Assessment | None:
    """The latest assessment of a merchant that the viewer may see."""
    rows = engine.query(
        f"SELECT {columns_of(Assessment)} FROM assessments"  # noqa: S608 - constants
        " WHERE merchant_id = {merchant_id:String}"
        " ORDER BY assessments.as_of DESC, kafka_offset DESC LIMIT 1",
        {"merchant_id": merchant_id},
    )
    found = records(Assessment, rows)
    return found[0] if found else None


def lines(engine: Engine, merchant_id: str) -> list[Line]:
    """Current lines of a merchant that the viewer may see."""
    rows = engine.query(
        f"SELECT {columns_of(Line)} FROM lines_current"  # noqa: S608 - constants
        f" WHERE merchant_id = {{merchant_id:String}} ORDER BY line_id LIMIT {LIMIT_MAX}",
        {"merchant_id": merchant_id},
    )
    return records(Line, rows)


def open_alerts(engine: Engine, merchant_id: str) -> list[Alert]:
    """Open alerts of a merchant that the viewer may see, the latest first."""
    rows = engine.query(
        f"SELECT {columns_of(Alert)} FROM alerts_open"  # noqa: S608 - constants
        f" WHERE merchant_id = {{merchant_id:String}} ORDER BY alert_id LIMIT {LIMIT_MAX}",
        {"merchant_id": merchant_id},
    )
    return sorted(records(Alert, rows), key=lambda alert: -alert.opened_at)


def days(
    engine: Engine, merchant_id: str, *, limit: int, cursor: str | None
) -> tuple[list[Day], str | None]:
    """Days of a merchant that the viewer may see, the latest first."""
    last, currency = ("9999-12-31", "") if cursor is None else read_cursor(cursor, tuple[str, str])
    rest = ", ".join(name for name in Day.__struct_fields__ if name != "day")
    rows = engine.query(
        f"SELECT toString(day) AS day, {rest}"  # noqa: S608 - constants
        " FROM (SELECT * FROM daily WHERE merchant_id = {merchant_id:String})"
        " WHERE (toString(day), currency) < ({last:String}, {last_currency:String})"
        f" ORDER BY day DESC, currency DESC LIMIT {limit + 1}",
        {"merchant_id": merchant_id, "last": last, "last_currency": currency},
    )
    items = records(Day, rows[:limit])
    more = len(rows) > limit
    return items, write_cursor(items[-1].day, items[-1].currency) if more else None


_EVENT = (
    "event_id, type, toUnixTimestamp64Milli(occurred_at) AS occurred_at_ms, amount_minor, currency,"
    " order_id, loan_id, line_id, toUnixTimestamp64Milli(due_at) AS due_at_ms,"
    " actor, alert_id, decision_id, body, kafka_offset, line"
)


def events(
    engine: Engine, merchant_id: str, kind: str | None, *, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """Rows of the log of a merchant that the viewer may see, the latest first."""
    text, params = equals(type=kind)
    params["merchant_id"] = merchant_id
    if cursor is not None:
        at, offset, line = read_cursor(cursor, tuple[int, int, int])
        text += (
            " AND (toUnixTimestamp64Milli(events.occurred_at), kafka_offset, toInt64(events.line))"
            " < ({at:Int64}, {offset:Int64}, {line:Int64})"
            " AND events.occurred_at <= fromUnixTimestamp64Milli({at:Int64}, 'UTC')"
        )
        params |= {"at": at, "offset": offset, "line": line}
    rows = engine.query(
        f"SELECT {_EVENT} FROM events WHERE merchant_id = {{merchant_id:String}} AND {text}"  # noqa: S608 - constants
        f" ORDER BY events.occurred_at DESC, kafka_offset DESC, line DESC LIMIT {limit + 1}",
        params,
    )
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    cut = write_cursor(int(last["occurred_at_ms"]), int(last["kafka_offset"]), int(last["line"]))
    return rows[:limit], cut


def proposals(engine: Engine, scope: Scope) -> list[LimitChange]:
    """Proposed limit changes that no later version of their line answered, the latest first."""
    rows = engine.query(
        f"SELECT {columns_of(LimitChange)} FROM limit_changes"  # noqa: S608 - constants
        f" WHERE state = 'proposed' AND {scope.where()} AND (line_id, limit_changes.version) IN"
        " (SELECT line_id, max(version) FROM limit_changes WHERE line_id IN"
        " (SELECT line_id FROM limit_changes WHERE state = 'proposed') GROUP BY line_id)"
        f" ORDER BY limit_changes.decided_at DESC, decision_id LIMIT 1 BY decision_id"
        f" LIMIT {LIMIT_MAX}",
        scope.params,
    )
    return records(LimitChange, rows)


def exposures(engine: Engine, scope: Scope, dimension: str) -> list[Exposure]:
    """Exposure by ``segment`` or ``band``."""
    assert dimension in ("segment", "band")
    rows = engine.query(
        f"SELECT {dimension} AS name, currency, count() AS merchants,"  # noqa: S608 - constants
        " countIf(isNotNull(probability_of_default)) AS rated,"
        f" {LOSS_GIVEN_DEFAULT} * sum(exposure_minor * ifNull(probability_of_default, 0))"
        " AS expected_loss_minor, sum(exposure_minor) AS lent"
        f" FROM (SELECT * FROM merchants_current WHERE {scope.where()})"
        " GROUP BY name, currency ORDER BY lent DESC, name, currency"
        f" LIMIT {LIMIT_MAX}",
        scope.params,
    )
    return records(Exposure, [{**row, "exposure_minor": row["lent"]} for row in rows])


def limits_by_product(engine: Engine, scope: Scope) -> list[Limits]:
    """Limits and drawn amounts of current lines by product."""
    rows = engine.query(
        "SELECT product AS name, currency, count() AS lines, sum(limit_minor) AS granted,"  # noqa: S608 - constants
        f" sum(drawn_minor) AS drawn FROM lines_current WHERE {scope.where()}"
        f" GROUP BY name, currency ORDER BY granted DESC, name, currency LIMIT {LIMIT_MAX}",
        scope.params,
    )
    return _limits(rows)


def limits_by_funder(engine: Engine, scope: Scope) -> list[Limits]:
    """What funders carry of current lines; of a bounded viewer, its own funders alone."""
    rows = engine.query(
        "SELECT part.1 AS name, currency, count() AS lines, sum(part.2) AS granted,"  # noqa: S608 - constants
        " sum(if(limit_minor = 0, 0, drawn_minor * (part.2 / limit_minor))) AS drawn FROM"
        " (SELECT currency, limit_minor, drawn_minor, part, part.1 AS funder FROM"
        " (SELECT currency, limit_minor, drawn_minor,"
        " arrayJoin(arrayZip(funders.funder, funders.limit_minor)) AS part FROM lines_current))"
        f" WHERE {scope.funder_is_ours}"
        f" GROUP BY name, currency ORDER BY granted DESC, name, currency LIMIT {LIMIT_MAX}",
        scope.params,
    )
    return _limits(rows)


def _limits(rows: list[Row]) -> list[Limits]:
    named = [{**r, "limit_minor": r["granted"], "drawn_minor": float(r["drawn"])} for r in rows]
    return records(Limits, named)


def in_force(engine: Engine, view: str) -> list[InForce]:
    """Versions of ``policies_in_force`` or ``models_in_force``, the latest first."""
    assert view in ("policies_in_force", "models_in_force")
    rows = engine.query(
        f"SELECT {columns_of(InForce)} FROM {view}"  # noqa: S608 - constants
        f" ORDER BY activated_at DESC, artifact, version LIMIT {LIMIT_MAX}"
    )
    return records(InForce, rows)


def model_versions(engine: Engine) -> list[ModelVersion]:
    """Versions that the learner published, the latest first."""
    rows = engine.query(
        f"SELECT {columns_of(ModelVersion)} FROM model_versions"  # noqa: S608 - constants
        f" ORDER BY published_at DESC, version LIMIT {LIMIT_MAX}"
    )
    return records(ModelVersion, rows)


def audit(
    engine: Engine, condition: tuple[str, Params], *, limit: int, cursor: str | None
) -> tuple[list[AuditEntry], str | None]:
    """Entries of the audit log, the latest first."""
    return page_of(
        engine,
        AuditEntry,
        "desk_audit",
        [condition],
        order=("at", "audit_id"),
        limit=limit,
        cursor=cursor,
    )


def freshness(engine: Engine) -> tuple[int | None, int | None]:
    """Event time of the latest assessment and Kafka time of the latest output stored (ms)."""
    rows = engine.query("SELECT max(toUnixTimestamp64Milli(as_of)) AS ms FROM merchants_latest")
    kafka = engine.query(
        "SELECT max(ms) AS ms FROM (SELECT max(kafka_timestamp_ms) AS ms FROM assessments UNION ALL"
        " SELECT max(kafka_timestamp_ms) AS ms FROM alerts UNION ALL"
        " SELECT max(kafka_timestamp_ms) AS ms FROM limit_changes)"
    )
    return int(rows[0]["ms"] or 0) or None, int(kafka[0]["ms"] or 0) or None

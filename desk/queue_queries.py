"""What the queue asks of ClickHouse: reads only, all values bound, all bounded."""

from collections.abc import Mapping
from typing import NamedTuple

from desk import capacity
from desk.filters import CLOCK, Filters, conditions, narrowed
from desk.ports import Engine, Row
from desk.queries import REASONS
from desk.scope import Scope

ROWS_MAX = 120
"""Alerts of one page; more than a day's hours can take."""
CHOICES_MAX = 100

ALERT = (
    "alert_id, merchant_id, segment, kind, severity, state, version, exposure_minor,"
    " headroom_minor, probability_of_default, currency, evidence, evidence_count, reopened,"
    " model_version, policy_version, rules_version,"
    " ifNull(assignee, '') AS assignee, ifNull(actor, '') AS actor, ifNull(outcome, '') AS outcome,"
    " ifNull(note, '') AS note,"
    " toUnixTimestamp64Milli(opened_at) AS opened_ms,"
    " toUnixTimestamp64Milli(updated_at) AS updated_ms,"
    " toUnixTimestamp64Milli(snoozed_until) AS snoozed_until_ms,"
    " toUnixTimestamp64Milli(acknowledge_by) AS acknowledge_by_ms,"
    " toUnixTimestamp64Milli(close_by) AS close_by_ms,"
    f" toUnixTimestamp64Milli(acknowledged_at) AS acknowledged_ms, {REASONS}"
)
"""Columns of an alert as ``desk.capacity`` and ``desk.alerting`` read them."""

_LATEST_FIRST = "updated_at DESC, alert_id"


class Count(NamedTuple):
    """Alerts of one severity and clock, and their money at risk in the base currency."""

    severity: str
    clock: str
    asleep: bool
    alerts: int
    money: float


class Choices(NamedTuple):
    """Values that the filters offer. Of currencies the most frequent is first."""

    kinds: list[str]
    segments: list[str]
    currencies: list[str]
    assignees: list[str]
    products: list[str]


def rows(
    engine: Engine,
    scope: Scope,
    filters: Filters,
    viewer: str,
    rates: Mapping[str, float],
    now_ms: int,
) -> list[Row]:
    """The first alerts by rank; of snoozed or closed ones the latest."""
    where, params = conditions(filters, viewer)
    narrow, more = narrowed(filters)
    workable = f" AND {capacity.WORKABLE}" if filters.ranked else ""
    source = "alerts_current" if filters.state == "closed" else "alerts_open"
    order = capacity.ORDER_BY if filters.ranked else _LATEST_FIRST
    # The ranking reads few columns of all rows, the page then all columns of few rows.
    keys = engine.query(
        f"SELECT alert_id, toUnixTimestamp64Milli(opened_at) AS opened_ms FROM {source}"  # noqa: S608 - constants
        f" WHERE {where}{workable} AND {narrow} AND {scope.where()}"
        f" ORDER BY {order} LIMIT {ROWS_MAX}",
        {**params, **more, **capacity.parameters(rates, now_ms), **scope.params},
    )
    if not keys:
        return []
    found = engine.query(
        f"SELECT {ALERT} FROM alerts_current"  # noqa: S608 - constants
        " WHERE opened_at IN (SELECT fromUnixTimestamp64Milli(toInt64(each), 'UTC')"
        " FROM (SELECT arrayJoin(splitByString('\\n', {opened:String})) AS each))"
        " AND alert_id IN (SELECT arrayJoin(splitByString('\\n', {alerts:String})))"
        f" LIMIT {ROWS_MAX}",
        {
            "opened": "\n".join(str(row["opened_ms"]) for row in keys),
            "alerts": "\n".join(row["alert_id"] for row in keys),
        },
    )
    by_id = {row["alert_id"]: row for row in found}
    return [by_id[row["alert_id"]] for row in keys if row["alert_id"] in by_id]


def counts(
    engine: Engine,
    scope: Scope,
    filters: Filters,
    viewer: str,
    rates: Mapping[str, float],
    now_ms: int,
) -> list[Count]:
    """Alerts by severity and clock, whichever of those two are chosen."""
    where, params = conditions(filters, viewer)
    source = "alerts_current" if filters.state == "closed" else "alerts_open"
    found = engine.query(
        f"SELECT severity, {CLOCK} AS clock, NOT ({capacity.WORKABLE}) AS asleep,"  # noqa: S608 - constants
        f" count() AS alerts, sum({capacity.MONEY}) AS money FROM {source}"
        f" WHERE {where} AND {scope.where()} GROUP BY severity, clock, asleep LIMIT 1000",
        {**params, **capacity.parameters(rates, now_ms), **scope.params},
    )
    return [
        Count(r["severity"], r["clock"], bool(r["asleep"]), int(r["alerts"]), float(r["money"]))
        for r in found
    ]


def choices(engine: Engine, scope: Scope) -> Choices:
    """What stands in the alerts that are not closed, and the products of the lines."""
    found = engine.query(
        f"SELECT groupUniqArray({CHOICES_MAX})(kind) AS kinds,"  # noqa: S608 - constants
        f" groupUniqArray({CHOICES_MAX})(segment) AS segments,"
        " topK(20)(currency) AS currencies,"
        f" groupUniqArray({CHOICES_MAX})(ifNull(assignee, '')) AS assignees"
        f" FROM alerts_open WHERE {scope.where()}",
        scope.params,
    )
    products = engine.query(
        f"SELECT DISTINCT product FROM lines_current WHERE {scope.where()}"  # noqa: S608 - constants
        f" ORDER BY product LIMIT {CHOICES_MAX}",
        scope.params,
    )
    row = found[0]
    return Choices(
        sorted(row["kinds"]),
        sorted(row["segments"]),
        list(row["currencies"]),
        sorted(filter(None, row["assignees"])),
        [each["product"] for each in products],
    )

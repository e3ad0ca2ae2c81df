"""What the plots of one merchant ask of ClickHouse: downsampled in SQL, bounded, in scope."""

from typing import NamedTuple

from desk.ports import Engine, Row
from desk.scope import Scope

POINTS_MAX = 400
STATES_MAX = 1_000
CHANGES_MAX = 500
DAY_MS = 86_400_000

DAYS: dict[str, int | None] = {"30d": 30, "90d": 90, "1y": 365, "all": None}
"""Ranges that can be asked for, in days; None is from the first that is stored."""
_WIDTHS_DAYS = (1, 7, 28, 91, 364)


class Window(NamedTuple):
    """UTC days ``first`` to ``last`` (numbers since 1970), in buckets of ``width_days``."""

    first: int
    last: int
    width_days: int

    @property
    def buckets(self) -> int:
        """How many there are; the last may reach beyond ``last``."""
        return (self.last - self.first) // self.width_days + 1

    @property
    def starts_ms(self) -> list[int]:
        """Where each bucket begins, epoch milliseconds."""
        return [(self.first + i * self.width_days) * DAY_MS for i in range(self.buckets)]

    @property
    def until_ms(self) -> int:
        """The end of the last day, epoch milliseconds."""
        return (self.last + 1) * DAY_MS


def window(span: Row, days: int | None) -> Window:
    """Buckets of days for up to 180 days, of weeks, and so on: never more than ``POINTS_MAX``."""
    last = int(span["last_day"])
    first = int(span["first_day"]) if days is None else max(last - days + 1, 0)
    length = last - first + 1
    wanted = 1 if length <= 180 else 7
    fits = (w for w in _WIDTHS_DAYS if w >= wanted and length <= w * POINTS_MAX)
    return Window(first, last, next(fits, length // POINTS_MAX + 1))


def span_of(engine: Engine, scope: Scope, merchant_id: str) -> Row | None:
    """First and last UTC day of which anything is stored; None where nothing is."""
    of = f"merchant_id = {{merchant_id:String}} AND {scope.where()}"
    parts = " UNION ALL ".join(
        f"SELECT count() AS stored, toInt64(toUInt32(min({day}))) AS first_day,"  # noqa: S608 - constants
        f" toInt64(toUInt32(max({day}))) AS last_day FROM {table} WHERE {of}"
        for table, day in (
            ("daily", "day"),
            ("assessments", "toDate(as_of)"),
            ("limit_changes", "toDate(decided_at)"),
            ("alerts", "toDate(opened_at)"),
        )
    )
    rows = engine.query(
        "SELECT min(first_day) AS first_day, max(last_day) AS last_day"  # noqa: S608 - constants
        f" FROM ({parts}) WHERE stored > 0 HAVING count() > 0",
        _of(scope, merchant_id),
    )
    return rows[0] if rows else None


def currencies(engine: Engine, scope: Scope, merchant_id: str) -> list[str]:
    """Currencies of the merchant's events, the most used first."""
    rows = engine.query(
        "SELECT currency FROM daily WHERE merchant_id = {merchant_id:String}"  # noqa: S608 - constants
        f" AND currency != '' AND {scope.where()}"
        " GROUP BY currency ORDER BY sum(events) DESC, currency LIMIT 20",
        _of(scope, merchant_id),
    )
    return [row["currency"] for row in rows]


_COUNTS = ("orders", "shipments", "deliveries", "late_repayments")
_MONEY = ("orders_minor", "inflow_minor", "outflow_minor", "due_minor", "repaid_minor")


def flows(engine: Engine, scope: Scope, merchant_id: str, of: Window, currency: str) -> list[Row]:
    """Counts of all events, and amounts of one currency, by bucket; empty ones are left out."""
    columns = [f"sum({name}) AS {name}_sum" for name in _COUNTS]
    columns += [
        f"sumIf({name}, currency = {{currency:String}}) AS {name}_sum"
        for name in (*_MONEY, "disbursed_minor")
    ]
    return engine.query(
        f"SELECT {_bucket('day')}, {', '.join(columns)} FROM daily"  # noqa: S608 - constants
        " WHERE merchant_id = {merchant_id:String}"
        " AND toUInt32(day) BETWEEN {first:UInt32} AND {last:UInt32}"
        f" AND {scope.where()} GROUP BY bucket ORDER BY bucket LIMIT {POINTS_MAX + 1}",
        {"currency": currency, **_within(of), **_of(scope, merchant_id)},
    )


def risk(engine: Engine, scope: Scope, merchant_id: str, of: Window) -> list[Row]:
    """The last assessment of each bucket."""
    return engine.query(
        f"SELECT {_bucket('toDate(as_of)')}, max(toUnixTimestamp64Milli(as_of)) AS as_of_ms,"  # noqa: S608 - constants
        " argMax(tuple(probability_of_default), as_of).1 AS probability,"
        " argMax(band, as_of) AS last_band, argMax(exposure_minor, as_of) AS owed_minor"
        " FROM assessments WHERE merchant_id = {merchant_id:String}"
        " AND toUInt32(toDate(as_of)) BETWEEN {first:UInt32} AND {last:UInt32}"
        f" AND {scope.where()} GROUP BY bucket ORDER BY bucket LIMIT {POINTS_MAX + 1}",
        {**_within(of), **_of(scope, merchant_id)},
    )


def owed_before(engine: Engine, scope: Scope, merchant_id: str, of: Window) -> int | None:
    """What was owed by the last assessment before the window; None where there is none."""
    rows = engine.query(
        "SELECT exposure_minor AS owed_minor FROM assessments"  # noqa: S608 - constants
        " WHERE merchant_id = {merchant_id:String}"
        " AND toUInt32(toDate(as_of)) < {first:UInt32}"
        f" AND {scope.where()} ORDER BY as_of DESC, kafka_offset DESC LIMIT 1",
        {"first": of.first, **_of(scope, merchant_id)},
    )
    return int(rows[0]["owed_minor"]) if rows else None


def limits(engine: Engine, scope: Scope, merchant_id: str, currency: str) -> list[Row]:
    """Changes that moved a limit in one currency, the latest first, over all time."""
    return engine.query(
        "SELECT line_id, product, action, previous_limit_minor, new_limit_minor, version,"  # noqa: S608 - constants
        " toUnixTimestamp64Milli(decided_at) AS decided_ms FROM limit_changes"
        " WHERE merchant_id = {merchant_id:String} AND state = 'sent'"
        f" AND currency = {{currency:String}} AND {scope.where()}"
        f" ORDER BY decided_at DESC, line_id, version DESC LIMIT {CHANGES_MAX}",
        {"currency": currency, **_of(scope, merchant_id)},
    )


def alert_states(engine: Engine, scope: Scope, merchant_id: str) -> list[Row]:
    """States of the merchant's episodes, the latest first."""
    return engine.query(
        "SELECT alert_id, kind, severity, state, version,"  # noqa: S608 - constants
        " toUnixTimestamp64Milli(opened_at) AS opened_ms,"
        " toUnixTimestamp64Milli(updated_at) AS updated_ms"
        " FROM alerts WHERE merchant_id = {merchant_id:String}"
        f" AND {scope.where()} ORDER BY updated_at DESC, alert_id, version DESC"
        f" LIMIT 1 BY alert_id, version LIMIT {STATES_MAX}",
        _of(scope, merchant_id),
    )


def _bucket(day: str) -> str:
    return f"intDiv(toInt64(toUInt32({day})) - {{first:Int64}}, {{width_days:Int64}}) AS bucket"


def _within(of: Window) -> dict[str, str | int | float]:
    return {"first": of.first, "last": of.last, "width_days": of.width_days}


def _of(scope: Scope, merchant_id: str) -> dict[str, str | int | float]:
    return {"merchant_id": merchant_id, **scope.params}

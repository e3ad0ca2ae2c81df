"""Tables that ClickHouse keeps by materialised views, set right after an insert that broke.

A view's target is written after its table. A server, or an embedded engine, that is killed between
the two has the rows and not what follows from them, and a repeat, which finds the rows, adds
nothing. So whoever takes up a batch that may be stored in part adds to the targets what they lack.
Rows of a target that replaces by version may be added again without harm. Sums of a day are
compared with the events: all events of a merchant are on one partition, and its owner alone adds
to them.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from sinks.engine import Engine, Params
from sinks.migrate import load
from sinks.rows import Columns, Part


class Target(NamedTuple):
    """A table whose rows are some columns of another's.

    ``only`` names a column and the value that it must have, ``never`` one that it must not.
    """

    table: str
    columns: tuple[str, ...]
    only: tuple[str, str] | None = None
    never: tuple[str, object] | None = None


TARGETS: dict[str, tuple[Target, ...]] = {
    "assessments": (
        Target(
            "merchants_latest",
            (
                *("merchant_id", "segment", "currency", "as_of", "exposure_minor"),
                *("probability_of_default", "anomaly_score", "band"),
            ),
        ),
    ),
    "limit_changes": (
        Target(
            "lines_latest",
            (
                *("merchant_id", "line_id", "segment", "region", "product", "currency", "version"),
                *("action", "new_limit_minor", "drawn_minor", "decided_at", "expires_at"),
                *("funders.funder", "funders.limit_minor"),
            ),
            ("state", "sent"),
        ),
        Target(
            "line_funders",
            (
                *("merchant_id", "line_id", "currency", "version"),
                *("funders.funder", "funders.limit_minor"),
            ),
            ("state", "sent"),
            never=("funders.funder", []),
        ),
    ),
    "events": (
        Target(
            "command_lines",
            (
                *("type", "actor", "reason", "outcome", "occurred_at", "merchant_id", "alert_id"),
                *("decision_id", "line_id", "event_id", "body", "kafka_topic", "kafka_partition"),
                *("kafka_offset", "line", "kafka_timestamp_ms"),
            ),
            ("input_topic", "desk.commands"),
        ),
        Target(
            "counterparty_links",
            ("counterparty_id", "merchant_id", "occurred_at"),
            never=("counterparty_id", ""),
        ),
    ),
}
"""By table; ``alerts_latest`` has every column of ``alerts``, whatever they are."""

SUMS = "daily_sums"
_SUMS_VIEW = "CREATE MATERIALIZED VIEW IF NOT EXISTS daily_sums_from_events TO daily_sums AS\n"
_SUMS_FROM = "FROM events\nWHERE merchant_id != '*'"
_AT = (
    "kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}"
    " AND kafka_offset >= {first:Int64} AND kafka_offset <= {until:Int64}"
)


def add_missing(engine: Engine, parts: Sequence[Part], places: Params, token: str) -> None:
    """Add to the targets what they lack of these rows, all of which are stored.

    ``places`` are the ``topic``, ``partition``, ``first`` and ``until`` (offset) of the batch,
    ``token`` identifies it.
    """
    for part in parts:
        targets = TARGETS.get(part.table, ())
        if part.table == "alerts":
            targets = (Target("alerts_latest", part.columns),)
        for target in targets if part.data else ():
            data = _columns(part, target)
            if data[0]:
                engine.insert(target.table, target.columns, data, token=f"{target.table}:{token}")
        if part.table == "events" and part.data:
            quoted = f"{SUMS}:{token}".replace("\\", "\\\\").replace("'", "\\'")
            engine.execute(
                f"{_missing_sums()} SETTINGS insert_deduplication_token = '{quoted}',"
                " max_partitions_per_insert_block = 0",
                places,
            )


def _columns(part: Part, target: Target) -> Columns:
    wanted = [part.data[part.columns.index(name)] for name in target.columns]
    if target.only is None and target.never is None:
        return wanted
    keep = [
        n
        for n in range(len(wanted[0]))
        if (target.only is None or _at(part, target.only[0], n) == target.only[1])
        and (target.never is None or _at(part, target.never[0], n) != target.never[1])
    ]
    return [[values[n] for n in keep] for values in wanted]


def _at(part: Part, column: str, row: int) -> object:
    return part.data[part.columns.index(column)][row]


@cache
def _missing_sums() -> str:
    """The insert of what ``daily_sums`` lacks for the merchants and days of a batch.

    The sums are those of the materialised view, whose text is taken from its migration.
    """
    (view,) = (
        statement.removeprefix(_SUMS_VIEW)
        for migration in load()
        for statement in migration.statements
        if statement.startswith(_SUMS_VIEW)
    )
    batch = f"SELECT merchant_id, toDate(occurred_at) FROM events WHERE {_AT}"  # noqa: S608 - our own names
    narrowed = (
        f"{_SUMS_FROM} AND merchant_id IN (SELECT merchant_id FROM events WHERE {_AT})"  # noqa: S608 - as above
        f" AND (merchant_id, toDate(occurred_at)) IN ({batch})"
    )
    assert _SUMS_FROM in view
    names = [
        line.rpartition(" AS ")[2].rstrip(",")
        for line in view.partition("\nFROM ")[0].splitlines()[1:]
        if " AS " in line
    ]
    listed = ", ".join(names)
    return (
        f"INSERT INTO {SUMS} (merchant_id, day, currency, {listed})"  # noqa: S608 - as above
        f" SELECT merchant_id, day, currency, {', '.join(f'sum(signed.{n})' for n in names)}"
        " FROM (SELECT merchant_id, day, currency,"
        f" {', '.join(f'toInt64({n}) AS {n}' for n in names)}"
        f" FROM ({view.replace(_SUMS_FROM, narrowed)})"
        " UNION ALL SELECT merchant_id, day, currency,"
        f" {', '.join(f'-toInt64(kept.{n}) AS {n}' for n in names)}"
        f" FROM {SUMS} AS kept WHERE (merchant_id, day) IN ({batch})) AS signed"
        " GROUP BY merchant_id, day, currency HAVING sum(signed.events) > 0"
    )

"""What the merchant page asks of ClickHouse: reads only, all values bound, all bounded."""

from typing import Any

from desk.ports import Engine, Row
from desk.scope import Scope

CHANGES_MAX = 500
ANSWERS_MAX = 500
TRAIL_MAX = 25
COUNTERPARTIES_MAX = 12
SHARED_MAX = 20
FOUND_MAX = 50
LOANS_MAX = 1_000

TRAIL_GROUPS: dict[str, tuple[str, ...]] = {
    "transactions": ("merchant.transactions",),
    "logistics": ("merchant.logistics",),
    "payments": ("merchant.payments",),
    "signals": ("merchant.signals",),
    "profile": ("merchant.profiles",),
    "lending": ("lending.events",),
    "desk": ("desk.commands",),
}
"""Groups of event types by which the trail is filtered, with their input topics."""


def visible(engine: Engine, scope: Scope, merchant_id: str) -> bool:
    """Whether anything is stored of a merchant, and the scope covers it."""
    parts = " UNION ALL ".join(
        f"SELECT merchant_id FROM {table} WHERE merchant_id = {{merchant_id:String}} LIMIT 1"  # noqa: S608 - constants
        for table in ("assessments", "limit_changes", "alerts", "events")
    )
    rows = engine.query(
        f"SELECT merchant_id FROM ({parts}) WHERE {scope.where()} LIMIT 1",  # noqa: S608 - as above
        _of(scope, merchant_id),
    )
    return bool(rows)


def found(engine: Engine, scope: Scope, prefix: str) -> list[Row]:
    """Assessed merchants whose id begins with ``prefix``; without one those that owe most."""
    order = "merchant_id" if prefix else "exposure_minor DESC, merchant_id"
    return engine.query(
        "SELECT merchant_id, segment, currency, exposure_minor, probability_of_default, band,"  # noqa: S608 - constants
        " toUnixTimestamp64Milli(as_of) AS as_of_ms FROM merchants_current"
        f" WHERE startsWith(merchant_id, {{prefix:String}}) AND {scope.where()}"
        f" ORDER BY {order} LIMIT {FOUND_MAX + 1}",
        {"prefix": prefix, **scope.params},
    )


def line_changes(engine: Engine, scope: Scope, merchant_id: str) -> list[Row]:
    """Changes of all lines of a merchant, the latest first, with funders and reasons."""
    return engine.query(
        "SELECT decision_id, line_id, merchant_id, segment, product, version, action,"  # noqa: S608 - constants
        " previous_limit_minor, new_limit_minor, drawn_minor, currency, approval, state, region,"
        " toUnixTimestamp64Milli(decided_at) AS decided_ms,"
        " toUnixTimestamp64Milli(effective_at) AS effective_ms,"
        " if(isNull(expires_at), NULL, toUnixTimestamp64Milli(assumeNotNull(expires_at)))"
        " AS expires_ms, causes, actor, policy_version, model_version, feature_version,"
        " reasons.code AS codes, reasons.text AS texts, reasons.feature AS reason_features,"
        " reasons.value AS reason_values, reasons.usual AS reason_usuals,"
        " reasons.contribution AS contributions,"
        " funders.funder AS funders, funders.limit_minor AS funder_limits_minor"
        " FROM limit_changes"
        f" WHERE merchant_id = {{merchant_id:String}} AND {scope.where()}"
        f" ORDER BY decided_at DESC, version DESC LIMIT 1 BY line_id, version LIMIT {CHANGES_MAX}",
        _of(scope, merchant_id),
    )


def core_answers(engine: Engine, scope: Scope, merchant_id: str) -> dict[str, Row]:
    """What the lending core said, by decision; of two answers to one decision the first."""
    rows = engine.query(
        "SELECT decision_id, type, toUnixTimestamp64Milli(occurred_at) AS occurred_ms, reason"  # noqa: S608 - constants
        " FROM events WHERE merchant_id = {merchant_id:String}"
        f" AND type IN ('limit.acknowledged', 'limit.rejected') AND {scope.where()}"
        f" ORDER BY occurred_at DESC, kafka_offset DESC, line DESC LIMIT {ANSWERS_MAX}",
        _of(scope, merchant_id),
    )
    return {row["decision_id"]: row for row in rows}


def owed_by_line(engine: Engine, scope: Scope, merchant_id: str) -> dict[str, int]:
    """What is owed by line, of the loans that name theirs, in minor units."""
    rows = engine.query(
        "SELECT line, sum(owed_minor) AS owed_minor FROM"  # noqa: S608 - constants
        " (SELECT loan_id, anyIf(line_id, type = 'loan.disbursed') AS line,"
        " if(countIf(type = 'loan.settled') > 0, 0, greatest("
        "sumIf(ifNull(amount_minor, 0), type = 'loan.disbursed')"
        " - sumIf(ifNull(amount_minor, 0), type = 'repayment.received'), 0)) AS owed_minor"
        " FROM events WHERE merchant_id = {merchant_id:String}"
        " AND type IN ('loan.disbursed', 'repayment.received', 'loan.settled') AND loan_id != ''"
        f" AND {scope.where()} GROUP BY loan_id) WHERE line != ''"
        f" GROUP BY line ORDER BY line LIMIT {LOANS_MAX}",
        _of(scope, merchant_id),
    )
    return {row["line"]: int(row["owed_minor"]) for row in rows}


def currency_of(engine: Engine, scope: Scope, merchant_id: str) -> str:
    """The currency of the merchant's latest assessment, in which its exposure is; else empty."""
    rows = engine.query(
        "SELECT currency FROM assessments WHERE merchant_id = {merchant_id:String}"  # noqa: S608 - constants
        f" AND {scope.where()} ORDER BY as_of DESC, kafka_offset DESC LIMIT 1",
        _of(scope, merchant_id),
    )
    return rows[0]["currency"] if rows else ""


def channel_of(engine: Engine, scope: Scope, merchant_id: str) -> str | None:
    """The platform through which the merchant applied last; None where it named none."""
    rows = engine.query(
        "SELECT JSONExtractString(body, 'channel') AS channel FROM events"  # noqa: S608 - constants
        " WHERE merchant_id = {merchant_id:String} AND type = 'credit.applied'"
        f" AND {scope.where()} ORDER BY occurred_at DESC LIMIT 1",
        _of(scope, merchant_id),
    )
    return (rows[0]["channel"] or None) if rows else None


def policy_in_force(engine: Engine) -> Row | None:
    """Version and digest of the credit policy that was published last; None before any."""
    rows = engine.query(
        "SELECT version, digest FROM policies_in_force"
        " WHERE artifact = 'policy' AND until IS NULL LIMIT 1"
    )
    return rows[0] if rows else None


# --- counterparties ---------------------------------------------------------------------------


def counterparties(engine: Engine, scope: Scope, merchant_id: str, currency: str) -> list[Row]:
    """Whom the merchant trades with most, in one currency, over all that is stored.

    ``in_minor`` is the larger of what it sold to the counterparty (orders, invoices issued) and
    what it received, ``out_minor`` the larger of what it bought and paid: both are two views of
    the same trade. ``in_total_minor`` and ``out_total_minor`` are over all counterparties.
    """
    return engine.query(
        "SELECT counterparty_id, in_minor, out_minor, events, last_ms,"  # noqa: S608 - constants
        " sum(in_minor) OVER () AS in_total_minor, sum(out_minor) OVER () AS out_total_minor,"
        " count() OVER () AS known FROM"
        " (SELECT counterparty_id,"
        " greatest(sumIf(amount, type IN ('order.paid', 'invoice.issued')),"
        " sumIf(amount, type IN ('settlement.received', 'account.credited'))) AS in_minor,"
        " greatest(sumIf(amount, type = 'invoice.received'),"
        " sumIf(amount, type IN ('account.debited', 'utility.paid'))) AS out_minor,"
        " count() AS events, max(toUnixTimestamp64Milli(occurred_at)) AS last_ms FROM"
        " (SELECT counterparty_id, type, occurred_at, ifNull(amount_minor, 0) AS amount"
        " FROM events WHERE merchant_id = {merchant_id:String} AND counterparty_id != ''"
        f" AND currency = {{currency:String}} AND {scope.where()}) GROUP BY counterparty_id)"
        f" ORDER BY in_minor + out_minor DESC, counterparty_id LIMIT {COUNTERPARTIES_MAX}",
        {"currency": currency, **_of(scope, merchant_id)},
    )


def sharing(
    engine: Engine, scope: Scope, merchant_id: str, counterparty_ids: list[str]
) -> dict[str, list[str]]:
    """Other merchants of the scope that trade with these counterparties, the latest first."""
    names = {f"c{i}": each for i, each in enumerate(counterparty_ids)}
    if not names:
        return {}
    places = ", ".join(f"{{{name}:String}}" for name in names)
    rows = engine.query(
        "SELECT counterparty_id, merchant_id, max(occurred_at) AS latest FROM counterparty_links"  # noqa: S608 - constants
        f" WHERE counterparty_id IN ({places}) AND merchant_id != {{merchant_id:String}}"
        f" AND {scope.where()} GROUP BY counterparty_id, merchant_id"
        f" ORDER BY latest DESC, merchant_id LIMIT {SHARED_MAX} BY counterparty_id",
        {**names, **_of(scope, merchant_id)},
    )
    shared: dict[str, list[str]] = {}
    for row in rows:
        shared.setdefault(row["counterparty_id"], []).append(row["merchant_id"])
    return shared


# --- the event trail --------------------------------------------------------------------------

Place = tuple[int, int, int]
"""Where a page of the trail begins: event time (ms), offset and line of the event before it."""


def trail(
    engine: Engine, scope: Scope, merchant_id: str, *, group: str | None, before: Place | None
) -> list[Row]:
    """A page of the merchant's events, the latest first; one more than ``TRAIL_MAX`` if more."""
    params: dict[str, Any] = _of(scope, merchant_id)
    conditions = ["merchant_id = {merchant_id:String}", scope.where()]
    if group is not None:
        topics = ", ".join(f"'{topic}'" for topic in TRAIL_GROUPS[group])
        conditions.append(f"input_topic IN ({topics})")
    if before is not None:
        params |= {"at_ms": before[0], "offset": before[1], "line": before[2]}
        conditions.append("occurred_at <= fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC')")
        conditions.append(
            "(toUnixTimestamp64Milli(occurred_at), kafka_offset, line)"
            " < ({at_ms:Int64}, {offset:Int64}, {line:UInt32})"
        )
    return engine.query(
        "SELECT type, event_id, toUnixTimestamp64Milli(occurred_at) AS occurred_ms, amount_minor,"  # noqa: S608 - constants
        " currency, body, kafka_partition, kafka_offset, line"
        f" FROM events WHERE {' AND '.join(conditions)}"
        " ORDER BY occurred_at DESC, kafka_offset DESC, line DESC"
        " LIMIT 1 BY kafka_topic, kafka_partition, kafka_offset, line"
        f" LIMIT {TRAIL_MAX + 1}",
        params,
    )


# --- a command on its way -----------------------------------------------------------------------


def command_line(engine: Engine, scope: Scope, merchant_id: str, event_id: str) -> Row | None:
    """A command as it stands in the log; None until it is stored."""
    rows = engine.query(
        "SELECT type, actor, reason, toUnixTimestamp64Milli(occurred_at) AS occurred_ms"  # noqa: S608 - constants
        " FROM commands WHERE merchant_id = {merchant_id:String}"
        f" AND event_id = {{event_id:String}} AND {scope.where()} LIMIT 1",
        {"event_id": event_id, **_of(scope, merchant_id)},
    )
    return rows[0] if rows else None


def _of(scope: Scope, merchant_id: str) -> dict[str, str]:
    return {"merchant_id": merchant_id, **scope.params}

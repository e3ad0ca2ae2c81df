"""What the page of the portfolio asks of ClickHouse: bounded reads, each within a viewer's scope.

Of one currency at a time: amounts are never added over currencies. Who sees all merchants sees
what is lent to them as of their latest assessment. A funder sees its part: what is drawn times its
share of the line, as of the line's latest change. A line at zero (frozen, closed) has no shares of
its own; what is still drawn of it is carried as the line was shared last.
"""

from desk.ports import Engine, Row
from desk.scope import Scope

LOSS_GIVEN_DEFAULT = 0.65
"""As the views of the portfolio price it (``sinks/migrations/0007_portfolio.sql``)."""
NAMES_MAX = 1_000
CELLS_MAX = 20_000
COHORTS_MAX = 100
CURRENCIES_MAX = 30

_PARTS = """
SELECT line_id, merchant_id, segment, region, product, currency, decided_at,
    part.1 AS funder,
    if(arraySum(parts.2) = 0, 1, part.2 / arraySum(parts.2)) AS share,
    limit_minor * share AS granted_minor,
    drawn_minor * share AS exposure_minor
FROM
(
    SELECT line_id, merchant_id, segment, region, product, currency, decided_at,
        toFloat64(limit_minor) AS limit_minor, toFloat64(drawn_minor) AS drawn_minor,
        if(empty(own), earlier, own) AS known,
        if(empty(known), [('', toInt64(1))], known) AS parts
    FROM
    (
        SELECT line_id, merchant_id, segment, region, product, currency, decided_at,
            limit_minor, drawn_minor,
            arrayZip(arrayMap(f -> toString(f), funders.funder), funders.limit_minor) AS own
        FROM lines_current
    ) AS line
    ANY LEFT JOIN
    (
        SELECT line_id, argMax(arrayZip(arrayMap(f -> toString(f), funders.funder),
            funders.limit_minor), version) AS earlier
        FROM limit_changes
        WHERE state = 'sent' AND notEmpty(funders.funder) AND new_limit_minor > 0 AND line_id IN
            (SELECT line_id FROM lines_current WHERE limit_minor = 0 AND drawn_minor > 0)
        GROUP BY line_id
    ) AS before USING (line_id)
)
ARRAY JOIN parts AS part
"""
"""A row for each part of a current line that a funder carries; one without shares has one part."""

_FIGURES = (
    "sum(exposure_minor) AS exposure, sum(granted_minor) AS granted,"
    " sum(exposure_minor * ifNull(probability_of_default, 0)) * {lgd:Float64} AS loss"
)


def _parts(scope: Scope) -> str:
    """Parts of lines that the viewer may see, with the merchant's probability of default."""
    return (
        "SELECT * FROM (SELECT * FROM"  # noqa: S608 - constants
        f" ({_PARTS}) WHERE {scope.funder_is_ours}) AS part ANY LEFT JOIN"
        " (SELECT merchant_id, probability_of_default FROM merchants_current) AS merchant"
        " USING (merchant_id)"
    )


def _holdings(scope: Scope) -> str:
    """A row for each merchant and currency: exposure, limits granted, probability of default."""
    if scope.funders is None:
        return (
            "SELECT merchant_id, toString(segment) AS segment, toString(region) AS region,"
            " currency, toFloat64(exposure_minor) AS exposure_minor,"
            " toFloat64(granted_minor) AS granted_minor, probability_of_default"
            " FROM portfolio_merchants"
        )
    return (
        "SELECT merchant_id, any(toString(segment)) AS segment, any(toString(region)) AS region,"  # noqa: S608 - constants
        " currency, sum(exposure) AS exposure_minor, sum(granted) AS granted_minor,"
        " any(probability) AS probability_of_default FROM (SELECT merchant_id, segment, region,"
        " currency, exposure_minor AS exposure, granted_minor AS granted,"
        f" probability_of_default AS probability FROM ({_parts(scope)}))"
        " GROUP BY merchant_id, currency"
    )


def currencies(engine: Engine, scope: Scope) -> list[Row]:
    """Currencies with the number of merchants, the most used first."""
    # The same merchants as all holdings, without their limits.
    source = "merchants_current" if scope.funders is None else f"({_holdings(scope)})"
    return engine.query(
        f"SELECT currency, count() AS merchants FROM {source}"  # noqa: S608 - constants
        " GROUP BY currency ORDER BY merchants DESC, currency"
        f" LIMIT {CURRENCIES_MAX}",
        scope.params,
    )


def as_of(engine: Engine, scope: Scope) -> Row:
    """Times of the latest assessment and of the latest change of a line, epoch ms; 0 if none."""
    assessed = engine.query(
        "SELECT toUnixTimestamp64Milli(max(as_of)) AS ms FROM merchants_current"  # noqa: S608 - constants
        f" WHERE {scope.where()}",
        scope.params,
    )
    changed = engine.query(
        "SELECT toUnixTimestamp64Milli(max(decided_at)) AS ms FROM lines_current"  # noqa: S608 - constants
        f" WHERE {scope.where()}",
        scope.params,
    )
    return {"assessed_ms": int(assessed[0]["ms"]), "changed_ms": int(changed[0]["ms"])}


def cells(engine: Engine, scope: Scope, currency: str) -> list[Row]:
    """A row for each segment and region, with what all figures over merchants are made of.

    ``squares`` is the sum of squared exposures, ``largest`` the merchant with the most;
    ``unrated`` are merchants with exposure and without a probability of default.
    """
    return engine.query(
        f"SELECT segment, region, count() AS merchants, countIf(alerts > 0) AS alerted, {_FIGURES},"  # noqa: S608 - constants
        " countIf(exposure_minor > 0 AND isNull(probability_of_default)) AS unrated,"
        " sum(exposure_minor * isNull(probability_of_default)) AS unrated_minor,"
        " sum(alerts) AS open_alerts, sum(exposure_minor * (alerts > 0)) AS alerted_minor,"
        " countIf(exposure_minor > 0) AS borrowers, sum(pow(exposure_minor, 2)) AS squares,"
        " max(exposure_minor) AS largest_minor, argMax(merchant_id, exposure_minor) AS largest"
        f" FROM (SELECT * FROM (SELECT * FROM ({_holdings(scope)})"
        " WHERE currency = {currency:String}) AS holding ANY LEFT JOIN"
        " (SELECT merchant_id, count() AS alerts FROM alerts_open GROUP BY merchant_id) AS alert"
        " USING (merchant_id)) GROUP BY segment, region"
        f" ORDER BY exposure DESC, segment, region LIMIT {CELLS_MAX}",
        _bound(scope, currency),
    )


def lines(engine: Engine, scope: Scope, currency: str) -> list[Row]:
    """What is drawn and granted, and expected loss, by product and by funder."""
    return engine.query(
        f"SELECT dim.1 AS dimension, dim.2 AS name, uniqExact(merchant_id) AS merchants, {_FIGURES}"  # noqa: S608 - constants
        " FROM (SELECT *, arrayJoin([('product', toString(product)), ('funder', funder)]) AS dim"
        f" FROM ({_parts(scope)}) WHERE currency = {{currency:String}})"
        " GROUP BY dimension, name ORDER BY exposure DESC, granted DESC, name"
        f" LIMIT {NAMES_MAX}",
        _bound(scope, currency),
    )


def cohorts(engine: Engine, scope: Scope) -> list[Row]:
    """Open alerts of cohorts, the largest struck share first; of no funder's merchants alone."""
    return engine.query(
        "SELECT merchant_id, alert_id, severity, state,"  # noqa: S608 - constants
        " reasons.value[1] AS struck_share, reasons.usual[1] AS usual_share,"
        " reasons.text[1] AS text, evidence_count,"
        " toUnixTimestamp64Milli(opened_at) AS opened_ms,"
        " toUnixTimestamp64Milli(updated_at) AS updated_ms"
        # By the key of `alerts`, which is by merchant; the latest states are by time.
        " FROM alerts_open WHERE merchant_id IN (SELECT merchant_id FROM alerts"
        f" WHERE startsWith(merchant_id, 'cohort:')) AND {scope.where()}"
        " ORDER BY struck_share DESC, merchant_id"
        f" LIMIT {COHORTS_MAX}",
        scope.params,
    )


def _bound(scope: Scope, currency: str) -> dict[str, str | float]:
    return {"currency": currency, "lgd": LOSS_GIVEN_DEFAULT, **scope.params}


# --- over time ------------------------------------------------------------------------------------

_START = "toDate(fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC'))"


def exposure_steps(engine: Engine, scope: Scope, currency: str, start_ms: int) -> list[Row]:
    """By how much exposure moved on each day; what came before ``start_ms`` stands on its day.

    For a funder, what is drawn at each change of a line times the share that it carries now.
    """
    if scope.funders is None:
        states = (
            f"SELECT merchant_id AS name, greatest(toDate(as_of), {_START}) AS day,"  # noqa: S608 - constants
            " toFloat64(argMax(exposure_minor, as_of)) AS amount FROM assessments"
            " WHERE currency = {currency:String} GROUP BY name, day"
        )
    else:
        states = (
            f"SELECT line_id AS name, greatest(toDate(decided_at), {_START}) AS day,"  # noqa: S608 - constants
            " argMax(drawn_minor, version) * any(share) AS amount FROM"
            " (SELECT line_id, decided_at, version, drawn_minor FROM limit_changes"
            " WHERE currency = {currency:String}) AS change ANY INNER JOIN"
            f" (SELECT line_id, sum(share) AS share FROM ({_PARTS}) WHERE {scope.funder_is_ours}"
            " GROUP BY line_id) AS held USING (line_id) GROUP BY name, day"
        )
    return engine.query(
        "SELECT toUnixTimestamp(toDateTime(day, 'UTC')) AS day_s, sum(step) AS step FROM"  # noqa: S608 - constants
        " (SELECT day, amount - lagInFrame(amount, 1, 0) OVER (PARTITION BY name ORDER BY day"
        f" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS step FROM ({states}))"
        " GROUP BY day ORDER BY day LIMIT 400",
        {"currency": currency, "start_ms": start_ms, **scope.params},
    )


def alert_steps(engine: Engine, scope: Scope, start_ms: int) -> list[Row]:
    """By how many the number of open alerts moved on each day, as ``exposure_steps``."""
    alerts = f"FROM alerts_current WHERE {scope.where()}"
    return engine.query(
        f"SELECT toUnixTimestamp(toDateTime(greatest(day, {_START}), 'UTC')) AS day_s,"  # noqa: S608 - constants
        f" sum(one) AS step FROM (SELECT toDate(opened_at) AS day, 1 AS one {alerts} UNION ALL"
        f" SELECT toDate(updated_at) AS day, -1 AS one {alerts} AND state = 'closed')"
        " GROUP BY day_s ORDER BY day_s LIMIT 400",
        {"start_ms": start_ms, **scope.params},
    )


def vintage_rows(engine: Engine, scope: Scope) -> list[Row]:
    """Merchants by the month in which their first line opened, and the months on book until each
    was 30 days late and until it defaulted (-1: never). Months are numbers since year 0.

    A funder's are the merchants of whom it ever carried a part: those that failed have none now.
    """
    ours = "1"
    if scope.funders is not None:
        ours = (
            "merchant_id IN (SELECT merchant_id FROM (SELECT merchant_id,"  # noqa: S608 - constants
            " arrayJoin(funders.funder) AS funder FROM limit_changes)"
            f" WHERE {scope.funder_is_ours})"
        )
    return engine.query(
        "SELECT opened, if(late_at = 0, -1, late_at - opened) AS late,"  # noqa: S608 - constants
        " if(bad_at = 0, -1, bad_at - opened) AS bad, count() AS merchants FROM"
        " (SELECT merchant_id, toInt64(toRelativeMonthNum(min(decided_at))) AS opened"
        f" FROM limit_changes WHERE action = 'open' AND state = 'sent' AND {ours}"
        " GROUP BY merchant_id) AS line ANY LEFT JOIN"
        " (SELECT merchant_id, toInt64(minIf(month, outcome = 'late_30')) AS late_at,"
        " toInt64(minIf(month, outcome = 'defaulted')) AS bad_at FROM"
        " (SELECT merchant_id, assumeNotNull(outcome) AS outcome,"
        " toRelativeMonthNum(as_of) AS month FROM assessments"
        " WHERE assessments.outcome IN ('late_30', 'defaulted'))"
        " GROUP BY merchant_id) AS ended USING (merchant_id)"
        " GROUP BY opened, late, bad ORDER BY opened, late, bad LIMIT 20000",
        scope.params,
    )


def latest_month(engine: Engine) -> int:
    """The month of the latest assessment, as in ``vintage_rows``; 0 where there is none."""
    rows = engine.query(
        "SELECT if(count() = 0, 0, toInt64(toRelativeMonthNum(max(as_of)))) AS month"
        " FROM merchants_current"
    )
    return int(rows[0]["month"])

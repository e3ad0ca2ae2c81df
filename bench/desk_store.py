"""How quick the desk's reads of ClickHouse are when much is stored.

Fills an embedded ClickHouse with alert versions, merchants' assessments, limit changes and events
through the tables that the sink writes, so that the materialised views work as they do in service,
then times each query that a page makes. Small inserts come last and nothing is merged on purpose:
a queue is read while rows arrive.

    python -m bench.desk_store --alerts 1000000 --merchants 100000
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sinks.embedded import EmbeddedEngine
from sinks.migrate import migrate

VERSIONS = 4
"""States of an episode: open, assigned, acknowledged, closed; one in twelve is assigned again."""
OPEN_EACH = 12
CHUNK = 50_000
SMALL = 200
SMALL_INSERTS = 40
ROUNDS = 15
START = "toDateTime64('2026-01-01 00:00:00', 3, 'UTC')"
SPAN_S = 200 * 86_400
"""Over which episodes open."""
INSERT_SETTINGS = "SETTINGS max_partitions_per_insert_block = 0"

_REASONS = (
    "['order_collapse', 'silence'], ['Paid orders fell to 3 a day from a usual 41',"
    " 'No shipment for 9 days'], ['orders_7d', 'days_since_shipment'], [3.0, NULL], [41.0, NULL],"
    " [1.25, 0.0]"
)

_ALERTS = f"""
INSERT INTO alerts (alert_id, merchant_id, segment, kind, severity, opened_at, updated_at, state,
    version, exposure_minor, currency, reasons.code, reasons.text, reasons.feature, reasons.value,
    reasons.usual, reasons.contribution, evidence, evidence_count, kafka_topic, kafka_partition,
    kafka_offset, kafka_timestamp_ms)
SELECT concat('al_', lower(hex(sipHash64(episode)))),
    concat('m-', toString(sipHash64(episode) % {{merchants:UInt32}})),
    concat('segment-', toString(episode % 12)),
    ['order_collapse', 'silence', 'refund_surge', 'payment_failures'][1 + episode % 4],
    ['info', 'warning', 'critical'][1 + sipHash64(episode) % 3],
    {START} + toIntervalSecond(intDiv(episode * {SPAN_S}, {{episodes:UInt64}})) AS opened,
    opened + toIntervalHour(number % {VERSIONS}),
    multiIf(number % {VERSIONS} = 3 AND episode % {OPEN_EACH} != 0, 'closed',
        ['open', 'assigned', 'acknowledged', 'assigned'][1 + number % {VERSIONS}]),
    1 + number % {VERSIONS}, sipHash64(episode) % 100000000, 'CNY', {_REASONS},
    ['e-1', 'e-2'], 2, 'risk.alerts', sipHash64(episode) % 8, number, 1900000000000 + number
FROM
(
    SELECT number, intDiv(number, {VERSIONS}) AS episode
    FROM numbers({{first:UInt64}}, {{count:UInt64}})
)
{INSERT_SETTINGS}
"""  # noqa: S608 - our own names

_ASSESSMENTS = f"""
INSERT INTO assessments (assessment_id, merchant_id, as_of, segment, trigger,
    probability_of_default, horizon_days, anomaly_score, band, exposure_minor, currency,
    features, model_version, policy_version, feature_version, outcome, outcome_of,
    kafka_topic, kafka_partition, kafka_offset, kafka_timestamp_ms)
SELECT concat('as-', toString(number)), concat('m-', toString(number % {{merchants:UInt32}})),
    {START} + toIntervalDay(intDiv(number, {{merchants:UInt32}}) * 10),
    concat('segment-', toString(number % 12)), 'day', (sipHash64(number) % 1000) / 5000, 90,
    (sipHash64(number) % 997) / 997, ['A', 'B', 'C', 'D', 'E'][1 + number % 5],
    sipHash64(number) % 100000000, 'CNY',
    map('orders_7d', toFloat64(number % 41), 'refund_share_28d', 0.1), 'm-1', 'p-1', 'f-1',
    if(number % 400 = 0, 'settled', NULL), if(number % 400 = 0, 'loan-1', NULL),
    'risk.assessments', number % 8, number, 1900000000000 + number
FROM numbers({{first:UInt64}}, {{count:UInt64}})
{INSERT_SETTINGS}
"""  # noqa: S608 - as above

CHANGES = f"""
INSERT INTO limit_changes (decision_id, line_id, merchant_id, segment, product, version, action,
    previous_limit_minor, new_limit_minor, drawn_minor, currency, decided_at, effective_at,
    reasons.code, reasons.text, reasons.feature, reasons.value, reasons.usual,
    reasons.contribution, approval, state, region, funders.funder, funders.limit_minor,
    kafka_topic, kafka_partition, kafka_offset, kafka_timestamp_ms)
SELECT concat('d-', toString(number)), concat('line-', toString(number % {{merchants:UInt32}})),
    concat('m-', toString(number % {{merchants:UInt32}})),
    concat('segment-', toString(number % 12)), 'flex-90',
    1 + intDiv(number, {{merchants:UInt32}}), if(number < {{merchants:UInt32}}, 'open', 'increase'),
    100000, 150000, 50000, 'CNY',
    {START} + toIntervalDay(intDiv(number, {{merchants:UInt32}}) * 30) AS decided, decided,
    {_REASONS}, if(number % 400 = 399, 'required', 'automatic'),
    if(number % 400 = 399, 'proposed', 'sent'), concat('region-', toString(number % 20)),
    ['own', concat('bank-', toString(number % 5))], [50000, 100000],
    'risk.limit-changes', number % 8, number, 1900000000000 + number
FROM numbers({{first:UInt64}}, {{count:UInt64}})
{INSERT_SETTINGS}
"""  # noqa: S608 - as above

EVENTS = f"""
INSERT INTO events (merchant_id, occurred_at, type, input_topic, event_id, amount_minor, currency,
    order_id, counterparty_id, actor, reason, body, kafka_topic, kafka_partition, kafka_offset,
    line, kafka_timestamp_ms)
SELECT concat('m-', toString(if(number % 20 = 0, intDiv(number, 20) % {{heavy:UInt32}},
        sipHash64(number) % {{merchants:UInt32}}))),
    {START} + toIntervalSecond(intDiv(number * {SPAN_S}, {{total:UInt64}})),
    if(number % 5000 = 0, 'merchant.freeze', ['order.paid', 'shipment.delivered',
        'settlement.received', 'account.debited', 'repayment.received'][1 + number % 5]),
    if(number % 5000 = 0, 'desk.commands', 'merchant.transactions'),
    concat('e-', toString(number)), sipHash64(number) % 100000, 'CNY',
    concat('o-', toString(number)), concat('c-', toString(sipHash64(number, 'c') % 20000)),
    if(number % 5000 = 0, 'ana', ''),
    if(number % 5000 = 0, 'asked to', ''),
    concat('{{"type":"order.paid","event_id":"e-', toString(number), '"}}'),
    'risk.events', number % 8, intDiv(number, 250), 1 + number % 250, 1900000000000 + number
FROM numbers({{first:UInt64}}, {{count:UInt64}})
{INSERT_SETTINGS}
"""  # noqa: S608 - as above

_QUEUE = (
    "merchant_id, segment, kind, severity, state, version, exposure_minor, currency, opened_at,"
    " updated_at, assignee"
)
QUERIES: dict[str, str] = {
    "queue: open alerts by exposure, 100": (
        f"SELECT alert_id, {_QUEUE} FROM alerts_open"  # noqa: S608 - as above
        " ORDER BY state = 'snoozed', severity, exposure_minor DESC, alert_id LIMIT 100"
    ),
    "queue: counts by severity": (
        "SELECT severity, count() AS episodes FROM alerts_open GROUP BY severity"
    ),
    "queue: of one funder": (
        f"SELECT alert_id, {_QUEUE} FROM alerts_open WHERE merchant_id IN"  # noqa: S608 - as above
        " (SELECT merchant_id FROM merchant_funders WHERE funder = 'bank-3')"
        " ORDER BY exposure_minor DESC LIMIT 100"
    ),
    "queue with reasons and probability, 100": (
        "SELECT alert_id, merchant_id, exposure_minor, probability_of_default, reasons.text"
        " FROM (SELECT * FROM alerts_open ORDER BY exposure_minor DESC, alert_id LIMIT 100) AS a"
        " ANY LEFT JOIN (SELECT merchant_id, probability_of_default FROM merchants_current"
        "  WHERE merchant_id IN (SELECT merchant_id FROM alerts_open"
        "   ORDER BY exposure_minor DESC, alert_id LIMIT 100)) AS m USING (merchant_id)"
    ),
    "alerts_current: counts by state": (
        "SELECT state, count() AS episodes FROM alerts_current GROUP BY state"
    ),
    "alerts_current: one alert": (
        "SELECT * FROM alerts_current WHERE alert_id = 'al_0000000000000000'"
    ),
    "merchant: alerts": (
        "SELECT * FROM alerts WHERE merchant_id = 'm-77' ORDER BY version DESC LIMIT 1 BY alert_id"
    ),
    "merchant: current": "SELECT * FROM merchants_current WHERE merchant_id = 'm-77'",
    "merchant: lines": "SELECT * FROM lines_current WHERE merchant_id = 'm-77'",
    "merchant: daily": "SELECT * FROM daily WHERE merchant_id = 'm-77' ORDER BY day",
    "merchant: last events": (
        "SELECT type, occurred_at, body FROM events WHERE merchant_id = 'm-77'"
        " ORDER BY occurred_at DESC LIMIT 100"
    ),
    "merchants_current: exposure by segment": (
        "SELECT segment, sum(exposure_minor) AS minor FROM merchants_current GROUP BY segment"
    ),
    "lines_current: limits by product": (
        "SELECT product, sum(limit_minor) AS minor FROM lines_current GROUP BY product"
    ),
    "merchant_funders: by funder": (
        "SELECT funder, sum(limit_minor) AS minor FROM merchant_funders GROUP BY funder"
    ),
    "portfolio_exposure": "SELECT * FROM portfolio_exposure",
    "outcomes: counts": "SELECT outcome, count() AS n FROM outcomes GROUP BY outcome",
    "commands: last 100": "SELECT * FROM commands ORDER BY occurred_at DESC LIMIT 100",
    "policies_in_force": "SELECT * FROM policies_in_force",
}


def fill(engine: EmbeddedEngine, alerts: int, merchants: int, events: int) -> None:
    """Rows of every table, in chunks, then small ones as of a live feed."""
    more: dict[str, str | int | float] = {
        "merchants": merchants,
        "episodes": alerts // VERSIONS,
        "total": events,
        "heavy": merchants,
    }
    for sql, rows in (
        (_ALERTS, alerts),
        (_ASSESSMENTS, 10 * merchants),
        (CHANGES, 3 * merchants),
        (EVENTS, events),
    ):
        live = SMALL * SMALL_INSERTS
        starts = [*range(0, rows - live, CHUNK)]
        bulk = [(first, min(CHUNK, rows - live - first)) for first in starts]
        small = [(rows - live + n * SMALL, SMALL) for n in range(SMALL_INSERTS)]
        for first, count in bulk + small:
            engine.execute(sql, {**more, "first": first, "count": count})


def measure(engine: EmbeddedEngine) -> dict[str, Any]:
    """Rows, median and 95th percentile (ms) of each query, each run in turn with the others.

    ``cpu_ms`` is the median of what all threads together worked, which a busy machine changes less.
    """
    times: dict[str, list[float]] = {name: [] for name in QUERIES}
    worked: dict[str, list[float]] = {name: [] for name in QUERIES}
    rows: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, sql in QUERIES.items():
            started, before = time.perf_counter(), time.process_time()
            rows[name] = len(engine.query(sql))
            times[name].append((time.perf_counter() - started) * 1000)
            worked[name].append((time.process_time() - before) * 1000)
    return {
        name: {
            "rows": rows[name],
            "median_ms": round(statistics.median(each), 1),
            "p95_ms": round(statistics.quantiles(each, n=20)[-1], 1),
            "cpu_ms": round(statistics.median(worked[name]), 1),
        }
        for name, each in times.items()
    }


def main() -> None:
    """Fill, measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--alerts", type=int, default=1_000_000, help="alert versions")
    parser.add_argument("--merchants", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=2_000_000)
    options = parser.parse_args()
    if min(options.alerts, options.merchants, options.events) < SMALL * SMALL_INSERTS:
        parser.error(f"each must be at least {SMALL * SMALL_INSERTS}")
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        engine = EmbeddedEngine(str(Path(folder) / "clickhouse"), "bench")
        migrate(engine)
        started = time.perf_counter()
        fill(engine, options.alerts, options.merchants, options.events)
        print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        found = measure(engine)
        parts = engine.query(
            "SELECT table, count() AS parts, sum(rows) AS stored FROM system.parts"
            " WHERE database = currentDatabase() AND active GROUP BY table ORDER BY table"
        )
        engine.close()
    print(json.dumps({"queries": found, "tables": parts}, indent=2, default=str))


if __name__ == "__main__":
    main()

"""Rows of a desk that has run for 200 days: a million alerts, a hundred thousand merchants.

They go through the tables that the sink writes, so that the materialised views work as in service.
The last inserts are small and nothing is merged on purpose: a desk is read while rows arrive.
"""

from bench.desk_store import CHANGES, EVENTS, INSERT_SETTINGS, SPAN_S, START
from features.catalogue import CATALOGUE
from sinks.embedded import EmbeddedEngine

CHUNK = 50_000
SMALL = 200
SMALL_INSERTS = 20
VERSIONS = 2
"""States of an alert that are stored: its opening, and its end or what was done of it so far."""
OPEN_PERCENT = 30
ASSESSED = 10
"""Assessments of a merchant, 22 days apart; the last four have the whole vector."""
HEAVY_MERCHANTS = 50
"""Merchants ``m-0`` and so on, who share a twentieth of the events."""
ENTRIES = 200_000
"""Of the audit log."""

REASONS = (
    "['order_collapse', 'silence', 'balance'], ['Paid orders fell to 3 a day from a usual 41',"
    " 'No shipment for 9 days', 'Balance below the next due amount'],"
    " ['turnover_28d_minor', 'refund_share_28d', 'days_since_sale'], [3.0, NULL, 9.0],"
    " [41.0, NULL, 2.0], [1.25, 0.0, 0.4]"
)

ALERTS = f"""
INSERT INTO alerts (alert_id, merchant_id, segment, kind, severity, opened_at, updated_at, state,
    version, exposure_minor, headroom_minor, probability_of_default, currency, reasons.code,
    reasons.text, reasons.feature, reasons.value, reasons.usual, reasons.contribution, evidence,
    evidence_count, model_version, policy_version, rules_version, assignee, actor, snoozed_until,
    outcome, acknowledge_by, close_by, acknowledged_at, kafka_topic, kafka_partition, kafka_offset,
    kafka_timestamp_ms)
SELECT concat('al_', lower(hex(sipHash64(episode)))),
    concat('m-', toString(drawn % {{merchants:UInt32}})),
    concat('segment-', toString(drawn % {{merchants:UInt32}} % 12)),
    ['order_collapse', 'silence', 'refund_surge', 'payment_failures', 'balance_squeeze'][1 + episode % 5],
    ['info', 'warning', 'warning', 'critical'][1 + drawn % 4],
    {START} + toIntervalSecond(intDiv(episode * {SPAN_S}, {{alerts:UInt64}})) AS opened,
    opened + toIntervalHour(second * (1 + drawn % 60)),
    multiIf(NOT second, 'open', drawn % 100 >= {OPEN_PERCENT}, 'closed',
        ['open', 'assigned', 'acknowledged', 'acknowledged', 'snoozed'][1 + intDiv(drawn, 100) % 5])
        AS now,
    1 + second, intDiv(drawn, 7) % 100000000, intDiv(drawn, 11) % 50000000,
    if(drawn % 9 = 0, NULL, (drawn % 1000) / 3000), if(drawn % 10 = 0, 'USD', 'CNY'),
    {REASONS}, [concat('e-', toString(drawn % {{events:UInt64}}))], 1, 'm-1', 'p-1', 'r-1',
    if(second AND now != 'open', ['ana', 'bo', 'chen', 'dong'][1 + drawn % 4], NULL) AS who, who,
    if(now = 'snoozed', opened + toIntervalDay(drawn % 260), NULL),
    if(now = 'closed', ['confirmed', 'false_alarm', 'cured', 'defaulted'][1 + drawn % 4], NULL),
    opened + toIntervalHour(24), opened + toIntervalDay(14),
    if(now IN ('acknowledged', 'closed'), opened + toIntervalHour(3), NULL),
    'risk.alerts', drawn % 8, number, 1900000000000 + number
FROM
(
    SELECT number, intDiv(number, {VERSIONS}) AS episode, number % {VERSIONS} = 1 AS second,
        sipHash64(episode, 'alert') AS drawn
    FROM numbers({{first:UInt64}}, {{count:UInt64}})
)
{INSERT_SETTINGS}
"""  # noqa: S608, E501 - our own names

_NAMES = ", ".join(f"'{feature.name}'" for feature in CATALOGUE)

ASSESSMENTS = f"""
INSERT INTO assessments (assessment_id, merchant_id, as_of, segment, trigger,
    probability_of_default, horizon_days, anomaly_score, band, exposure_minor, currency,
    reasons.code, reasons.text, reasons.feature, reasons.value, reasons.usual,
    reasons.contribution, features, model_version, policy_version, feature_version, outcome,
    outcome_of, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp_ms)
SELECT concat('as-', toString(number)), concat('m-', toString(merchant)),
    {START} + toIntervalDay(turn * 22) + toIntervalSecond(drawn % 86400),
    concat('segment-', toString(merchant % 12)), 'day', if(drawn % 9 = 0, NULL, (drawn % 1000) / 5000),
    90, (drawn % 997) / 997, ['A', 'B', 'C', 'D', 'E'][1 + drawn % 5], drawn % 100000000,
    if(merchant % 10 = 0, 'USD', 'CNY'), {REASONS},
    mapFromArrays(arraySlice([{_NAMES}], 1, if(turn < {ASSESSED - 4}, 8, {len(CATALOGUE)})) AS names,
        arrayMap((_, i) -> toNullable((sipHash64(number, i) % 10000) / 7), names, arrayEnumerate(names))),
    'm-1', 'p-1', 'f-1',
    if(number % 60 = 0, ['settled', 'late_30', 'defaulted'][1 + drawn % 3], NULL),
    if(number % 60 = 0, concat('loan-', toString(number)), NULL),
    'risk.assessments', merchant % 8, number, 1900000000000 + number
FROM
(
    SELECT number, number % {{merchants:UInt32}} AS merchant,
        intDiv(number, {{merchants:UInt32}}) AS turn, sipHash64(number, 'assessment') AS drawn
    FROM numbers({{first:UInt64}}, {{count:UInt64}})
)
{INSERT_SETTINGS}
"""  # noqa: S608, E501 - our own names

AUDIT = f"""
INSERT INTO desk_audit (audit_id, at, actor, role, action, subject, reason, detail, kafka_topic,
    kafka_partition, kafka_offset, kafka_timestamp_ms)
SELECT concat('au-', toString(number)), {START} + toIntervalSecond(number * 86),
    ['ana', 'bo', 'chen', 'dong'][1 + sipHash64(number) % 4], 'analyst',
    ['login', 'command', 'command', 'unmask'][1 + number % 4],
    concat('m-', toString(number % {{merchants:UInt32}})), 'asked to', 'look', 'desk.audit', 0,
    number, 1900000000000 + number
FROM numbers({{first:UInt64}}, {{count:UInt64}})
{INSERT_SETTINGS}
"""  # noqa: S608 - our own names

RECORDS = f"""
INSERT INTO event_records (lines, stored, rejected, kafka_topic, kafka_partition, kafka_offset,
    kafka_timestamp_ms)
SELECT 250, 250, 0, 'risk.events', number % 8, intDiv(number, 8), 1900000000000 + number * 250
FROM numbers({{first:UInt64}}, {{count:UInt64}})
{INSERT_SETTINGS}
"""  # noqa: S608 - our own names


def fill(engine: EmbeddedEngine, alerts: int, merchants: int, events: int) -> None:
    """Rows of every table, in chunks, then small ones as of a live feed."""
    more: dict[str, str | int | float] = {
        "merchants": merchants,
        "alerts": alerts,
        "events": events,
        "total": events,
        "heavy": HEAVY_MERCHANTS,
    }
    for sql, rows in (
        (ASSESSMENTS, ASSESSED * merchants),
        (CHANGES, 3 * merchants),
        (EVENTS, events),
        (RECORDS, events // 250),
        (AUDIT, ENTRIES),
        (ALERTS, VERSIONS * alerts),
    ):
        bulk = max(rows - SMALL * SMALL_INSERTS, 0)
        for first in range(0, bulk, CHUNK):
            count = min(CHUNK, bulk - first)
            engine.execute(sql, {**more, "first": first, "count": count})
        for first in range(bulk, rows, SMALL):
            count = min(SMALL, rows - first)
            engine.execute(sql, {**more, "first": first, "count": count})

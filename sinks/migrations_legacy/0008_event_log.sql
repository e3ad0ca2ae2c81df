-- The log line by line, see the full schema. No TTL, no roll-up by day and no versions in force here.
CREATE TABLE IF NOT EXISTS events
(
    merchant_id String,
    occurred_at Int64,
    type String,
    input_topic String,
    event_id String,
    amount_minor Nullable(Int64),
    currency String,
    order_id String,
    counterparty_id String,
    loan_id String,
    line_id String,
    due_at Nullable(Int64),
    actor String,
    alert_id String,
    decision_id String,
    reason String,
    outcome String,
    body String,
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    line UInt32,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(occurred_at, 1000), 'UTC'))
ORDER BY (merchant_id, occurred_at, kafka_topic, kafka_partition, kafka_offset, line);

CREATE TABLE IF NOT EXISTS event_records
(
    lines UInt32,
    stored UInt32,
    rejected UInt32,
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(kafka_timestamp_ms, 1000), 'UTC'))
ORDER BY (kafka_topic, kafka_partition, kafka_offset);

CREATE VIEW IF NOT EXISTS commands AS
SELECT type, actor, reason, outcome, occurred_at, merchant_id, alert_id, decision_id, line_id, event_id,
    body, kafka_partition, kafka_offset, line
FROM events
WHERE input_topic = 'desk.commands';

CREATE VIEW IF NOT EXISTS controls AS
SELECT type, occurred_at, event_id, visitParamExtractString(body, 'version') AS version,
    visitParamExtractString(body, 'digest') AS digest,
    multiIf(visitParamHas(body, 'artifact'), visitParamExtractString(body, 'artifact'),
        type = 'policy.activated', 'policy', type = 'model.activated', 'model', '') AS artifact,
    visitParamExtractString(body, 'budget_id') AS budget_id, amount_minor, currency,
    body, kafka_partition, kafka_offset, line
FROM events
WHERE merchant_id = '*' AND input_topic = 'risk.control';

-- The log line by line: an event is a row, at its position (partition, offset, line). A field that the
-- line has not is empty or null, and `body` is the line as it stands. What concerns no single merchant
-- stands in every partition of the log and is stored from partition 0 alone; a lease of a budget stands
-- in one and is stored from it; clock ticks are left out. Rows go 400 days after they were stored, where
-- the log itself is kept for 90: a year and a month, so that a day can be looked at beside the last year's.
CREATE TABLE IF NOT EXISTS events
(
    merchant_id String CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    type LowCardinality(String),
    input_topic LowCardinality(String) COMMENT 'the topic that this type of event comes on',
    event_id String CODEC(ZSTD(1)),
    amount_minor Nullable(Int64) CODEC(ZSTD(1)),
    currency LowCardinality(String),
    order_id String CODEC(ZSTD(1)),
    counterparty_id String COMMENT 'a pseudonym' CODEC(ZSTD(1)),
    loan_id String CODEC(ZSTD(1)),
    line_id String CODEC(ZSTD(1)),
    due_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    actor LowCardinality(String),
    alert_id String CODEC(ZSTD(1)),
    decision_id String CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    outcome LowCardinality(String),
    body String COMMENT 'the whole line, JSON' CODEC(ZSTD(3)),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    line UInt32 COMMENT 'place within the record, from 1' CODEC(Delta, ZSTD(1)),
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(kafka_timestamp_ms, 'UTC'),
    stored_at DateTime('UTC') DEFAULT now() CODEC(Delta, ZSTD(1)),
    INDEX by_offset kafka_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
PRIMARY KEY (merchant_id, occurred_at)
ORDER BY (merchant_id, occurred_at, kafka_topic, kafka_partition, kafka_offset, line)
TTL stored_at + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- The records of the log that are stored whole: written last, so that one that gave no row is known too.
CREATE TABLE IF NOT EXISTS event_records
(
    lines UInt32 CODEC(ZSTD(1)),
    stored UInt32 COMMENT 'lines that are rows of events' CODEC(ZSTD(1)),
    rejected UInt32 COMMENT 'lines that could not be read' CODEC(ZSTD(1)),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(kafka_timestamp_ms, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(kafka_timestamp_ms, 1000), 'UTC'))
ORDER BY (kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- What people (and the monitor, for cohorts) asked for, in the order of time: few among many events.
-- `policy.publish` and `model.rollback` stand in the log as the activation that they led to, under the
-- same event_id: see `controls`.
CREATE TABLE IF NOT EXISTS command_lines
(
    type LowCardinality(String),
    actor LowCardinality(String),
    reason String CODEC(ZSTD(1)),
    outcome LowCardinality(String),
    occurred_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    merchant_id String CODEC(ZSTD(1)),
    alert_id String CODEC(ZSTD(1)),
    decision_id String CODEC(ZSTD(1)),
    line_id String CODEC(ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    body String CODEC(ZSTD(3)),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    line UInt32,
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (occurred_at, kafka_topic, kafka_partition, kafka_offset, line)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS command_lines_from_events TO command_lines AS
SELECT type, actor, reason, outcome, occurred_at, merchant_id, alert_id, decision_id, line_id, event_id,
    body, kafka_topic, kafka_partition, kafka_offset, line, kafka_timestamp_ms
FROM events
WHERE input_topic = 'desk.commands';

CREATE VIEW IF NOT EXISTS commands AS
SELECT type, actor, reason, outcome, occurred_at, merchant_id, alert_id, decision_id, line_id, event_id,
    body, kafka_partition, kafka_offset, line
FROM command_lines FINAL;

-- What Tideline wrote into the log itself: activations of models and policies, leases of budgets.
CREATE VIEW IF NOT EXISTS controls AS
SELECT type, occurred_at, event_id, JSONExtractString(body, 'version') AS version,
    JSONExtractString(body, 'digest') AS digest,
    multiIf(JSONHas(body, 'artifact'), JSONExtractString(body, 'artifact'),
        type = 'policy.activated', 'policy', type = 'model.activated', 'model', '') AS artifact,
    JSONExtractString(body, 'budget_id') AS budget_id, amount_minor, currency,
    body, kafka_partition, kafka_offset, line
FROM events
WHERE merchant_id = '*' AND input_topic = 'risk.control';

-- Versions of policies and rule files in force, by the order of the log; `until` of the last is null.
-- What ships with Tideline is in force before the first of its kind.
CREATE VIEW IF NOT EXISTS policies_in_force AS
SELECT artifact, version, digest, occurred_at AS activated_at,
    if(following = toDateTime64(0, 3, 'UTC'), NULL, following) AS until, event_id
FROM
(
    SELECT artifact, version, digest, occurred_at, event_id,
        leadInFrame(occurred_at) OVER (PARTITION BY artifact ORDER BY kafka_offset ASC, line ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS following
    FROM controls
    WHERE type = 'policy.activated'
);

-- The same of the default-risk model and of the anomaly models.
CREATE VIEW IF NOT EXISTS models_in_force AS
SELECT artifact, version, digest, occurred_at AS activated_at,
    if(following = toDateTime64(0, 3, 'UTC'), NULL, following) AS until, event_id
FROM
(
    SELECT artifact, version, digest, occurred_at, event_id,
        leadInFrame(occurred_at) OVER (PARTITION BY artifact ORDER BY kafka_offset ASC, line ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS following
    FROM controls
    WHERE type = 'model.activated'
);

-- A merchant's day (UTC, of event time) in sums; kept when the events are gone. Money is of `currency`,
-- which is empty where the events have none, as many parcels. A repayment is late on a day after its due
-- day. The sums of a key may stand in several rows until they are merged: read `daily`.
CREATE TABLE IF NOT EXISTS daily_sums
(
    merchant_id String CODEC(ZSTD(1)),
    day Date CODEC(Delta, ZSTD(1)),
    currency LowCardinality(String),
    events UInt64 CODEC(ZSTD(1)),
    orders UInt64 CODEC(ZSTD(1)),
    orders_minor Int64 CODEC(ZSTD(1)),
    cancellations UInt64 CODEC(ZSTD(1)),
    cancelled_minor Int64 CODEC(ZSTD(1)),
    refunds UInt64 CODEC(ZSTD(1)),
    refunds_minor Int64 CODEC(ZSTD(1)),
    disputes UInt64 CODEC(ZSTD(1)),
    disputes_minor Int64 CODEC(ZSTD(1)),
    shipments UInt64 CODEC(ZSTD(1)),
    deliveries UInt64 CODEC(ZSTD(1)),
    returns UInt64 CODEC(ZSTD(1)),
    losses UInt64 CODEC(ZSTD(1)),
    settled_minor Int64 CODEC(ZSTD(1)),
    inflow_minor Int64 CODEC(ZSTD(1)),
    outflow_minor Int64 CODEC(ZSTD(1)),
    failed_payments UInt64 CODEC(ZSTD(1)),
    invoices_issued_minor Int64 CODEC(ZSTD(1)),
    invoices_received_minor Int64 CODEC(ZSTD(1)),
    disbursed_minor Int64 CODEC(ZSTD(1)),
    dues UInt64 CODEC(ZSTD(1)),
    due_minor Int64 CODEC(ZSTD(1)),
    repayments UInt64 CODEC(ZSTD(1)),
    repaid_minor Int64 CODEC(ZSTD(1)),
    late_repayments UInt64 CODEC(ZSTD(1)),
    defaults UInt64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (merchant_id, day, currency)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_sums_from_events TO daily_sums AS
SELECT merchant_id, toDate(occurred_at) AS day, currency,
    count() AS events,
    countIf(type = 'order.paid') AS orders,
    sumIf(ifNull(amount_minor, 0), type = 'order.paid') AS orders_minor,
    countIf(type = 'order.cancelled') AS cancellations,
    sumIf(ifNull(amount_minor, 0), type = 'order.cancelled') AS cancelled_minor,
    countIf(type = 'order.refunded') AS refunds,
    sumIf(ifNull(amount_minor, 0), type = 'order.refunded') AS refunds_minor,
    countIf(type = 'order.disputed') AS disputes,
    sumIf(ifNull(amount_minor, 0), type = 'order.disputed') AS disputes_minor,
    countIf(type = 'shipment.dispatched') AS shipments,
    countIf(type = 'shipment.delivered') AS deliveries,
    countIf(type = 'shipment.returned') AS returns,
    countIf(type = 'shipment.lost') AS losses,
    sumIf(ifNull(amount_minor, 0), type = 'settlement.received') AS settled_minor,
    sumIf(ifNull(amount_minor, 0), type IN ('settlement.received', 'account.credited')) AS inflow_minor,
    sumIf(ifNull(amount_minor, 0), type IN ('account.debited', 'utility.paid')) AS outflow_minor,
    countIf(type = 'payment.failed') AS failed_payments,
    sumIf(ifNull(amount_minor, 0), type = 'invoice.issued') AS invoices_issued_minor,
    sumIf(ifNull(amount_minor, 0), type = 'invoice.received') AS invoices_received_minor,
    sumIf(ifNull(amount_minor, 0), type = 'loan.disbursed') AS disbursed_minor,
    countIf(type = 'repayment.due') AS dues,
    sumIf(ifNull(amount_minor, 0), type = 'repayment.due') AS due_minor,
    countIf(type = 'repayment.received') AS repayments,
    sumIf(ifNull(amount_minor, 0), type = 'repayment.received') AS repaid_minor,
    countIf(type = 'repayment.received' AND toDate(occurred_at) > toDate(ifNull(due_at, occurred_at)))
        AS late_repayments,
    countIf(type = 'loan.defaulted') AS defaults
FROM events
WHERE merchant_id != '*'
GROUP BY merchant_id, day, currency;

CREATE VIEW IF NOT EXISTS daily AS
SELECT merchant_id, day, currency,
    sum(events) AS events,
    sum(orders) AS orders, sum(orders_minor) AS orders_minor,
    sum(cancellations) AS cancellations, sum(cancelled_minor) AS cancelled_minor,
    sum(refunds) AS refunds, sum(refunds_minor) AS refunds_minor,
    sum(disputes) AS disputes, sum(disputes_minor) AS disputes_minor,
    sum(shipments) AS shipments, sum(deliveries) AS deliveries,
    sum(returns) AS returns, sum(losses) AS losses,
    sum(settled_minor) AS settled_minor, sum(inflow_minor) AS inflow_minor,
    sum(outflow_minor) AS outflow_minor, sum(failed_payments) AS failed_payments,
    sum(invoices_issued_minor) AS invoices_issued_minor,
    sum(invoices_received_minor) AS invoices_received_minor,
    sum(disbursed_minor) AS disbursed_minor,
    sum(dues) AS dues, sum(due_minor) AS due_minor,
    sum(repayments) AS repayments, sum(repaid_minor) AS repaid_minor,
    sum(late_repayments) AS late_repayments, sum(defaults) AS defaults
FROM daily_sums
GROUP BY merchant_id, day, currency;

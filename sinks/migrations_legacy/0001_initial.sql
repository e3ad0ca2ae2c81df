-- The schema reduced to what a server before 22.3 can hold: no DateTime64 (times are Int64 epoch
-- milliseconds), no Map (`features` is a nested name and value), no LowCardinality, codecs or insert
-- tokens. Such a server takes what the sink writes; the desk needs the full schema.

CREATE TABLE IF NOT EXISTS assessments
(
    assessment_id String,
    merchant_id String,
    as_of Int64,
    segment String,
    trigger String,
    probability_of_default Nullable(Float64),
    horizon_days UInt16,
    anomaly_score Nullable(Float64),
    band String,
    exposure_minor Int64,
    currency String,
    reasons Nested
    (
        code String,
        text String,
        feature String,
        value Nullable(Float64),
        usual Nullable(Float64),
        contribution Float64
    ),
    features Nested
    (
        name String,
        value Nullable(Float64)
    ),
    causes Array(String),
    model_version String,
    policy_version String,
    feature_version String,
    outcome Nullable(String),
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(as_of, 1000), 'UTC'))
ORDER BY (merchant_id, as_of, kafka_topic, kafka_partition, kafka_offset);

CREATE TABLE IF NOT EXISTS alerts
(
    alert_id String,
    merchant_id String,
    segment String,
    kind String,
    severity String,
    opened_at Int64,
    updated_at Int64,
    state String,
    version UInt32,
    exposure_minor Int64,
    currency String,
    reasons Nested
    (
        code String,
        text String,
        feature String,
        value Nullable(Float64),
        usual Nullable(Float64),
        contribution Float64
    ),
    evidence Array(String),
    evidence_count UInt32,
    model_version String,
    policy_version String,
    feature_version String,
    assignee Nullable(String),
    actor Nullable(String),
    snoozed_until Nullable(Int64),
    outcome Nullable(String),
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(opened_at, 1000), 'UTC'))
ORDER BY (merchant_id, alert_id, version, kafka_topic, kafka_partition, kafka_offset);

CREATE VIEW IF NOT EXISTS alerts_current AS
SELECT *
FROM alerts
WHERE (alert_id, version) IN (SELECT alert_id, max(version) FROM alerts GROUP BY alert_id)
LIMIT 1 BY alert_id;

CREATE TABLE IF NOT EXISTS limit_changes
(
    decision_id String,
    line_id String,
    merchant_id String,
    segment String,
    product String,
    version UInt32,
    action String,
    previous_limit_minor Int64,
    new_limit_minor Int64,
    drawn_minor Int64,
    currency String,
    decided_at Int64,
    effective_at Int64,
    expires_at Nullable(Int64),
    reasons Nested
    (
        code String,
        text String,
        feature String,
        value Nullable(Float64),
        usual Nullable(Float64),
        contribution Float64
    ),
    causes Array(String),
    approval String,
    funders Nested
    (
        funder String,
        limit_minor Int64
    ),
    model_version String,
    policy_version String,
    feature_version String,
    actor Nullable(String),
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(decided_at, 1000), 'UTC'))
ORDER BY (merchant_id, line_id, version, kafka_topic, kafka_partition, kafka_offset);

CREATE TABLE IF NOT EXISTS dead_letters
(
    reason String,
    detail String,
    source_topic String,
    source_partition Int32,
    source_offset Int64,
    source_line Nullable(Int64),
    key Nullable(String),
    value Nullable(String),
    headers Nested
    (
        name String,
        value Nullable(String)
    ),
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(kafka_timestamp_ms, 1000), 'UTC'))
ORDER BY (reason, kafka_topic, kafka_partition, kafka_offset);

CREATE TABLE IF NOT EXISTS sink_rejects
(
    reason String,
    detail String,
    key Nullable(String),
    value Nullable(String),
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(kafka_timestamp_ms, 1000), 'UTC'))
ORDER BY (kafka_topic, kafka_partition, kafka_offset);

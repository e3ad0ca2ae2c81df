-- What Tideline says, one table for each output topic, and what could not be stored.
--
-- Every row carries its Kafka position and is unique by it: the insert token keeps a repeated batch
-- out (hence the deduplication window, which is 0 by default), and ReplacingMergeTree folds what
-- a restored backup or a window that has passed might still double. Money is Int64 minor units,
-- ratios are 0-1, times are UTC. Parts are flushed to disk before the insert is answered, because
-- the sink commits its Kafka position on that answer.

CREATE TABLE IF NOT EXISTS assessments
(
    assessment_id String,
    merchant_id String,
    as_of DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    segment LowCardinality(String),
    trigger LowCardinality(String),
    probability_of_default Nullable(Float64) CODEC(ZSTD(1)),
    horizon_days UInt16,
    anomaly_score Nullable(Float64) CODEC(ZSTD(1)),
    band LowCardinality(String),
    exposure_minor Int64 CODEC(ZSTD(1)),
    currency LowCardinality(String),
    reasons Nested
    (
        code LowCardinality(String),
        text String,
        feature LowCardinality(String),
        value Nullable(Float64),
        usual Nullable(Float64),
        contribution Float64
    ),
    features Map(LowCardinality(String), Nullable(Float64)) CODEC(ZSTD(1)),
    causes Array(String) CODEC(ZSTD(1)),
    model_version LowCardinality(String),
    policy_version LowCardinality(String),
    feature_version LowCardinality(String),
    outcome LowCardinality(Nullable(String)),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(kafka_timestamp_ms, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(as_of)
ORDER BY (merchant_id, as_of, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Every state of every episode; partitioned by its opening so that an episode stays together.
CREATE TABLE IF NOT EXISTS alerts
(
    alert_id String,
    merchant_id String,
    segment LowCardinality(String),
    kind LowCardinality(String),
    severity LowCardinality(String),
    opened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    updated_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    state LowCardinality(String),
    version UInt32,
    exposure_minor Int64 CODEC(ZSTD(1)),
    currency LowCardinality(String),
    reasons Nested
    (
        code LowCardinality(String),
        text String,
        feature LowCardinality(String),
        value Nullable(Float64),
        usual Nullable(Float64),
        contribution Float64
    ),
    evidence Array(String) CODEC(ZSTD(1)),
    evidence_count UInt32,
    model_version LowCardinality(String),
    policy_version LowCardinality(String),
    feature_version LowCardinality(String),
    assignee LowCardinality(Nullable(String)),
    actor LowCardinality(Nullable(String)),
    snoozed_until Nullable(DateTime64(3, 'UTC')),
    outcome LowCardinality(Nullable(String)),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(kafka_timestamp_ms, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(opened_at)
ORDER BY (merchant_id, alert_id, version, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- The latest state of each episode. The versions are found on two narrow columns first.
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
    segment LowCardinality(String),
    product LowCardinality(String),
    version UInt32,
    action LowCardinality(String),
    previous_limit_minor Int64 CODEC(ZSTD(1)),
    new_limit_minor Int64 CODEC(ZSTD(1)),
    drawn_minor Int64 CODEC(ZSTD(1)),
    currency LowCardinality(String),
    decided_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    effective_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    expires_at Nullable(DateTime64(3, 'UTC')),
    reasons Nested
    (
        code LowCardinality(String),
        text String,
        feature LowCardinality(String),
        value Nullable(Float64),
        usual Nullable(Float64),
        contribution Float64
    ),
    causes Array(String) CODEC(ZSTD(1)),
    approval LowCardinality(String),
    funders Nested
    (
        funder LowCardinality(String),
        limit_minor Int64
    ),
    model_version LowCardinality(String),
    policy_version LowCardinality(String),
    feature_version LowCardinality(String),
    actor LowCardinality(Nullable(String)),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(kafka_timestamp_ms, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(decided_at)
ORDER BY (merchant_id, line_id, version, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Input that intake could not take. Its event time is unknown, so the Kafka time partitions it.
CREATE TABLE IF NOT EXISTS dead_letters
(
    reason LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    source_topic LowCardinality(String),
    source_partition Int32,
    source_offset Int64 CODEC(ZSTD(1)),
    source_line Nullable(Int64),
    key Nullable(String) COMMENT 'the original bytes',
    value Nullable(String) COMMENT 'the original bytes' CODEC(ZSTD(1)),
    headers Nested
    (
        name LowCardinality(String),
        value Nullable(String)
    ),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(kafka_timestamp_ms, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(kafka_timestamp_ms, 1000), 'UTC'))
ORDER BY (reason, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Records of an output topic that do not read as that output, with their bytes.
CREATE TABLE IF NOT EXISTS sink_rejects
(
    reason LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    key Nullable(String) COMMENT 'the original bytes',
    value Nullable(String) COMMENT 'the original bytes' CODEC(ZSTD(1)),
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

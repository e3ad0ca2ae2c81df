-- What the desk reads at every look. "Current" is kept by materialised views instead of being found
-- anew: each row replaces the one of its key, and the views below fold what is not merged yet.

-- The latest state of each episode. By month of opening, which an episode keeps, so that what is read
-- and what is merged stays within a month. Small granules, since a page reads wide rows one by one.
CREATE TABLE IF NOT EXISTS alerts_latest AS alerts
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (opened_at, alert_id)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 1024,
    fsync_after_insert = 1, fsync_part_directory = 1;

ALTER TABLE alerts_latest ADD INDEX IF NOT EXISTS by_alert alert_id TYPE bloom_filter GRANULARITY 1;
ALTER TABLE alerts_latest ADD INDEX IF NOT EXISTS by_merchant merchant_id TYPE bloom_filter GRANULARITY 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS alerts_latest_from_alerts TO alerts_latest AS
SELECT * FROM alerts;

INSERT INTO alerts_latest SELECT * FROM alerts ORDER BY kafka_partition, kafka_offset
SETTINGS max_partitions_per_insert_block = 0;

DROP VIEW IF EXISTS alerts_current;

CREATE VIEW IF NOT EXISTS alerts_current AS
SELECT * FROM alerts_latest FINAL;

CREATE VIEW IF NOT EXISTS alerts_open AS
SELECT * FROM alerts_latest FINAL WHERE state != 'closed';

-- The latest assessment of each merchant.
CREATE TABLE IF NOT EXISTS merchants_latest
(
    merchant_id String CODEC(ZSTD(1)),
    segment LowCardinality(String),
    currency LowCardinality(String),
    as_of DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    exposure_minor Int64 CODEC(ZSTD(1)),
    probability_of_default Nullable(Float64) CODEC(ZSTD(1)),
    anomaly_score Nullable(Float64) CODEC(ZSTD(1)),
    band LowCardinality(String)
)
ENGINE = ReplacingMergeTree(as_of)
ORDER BY merchant_id
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS merchants_latest_from_assessments TO merchants_latest AS
SELECT merchant_id, segment, currency, as_of, exposure_minor, probability_of_default, anomaly_score, band
FROM assessments;

INSERT INTO merchants_latest
SELECT merchant_id, segment, currency, as_of, exposure_minor, probability_of_default, anomaly_score, band
FROM assessments ORDER BY kafka_partition, kafka_offset;

-- The change that each line stands at: the latest that moved it.
CREATE TABLE IF NOT EXISTS lines_latest
(
    merchant_id String CODEC(ZSTD(1)),
    line_id String CODEC(ZSTD(1)),
    segment LowCardinality(String),
    region LowCardinality(Nullable(String)),
    product LowCardinality(String),
    currency LowCardinality(String),
    version UInt32 CODEC(ZSTD(1)),
    action LowCardinality(String),
    new_limit_minor Int64 CODEC(ZSTD(1)),
    drawn_minor Int64 CODEC(ZSTD(1)),
    decided_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    expires_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    funders Nested
    (
        funder LowCardinality(String),
        limit_minor Int64
    )
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (merchant_id, line_id)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS lines_latest_from_limit_changes TO lines_latest AS
SELECT merchant_id, line_id, segment, region, product, currency, version, action, new_limit_minor,
    drawn_minor, decided_at, expires_at, funders.funder, funders.limit_minor
FROM limit_changes
WHERE state = 'sent';

INSERT INTO lines_latest
SELECT merchant_id, line_id, segment, region, product, currency, version, action, new_limit_minor,
    drawn_minor, decided_at, expires_at, funders.funder, funders.limit_minor
FROM limit_changes
WHERE state = 'sent';

DROP VIEW IF EXISTS merchants_current;

CREATE VIEW IF NOT EXISTS merchants_current AS
SELECT * FROM merchants_latest FINAL;

DROP VIEW IF EXISTS lines_current;

CREATE VIEW IF NOT EXISTS lines_current AS
SELECT line_id, merchant_id, segment, ifNull(region, 'unspecified') AS region, product, currency,
    version, action, new_limit_minor AS limit_minor, drawn_minor, decided_at, expires_at,
    funders.funder, funders.limit_minor
FROM lines_latest FINAL;

-- As before, in one pass over the merchants.
DROP VIEW IF EXISTS portfolio_exposure;

CREATE VIEW IF NOT EXISTS portfolio_exposure AS
SELECT part.1 AS dimension, part.2 AS name, currency,
    count() AS merchants,
    sum(lent_minor) AS exposure_minor,
    sum(granted) AS granted_minor,
    if(granted_minor = 0, NULL, exposure_minor / granted_minor) AS utilisation,
    sum(default_minor) AS exposure_at_default_minor,
    0.65 * exposure_at_default_minor AS expected_loss_minor
FROM
(
    SELECT currency, exposure_minor AS lent_minor, granted_minor AS granted,
        exposure_minor * ifNull(probability_of_default, 0) AS default_minor,
        arrayJoin([('segment', toString(segment)), ('region', toString(region))]) AS part
    FROM portfolio_merchants
) AS each
GROUP BY dimension, name, currency;

-- Who carries which part of a current line: what a funder may see.
CREATE VIEW IF NOT EXISTS merchant_funders AS
SELECT part.1 AS funder, merchant_id, line_id, currency, part.2 AS limit_minor
FROM
(
    SELECT merchant_id, line_id, currency,
        arrayJoin(arrayZip(funders.funder, funders.limit_minor)) AS part
    FROM lines_latest FINAL
);

-- How loans and alerts ended: the labels. `about` is the loan or alert, empty where the log names none.
CREATE VIEW IF NOT EXISTS outcomes AS
SELECT merchant_id, if(startsWith(assumeNotNull(outcome), 'verdict_'), 'alert', 'loan') AS kind,
    ifNull(outcome_of, '') AS about, assumeNotNull(outcome) AS outcome, as_of AS at, assessment_id,
    exposure_minor, currency
FROM assessments
WHERE isNotNull(assessments.outcome);

-- Who did what at the desk, and looked at what. Kept until somebody takes it away.
CREATE TABLE IF NOT EXISTS desk_audit
(
    audit_id String,
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    actor LowCardinality(String),
    role LowCardinality(String),
    action LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    detail String CODEC(ZSTD(1)),
    kafka_topic LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp_ms Int64 CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(kafka_timestamp_ms, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

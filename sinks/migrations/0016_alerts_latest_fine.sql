-- The latest state of each episode again, in smaller pieces: a page of the queue takes a hundred rows
-- from all over the table, and read most of it for them.
DROP VIEW IF EXISTS alerts_latest_from_alerts;

DROP TABLE IF EXISTS alerts_latest;

CREATE TABLE IF NOT EXISTS alerts_latest AS alerts
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (opened_at, alert_id)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

ALTER TABLE alerts_latest ADD INDEX IF NOT EXISTS by_alert alert_id TYPE bloom_filter GRANULARITY 1;
ALTER TABLE alerts_latest ADD INDEX IF NOT EXISTS by_merchant merchant_id TYPE bloom_filter GRANULARITY 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS alerts_latest_from_alerts TO alerts_latest AS
SELECT * FROM alerts;

INSERT INTO alerts_latest SELECT * FROM alerts ORDER BY kafka_partition, kafka_offset
SETTINGS max_partitions_per_insert_block = 0;

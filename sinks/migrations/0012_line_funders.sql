-- Who carried a line last. A frozen line has no shares, since it grants nothing; what is drawn of it is
-- still its funders' money, and they still see it.
CREATE TABLE IF NOT EXISTS line_funders
(
    merchant_id String CODEC(ZSTD(1)),
    line_id String CODEC(ZSTD(1)),
    currency LowCardinality(String),
    version UInt32 CODEC(ZSTD(1)),
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

CREATE MATERIALIZED VIEW IF NOT EXISTS line_funders_from_limit_changes TO line_funders AS
SELECT merchant_id, line_id, currency, version, funders.funder, funders.limit_minor
FROM limit_changes
WHERE state = 'sent' AND notEmpty(funders.funder);

INSERT INTO line_funders
SELECT merchant_id, line_id, currency, version, funders.funder, funders.limit_minor
FROM limit_changes
WHERE state = 'sent' AND notEmpty(funders.funder);

DROP VIEW IF EXISTS merchant_funders;

CREATE VIEW IF NOT EXISTS merchant_funders AS
SELECT part.1 AS funder, merchant_id, line_id, currency, part.2 AS limit_minor
FROM
(
    SELECT merchant_id, line_id, currency,
        arrayJoin(arrayZip(funders.funder, funders.limit_minor)) AS part
    FROM lines_latest FINAL
)
UNION ALL
SELECT funder, merchant_id, line_id, currency, toInt64(0) AS limit_minor
FROM
(
    SELECT merchant_id, line_id, currency, arrayJoin(funders.funder) AS funder
    FROM line_funders FINAL
    WHERE (merchant_id, line_id) IN
        (SELECT merchant_id, line_id FROM lines_latest FINAL WHERE empty(funders.funder))
);

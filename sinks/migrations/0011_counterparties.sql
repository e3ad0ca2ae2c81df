-- Which merchants trade with a counterparty: a row for each pair, by counterparty, since `events` is
-- by merchant. Kept when the events are gone.
CREATE TABLE IF NOT EXISTS counterparty_links
(
    counterparty_id String COMMENT 'a pseudonym' CODEC(ZSTD(1)),
    merchant_id String CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') COMMENT 'the latest' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(occurred_at)
ORDER BY (counterparty_id, merchant_id)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS counterparty_links_from_events TO counterparty_links AS
SELECT counterparty_id, merchant_id, max(events.occurred_at) AS occurred_at
FROM events
WHERE counterparty_id != '' AND merchant_id != '*'
GROUP BY counterparty_id, merchant_id;

INSERT INTO counterparty_links
SELECT counterparty_id, merchant_id, max(events.occurred_at) AS occurred_at
FROM events
WHERE counterparty_id != '' AND merchant_id != '*'
GROUP BY counterparty_id, merchant_id;

-- When an alert should be seen and closed, and what the queue is ranked by; 0 or null in older rows.
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    acknowledge_by Nullable(DateTime64(3, 'UTC')) AFTER rules_version;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    close_by Nullable(DateTime64(3, 'UTC')) AFTER acknowledge_by;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    acknowledged_at Nullable(DateTime64(3, 'UTC')) AFTER close_by;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    reopened UInt32 AFTER acknowledged_at;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    probability_of_default Nullable(Float64) CODEC(ZSTD(1)) AFTER reopened;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    headroom_minor Int64 CODEC(ZSTD(1)) AFTER probability_of_default;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    note Nullable(String) CODEC(ZSTD(1)) AFTER headroom_minor;

-- What is kept by a view has the same columns.
ALTER TABLE alerts_latest ADD COLUMN IF NOT EXISTS
    acknowledge_by Nullable(DateTime64(3, 'UTC')) AFTER rules_version;
ALTER TABLE alerts_latest ADD COLUMN IF NOT EXISTS
    close_by Nullable(DateTime64(3, 'UTC')) AFTER acknowledge_by;
ALTER TABLE alerts_latest ADD COLUMN IF NOT EXISTS
    acknowledged_at Nullable(DateTime64(3, 'UTC')) AFTER close_by;
ALTER TABLE alerts_latest ADD COLUMN IF NOT EXISTS
    reopened UInt32 AFTER acknowledged_at;
ALTER TABLE alerts_latest ADD COLUMN IF NOT EXISTS
    probability_of_default Nullable(Float64) CODEC(ZSTD(1)) AFTER reopened;
ALTER TABLE alerts_latest ADD COLUMN IF NOT EXISTS
    headroom_minor Int64 CODEC(ZSTD(1)) AFTER probability_of_default;
ALTER TABLE alerts_latest ADD COLUMN IF NOT EXISTS
    note Nullable(String) CODEC(ZSTD(1)) AFTER headroom_minor;

-- A view has the columns of its table as they were when it was made.
DROP VIEW IF EXISTS alerts_latest_from_alerts;

CREATE MATERIALIZED VIEW IF NOT EXISTS alerts_latest_from_alerts TO alerts_latest AS
SELECT * FROM alerts;

DROP VIEW IF EXISTS alerts_current;

CREATE VIEW IF NOT EXISTS alerts_current AS
SELECT * FROM alerts_latest FINAL;

DROP VIEW IF EXISTS alerts_open;

CREATE VIEW IF NOT EXISTS alerts_open AS
SELECT * FROM alerts_latest FINAL WHERE state != 'closed';

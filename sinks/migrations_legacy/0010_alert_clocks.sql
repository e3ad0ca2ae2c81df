-- When an alert should be seen and closed, and what the queue is ranked by; 0 or null in older rows.
ALTER TABLE alerts ADD COLUMN
    acknowledge_by Nullable(Int64) AFTER rules_version;
ALTER TABLE alerts ADD COLUMN
    close_by Nullable(Int64) AFTER acknowledge_by;
ALTER TABLE alerts ADD COLUMN
    acknowledged_at Nullable(Int64) AFTER close_by;
ALTER TABLE alerts ADD COLUMN
    reopened UInt32 AFTER acknowledged_at;
ALTER TABLE alerts ADD COLUMN
    probability_of_default Nullable(Float64) AFTER reopened;
ALTER TABLE alerts ADD COLUMN
    headroom_minor Int64 AFTER probability_of_default;
ALTER TABLE alerts ADD COLUMN
    note Nullable(String) AFTER headroom_minor;

-- A view has the columns of its table as they were when it was made.
DROP TABLE IF EXISTS alerts_current;

CREATE VIEW IF NOT EXISTS alerts_current AS
SELECT *
FROM alerts
WHERE (alert_id, version) IN (SELECT alert_id, max(version) FROM alerts GROUP BY alert_id)
LIMIT 1 BY alert_id;

DROP TABLE IF EXISTS alerts_open;

CREATE VIEW IF NOT EXISTS alerts_open AS
SELECT * FROM alerts_current WHERE state != 'closed';

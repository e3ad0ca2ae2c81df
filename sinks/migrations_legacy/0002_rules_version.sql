-- The rule file in force when it was said; empty in rows from before there were rule files.
ALTER TABLE assessments ADD COLUMN
    rules_version String AFTER feature_version;
ALTER TABLE alerts ADD COLUMN
    rules_version String AFTER feature_version;
ALTER TABLE limit_changes ADD COLUMN
    rules_version String AFTER feature_version;

-- A view has the columns of its table as they were when it was made.
DROP TABLE IF EXISTS alerts_current;

CREATE VIEW IF NOT EXISTS alerts_current AS
SELECT *
FROM alerts
WHERE (alert_id, version) IN (SELECT alert_id, max(version) FROM alerts GROUP BY alert_id)
LIMIT 1 BY alert_id;

-- The anomaly models that gave the score, and the features that made it high; empty in older rows.
ALTER TABLE assessments ADD COLUMN IF NOT EXISTS
    anomaly_version LowCardinality(String) AFTER rules_version;
ALTER TABLE assessments ADD COLUMN IF NOT EXISTS
    unusual Array(LowCardinality(String)) AFTER anomaly_version;

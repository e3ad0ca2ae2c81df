-- The anomaly models that gave the score, and the features that made it high; empty in older rows.
ALTER TABLE assessments ADD COLUMN
    anomaly_version String AFTER rules_version;
ALTER TABLE assessments ADD COLUMN
    unusual Array(String) AFTER anomaly_version;

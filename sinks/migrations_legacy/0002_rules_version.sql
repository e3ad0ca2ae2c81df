-- The rule file in force when it was said; empty in rows from before there were rule files.
ALTER TABLE assessments ADD COLUMN
    rules_version String AFTER feature_version;
ALTER TABLE alerts ADD COLUMN
    rules_version String AFTER feature_version;
ALTER TABLE limit_changes ADD COLUMN
    rules_version String AFTER feature_version;

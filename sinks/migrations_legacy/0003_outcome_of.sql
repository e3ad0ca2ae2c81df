-- The loan or the alert that an outcome is about; null where the log does not name it.
ALTER TABLE assessments ADD COLUMN
    outcome_of Nullable(String) AFTER outcome;

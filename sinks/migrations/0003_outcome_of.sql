-- The loan or the alert that an outcome is about; null where the log does not name it.
ALTER TABLE assessments ADD COLUMN IF NOT EXISTS
    outcome_of Nullable(String) CODEC(ZSTD(1)) AFTER outcome;

-- Whether a change moved the limit, was proposed or withdrawn; all moved it before there were proposals.
ALTER TABLE limit_changes ADD COLUMN IF NOT EXISTS
    state LowCardinality(String) DEFAULT 'sent' AFTER approval;

-- Only the full schema keeps the latest states (see there).
SELECT 1;

-- Which merchants trade with a counterparty, see the full schema: here it is found at every look.
CREATE VIEW IF NOT EXISTS counterparty_links AS
SELECT counterparty_id, merchant_id, occurred_at
FROM events
WHERE counterparty_id != '' AND merchant_id != '*';

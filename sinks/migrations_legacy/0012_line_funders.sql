-- Who carried a line last, see the full schema: here it is found at every look.
DROP TABLE IF EXISTS merchant_funders;

CREATE VIEW IF NOT EXISTS merchant_funders AS
SELECT funder, merchant_id, line_id, currency, part AS limit_minor
FROM
(
    SELECT merchant_id, line_id, currency, funder, part
    FROM lines_current
    ARRAY JOIN funders.funder AS funder, funders.limit_minor AS part
)
UNION ALL
SELECT funder, merchant_id, line_id, currency, toInt64(0) AS limit_minor
FROM
(
    SELECT DISTINCT merchant_id, line_id, currency, funder
    FROM limit_changes
    ARRAY JOIN funders.funder AS funder
    WHERE state = 'sent'
)
WHERE line_id IN (SELECT line_id FROM lines_current WHERE empty(funders.funder));

-- The portfolio, computed from what is stored. Amounts are minor units of one currency, never added
-- over currencies. Expected loss is PD x LGD x exposure (Basel Framework, CRE35.2) over the horizon
-- of the probability; LGD is 0.65, as most of the shipped products price it, and a merchant without
-- a probability counts in exposure alone. Months are calendar months of event time.
ALTER TABLE limit_changes ADD COLUMN
    region Nullable(String) AFTER state;

-- The latest assessment of each merchant.
CREATE VIEW IF NOT EXISTS merchants_current AS
SELECT merchant_id, segment, currency, as_of, exposure_minor, probability_of_default, band
FROM assessments
WHERE (merchant_id, as_of) IN (SELECT merchant_id, max(as_of) FROM assessments GROUP BY merchant_id)
ORDER BY kafka_offset DESC
LIMIT 1 BY merchant_id;

-- The change that each line stands at: the latest that moved it.
CREATE VIEW IF NOT EXISTS lines_current AS
SELECT line_id, merchant_id, segment, ifNull(region, 'unspecified') AS region, product, currency,
    version, action, new_limit_minor AS limit_minor, drawn_minor, decided_at,
    funders.funder, funders.limit_minor
FROM limit_changes
WHERE (line_id, version) IN
    (SELECT line_id, max(version) FROM limit_changes WHERE state = 'sent' GROUP BY line_id)
LIMIT 1 BY line_id;

-- Merchants with what is lent to them and what their lines grant.
CREATE VIEW IF NOT EXISTS portfolio_merchants AS
SELECT merchant_id, segment, currency, exposure_minor, probability_of_default, band,
    granted_minor, if(region = '', 'unspecified', region) AS region
FROM merchants_current
ANY LEFT JOIN
(
    SELECT merchant_id, currency, sum(limit_minor) AS granted_minor, any(region) AS region
    FROM lines_current
    GROUP BY merchant_id, currency
) AS granted USING (merchant_id, currency);

-- Exposure, limits, utilisation and expected loss, by segment and by region.
CREATE VIEW IF NOT EXISTS portfolio_exposure AS
SELECT dimension, name, currency,
    count() AS merchants,
    sum(exposure_minor) AS exposure_minor,
    sum(granted_minor) AS granted_minor,
    if(granted_minor = 0, NULL, exposure_minor / granted_minor) AS utilisation,
    sum(default_minor) AS exposure_at_default_minor,
    0.65 * exposure_at_default_minor AS expected_loss_minor
FROM
(
    SELECT 'segment' AS dimension, segment AS name, currency, exposure_minor, granted_minor,
        exposure_minor * ifNull(probability_of_default, 0) AS default_minor
    FROM portfolio_merchants
    UNION ALL
    SELECT 'region' AS dimension, region AS name, currency, exposure_minor, granted_minor,
        exposure_minor * ifNull(probability_of_default, 0) AS default_minor
    FROM portfolio_merchants
) AS each
GROUP BY dimension, name, currency;

-- Limits by product and by funder; what is drawn is as of each line's latest change.
CREATE VIEW IF NOT EXISTS portfolio_limits AS
SELECT dimension, name, currency,
    count() AS lines, sum(limit_minor) AS limit_minor, sum(drawn_minor) AS drawn_minor
FROM
(
    SELECT 'product' AS dimension, product AS name, currency, limit_minor,
        toFloat64(drawn_minor) AS drawn_minor
    FROM lines_current
    UNION ALL
    SELECT 'funder' AS dimension, funder AS name, currency, part AS limit_minor,
        if(whole = 0, 0, drawn * part / whole) AS drawn_minor
    FROM
    (
        SELECT currency, limit_minor AS whole, drawn_minor AS drawn, funder, part
        FROM lines_current
        ARRAY JOIN funders.funder AS funder, funders.limit_minor AS part
    ) AS parts
) AS each
GROUP BY dimension, name, currency;

-- How much of it lies with few: the largest share and the Herfindahl index (sum of squared shares,
-- 1 / number of equals), of exposure by merchant and segment, of limits by product, funder, region.
CREATE VIEW IF NOT EXISTS portfolio_concentration AS
SELECT dimension, currency,
    count() AS names,
    sum(amount_minor) AS total_minor,
    argMax(name, amount_minor) AS largest,
    max(amount_minor) / total_minor AS largest_share,
    sum(pow(amount_minor, 2)) / pow(total_minor, 2) AS herfindahl_index
FROM
(
    SELECT 'merchant' AS dimension, merchant_id AS name, currency,
        toFloat64(exposure_minor) AS amount_minor
    FROM merchants_current
    UNION ALL
    SELECT dimension, name, currency, toFloat64(exposure_minor) AS amount_minor
    FROM portfolio_exposure WHERE dimension = 'segment'
    UNION ALL
    SELECT dimension, name, currency, toFloat64(granted_minor) AS amount_minor
    FROM portfolio_exposure WHERE dimension = 'region'
    UNION ALL
    SELECT dimension, name, currency, toFloat64(limit_minor) AS amount_minor
    FROM portfolio_limits
) AS each
WHERE amount_minor > 0
GROUP BY dimension, currency;

-- Vintages: of the merchants whose first line opened in a month, the share that was ever 30 days
-- late, and that ever defaulted, by months on book; up to the month of the latest assessment.
CREATE VIEW IF NOT EXISTS vintages AS
SELECT opened_month, months_on_book, merchants,
    arrayCount(m -> m >= 0 AND m <= months_on_book, late) / merchants AS late_share,
    arrayCount(m -> m >= 0 AND m <= months_on_book, bad) / merchants AS defaulted_share
FROM
(
    SELECT opened_month, count() AS merchants,
        range(toUInt64(greatest((SELECT toInt64(toRelativeMonthNum(toDateTime(intDiv(max(as_of), 1000), 'UTC'))) FROM assessments)
            - any(number), 0) + 1)) AS months,
        groupArray(if(late_number = 0, -1, late_number - number)) AS late,
        groupArray(if(bad_number = 0, -1, bad_number - number)) AS bad
    FROM
    (
        SELECT merchant_id, toStartOfMonth(toDateTime(intDiv(min(decided_at), 1000), 'UTC')) AS opened_month,
            toInt64(toRelativeMonthNum(toDateTime(intDiv(min(decided_at), 1000), 'UTC'))) AS number
        FROM limit_changes
        WHERE action = 'open' AND state = 'sent'
        GROUP BY merchant_id
    ) AS opened
    ANY LEFT JOIN
    (
        SELECT merchant_id,
            toInt64(ifNull(minIf(month, outcome = 'late_30'), 0)) AS late_number,
            toInt64(ifNull(minIf(month, outcome = 'defaulted'), 0)) AS bad_number
        FROM
        (
            SELECT merchant_id, ifNull(outcome, '') AS outcome,
                toRelativeMonthNum(toDateTime(intDiv(as_of, 1000), 'UTC')) AS month
            FROM assessments
            WHERE outcome IN ('late_30', 'defaulted')
        ) AS each
        GROUP BY merchant_id
    ) AS ended USING (merchant_id)
    GROUP BY opened_month
) AS vintage
ARRAY JOIN months AS months_on_book;

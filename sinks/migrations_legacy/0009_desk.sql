-- What the desk reads, see the full schema: here "current" is found anew at every look.
CREATE VIEW IF NOT EXISTS alerts_open AS
SELECT * FROM alerts_current WHERE state != 'closed';

CREATE VIEW IF NOT EXISTS merchant_funders AS
SELECT funder, merchant_id, line_id, currency, part AS limit_minor
FROM
(
    SELECT merchant_id, line_id, currency, funder, part
    FROM lines_current
    ARRAY JOIN funders.funder AS funder, funders.limit_minor AS part
);

CREATE VIEW IF NOT EXISTS outcomes AS
SELECT merchant_id, kind, about, ended AS outcome, as_of AS at, assessment_id, exposure_minor, currency
FROM
(
    SELECT merchant_id, if(startsWith(ifNull(outcome, ''), 'verdict_'), 'alert', 'loan') AS kind,
        ifNull(outcome_of, '') AS about, ifNull(outcome, '') AS ended, as_of, assessment_id,
        exposure_minor, currency
    FROM assessments
    WHERE isNotNull(outcome)
);

CREATE TABLE IF NOT EXISTS desk_audit
(
    audit_id String,
    at Int64,
    actor String,
    role String,
    action String,
    subject String,
    reason String,
    detail String,
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(at, 1000), 'UTC'))
ORDER BY (at, kafka_topic, kafka_partition, kafka_offset);

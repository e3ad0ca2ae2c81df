-- What the learner says of itself: a row a report; times are epoch milliseconds.
CREATE TABLE IF NOT EXISTS learner_reports
(
    schema String,
    number UInt32,
    as_of Int64,
    champion String,
    champion_since Nullable(Int64),
    pause Nullable(String),
    pause_labels UInt32,
    labels_learnt Int64,
    labels_ripening Int64,
    labels_held Int64,
    held_since Nullable(Int64),
    labels_given_up Int64,
    outcomes_without_history Int64,
    last_label_at Nullable(Int64),
    last_due_at Nullable(Int64),
    standings Nested
    (
        name String,
        role String,
        labels Int64,
        defaults Int64,
        log_loss Nullable(Float64),
        roc_auc Nullable(Float64),
        calibration_error Nullable(Float64),
        precision Float64,
        recall Nullable(Float64),
        exposure_found Nullable(Float64),
        lead_time_days Nullable(Float64)
    ),
    drift Nested
    (
        variable String,
        psi Float64,
        level String,
        moving UInt8
    ),
    alarms Nested
    (
        signal String,
        found_at Int64,
        direction String,
        before Float64,
        after Float64,
        observations Int64
    ),
    label_counts Nested
    (
        outcome String,
        bad UInt8,
        labels Int64
    ),
    calibration Nested
    (
        labels Int64,
        predicted Float64,
        observed Float64
    ),
    versions Nested
    (
        version String,
        kind String,
        parent Nullable(String),
        challenger String,
        published_at Int64,
        trained_from Int64,
        trained_until Int64,
        labels Int64,
        defaults Int64,
        compared Int64,
        log_loss Nullable(Float64),
        champion_log_loss Nullable(Float64),
        roc_auc Nullable(Float64),
        champion_roc_auc Nullable(Float64),
        best_floor String,
        best_floor_roc_auc Nullable(Float64)
    ),
    kafka_topic String,
    kafka_partition UInt32,
    kafka_offset Int64,
    kafka_timestamp_ms Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (as_of, kafka_topic, kafka_partition, kafka_offset);

-- Every version that was published, once: later reports repeat it.
CREATE VIEW IF NOT EXISTS model_versions AS
SELECT
    versions.version AS version,
    versions.kind AS kind,
    versions.parent AS parent,
    versions.challenger AS challenger,
    versions.published_at AS published_at,
    versions.trained_from AS trained_from,
    versions.trained_until AS trained_until,
    versions.labels AS labels,
    versions.defaults AS defaults,
    versions.compared AS compared,
    versions.log_loss AS log_loss,
    versions.champion_log_loss AS champion_log_loss,
    versions.roc_auc AS roc_auc,
    versions.champion_roc_auc AS champion_roc_auc,
    versions.best_floor AS best_floor,
    versions.best_floor_roc_auc AS best_floor_roc_auc
FROM learner_reports
ARRAY JOIN versions
ORDER BY kafka_offset DESC
LIMIT 1 BY version;

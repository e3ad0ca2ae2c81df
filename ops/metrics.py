"""Every metric of Tideline, in one place. No label ever names a merchant.

A ``Metrics`` belongs to one process and has a registry of its own.
"""

import contextlib
import math
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

LATENCY_BUCKETS_S = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 300)
COMMIT_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The metrics as typed attributes; ``registry`` is what ``/metrics`` serves."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tideline_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"tideline_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"tideline_{name}", text, labels, registry=registry, buckets=buckets)

        self.build = Info("tideline_build", "Version of the software.", registry=registry)
        try:
            self.build.info({"version": version("tideline")})
        except PackageNotFoundError:
            self.build.info({"version": "unknown"})

        self.model_active = gauge(
            "model_info", "1 for the model version last activated here.", "version"
        )
        self.policy_active = gauge(
            "policy_info", "1 for the policy version last activated here.", "version"
        )
        self.rules_active = gauge(
            "rules_info", "1 for the version of the rules last activated here.", "version"
        )

        self.models_refused = counter(
            "models_refused_total",
            "Activations of a model that were refused, once a partition; the old one stays.",
            "reason",
        )
        self.anomaly_active = gauge(
            "anomaly_info",
            "1 for the version of the anomaly models last activated here.",
            "version",
        )

        # Flow
        self.events = counter("events_total", "Events by stage and outcome.", "stage", "outcome")
        self.dead_letters = counter(
            "dead_letters_total", "Input that could not be taken, by reason.", "stage", "reason"
        )
        self.partition_stopped = gauge(
            "partition_stopped", "1 while an input partition is stopped.", "topic", "partition"
        )
        self.assessments = counter("assessments_total", "Assessments by band.", "band")
        self.alerts = counter("alerts_total", "Episodes opened.", "kind", "severity")
        self.alerts_reopened = counter(
            "alerts_reopened_total", "Cured episodes that opened again.", "kind"
        )
        self.alerts_suppressed = counter(
            "alerts_suppressed_total",
            "Assessments at which the policy kept an alert from opening.",
            "kind",
        )
        self.commands_without_target = counter(
            "alert_commands_without_target_total",
            "Commands about an alert that is closed or not known, by type.",
            "type",
        )
        self.limit_changes = counter("limit_changes_total", "Limit changes.", "action")

        # Desk
        self.users_file_refused = counter(
            "desk_users_file_refused_total", "Changes of the users file refused; the old one stays."
        )

        # Time
        self.consumer_lag = gauge(
            "consumer_lag_records", "Records not yet consumed.", "group", "topic", "partition"
        )
        self.event_time_lag = gauge(
            "event_time_lag_seconds", "Wall clock less latest event time.", "stage"
        )
        self.last_event = gauge(
            "last_event_timestamp_seconds", "Kafka time of the last input taken.", "stage"
        )
        self.last_turn = gauge(
            "last_processed_timestamp_seconds", "When the stage last made a turn.", "stage"
        )
        self.event_to_alert = histogram(
            "event_to_alert_seconds",
            "From the input's Kafka timestamp to its alert being produced.",
            LATENCY_BUCKETS_S,
        )
        self.event_to_output = histogram(
            "event_to_output_seconds",
            "From the input's Kafka timestamp to any output being produced.",
            LATENCY_BUCKETS_S,
        )

        # Feeds, as scoring sees them
        self.feed_quiet = gauge(
            "feed_quiet", "1 while a feed is quiet for everyone.", "feed", "partition"
        )
        self.feed_unavailable = gauge(
            "feed_unavailable",
            "1 while decisions wait for a feed: it is quiet, or settling from it.",
            "feed",
            "partition",
        )
        self.feed_last_event = gauge(
            "feed_last_event_timestamp_seconds", "Latest event time.", "feed", "partition"
        )
        self.feed_seen = gauge(
            "feed_merchants_seen",
            "Merchants heard of in the hour of event time closed last.",
            "feed",
            "partition",
        )
        self.feed_expected = gauge(
            "feed_merchants_expected", "Merchants usually heard of in it.", "feed", "partition"
        )
        self._feeds_shown: set[tuple[str, str]] = set()

        # Exactly-once runtime
        self.transactions = counter(
            "transactions_total", "Kafka transactions by outcome.", "role", "outcome"
        )
        self.commit_seconds = histogram(
            "commit_seconds", "Duration of a commit.", COMMIT_BUCKETS_S, "role"
        )
        self.checkpoint_age = gauge(
            "checkpoint_age_seconds", "Age of the oldest partition's last checkpoint."
        )
        self.checkpoint_bytes = counter("checkpoint_bytes_total", "Checkpoint bytes written.")
        self.restore_progress = gauge(
            "restore_progress_ratio", "Progress of a partition's restore, 1 = done.", "partition"
        )
        self.restore_records = gauge(
            "restore_records_left", "Log records still to be replayed.", "partition"
        )

        # Learner
        self.labels_held = gauge("labels_held", "Labels in quarantine, unlike all before them.")
        self.labels_given_up = gauge(
            "labels_given_up", "Labels of bursts that did not last: never learnt."
        )
        self.model_log_loss = gauge(
            "model_log_loss",
            "Mean log loss of champion and challengers since the last promotion.",
            "who",
        )
        self.model_auc = gauge(
            "model_roc_auc_ratio",
            "Ranking of champion, challengers and naive floors since the last promotion.",
            "who",
        )
        self.model_precision = gauge(
            "model_precision_at_capacity_ratio",
            "Share of defaults among the riskiest tenth, since the last promotion.",
            "who",
        )
        self.model_recall = gauge(
            "model_recall_at_capacity_ratio",
            "Share of the defaults that are among the riskiest tenth, since the last promotion.",
            "who",
        )
        self.model_exposure_found = gauge(
            "model_exposure_found_ratio",
            "Share of the defaulted exposure among the riskiest tenth, since the last promotion.",
            "who",
        )
        self.model_calibration_error = gauge(
            "model_calibration_error_ratio",
            "Mean forecast less the share of defaults, since the last promotion.",
            "who",
        )
        self.model_lead_time = gauge(
            "model_lead_time_seconds",
            "Median event time from the features to the default of those found.",
            "who",
        )
        self.labels_by_fate = gauge(
            "labels_by_fate", "Labels of the learner, by what became of them so far.", "fate"
        )
        self.rollbacks = gauge(
            "model_rollbacks",
            "Roll-backs seen by the learner, by whether it has the version.",
            "version",
        )
        self.drift_psi = gauge(
            "drift_psi_ratio",
            "Population stability index of a model input, or of the score.",
            "feature",
        )
        self.model_auc_margin = gauge(
            "model_roc_auc_over_floor_ratio",
            "ROC AUC of the champion less that of the best naive floor.",
        )
        self.contest_labels = gauge(
            "contest_labels", "Labels since the last promotion, or change of error.", "kind"
        )
        self.labels_received = gauge("labels_received", "Outcomes that came, by what.", "outcome")
        self.labels_awaited = gauge(
            "labels_awaited_seconds",
            "Event time for which loans have fallen due and no outcome has come.",
        )
        self.drift_alarms = gauge(
            "drift_alarms",
            "Changes found so far by adaptive windows on the champion's error and score.",
            "signal",
            "direction",
        )
        self.promotions_paused = gauge(
            "promotions_paused", "1 for the reason why no version is promoted now.", "reason"
        )

        # Sample lending core
        self.core_changes = counter(
            "core_changes_total", "Limit changes taken by the lending core.", "outcome", "reason"
        )
        self.core_quarantined = gauge(
            "core_lines_quarantined",
            "Lines that wait until their versions are mended.",
            "partition",
        )

        # Treasury
        self.budget_bound = gauge(
            "budget_bound_minor", "What the policy allows, a day or standing.", "budget"
        )
        self.budget_granted = gauge(
            "budget_granted_minor", "What partitions were granted of it.", "budget"
        )
        self.budget_spent = gauge(
            "budget_spent_minor", "What they spent of it, as last told.", "budget"
        )
        self.budget_left = gauge("budget_left_minor", "What may still be granted of it.", "budget")

        # Sink
        self.sink_rows = counter("sink_rows_total", "Rows stored.", "table")
        self.sink_flush_seconds = histogram(
            "sink_flush_seconds", "Duration of an insert.", LATENCY_BUCKETS_S, "table"
        )
        self.sink_retries = counter("sink_retries_total", "Inserts tried again.", "table")
        self.sink_rejects = counter("sink_rejects_total", "Outputs that fit no table.", "table")

        # Webhooks and relay
        self.webhook_deliveries = counter(
            "webhook_deliveries_total", "Attempts to deliver, by outcome.", "endpoint", "outcome"
        )
        self.webhook_waiting = gauge(
            "webhook_waiting_seconds",
            "Age of the oldest message read that the endpoint has not taken, 0 if there is none.",
            "endpoint",
        )
        self.webhook_down = gauge(
            "webhook_down",
            "1 while an endpoint failed so often in a row that it counts as down.",
            "endpoint",
        )

        # Monitors
        self.monitor_exposure = gauge(
            "monitor_exposure_minor", "Exposure in minor units.", "segment", "currency"
        )
        self.monitor_expected_loss = gauge(
            "monitor_expected_loss_minor", "PD x LGD x exposure.", "segment", "currency"
        )
        self.monitor_exposure_squares = gauge(
            "monitor_exposure_squares",
            "Squared exposures of merchants, summed; over the square of all: concentration.",
            "currency",
        )
        self.monitor_limit = gauge(
            "monitor_limit_minor", "Granted limits.", "dimension", "name", "currency"
        )
        self.monitor_open_alerts = gauge(
            "monitor_open_alerts", "Open episodes.", "segment", "kind", "severity"
        )
        self.monitor_alerts_window = gauge(
            "monitor_alerts_24h", "Episodes opened in the last 24 h.", "segment", "kind"
        )
        self.monitor_feed_last_event = gauge(
            "monitor_feed_last_event_timestamp_seconds", "Latest event time.", "feed"
        )
        self.monitor_feed_staleness = gauge(
            "monitor_feed_staleness_seconds",
            "How far the feed is behind the latest event time of all feeds and live clock ticks.",
            "feed",
        )
        self.monitor_feed_rate = gauge(
            "monitor_feed_events_per_minute",
            "Events per minute, over the last hour of event time.",
            "feed",
        )

    # --- what hosts report -----------------------------------------------------------------

    @property
    def _feed_gauges(self) -> tuple[Gauge, ...]:
        return (
            self.feed_quiet,
            self.feed_unavailable,
            self.feed_last_event,
            self.feed_seen,
            self.feed_expected,
        )

    def feed_state(
        self,
        partition: int,
        feed: str,
        *,
        quiet: bool,
        unavailable: bool,
        last_event_ms: int,
        seen: int,
        expected: float,
    ) -> None:
        """Health of a feed on a partition, as of the hour of event time closed last."""
        values = (quiet, unavailable, last_event_ms / 1000, seen, expected)
        for gauge, value in zip(self._feed_gauges, values, strict=True):
            gauge.labels(feed, str(partition)).set(value)
        self._feeds_shown.add((feed, str(partition)))

    def event_seen(self, stage: str, timestamp_ms: int) -> None:
        """An input of this Kafka time was taken."""
        if timestamp_ms > 0:
            self.last_event.labels(stage).set(timestamp_ms / 1000)

    def last_processed(self, stage: str, now_ms: int) -> None:
        """The stage made a turn."""
        self.last_turn.labels(stage).set(now_ms / 1000)

    def activated(
        self,
        *,
        model: str | None = None,
        policy: str | None = None,
        rules: str | None = None,
        anomaly: str | None = None,
    ) -> None:
        """A version took effect; the one before it is no longer shown."""
        for gauge, active in (
            (self.model_active, model),
            (self.policy_active, policy),
            (self.rules_active, rules),
            (self.anomaly_active, anomaly),
        ):
            if active is not None:
                gauge.clear()
                gauge.labels(active).set(1)

    def forget_source(self, group: str, topic: str, partition: int) -> None:
        """A partition is no longer ours: its gauges would stay at their last values."""
        for gauge, labels in (
            (self.consumer_lag, (group, topic, str(partition))),
            (self.partition_stopped, (topic, str(partition))),
        ):
            with contextlib.suppress(KeyError):
                gauge.remove(*labels)

    def forget_feeds(self, partition: int) -> None:
        """The feeds of a partition are watched elsewhere now."""
        gone = {labels for labels in self._feeds_shown if labels[1] == str(partition)}
        for labels in gone:
            for gauge in self._feed_gauges:
                gauge.remove(*labels)
        self._feeds_shown -= gone

    def restore_progress_of(self, partition: int, position: int, until: int) -> None:
        """A restore has replayed to ``position`` of ``until``."""
        left = max(until - position, 0)
        label = str(partition)
        self.restore_records.labels(label).set(left)
        self.restore_progress.labels(label).set(1.0 if left == 0 else position / until)

    def observe_delay(self, delay_s: float, *, alert: bool) -> None:
        """An output was produced so long after its input reached Kafka."""
        delay = max(delay_s, 0.0)
        self.event_to_output.observe(delay)
        if alert:
            self.event_to_alert.observe(delay)

    def budgets(self, figures: Iterable[tuple[str, int, int, int]]) -> None:
        """Name, bound, granted and spent of each budget of the latest day, in minor units.

        Those of former days are no longer shown.
        """
        gauges = (self.budget_bound, self.budget_granted, self.budget_spent)
        for shown in (*gauges, self.budget_left):
            shown.clear()
        for budget, bound, granted, spent in figures:
            for shown, amount in zip(gauges, (bound, granted, spent), strict=True):
                shown.labels(budget).set(amount)
            self.budget_left.labels(budget).set(max(bound - granted, 0))

    def learner_state(
        self,
        *,
        held: int,
        given_up: int,
        standings: Mapping[str, Mapping[str, float | None]],
        psi: Mapping[str, float],
        auc_margin: float | None,
        contest_labels: Mapping[str, int],
        labels_received: Mapping[str, int],
        labels_awaited_ms: int,
        alarms: Mapping[tuple[str, str], int],
        pause: str | None,
        fates: Mapping[str, int],
        rollbacks: Mapping[str, int],
    ) -> None:
        """What the learner knows: ``standings`` are the fields of each, by name; None = unknown.

        ``auc_margin`` is the champion's ROC AUC less that of the best floor, ``contest_labels`` the
        labels that both rest on by kind (``good``, ``bad``), ``labels_received`` all outcomes by
        name, ``alarms`` counts by signal and direction, ``pause`` why nothing is promoted. What is
        unknown, or of a window that a promotion ended, is not shown.
        """
        self.labels_held.set(held)
        self.labels_given_up.set(given_up)
        by_field = {
            "log_loss": self.model_log_loss,
            "roc_auc": self.model_auc,
            "precision": self.model_precision,
            "recall": self.model_recall,
            "exposure_found": self.model_exposure_found,
            "calibration_error": self.model_calibration_error,
            "lead_time_s": self.model_lead_time,
        }
        for shown in (*by_field.values(), self.drift_psi, self.promotions_paused):
            shown.clear()
        for who, standing in standings.items():
            for name, gauge in by_field.items():
                value = standing.get(name)
                if value is not None:
                    gauge.labels(who).set(value)
        counts = (
            (self.labels_received, labels_received),
            (self.labels_by_fate, fates),
            (self.contest_labels, contest_labels),
            (self.rollbacks, rollbacks),
            (self.drift_psi, psi),
        )
        for gauge, found in counts:
            for label, number in found.items():
                gauge.labels(label).set(number)
        self.labels_awaited.set(labels_awaited_ms / 1000)
        self.model_auc_margin.set(math.nan if auc_margin is None else auc_margin)
        for (signal, direction), count in alarms.items():
            self.drift_alarms.labels(signal, direction).set(count)
        if pause is not None:
            self.promotions_paused.labels(pause).set(1)

    def add_scoring(self, increments: Mapping[str, int]) -> None:
        """What scoring counted since the last call, by its own names."""
        for name, count in increments.items():
            if count <= 0:
                continue
            head, _, rest = name.partition(".")
            if head == "assessments":
                self.assessments.labels(rest).inc(count)
                self.events.labels("scoring", "out").inc(count)
            elif head == "alerts":
                kind, _, severity = rest.rpartition(".")
                self.alerts.labels(kind, severity).inc(count)
            elif head == "alerts_reopened":
                self.alerts_reopened.labels(rest).inc(count)
            elif head == "alerts_suppressed":
                self.alerts_suppressed.labels(rest).inc(count)
            elif head == "commands_without_target" and rest:
                self.commands_without_target.labels(rest).inc(count)
            elif head == "models_refused":
                self.models_refused.labels(rest).inc(count)
            elif head == "limit_changes":
                self.limit_changes.labels(rest).inc(count)
            else:
                outcome = {"lines": "in", "duplicates": "duplicate"}.get(name, name)
                self.events.labels("scoring", outcome).inc(count)

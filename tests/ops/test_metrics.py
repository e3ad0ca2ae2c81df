"""The registry of metrics: named by convention, one per process, no merchant in a label."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from ops.metrics import Metrics

UNITS = ("_seconds", "_bytes", "_ratio", "_records", "_minor", "_per_minute", "_records_left")
PLAIN_GAUGES = {
    "tideline_partition_stopped",
    "tideline_monitor_open_alerts",
    "tideline_monitor_alerts_24h",
    "tideline_model_info",
    "tideline_policy_info",
    "tideline_rules_info",
    "tideline_anomaly_info",
    "tideline_feed_quiet",
    "tideline_feed_unavailable",
    "tideline_feed_merchants_seen",
    "tideline_feed_merchants_expected",
    "tideline_labels_held",
    "tideline_labels_given_up",
    "tideline_model_log_loss",
    "tideline_model_rollbacks",
    "tideline_labels_by_fate",
    "tideline_contest_labels",
    "tideline_labels_received",
    "tideline_drift_alarms",
    "tideline_promotions_paused",
    "tideline_core_lines_quarantined",
    "tideline_monitor_exposure_squares",
    "tideline_webhook_down",
}


def _declared() -> list[MetricWrapperBase]:
    found = [m for m in vars(Metrics()).values() if isinstance(m, MetricWrapperBase)]
    assert len(found) > 20
    return found


def _samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for s in family.samples
    }


@pytest.mark.parametrize("metric", _declared(), ids=lambda m: m._name)
def test_each_metric_follows_the_conventions(metric: MetricWrapperBase) -> None:
    name = metric._name
    assert name.startswith("tideline_")
    assert metric._documentation.endswith(".")
    assert not {"merchant", "merchant_id", "event_id", "loan_id"} & set(metric._labelnames)
    if metric._type == "gauge":
        assert name.endswith(UNITS) or name in PLAIN_GAUGES
    if metric._type == "histogram":
        assert name.endswith("_seconds")


def test_two_processes_worth_of_metrics_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.events.labels("intake", "in").inc(3)
    key = ("tideline_events_total", (("outcome", "in"), ("stage", "intake")))
    assert _samples(one.registry)[key] == 3
    assert key not in _samples(other.registry)


def test_the_build_says_its_version() -> None:
    (labels,) = [k[1] for k in _samples(Metrics().registry) if k[0] == "tideline_build_info"]
    assert dict(labels)["version"]


def test_only_the_versions_in_force_are_shown() -> None:
    metrics = Metrics()
    metrics.activated(model="m-1", policy="p-1", rules="r-1")
    metrics.activated(model="m-2")
    samples = _samples(metrics.registry)
    names = {f"tideline_{kind}_info" for kind in ("model", "policy", "rules")}
    info = {key: value for key, value in samples.items() if key[0] in names}
    assert info == {
        ("tideline_model_info", (("version", "m-2"),)): 1,
        ("tideline_policy_info", (("version", "p-1"),)): 1,
        ("tideline_rules_info", (("version", "r-1"),)): 1,
    }


def test_scoring_s_counts_become_events_assessments_alerts_and_changes() -> None:
    metrics = Metrics()
    metrics.add_scoring(
        {
            "lines": 10,
            "duplicates": 2,
            "late": 1,
            "assessments.B": 3,
            "alerts.order_collapse.high": 1,
            "alerts_reopened.order_collapse": 2,
            "alerts_suppressed.order_collapse": 4,
            "commands_without_target": 5,
            "commands_without_target.alert.close": 3,
            "limit_changes.decrease": 1,
            "skipped": 0,
        }
    )
    samples = _samples(metrics.registry)

    def event(outcome: str) -> float:
        return samples[("tideline_events_total", (("outcome", outcome), ("stage", "scoring")))]

    assert (event("in"), event("duplicate"), event("late"), event("out")) == (10, 2, 1, 3)
    assert samples[("tideline_assessments_total", (("band", "B"),))] == 3
    alert = (("kind", "order_collapse"), ("severity", "high"))
    assert samples[("tideline_alerts_total", alert)] == 1
    kind = (("kind", "order_collapse"),)
    assert samples[("tideline_alerts_reopened_total", kind)] == 2
    assert samples[("tideline_alerts_suppressed_total", kind)] == 4
    closing = (("type", "alert.close"),)
    assert samples[("tideline_alert_commands_without_target_total", closing)] == 3
    assert event("commands_without_target") == 5
    assert samples[("tideline_limit_changes_total", (("action", "decrease"),))] == 1
    assert not [k for k in samples if ("outcome", "skipped") in k[1]]


def test_an_alert_s_delay_counts_as_an_output_s_delay_too_and_is_never_negative() -> None:
    metrics = Metrics()
    metrics.observe_delay(-0.2, alert=False)
    metrics.observe_delay(0.2, alert=True)
    samples = _samples(metrics.registry)
    assert samples[("tideline_event_to_output_seconds_count", ())] == 2
    assert samples[("tideline_event_to_alert_seconds_count", ())] == 1
    assert samples[("tideline_event_to_output_seconds_sum", ())] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("position", "until", "ratio", "left"), [(0, 0, 1, 0), (25, 100, 0.25, 75), (120, 100, 1, 0)]
)
def test_a_restore_shows_how_far_it_is(position: int, until: int, ratio: float, left: int) -> None:
    metrics = Metrics()
    metrics.restore_progress_of(3, position, until)
    samples = _samples(metrics.registry)
    assert samples[("tideline_restore_progress_ratio", (("partition", "3"),))] == ratio
    assert samples[("tideline_restore_records_left", (("partition", "3"),))] == left


def test_a_partition_that_went_away_takes_its_gauges_along() -> None:
    metrics = Metrics()
    metrics.consumer_lag.labels("scoring", "risk.events", "1").set(7)
    metrics.consumer_lag.labels("scoring", "risk.events", "2").set(9)
    metrics.forget_source("scoring", "risk.events", 1)
    metrics.forget_source("scoring", "risk.events", 5)
    left = [k for k in _samples(metrics.registry) if k[0] == "tideline_consumer_lag_records"]
    assert [dict(labels)["partition"] for _, labels in left] == ["2"]


def test_a_partition_s_feeds_are_shown_while_it_is_ours() -> None:
    metrics = Metrics()
    for partition in (1, 2):
        metrics.feed_state(
            partition,
            "logistics",
            quiet=partition == 1,
            unavailable=True,
            last_event_ms=1_500,
            seen=0,
            expected=12.5,
        )
    samples = _samples(metrics.registry)
    labels = (("feed", "logistics"), ("partition", "1"))
    names = ("quiet", "unavailable", "last_event_timestamp_seconds")
    names += ("merchants_seen", "merchants_expected")
    assert [samples[(f"tideline_feed_{name}", labels)] for name in names] == [1, 1, 1.5, 0, 12.5]
    metrics.forget_feeds(1)
    metrics.forget_feeds(7)
    left = {k for k in _samples(metrics.registry) if k[0].startswith("tideline_feed_")}
    assert {dict(found)["partition"] for _, found in left} == {"2"}
    assert len(left) == len(names)

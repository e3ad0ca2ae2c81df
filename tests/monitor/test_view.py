"""What the monitors say: as gauges that never blink, and as JSON."""

import json
from typing import Any

from ops.metrics import Metrics
from streams.monitor.feeds import Freshness
from streams.monitor.view import Gauges, View

NOTHING = View(0, {}, {}, {}, {}, {}, {}, {})
FULL = View(
    clock_ms=9_000,
    exposure_minor={("shop", "CNY"): 700, ("farm", "EUR"): 5},
    expected_loss_minor={("shop", "CNY"): 45},
    exposure_squares={("CNY",): 250_000},
    limit_minor={("funder", "bank", "CNY"): 900},
    open_alerts={("shop", "silence", "critical"): 2},
    alerts_24h={("shop", "silence"): 3},
    feeds={"merchant.payments": Freshness(8_000, 1_000, 2.5)},
)


def samples(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples of the monitors' gauges by name and label values."""
    return {
        family.name: {tuple(s.labels.values()): s.value for s in family.samples}
        for family in metrics.registry.collect()
        if family.name.startswith("tideline_monitor_") and family.samples
    }


def test_every_figure_is_on_its_gauge_in_base_units() -> None:
    metrics = Metrics()
    Gauges(metrics).show(FULL)
    assert samples(metrics) == {
        "tideline_monitor_exposure_minor": {("shop", "CNY"): 700, ("farm", "EUR"): 5},
        "tideline_monitor_expected_loss_minor": {("shop", "CNY"): 45},
        "tideline_monitor_exposure_squares": {("CNY",): 250_000},
        "tideline_monitor_limit_minor": {("funder", "bank", "CNY"): 900},
        "tideline_monitor_open_alerts": {("shop", "silence", "critical"): 2},
        "tideline_monitor_alerts_24h": {("shop", "silence"): 3},
        "tideline_monitor_feed_last_event_timestamp_seconds": {("merchant.payments",): 8},
        "tideline_monitor_feed_staleness_seconds": {("merchant.payments",): 1},
        "tideline_monitor_feed_events_per_minute": {("merchant.payments",): 2.5},
    }


def test_what_is_no_longer_true_goes_and_what_is_never_vanishes_meanwhile() -> None:
    metrics = Metrics()
    gauges = Gauges(metrics)
    gauges.show(FULL)
    seen: list[float | None] = []
    shown = metrics.monitor_exposure.labels("shop", "CNY")
    real_set = shown.set

    def spy(value: float) -> None:
        labels = {"segment": "shop", "currency": "CNY"}
        seen.append(metrics.registry.get_sample_value("tideline_monitor_exposure_minor", labels))
        real_set(value)

    shown.set = spy  # type: ignore[method-assign]
    gauges.show(View(1, {("shop", "CNY"): 701}, {}, {}, {}, {}, {}, {}))
    assert seen == [700]
    assert samples(metrics) == {"tideline_monitor_exposure_minor": {("shop", "CNY"): 701}}
    gauges.show(NOTHING)
    assert samples(metrics) == {}


def test_the_json_view_has_a_fixed_order_and_plain_types() -> None:
    told: dict[str, Any] = json.loads(json.dumps(FULL.as_json()))
    assert told == FULL.as_json()
    assert told["exposure_minor"] == [
        {"segment": "farm", "currency": "EUR", "value": 5},
        {"segment": "shop", "currency": "CNY", "value": 700},
    ]
    assert told["feeds"]["merchant.payments"]["staleness_ms"] == 1_000

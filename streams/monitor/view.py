"""What the monitors say at one moment: as gauges and as JSON."""

from typing import Any

from msgspec import Struct
from prometheus_client import Gauge

from ops.metrics import Metrics
from streams.monitor.feeds import Freshness


class View(Struct, frozen=True):
    """Figures by their labels; see ``Portfolio`` and ``feeds.freshness`` for what they mean.

    ``clock_ms`` is the event time up to which they are.
    """

    clock_ms: int
    exposure_minor: dict[tuple[str, str], int]
    expected_loss_minor: dict[tuple[str, str], int]
    exposure_squares: dict[tuple[str], int]
    limit_minor: dict[tuple[str, str, str], int]
    open_alerts: dict[tuple[str, str, str], int]
    alerts_24h: dict[tuple[str, str], int]
    feeds: dict[str, Freshness]

    def as_json(self) -> dict[str, Any]:
        """As JSON types, in a fixed order."""
        return {
            "clock_ms": self.clock_ms,
            "exposure_minor": _rows(self.exposure_minor, "segment", "currency"),
            "expected_loss_minor": _rows(self.expected_loss_minor, "segment", "currency"),
            "exposure_squares": _rows(self.exposure_squares, "currency"),
            "limit_minor": _rows(self.limit_minor, "dimension", "name", "currency"),
            "open_alerts": _rows(self.open_alerts, "segment", "kind", "severity"),
            "alerts_24h": _rows(self.alerts_24h, "segment", "kind"),
            "feeds": {
                name: {
                    "last_event_at": feed.last_event_at,
                    "staleness_ms": feed.staleness_ms,
                    "events_per_minute": feed.events_per_minute,
                }
                for name, feed in self.feeds.items()
            },
        }


def _rows(values: dict[Any, Any], *labels: str) -> list[dict[str, Any]]:
    return [
        {**dict(zip(labels, key, strict=True)), "value": value}
        for key, value in sorted(values.items())
    ]


class Gauges:
    """Shows views on ``/metrics``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._shown: dict[Gauge, set[tuple[str, ...]]] = {}

    def show(self, view: View) -> None:
        """Replace what was shown before."""
        metrics = self._metrics
        self._set(metrics.monitor_exposure, view.exposure_minor)
        self._set(metrics.monitor_expected_loss, view.expected_loss_minor)
        self._set(metrics.monitor_exposure_squares, view.exposure_squares)
        self._set(metrics.monitor_limit, view.limit_minor)
        self._set(metrics.monitor_open_alerts, view.open_alerts)
        self._set(metrics.monitor_alerts_window, view.alerts_24h)
        feeds = view.feeds.items()
        self._set(metrics.monitor_feed_last_event, {(n,): f.last_event_at / 1000 for n, f in feeds})
        self._set(metrics.monitor_feed_staleness, {(n,): f.staleness_ms / 1000 for n, f in feeds})
        self._set(metrics.monitor_feed_rate, {(n,): f.events_per_minute for n, f in feeds})

    def _set(self, gauge: Gauge, values: Any) -> None:
        # Never cleared first: a scrape in between would see a portfolio without exposure.
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        for gone in self._shown.get(gauge, set()) - set(values):
            gauge.remove(*gone)
        self._shown[gauge] = set(values)

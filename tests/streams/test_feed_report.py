"""What the host of scoring shows of the feeds."""

from features.feeds import FeedHealth
from ops.metrics import Metrics
from ops.settings import Settings
from streams.artifacts import MemoryArtifacts
from streams.scoring_host import ScoringHost


def _feed(state: str) -> FeedHealth:
    return FeedHealth(
        feed="payments",
        state=state,  # type: ignore[arg-type]
        quiet_since=0,
        last_event_at=3_600_000,
        seen=2,
        expected=80.0,
    )


def test_a_quiet_feed_is_shown_as_quiet_and_a_settling_one_as_unavailable_alone() -> None:
    metrics = Metrics()
    host = ScoringHost(Settings(), metrics, MemoryArtifacts())
    labels = {"feed": "payments", "partition": "3"}
    for state, expected in (("quiet", (1, 1)), ("settling", (0, 1)), ("healthy", (0, 0))):
        host.report_feeds(3, [_feed(state)])
        shown = tuple(
            metrics.registry.get_sample_value(f"tideline_feed_{name}", labels)
            for name in ("quiet", "unavailable")
        )
        assert shown == expected
    host.revoke([("risk.events", 3)])
    assert metrics.registry.get_sample_value("tideline_feed_quiet", labels) is None

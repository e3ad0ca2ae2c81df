"""The Prometheus of the tests itself: it scrapes, answers, refuses and ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.health import HealthServer
from ops.metrics import Metrics
from tests.conftest import require
from tests.deploy.files import DEPLOY
from tests.deploy.prometheus_server import PrometheusError, PrometheusServer, missing_tools

pytestmark = pytest.mark.prometheus


@pytest.fixture
def role() -> Iterator[tuple[Metrics, HealthServer]]:
    """Metrics as a role serves them."""
    metrics = Metrics()
    server = HealthServer(metrics, "127.0.0.1", 0)
    yield metrics, server
    server.stop()


def test_it_returns_the_figures_that_a_role_serves(
    role: tuple[Metrics, HealthServer], tmp_path: Path
) -> None:
    require("prometheus", missing_tools())
    metrics, server = role
    target = f"127.0.0.1:{server.port}"
    metrics.events.labels("intake", "in").inc(41)
    rules = [DEPLOY / "prometheus" / "rules" / "alerts.yml"]
    with PrometheusServer(tmp_path, {"intake": [target]}, rule_files=rules) as prometheus:
        process = prometheus._process
        asked = 'tideline_events_total{stage="intake", outcome="in"}'
        assert prometheus.wait_for(asked, lambda value: value == 41) == 41
        metrics.events.labels("intake", "in").inc()
        assert prometheus.wait_for(asked, lambda value: value == 42) == 42
        assert prometheus.targets_up() == {target: True}
        (labels,) = prometheus.vector(asked)
        assert dict(labels)["job"] == "intake"
        with pytest.raises(PrometheusError, match="has 0 values"):
            prometheus.query("tideline_no_such_metric")
        with pytest.raises(PrometheusError, match="parse error"):
            prometheus.query("sum(")
        # Our own alert reaches the firing state on what this role says.
        metrics.partition_stopped.labels("merchant.payments", "2").set(1)
        firing = 'ALERTS{alertname="TidelinePartitionStopped", alertstate="firing"}'
        assert prometheus.wait_for(firing, lambda value: value == 1) == 1
    assert process is not None and process.poll() is not None

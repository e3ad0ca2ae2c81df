"""A real Prometheus scrapes the roles, and its figures agree with what was published."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from schemas import topics
from tests.conftest import require
from tests.deploy.prometheus_server import PrometheusError, PrometheusServer, missing_tools
from tideline.sources import open_sources
from tideline.sources.sample import sample_path

from .cluster import Cluster

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus, pytest.mark.timeout(500)]

EVENTS = 6_000
BAD = 7


def wait(until: Callable[[], bool], what: str, running: Cluster) -> None:
    """Until something holds, at most two minutes (a loaded machine is slow, not wrong)."""
    deadline = time.monotonic() + 120
    while not until():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}\n{running.logs()}")
        time.sleep(0.5)


def figure(prometheus: PrometheusServer, expression: str) -> float | None:
    """What Prometheus answers, or None while it has nothing to answer with."""
    try:
        return prometheus.query(expression)
    except PrometheusError:
        return None


def test_prometheus_sees_what_was_published_scored_learnt_stored_and_monitored(
    cluster, tmp_path: Path
) -> None:
    require("prometheus", missing_tools())
    published = [
        (r.topic or topics.TRANSACTIONS, r.key, r.value)
        for r in islice(open_sources([sample_path()]), EVENTS)
    ]
    bad = [(topics.TRANSACTIONS, b"m", b"{%d" % n) for n in range(BAD)]
    store = f"chdb://{tmp_path / 'clickhouse'}"
    with cluster(TIDELINE_CLICKHOUSE__URL=store) as running:
        roles = {name: running.start(name, name) for name in ("worker", "learner", "monitor")}
        roles["sink"] = running.start("sink", "sink")
        targets = {name: [f"127.0.0.1:{child.port}"] for name, child in roles.items()}
        with PrometheusServer(tmp_path / "prometheus", targets) as prometheus:
            running.publish(published[: EVENTS // 2] + bad + published[EVENTS // 2 :])
            running.drain(EVENTS)
            written = {
                topic: len(list(running.values(topic)))
                for topic in (topics.ASSESSMENTS, topics.ALERTS, topics.LIMIT_CHANGES)
            }
            exposure_of = {
                a["merchant_id"]: a["exposure_minor"]
                for a in map(msgspec.json.decode, running.values(topics.ASSESSMENTS))
            }
            open_alerts = {
                a["alert_id"]: a["state"]
                for a in map(msgspec.json.decode, running.values(topics.ALERTS))
            }

            def told() -> int:
                """What the learner and the monitor had to tell intake: activations, cohorts."""
                return sum(len(list(running.values(t))) for t in (topics.CONTROL, topics.COMMANDS))

            def stored() -> int:
                return sum(len(list(running.values(t))) for t in topics.OUTPUT_TOPICS)

            wait(
                lambda: (
                    figure(prometheus, 'tideline_events_total{stage="intake",outcome="in"}')
                    == EVENTS + told()
                ),
                "every event is taken in, and what learner and monitor told",
                running,
            )
            wait(
                lambda: (
                    figure(
                        prometheus, 'sum(tideline_sink_rows_total{table!~"events|event_records"})'
                    )
                    == stored()
                ),
                "every output is stored",
                running,
            )
            wanted = {
                'sum(tideline_dead_letters_total{reason="not_json"})': BAD,
                "sum(tideline_assessments_total)": written[topics.ASSESSMENTS],
                "sum(tideline_limit_changes_total)": written[topics.LIMIT_CHANGES],
                'tideline_events_total{stage="learner",outcome="in"}': written[topics.ASSESSMENTS],
                "sum(tideline_monitor_exposure_minor) or vector(0)": sum(exposure_of.values()),
                "sum(tideline_monitor_open_alerts) or vector(0)": sum(
                    state != "closed" for state in open_alerts.values()
                ),
            }
            for expression, value in wanted.items():
                wait(
                    lambda e=expression, v=value: figure(prometheus, e) == v,  # type: ignore[misc]
                    f"{expression} is not {value}",
                    running,
                )
            wait(lambda: figure(prometheus, "min(up)") == 1, "all are up", running)
            latest = max(msgspec.json.decode(v)["occurred_at"] for _, _, v in published)
            wait(
                lambda: (
                    figure(prometheus, "max(tideline_monitor_feed_last_event_timestamp_seconds)")
                    == latest / 1000
                ),
                "the feeds' latest event",
                running,
            )


def test_the_monitor_shows_the_same_after_a_kill(cluster) -> None:
    published = [
        (r.topic or topics.TRANSACTIONS, r.key, r.value)
        for r in islice(open_sources([sample_path()]), EVENTS)
    ]
    with cluster() as running:
        running.start("worker", "worker")
        running.start("monitor", "monitor")
        running.publish(published)
        running.drain(EVENTS)
        states = {
            a["alert_id"]: a["state"]
            for a in map(msgspec.json.decode, running.values(topics.ALERTS))
        }
        is_open = sum(state != "closed" for state in states.values())
        latest = max(msgspec.json.decode(v)["occurred_at"] for _, _, v in published) / 1000

        def agrees() -> bool:
            child = running.children["monitor"]
            feeds = [
                value
                for (name, _), value in child.metrics().items()
                if name == "tideline_monitor_feed_last_event_timestamp_seconds"
            ]
            return (
                child.total("tideline_monitor_open_alerts") == is_open
                and max(feeds, default=0) == latest
            )

        wait(agrees, "the monitor agrees with the topics", running)
        running.kill("monitor")
        running.revive()
        wait(agrees, "and does so again after a kill", running)


def test_an_input_that_is_mostly_bad_stops_alone_and_loudly(cluster) -> None:
    limit = 10
    good = [
        (r.topic or topics.TRANSACTIONS, r.key, r.value)
        for r in islice(open_sources([sample_path()]), 500)
    ]
    bad = [(topics.PAYMENTS, b"m", b"{%d" % n) for n in range(3 * limit)]
    with cluster(TIDELINE_INTAKE__DEAD_LETTER_RUN_MAX=str(limit)) as running:
        worker = running.start("worker", "worker")
        running.publish(bad)
        running.publish(good)
        running.drain(len(good))
        wait(
            lambda: worker.total("tideline_partition_stopped", topic=topics.PAYMENTS) == 1,
            "one partition is stopped",
            running,
        )
        assert worker.process.poll() is None
        assert len(list(running.values(topics.DEAD_LETTERS))) == limit
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/readyz", timeout=5)
        assert refused.value.code == 503
        assert topics.PAYMENTS in refused.value.read().decode()
        running.kill("worker")
        running.revive()
        wait(
            lambda: (
                running.children["worker"].total(
                    "tideline_partition_stopped", topic=topics.PAYMENTS
                )
                == 1
            ),
            "a restart forgives nothing",
            running,
        )
        assert len(list(running.values(topics.DEAD_LETTERS))) == limit

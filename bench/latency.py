"""Delay from publishing an event to reading what answers it (read committed), at a chosen rate.

A process of its own (``bench.generator``) publishes at the rate; instalments found long overdue are
strewn into the trade, and the sentinel of late repayment answers each with an alert and an
assessment; of applications for credit, each is answered by a limit change. The identifier of such
an event holds when it was handed to the producer.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.cluster import Site, alive, open_site, publish, wait_ready
from bench.generator import APPLIED, MARK, overdue
from bench.workload import DAY_MS, events
from ops.errors import FatalError
from ops.kafka import consumer_config, topic_name
from ops.settings import Settings
from schemas import topics
from tideline.children import Child, start, stop

WARM_UP_EVENTS_EACH = 2
"""Per merchant, so that what is measured is trade of merchants that are known."""
WARM_UP_OVERDUE = 200
SETTLE_S = 8.0
CATCH_UP_S = 60.0
HELD_S = 1.5
"""Further behind than this at the end, the machine does not hold the rate."""
DELAYS_MIN = 100


def latency(
    bootstrap: str, folder: Path, rate: int, seconds: int, merchants: int
) -> dict[str, Any]:
    """The delays, how fast the events were really sent, and how far scoring was behind at the end.

    ``held`` says whether the machine holds the rate; where it does not, the delays are those of a
    growing backlog and say little else.
    """
    own = open_site(bootstrap, f"latency-{rate}.", folder)
    roles = ("intake", "scoring")
    children = [
        start(f"latency-{role}", ["worker", "--roles", role], own.environment, own.folder)
        for role in roles
    ]
    delays: dict[str, dict[str, float]] = {"alert": {}, "assessment": {}, "change": {}}
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(own.settings, delays, ended))
    reader.start()
    try:
        for child in children:
            wait_ready(child)
        warm = _warm_up(own, merchants)
        _reach(children[1], warm)
        time.sleep(SETTLE_S)
        sent = _generate(own, rate, seconds, merchants)
        catch_up_s = _reach(children[1], warm + sent["events"])
        time.sleep(1.0)
    finally:
        ended.set()
        reader.join(10)
        stop(children)
    alert_ms = quantiles(list(delays["alert"].values()))
    seconds_max_ms = by_second(delays["alert"])
    return {
        "rate_events_per_s": rate,
        "sent": sent,
        "catch_up_s": round(catch_up_s, 1),
        "held": catch_up_s < HELD_S and seconds_max_ms[-1] < HELD_S * 1000,
        "alert_ms": alert_ms,
        "assessment_ms": quantiles(list(delays["assessment"].values())),
        "application_ms": quantiles(
            [ms for cause, ms in delays["change"].items() if cause.startswith(APPLIED)]
        ),
        "alert_ms_max_by_second": seconds_max_ms,
    }


def _warm_up(site: Site, merchants: int) -> int:
    """Trade of the days up to now, so that the clock's way here is not part of what is measured."""
    now_ms = time.time_ns() // 1_000_000
    begin_ms = now_ms - 5 * DAY_MS
    count = max(WARM_UP_OVERDUE, WARM_UP_EVENTS_EACH * merchants)
    trade = events(count, merchants, seed=2, start_ms=begin_ms, span_ms=5 * DAY_MS - 1)
    late = [
        (topics.LENDING, key, msgspec.json.encode(overdue(key.decode(), f"warm-{number}", now_ms)))
        for number, (_, key, _) in enumerate(trade[:WARM_UP_OVERDUE])
    ]
    return publish(site.settings, trade + late)


def _generate(site: Site, rate: int, seconds: int, merchants: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.generator", str(rate), str(seconds), str(merchants)],
        capture_output=True,
        timeout=seconds * 3 + 120,
        check=False,
    )
    if done.returncode:
        raise FatalError(f"the generator failed: {done.stderr.decode('utf-8', 'replace')[-2000:]}")
    sent: dict[str, Any] = json.loads(done.stdout)
    return sent


def _reach(child: Child, count: int) -> float:
    """Seconds until scoring has taken so many events; each look at the metrics costs the worker."""
    began = time.monotonic()
    deadline = time.monotonic() + CATCH_UP_S
    while child.total("tideline_events_total", stage="scoring", outcome="in") < count:
        alive(child)
        if time.monotonic() > deadline:
            raise FatalError("the worker does not keep up; lower --rate")
        time.sleep(0.5)
    return time.monotonic() - began


def _read(settings: Settings, delays: dict[str, dict[str, float]], ended: threading.Event) -> None:
    consumer = Consumer(consumer_config(settings, "bench-reader", **{"fetch.wait.max.ms": 10}))
    names = {
        topic_name(settings, topics.ALERTS): "alert",
        topic_name(settings, topics.ASSESSMENTS): "assessment",
        topic_name(settings, topics.LIMIT_CHANGES): "change",
    }
    consumer.assign(
        [TopicPartition(n, p, 0) for n in names for p in range(settings.kafka.partitions)]
    )
    while not ended.is_set():
        for message in consumer.consume(500, 0.02):
            if message.error() is not None:
                continue
            arrived_ns = time.time_ns()
            value = msgspec.json.decode(message.value())
            note(delays[names[message.topic()]], value, arrived_ns)
    consumer.close()


def note(delays: dict[str, float], value: dict[str, Any], arrived_ns: int) -> None:
    """The delay in ms of the event that caused an output, on its first arrival."""
    for cause in (value.get("evidence") or value.get("causes") or [])[-1:]:
        if cause.startswith((MARK, APPLIED)) and cause not in delays:
            delays[cause] = (arrived_ns - int(cause.rpartition("-")[2])) / 1e6


def by_second(delays: dict[str, float]) -> list[float]:
    """The longest delay among the events of each second, in order: where a stall was, and when."""
    longest: dict[int, float] = {}
    for cause, delay_ms in delays.items():
        second = int(cause.rpartition("-")[2]) // 1_000_000_000
        longest[second] = max(longest.get(second, 0.0), delay_ms)
    return [round(longest[second], 1) for second in sorted(longest)]


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p99 and p99.9 with the count they rest on. Raises ``FatalError`` when too few."""
    if len(values) < DELAYS_MIN:
        raise FatalError(f"only {len(values)} delays were seen; run longer")
    cuts = statistics.quantiles(values, n=1000, method="inclusive")
    return {
        "p50": round(cuts[499], 1),
        "p99": round(cuts[989], 1),
        "p999": round(cuts[998], 1),
        "max": round(max(values), 1),
        "count": len(values),
    }

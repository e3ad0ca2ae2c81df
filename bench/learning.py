"""The learner under load: how far it is behind, and how soon a version that it publishes is used.

A simulated economy with loans goes through intake, scoring and learner on Kafka at a steady rate.
Both figures are read off Kafka's own times: a version's record in ``risk.models`` against the first
assessment that is stamped with it.
"""

import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition
from msgspec import Struct

from bench.cluster import Site, alive, open_site, wait_ready
from ops.errors import FatalError
from ops.kafka import consumer_config, topic_name
from ops.settings import Settings
from schemas import topics
from tideline.children import Child, start, stop
from tideline.commands.publish import send

MERCHANTS = 60
DAYS = 240
SHARE_BAD = 0.3
"""High, so that there are labels of both classes soon."""
SAMPLE_S = 0.5
WAIT_S = 300.0
ROLES = {"intake": ("worker", "--roles", "intake"), "scoring": ("worker", "--roles", "scoring")}


class _Stamped(Struct):
    model_version: str
    anomaly_version: str = ""


def learning(bootstrap: str, folder: Path, file: Path, rate: int) -> dict[str, Any]:
    """Lag of the learner in ms, versions published, and how long each took to be used."""
    own = open_site(bootstrap, "learning.", folder)
    commands = {**ROLES, "learner": ("learner",)}
    children = [
        start(f"learning-{name}", list(arguments), own.environment, own.folder)
        for name, arguments in commands.items()
    ]
    lags: list[float] = []
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(children[-1], lags, ended))
    try:
        for child in children:
            wait_ready(child)
        watcher.start()
        began = time.monotonic()
        sent = send(own.settings, [str(file)], "events", float(rate), quiet=True)
        seconds = time.monotonic() - began
        _drain(own, children)
        drained_s = time.monotonic() - began - seconds
    finally:
        ended.set()
        if watcher.ident is not None:
            watcher.join(10)
        stop(children)
    used = _publish_to_use_ms(own.settings)
    return {
        "learner": {
            "rate_events_per_s": round(sent["events"] / seconds),
            "drained_after_s": round(drained_s, 1),
            "lag_ms_p50": round(statistics.median(lags)) if lags else None,
            "lag_ms_max": round(max(lags)) if lags else None,
            "versions": len(used),
            "publish_to_use_ms": sorted(round(ms) for ms in used.values()),
        }
    }


def economy(folder: Path) -> Path:
    """Events of simulated merchants with loans."""
    file = folder / "economy.ndjson"
    arguments = ["simulate", "--merchants", str(MERCHANTS), "--days", str(DAYS)]
    arguments += ["--share-bad", str(SHARE_BAD), "--out", str(file), "--json"]
    subprocess.run(
        [sys.executable, "-m", "tideline.cli", *arguments],
        check=True,
        capture_output=True,
        timeout=600,
    )
    return file


def _watch(learner: Child, lags: list[float], ended: threading.Event) -> None:
    """Sample how old the latest assessment is that the learner took, while it has any to take."""
    before = 0.0
    while not ended.wait(SAMPLE_S):
        taken = learner.total("tideline_events_total", stage="learner", outcome="in")
        seen = learner.total("tideline_last_event_timestamp_seconds", stage="learner")
        if taken > before and seen:
            lags.append(max(time.time() - seen, 0.0) * 1000)
        before = taken


def _drain(own: Site, children: list[Child]) -> None:
    """Wait until the learner, the last of them, takes nothing more."""
    deadline, still, before = time.monotonic() + WAIT_S, 0, -1.0
    while still < 6:
        if time.monotonic() > deadline:
            raise FatalError("the log was not worked off in time")
        for child in children:
            alive(child)
        now = children[-1].total("tideline_events_total", stage="learner", outcome="in")
        still = still + 1 if now == before else 0
        before = now
        time.sleep(SAMPLE_S)


def _publish_to_use_ms(settings: Settings) -> dict[str, float]:
    """Version -> time from its record to the first assessment that states it."""
    published = {
        (message.key() or b"").decode().removeprefix("anomaly/"): message.timestamp()[1]
        for message in _all(settings, topics.MODELS)
    }
    first: dict[str, int] = {}
    for message in _all(settings, topics.ASSESSMENTS):
        stamped = msgspec.json.decode(message.value(), type=_Stamped)
        for version in (stamped.model_version, stamped.anomaly_version):
            if version in published:
                at = message.timestamp()[1]
                first[version] = min(first.get(version, at), at)
    return {version: float(at - published[version]) for version, at in first.items()}


def _all(settings: Settings, topic: str) -> list[Any]:
    """Every committed record of a topic."""
    consumer = Consumer(
        consumer_config(settings, "bench-learning", **{"enable.partition.eof": False})
    )
    name = topic_name(settings, topic)
    found: list[Any] = []
    try:
        metadata = consumer.list_topics(name, timeout=10).topics[name]
        consumer.assign([TopicPartition(name, p, 0) for p in metadata.partitions])
        silent = 0
        while silent < 4:
            batch = [m for m in consumer.consume(10_000, 0.5) if m.error() is None]
            found += batch
            silent = 0 if batch else silent + 1
    finally:
        consumer.close()
    return found

"""Throughput and latency of intake and scoring on a real Kafka, beside a plain Faust agent.

One broker, one set of events, one run, so that the ratios hold on a machine whose speed drifts.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.workload import DAY_MS, events
from deploy.kafka.local import LocalKafka
from ops.errors import FatalError
from ops.kafka import consumer_config, producer_config, topic_name
from ops.settings import Settings, load_settings
from schemas import topics
from tideline.children import Child, start, stop
from tideline.commands.topics import apply_catalogue

PARTITIONS = 4
WAIT_S = 300.0
WARM_UP_EVENTS = 4_000
SETTLE_S = 8.0
TAKEOVER_EVENTS = 4_000
TAKEOVER_PAUSE_S = 0.01
TAKEOVER_KILL_AT = 2_000
"""Both workers are up and hold partitions by then: 20 s after the first event."""


def run(count: int, merchants: int, rate: int, seconds: int) -> dict[str, Any]:
    """All measurements in one run; see ``tideline bench --help``."""
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as name:
        folder = Path(name)
        with LocalKafka() as kafka:
            throughput = _throughput(kafka.bootstrap_servers, folder, count, merchants)
            latency = _latency(kafka.bootstrap_servers, folder, rate, seconds, merchants)
            takeover = _takeover(kafka.bootstrap_servers, folder)
    faust = throughput["peers"]["faust_table"]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "events": count,
        "merchants": merchants,
        **throughput,
        "intake_over_faust": round(throughput["intake_events_per_s"] / faust, 1),
        "scoring_over_faust": round(throughput["scoring_events_per_s"] / faust, 1),
        **latency,
        **takeover,
    }


def _environment(bootstrap: str, prefix: str, folder: Path) -> dict[str, str]:
    key = folder / "privacy.key"
    if not key.exists():
        key.write_bytes(os.urandom(32))
    return {
        "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "TIDELINE_KAFKA__TOPIC_PREFIX": prefix,
        "TIDELINE_KAFKA__PARTITIONS": str(PARTITIONS),
        "TIDELINE_PRIVACY__KEY_FILE": str(key),
    }


def _settings(environment: dict[str, str]) -> Settings:
    os.environ.update(environment)
    return load_settings()


def _throughput(bootstrap: str, folder: Path, count: int, merchants: int) -> dict[str, Any]:
    environment = _environment(bootstrap, "bench.", folder)
    settings = _settings(environment)
    apply_catalogue(settings)
    _publish(settings, events(count, merchants, seed=1))
    peer = _faust(settings, folder)
    intake = _drain("intake", count, environment, folder)
    scoring = _drain("scoring", count, environment, folder)
    return {
        "intake_events_per_s": round(intake),
        "scoring_events_per_s": round(scoring),
        "peers": {"faust_table": round(peer)},
    }


def _publish(settings: Settings, batch: list[tuple[str, bytes, bytes]]) -> None:
    producer = Producer(producer_config(settings))
    for topic, key, value in batch:
        while True:
            try:
                producer.produce(topic_name(settings, topic), key=key, value=value)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(60):
        raise FatalError("publishing did not finish")


def _drain(role: str, count: int, environment: dict[str, str], folder: Path) -> float:
    """Events/s of one worker from its first measured event to the last of the backlog."""
    child = start(f"bench-{role}", ["worker", "--roles", role], environment, folder)
    try:
        first: tuple[float, float] | None = None
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            done = child.total("tideline_events_total", stage=role, outcome="in")
            now = time.monotonic()
            if first is None and done > 0:
                first = (now, done)
            if done >= count:
                assert first is not None
                if first[1] >= count:
                    raise FatalError(
                        f"{role} drained {count} events too fast to time; raise --events"
                    )
                return (done - first[1]) / (now - first[0])
            _alive(child)
            time.sleep(0.05)
        raise FatalError(f"{role} did not drain {count} events in {WAIT_S:.0f} s")
    finally:
        stop([child])


def _alive(child: Child) -> None:
    if child.process.poll() is not None:
        raise FatalError(f"{child.name} ended: {child.log.read_text('utf-8', 'replace')[-2000:]}")


def _faust(settings: Settings, folder: Path) -> float:
    names = [topics.TRANSACTIONS, topics.LOGISTICS, topics.PAYMENTS]
    environment = {
        **os.environ,
        "BENCH_BROKER": settings.kafka.bootstrap_servers,
        "BENCH_TOPICS": ",".join(topic_name(settings, t) for t in names),
        "BENCH_PARTITIONS": str(PARTITIONS),
        "BENCH_SECONDS": "15",
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.faust_peer", "worker"],
        env=environment,
        cwd=folder,
        capture_output=True,
        timeout=180,
        check=False,
    )
    lines = done.stdout.decode().strip().splitlines()
    if not lines:
        raise FatalError(f"the Faust peer gave no figure: {done.stderr.decode()[-2000:]}")
    return float(json.loads(lines[-1])["events_per_s"])


def _latency(
    bootstrap: str, folder: Path, rate: int, seconds: int, merchants: int
) -> dict[str, Any]:
    """Wall-clock delay from publishing an event to its alert, and to its assessment.

    Two in a hundred of the events are instalments found long overdue, which a sentinel answers.
    """
    environment = _environment(bootstrap, "latency.", folder)
    settings = _settings(environment)
    apply_catalogue(settings)
    child = start("bench-worker", ["worker"], environment, folder)
    sent: dict[str, float] = {}
    delays: dict[str, list[float]] = {"alert": [], "assessment": []}
    ended = threading.Event()
    reader = threading.Thread(target=_read_delays, args=(settings, sent, delays, ended))
    reader.start()
    try:
        # Up to now, so that the clock's way here is not part of what is measured.
        begin_ms = time.time_ns() // 1_000_000 - 9 * DAY_MS
        warm_up = events(WARM_UP_EVENTS, merchants, seed=2, start_ms=begin_ms, span_ms=5 * DAY_MS)
        now_ms = time.time_ns() // 1_000_000
        settle = [
            (topics.LENDING, key, msgspec.json.encode(_overdue(key, -number - 1, now_ms)))
            for number, (_, key, _) in enumerate(warm_up[:200])
        ]
        _publish(settings, warm_up + settle)
        _wait(child, WARM_UP_EVENTS)
        time.sleep(SETTLE_S)
        total = rate * seconds
        producer = Producer(producer_config(settings, **{"linger.ms": 1}))
        workload = [
            (topic, key, msgspec.json.decode(value))
            for topic, key, value in events(total, merchants, seed=3)
        ]
        begin = time.monotonic()
        for number, (topic, key, event) in enumerate(workload):
            pause = begin + number / rate - time.monotonic()
            if pause > 0:
                producer.poll(0)
                time.sleep(pause)
            now_ms = time.time_ns() // 1_000_000
            if number % 50 == 0:
                topic, event = topics.LENDING, _overdue(key, number, now_ms)
            event["occurred_at"] = now_ms
            sent[event["event_id"]] = time.monotonic()
            value = msgspec.json.encode(event)
            producer.produce(topic_name(settings, topic), key=key, value=value)
        producer.flush(30)
        _wait(child, WARM_UP_EVENTS + len(settle) + total)
        time.sleep(2)
    finally:
        ended.set()
        reader.join(10)
        stop([child])
    return {
        "latency_rate_events_per_s": rate,
        "latency_ms": _quantiles(delays["alert"]),
        "latency_assessment_ms": _quantiles(delays["assessment"]),
    }


def _takeover(bootstrap: str, folder: Path) -> dict[str, Any]:
    """Longest delay of an event around the SIGKILL of one of two workers.

    Every event has an assessment of its own; the delay is what a read-committed reader sees, the
    wait for the dead worker's open transaction included.
    """
    environment = _environment(bootstrap, "takeover.", folder)
    settings = _settings(environment)
    apply_catalogue(settings)
    children = [start(f"bench-{name}", ["worker"], environment, folder) for name in "ab"]
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    ended = threading.Event()
    reader = threading.Thread(target=_read_arrivals, args=(settings, arrived, ended))
    reader.start()
    producer = Producer(producer_config(settings, **{"linger.ms": 1}))
    try:
        killed_at, begin = 0.0, time.monotonic()
        for number in range(TAKEOVER_EVENTS):
            due = begin + number * TAKEOVER_PAUSE_S
            time.sleep(max(0.0, due - time.monotonic()))
            if number == TAKEOVER_KILL_AT:
                if not children[0].total("tideline_events_total", stage="scoring", outcome="in"):
                    raise FatalError("the worker to be killed has no partition")
                children[0].process.kill()
                killed_at = time.monotonic()
            key = f"m{number % 200}".encode()
            sent[f"late-{number}"] = time.monotonic()
            event = _overdue(key, number, time.time_ns() // 1_000_000)
            value = msgspec.json.encode(event)
            producer.produce(topic_name(settings, topics.LENDING), key=key, value=value)
            producer.poll(0)
        producer.flush(30)
        deadline = time.monotonic() + 60
        while len(arrived) < len(sent) and time.monotonic() < deadline:
            _alive(children[1])
            time.sleep(0.2)
    finally:
        ended.set()
        reader.join(10)
        stop(children)
    missing = len(sent) - len(arrived)
    if missing:
        raise FatalError(f"{missing} events were not answered after the take-over")
    around = [e for e, at in sent.items() if killed_at - 1 < at]
    return {"takeover_s": round(max(arrived[e] - sent[e] for e in around), 1)}


def _read_arrivals(settings: Settings, arrived: dict[str, float], ended: threading.Event) -> None:
    consumer = Consumer(consumer_config(settings, "bench-reader", **{"fetch.wait.max.ms": 10}))
    name = topic_name(settings, topics.ASSESSMENTS)
    consumer.assign([TopicPartition(name, p, 0) for p in range(PARTITIONS)])
    while not ended.is_set():
        for message in consumer.consume(500, 0.02):
            if message.error() is None:
                for cause in msgspec.json.decode(message.value())["causes"]:
                    arrived.setdefault(cause, time.monotonic())
    consumer.close()


def _overdue(key: bytes, number: int, now_ms: int) -> dict[str, Any]:
    """An instalment that was due long ago: the sentinel of late repayment fires on it."""
    return {
        "type": "repayment.due",
        "event_id": f"late-{number}",
        "merchant_id": key.decode(),
        "occurred_at": now_ms,
        "due_at": now_ms - 40 * DAY_MS,
        "loan_id": f"late-{number}",
        "amount": 50_000,
        "currency": "CNY",
    }


def _wait(child: Child, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while child.total("tideline_events_total", stage="intake", outcome="in") < count:
        _alive(child)
        if time.monotonic() > deadline:
            raise FatalError("the worker does not keep up")
        time.sleep(0.2)


def _read_delays(
    settings: Settings,
    sent: dict[str, float],
    delays: dict[str, list[float]],
    ended: threading.Event,
) -> None:
    consumer = Consumer(consumer_config(settings, "bench-reader", **{"fetch.wait.max.ms": 10}))
    names = {
        topic_name(settings, topics.ALERTS): "alert",
        topic_name(settings, topics.ASSESSMENTS): "assessment",
    }
    consumer.assign([TopicPartition(n, p, 0) for n in names for p in range(PARTITIONS)])
    while not ended.is_set():
        for message in consumer.consume(500, 0.02):
            if message.error() is not None:
                continue
            arrived = time.monotonic()
            value = msgspec.json.decode(message.value())
            ids = value.get("evidence") or value.get("causes") or []
            if ids and ids[-1] in sent:
                delays[names[message.topic()]].append((arrived - sent[ids[-1]]) * 1000)
    consumer.close()


def _quantiles(values: list[float]) -> dict[str, float]:
    if len(values) < 100:
        raise FatalError(f"only {len(values)} delays were seen; run longer")
    cuts = statistics.quantiles(values, n=1000, method="inclusive")
    return {
        "p50": round(cuts[499], 1),
        "p99": round(cuts[989], 1),
        "p999": round(cuts[998], 1),
        "count": len(values),
    }

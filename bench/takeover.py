"""How long the SIGKILL of one of two workers holds events up."""

import threading
import time
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.cluster import alive, open_site, producer_of
from bench.generator import overdue
from ops.errors import FatalError
from ops.kafka import consumer_config, topic_name
from ops.settings import Settings
from schemas import topics
from tideline.children import start, stop

EVENTS = 4_000
PAUSE_S = 0.01
KILL_AT = 2_000
"""Both workers are up and hold partitions by then: 20 s after the first event."""
MERCHANTS = 200
WAIT_S = 60.0


def takeover(bootstrap: str, folder: Path) -> dict[str, Any]:
    """Longest delay of an event around the SIGKILL of one of two workers.

    Every event has an assessment of its own; the delay is what a read-committed reader sees, the
    wait for the dead worker's open transaction included.
    """
    own = open_site(bootstrap, "takeover.", folder)
    children = [start(f"takeover-{n}", ["worker"], own.environment, own.folder) for n in "ab"]
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(own.settings, arrived, ended))
    reader.start()
    producer = producer_of(own.settings, linger_ms=1)
    name = topic_name(own.settings, topics.LENDING)
    try:
        killed_at, begin = 0.0, time.monotonic()
        for number in range(EVENTS):
            time.sleep(max(0.0, begin + number * PAUSE_S - time.monotonic()))
            if number == KILL_AT:
                if not children[0].total("tideline_events_total", stage="scoring", outcome="in"):
                    raise FatalError("the worker to be killed has no partition")
                children[0].process.kill()
                killed_at = time.monotonic()
            merchant, event_id = f"m{number % MERCHANTS:06d}", f"take-{number}"
            event = overdue(merchant, event_id, time.time_ns() // 1_000_000)
            sent[event_id] = time.monotonic()
            producer.produce(name, key=merchant.encode(), value=msgspec.json.encode(event))
            producer.poll(0)
        producer.flush(30)
        deadline = time.monotonic() + WAIT_S
        while len(arrived) < len(sent) and time.monotonic() < deadline:
            alive(children[1])
            time.sleep(0.2)
    finally:
        ended.set()
        reader.join(10)
        stop(children)
    missing = len(sent) - len(arrived)
    if missing:
        raise FatalError(f"{missing} events were not answered after the take-over")
    around = [event for event, at in sent.items() if killed_at - 1 < at]
    return {"takeover_s": round(max(arrived[e] - sent[e] for e in around), 1)}


def _read(settings: Settings, arrived: dict[str, float], ended: threading.Event) -> None:
    consumer = Consumer(consumer_config(settings, "bench-reader", **{"fetch.wait.max.ms": 10}))
    name = topic_name(settings, topics.ASSESSMENTS)
    consumer.assign([TopicPartition(name, p, 0) for p in range(settings.kafka.partitions)])
    while not ended.is_set():
        for message in consumer.consume(500, 0.02):
            if message.error() is None:
                for cause in msgspec.json.decode(message.value())["causes"]:
                    arrived.setdefault(cause, time.monotonic())
    consumer.close()

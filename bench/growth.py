"""How one worker behaves as its merchants grow: speed, memory, checkpoints, pauses, restore.

For each size every merchant is there first, then one hour of trade goes on over all of them, which
is what is timed. A timed worker (``bench.hosted``) scores it with checkpoints running all the time:
partitions take turns, a new one begins every second or as soon as the last is written. The hour
lies within a day: the end of a day costs an assessment for each merchant that was active, which the
throughput part has in its proportion and this has not.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import TopicPartition, murmur2

from bench.cluster import Sample, Site, alive, open_site, producer_of, rate, wait_for, wait_ready
from bench.stages import end_hosted, start_hosted
from bench.workload import HOUR_MS, START_MS, Keyed, first_events, timed
from features import layout
from ops.errors import FatalError
from ops.kafka import topic_name
from ops.settings import Settings
from schemas import topics
from streams.checkpoints import Shelf, latest_manifest
from streams.reading import read_partition, reader
from tideline.children import Child, start, stop

FEW = 64
"""Merchants in every partition, with as many events: the ring of known events is in memory."""
SEEN_SHARE = 0.1
TRADE_PER_MERCHANT = 2
CHUNK = 50_000
LINES = 250
CHECKPOINT_VARIABLES = {
    "TIDELINE_WORKER__CHECKPOINT_INTERVAL_MS": "1000",
    "TIDELINE_WORKER__CHECKPOINT_EVENTS": "100000",
}
QUIET_S = 3.0
"""Without a further checkpoint byte: longer than the checkpoint interval."""
WAIT_S = 300.0
SPARE_BYTES = 1 << 30
_INTAKE = ["worker", "--roles", "intake"]


def growth(bootstrap: str, folder: Path, sizes: Iterable[int], trade_min: int) -> dict[str, Any]:
    """Figures by number of merchants; ``rss_bytes_per_merchant`` is against ``FEW`` merchants.

    It is None where the merchants do not stand out from what a process takes anyway.
    """
    base = _measure(bootstrap, folder, FEW, trade_min)
    found = []
    for merchants in sizes:
        if not fits(merchants):
            found.append({"merchants": merchants, "error": "does not fit into free memory"})
            continue
        row = _measure(bootstrap, folder, merchants, trade_min)
        over = row["rss_bytes"] - base["rss_bytes"]
        seen = over > SEEN_SHARE * base["rss_bytes"]
        row["rss_bytes_per_merchant"] = round(over / merchants) if seen else None
        found.append(row)
    return {"growth_base_rss_bytes": base["rss_bytes"], "growth": found}


def trade(merchants: int, count: int) -> Iterator[Keyed]:
    """``count`` events over the hour after the merchants' first minute."""
    begin_ms = START_MS + 60_000
    chunks = -(-count // CHUNK)
    encode = msgspec.json.Encoder().encode
    for number in range(chunks):
        size = min(CHUNK, count - number * CHUNK)
        span_ms = HOUR_MS // chunks
        start_ms = begin_ms + number * span_ms
        for _, topic, key, fields in timed(size, merchants, 100 + number, start_ms, span_ms):
            yield topic, key, encode(fields)


def publish_batches(settings: Settings, batch: Iterable[Keyed]) -> int:
    """Write events as NDJSON records, each of one partition; returns how many events."""
    producer = producer_of(settings, linger_ms=20)
    waiting: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    partition_of: dict[bytes, int] = {}
    headers = [("content-type", b"application/x-ndjson")]

    def send(place: tuple[str, int], lines: list[bytes]) -> None:
        value = b"\n".join(lines) + b"\n"
        while True:
            try:
                name = topic_name(settings, place[0])
                producer.produce(name, value=value, partition=place[1], headers=headers)
                return
            except BufferError:
                producer.poll(0.05)

    count = 0
    for topic, key, value in batch:
        count += 1
        partition = partition_of.get(key)
        if partition is None:
            partition = partition_of[key] = murmur2(key, settings.kafka.partitions)
        lines = waiting[topic, partition]
        lines.append(value)
        if len(lines) >= LINES:
            send((topic, partition), lines)
            lines.clear()
    for place, lines in waiting.items():
        if lines:
            send(place, lines)
    if producer.flush(120):
        raise FatalError("publishing did not finish")
    return count


def _measure(bootstrap: str, folder: Path, merchants: int, trade_min: int) -> dict[str, Any]:
    site = open_site(bootstrap, f"growth{merchants}.", folder)
    events = max(trade_min, TRADE_PER_MERCHANT * merchants)
    count = merchants + events
    intake = start(f"growth-intake-{merchants}", _INTAKE, site.environment, folder)
    try:
        # In the log, too, the merchants come first: intake reads its topics side by side.
        publish_batches(site.settings, first_events(merchants, START_MS))
        wait_for(intake, "intake", merchants)
        publish_batches(site.settings, trade(merchants, events))
        wait_for(intake, "intake", count)
    finally:
        stop([intake])
    child, out = start_hosted(site, "scoring", **CHECKPOINT_VARIABLES)
    try:
        samples = wait_for(child, "scoring", count)
        written = child.total("tideline_checkpoint_bytes_total")
        commit_p99_s = _histogram_p99(child)
        peak_bytes = _memory(child, "VmHWM")
        _checkpoints_done(child)
        rss_bytes = _memory(child, "VmRSS")
        figures = end_hosted(child, out)
    finally:
        stop([child])
    checkpoints = _checkpoints(site.settings, merchants)
    restore_s = _restore(site)
    pauses = statistics.quantiles(figures.pauses_s, n=100, method="inclusive")
    return {
        "merchants": merchants,
        "events": count,
        "events_per_s": round(rate(samples, count, after=merchants)),
        "rss_bytes": rss_bytes,
        "rss_peak_bytes": peak_bytes,
        **checkpoints,
        "checkpoint_bytes_per_s": round(written / _seconds(samples)),
        "commit_pause_ms": {
            "p50": round(pauses[49] * 1000, 1),
            "p99": round(pauses[98] * 1000, 1),
            "max": round(max(figures.pauses_s) * 1000, 1),
            "count": figures.commits,
        },
        "commit_seconds_p99_bucket": commit_p99_s,
        "tick_ms_max": round(figures.tick_max_s * 1000, 1),
        "restore_s": round(restore_s, 2),
        "restore_merchants_per_s": round(merchants / restore_s),
    }


def _seconds(samples: list[Sample]) -> float:
    first = next(sample for sample in samples if sample.done)
    return max(samples[-1].at - first.at, 1e-3)


def _memory(child: Child, field: str) -> int:
    """Bytes of a field of the process's status. Raises ``FatalError`` where there is no procfs."""
    try:
        status = Path(f"/proc/{child.process.pid}/status").read_text()
    except OSError as error:
        raise FatalError(f"the growth part needs Linux's procfs: {error}") from None
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def _histogram_p99(child: Child) -> float | None:
    """Upper bound (s) of the bucket of ``tideline_commit_seconds`` that holds the p99."""
    buckets = sorted(
        (float(dict(labels)["le"]), value)
        for (name, labels), value in child.metrics().items()
        if name == "tideline_commit_seconds_bucket" and dict(labels).get("role") == "scoring"
    )
    whole = buckets[-1][1] if buckets else 0.0
    return next((bound for bound, value in buckets if whole and value >= 0.99 * whole), None)


def _checkpoints_done(child: Child) -> None:
    """Wait until no checkpoint byte has come for longer than the interval."""
    deadline = time.monotonic() + WAIT_S
    last, since = -1.0, time.monotonic()
    while time.monotonic() < deadline:
        alive(child)
        written = child.total("tideline_checkpoint_bytes_total")
        if written != last:
            last, since = written, time.monotonic()
        elif written and time.monotonic() - since > QUIET_S:
            return
        time.sleep(0.5)
    raise FatalError(f"{child.name}: no end of checkpoints in {WAIT_S:.0f} s")


def _restore(site: Site) -> float:
    """Seconds that a new worker takes to restore."""
    child, out = start_hosted(site, "scoring", **CHECKPOINT_VARIABLES)
    try:
        wait_ready(child)
        return end_hosted(child, out).assign_s
    finally:
        stop([child])


def _checkpoints(settings: Settings, merchants: int) -> dict[str, Any]:
    """Bytes of the last checkpoint of every partition as they are in Kafka, and the share of the
    log that came after them, which a restore replays."""
    pages = other = position = end = 0
    for partition in range(settings.kafka.partitions):
        records = {
            message.key(): message.value()
            for message in read_partition(settings, topics.CHECKPOINTS, partition)
        }
        end += _end_of_log(settings, partition)
        manifest = latest_manifest(records, Shelf(partition))
        if manifest is None:
            continue
        position += manifest.position
        prefix = f"{partition}/{manifest.slot}/".encode()
        for key, value in records.items():
            if key.startswith(prefix + b"page/"):
                pages += len(value)
            elif key.startswith(prefix):
                other += len(value)
    return {
        "changelog_bytes_per_merchant": round(pages / merchants),
        "checkpoint_other_bytes": other,
        "restore_replayed_share": round(max(0.0, 1 - position / end), 3) if end else 0.0,
    }


def _end_of_log(settings: Settings, partition: int) -> int:
    consumer = reader(settings)
    try:
        place = TopicPartition(topic_name(settings, topics.EVENTS), partition)
        return int(consumer.get_watermark_offsets(place, timeout=10)[1])
    finally:
        consumer.close()


def fits(merchants: int) -> bool:
    """Whether a worker with so many merchants fits into the memory that is free: rows may be held
    twice while they are moved to a larger place."""
    need = 2 * merchants * layout.ROW.itemsize + SPARE_BYTES
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError as error:
        raise FatalError(f"the growth part needs Linux's procfs: {error}") from None
    line = next(line for line in text.splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024 > need

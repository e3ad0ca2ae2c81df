"""Exactly once under SIGKILL, SIGSTOP, rebalance storms and a broker restart, on real Kafka."""

import signal
import threading
import time
from collections import Counter, defaultdict

import msgspec
import pytest

from bench.workload import DAY_MS, START_MS, events
from schemas import topics
from schemas.events import BY_TAG
from streams.artifacts import KafkaArtifacts, genesis
from streams.checkpoints import Checkpointer, Shelf
from streams.host import Committed
from streams.reading import log_records
from streams.restore import restore
from streams.scoring import Scoring
from streams.verify import committed_positions, replay_log

from .cluster import PARTITIONS, Cluster, Storm

pytestmark = [pytest.mark.kafka, pytest.mark.kill, pytest.mark.timeout(900)]

MERCHANTS = 300
EVENTS = 24_000
SPAN_MS = 120 * DAY_MS
SEED = 20_261_123


def lending(count: int) -> list[tuple[str, bytes, bytes]]:
    """Loans that are drawn, fall due and are repaid or not: labels for the learner."""
    records = []
    start = 1_735_689_600_000
    for number in range(count):
        merchant = f"m{number % MERCHANTS:06d}"
        loan = {"merchant_id": merchant, "loan_id": f"x{number}", "currency": "CNY"}
        at = start + 60 * DAY_MS + number * 3_600_000
        steps = [
            ("loan.disbursed", at, {"amount": 100_000}),
            ("repayment.due", at + 20 * DAY_MS, {"amount": 100_000}),
            ("loan.defaulted" if number % 5 == 0 else "loan.settled", at + 50 * DAY_MS, {}),
        ]
        for kind, when, more in steps:
            event = {"type": kind, "event_id": f"{kind}-{number}", "occurred_at": when}
            value = msgspec.json.encode(event | loan | more)
            records.append((BY_TAG[kind].topic, merchant.encode(), value))
    return records


def sellers(count: int) -> list[tuple[str, bytes, bytes]]:
    """Merchants that sell the same every day, for whom a line can be opened."""
    tag = "order.paid"
    records = []
    for number in range(count):
        merchant = f"s{number:03d}"
        for day in range(SPAN_MS // DAY_MS):
            event = {
                "type": tag,
                "event_id": f"{merchant}-{day}",
                "merchant_id": merchant,
                "occurred_at": START_MS + day * DAY_MS + 9 * 3_600_000,
                "order_id": f"{merchant}-{day}",
                "amount": 60_000,
                "currency": "CNY",
            }
            records.append((BY_TAG[tag].topic, merchant.encode(), msgspec.json.encode(event)))
    return records


def applications(count: int) -> list[tuple[str, bytes, bytes]]:
    """The same merchants apply for credit on the last day."""
    tag = "credit.applied"
    records = []
    for number in range(count):
        merchant = f"s{number:03d}"
        event = {
            "type": tag,
            "event_id": f"{merchant}-applies",
            "merchant_id": merchant,
            "occurred_at": START_MS + SPAN_MS - 1,
            "amount": 500_000,
            "currency": "CNY",
        }
        records.append((BY_TAG[tag].topic, merchant.encode(), msgspec.json.encode(event)))
    return records


def check_state(cluster: Cluster, partition: int) -> None:
    """What a worker would restore, checkpoint and all, is what the log alone gives, to the byte."""
    settings = cluster.settings
    offset, digest = committed_positions(settings)[partition]
    restored = Scoring(KafkaArtifacts(settings), genesis())
    checkpointer = Checkpointer(restored, Shelf(partition))
    committed = Committed(offset, digest)
    restore(restored, checkpointer, committed, settings, lambda *_: None)
    fresh = Scoring(KafkaArtifacts(settings), genesis())
    for record in log_records(settings, partition, end=offset):
        fresh.process(record)
    merchants = len(fresh.engine.index)
    assert restored.engine.index.ids(0, merchants) == fresh.engine.index.ids(0, merchants)
    for page in range(fresh.engine.page_count):
        assert restored.page(page) == fresh.page(page)
    assert restored.engine.export_header() == fresh.engine.export_header()
    for block in range(fresh.engine.dedup_block_count):
        assert restored.engine.export_dedup_block(block) == fresh.engine.export_dedup_block(block)
    assert (restored.digest, restored.stats) == (fresh.digest, fresh.stats)
    assert restored.model_version == fresh.model_version


def check(cluster: Cluster, published: list[tuple[str, bytes, bytes]]) -> Counter[str]:
    """Nothing missing, nothing doubled, versions without gaps, state equal to a fresh replay."""
    expected = Counter(msgspec.json.decode(value)["event_id"] for _, _, value in published)
    lines = Counter(
        line["event_id"] for line in cluster.log_lines() if line["type"] != "model.activated"
    )
    assert lines == expected
    assert not list(cluster.values(topics.DEAD_LETTERS))
    counts: Counter[str] = Counter()
    reports = list(replay_log(cluster.settings, lambda *_: None, compare=True))
    for report in reports:
        counts.update(report.outputs)
        assert report.equal, f"seed {SEED}: {report}\n{cluster.logs()}"
    for partition in range(PARTITIONS):
        check_state(cluster, partition)
    versions = defaultdict(list)
    decisions = Counter()
    for raw in cluster.values(topics.LIMIT_CHANGES):
        change = msgspec.json.decode(raw)
        versions[change["line_id"]].append(change["version"])
        decisions[change["decision_id"]] += 1
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    assert set(decisions.values()) <= {1}
    return counts


def test_nothing_is_lost_or_doubled_under_twenty_kills_a_stop_and_a_rebalance_storm(
    cluster, own_kafka
) -> None:
    published = events(EVENTS, MERCHANTS, SEED, span_ms=SPAN_MS) + lending(150) + sellers(20)
    published.sort(key=lambda record: msgspec.json.decode(record[2])["occurred_at"])
    applied = applications(20)
    with cluster(
        own_kafka,
        TIDELINE_WORKER__CHECKPOINT_INTERVAL_MS="1500",
        TIDELINE_LOG__LEVEL="INFO",
    ) as running:
        running.start("a", "worker")
        running.start("b", "worker")
        running.start("learner", "learner")
        chunk = len(published) // 60

        def publish() -> None:
            for first in range(0, len(published), chunk):
                running.publish(published[first : first + chunk])
                time.sleep(2.0)

        publisher = threading.Thread(target=publish)
        publisher.start()
        storm = Storm(running, SEED)
        storm.kills(10, ["a", "b"], (0.5, 3.0))
        own_kafka.restart()
        storm.kills(5, ["a", "b"], (0.5, 3.0))
        _stop_past_the_session(running, "a")
        for number in range(4):
            running.start(f"extra-{number}", "worker")
            time.sleep(2.0)
        for number in range(4):
            running.end(f"extra-{number}")
        storm.kills(5, ["a", "b"], (0.5, 3.0))
        storm.kills(2, ["learner"], (1.0, 3.0))
        publisher.join(180)
        assert not publisher.is_alive()
        running.drain(len(published))
        running.publish(applied)
        running.drain(len(published) + len(applied))
        counts = check(running, published + applied)
        assert counts[topics.ASSESSMENTS] > 1000
        assert counts[topics.LIMIT_CHANGES] >= len(applied)
        restored = sum(p.read_text().count('"restored"') for p in running.folder.glob("*.log"))
        assert restored >= 10, "the storm has to hit workers that hold state"


def _stop_past_the_session(running: Cluster, name: str) -> None:
    """A worker that sleeps past its session is fenced when it wakes: it must end, not write."""
    running.wait_ready(name)
    process = running.children[name].process
    process.send_signal(signal.SIGSTOP)
    time.sleep(running.settings.kafka.session_timeout_ms / 1000 + 3)
    process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert process.poll() is not None, f"{name} went on after it lost its group\n{running.logs()}"
    running.revive()

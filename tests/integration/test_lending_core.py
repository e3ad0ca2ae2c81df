"""The main job to its end: events, lines, the core's book, while everything is killed at random."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.workload import DAY_MS, START_MS
from credit.core_book import decode_instruction, decode_line, open_line, take
from schemas import topics
from schemas.codec import encode
from schemas.events import BY_TAG
from streams.lending_core_host import ROLE
from streams.reading import read_partition
from streams.verify import committed_positions, replay_log
from tests.credit.limit_changes import change
from tideline.commands.lending_core import read_book, reconcile_with_log

from .cluster import DRAIN_S, PARTITIONS, Cluster, Storm
from .test_storm import SPAN_MS, applications, sellers

pytestmark = [pytest.mark.kafka, pytest.mark.kill, pytest.mark.timeout(600)]

MERCHANTS = 24
ROUNDS = 12
SEED = 20_261_126


def commands(round_: int) -> list[tuple[str, bytes, bytes]]:
    """What the desk asks for, a day a round: limits by hand, and now and then a freeze."""
    kind = {3: "merchant.freeze", 4: "merchant.release"}.get(round_ % 5, "limit.override")
    records = []
    for number in range(MERCHANTS):
        merchant = f"s{number:03d}"
        event: dict[str, Any] = {
            "type": kind,
            "event_id": f"{kind}-{round_}-{number}",
            "merchant_id": merchant,
            "occurred_at": START_MS + SPAN_MS + round_ * DAY_MS + number,
            "actor": "desk",
            "reason": "a test",
        }
        if kind == "limit.override":
            event |= {"amount": 100_000 + 10_000 * round_ + number, "currency": "CNY"}
        records.append((BY_TAG[kind].topic, merchant.encode(), msgspec.json.encode(event)))
    return records


def settle(running: Cluster, published: int) -> None:
    """Wait until nothing is under way: logged, scored, booked, answered, and that logged again."""
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        before = written(running)
        running.drain(published + before[topics.LENDING])
        if not behind(running) and written(running) == before:
            return
        time.sleep(1.0)
    raise AssertionError(f"not at rest in {DRAIN_S:.0f} s, seed {SEED}\n{running.logs()}")


def written(running: Cluster) -> dict[str, int]:
    """How many limit changes and lending events there are."""
    wanted = (topics.LIMIT_CHANGES, topics.LENDING)
    return {topic: sum(1 for _ in running.values(topic)) for topic in wanted}


def behind(running: Cluster) -> bool:
    """Whether the cores have limit changes to book."""
    positions = committed_positions(running.settings, ROLE, topics.LIMIT_CHANGES)
    return any(
        any(read_partition(running.settings, topics.LIMIT_CHANGES, partition, start=position))
        for partition, (position, _) in positions.items()
    )


def check(running: Cluster) -> Counter[str]:
    """The book is what the log says: no gap, no double, every change acknowledged once."""
    changes = {}
    lines = {}
    events: Counter[str] = Counter()
    for partition in range(PARTITIONS):
        for message in read_partition(running.settings, topics.LIMIT_CHANGES, partition):
            change = decode_instruction(message.value())
            assert change.decision_id not in changes
            changes[change.decision_id] = change
            line = lines.get(change.line_id) or open_line(change)
            assert change.version == line.version + 1, "no gap in the log"
            lines[change.line_id], verdict = take(line, change)
            assert verdict.outcome == ("booked" if change.moves else "noted")
        events += check_answers(running, partition, changes)
    assert not list(running.values(topics.DEAD_LETTERS))
    book = {line.line_id: line for line in read_book(running.settings).lines}
    assert book.keys() == lines.keys()
    for line_id, line in lines.items():
        found = book[line_id]
        assert (found.version, found.limit_minor) == (line.version, line.limit_minor)
        assert (found.frozen, found.quarantined) == (line.frozen, False)
    assert events["limit.acknowledged"] == len(changes) and not events["limit.rejected"]
    return events


def check_answers(running: Cluster, partition: int, changes: dict[str, Any]) -> Counter[str]:
    """One partition of ``lending.events``: answers in order, and never more drawn than booked."""
    answered: dict[str, int] = defaultdict(int)
    limit: dict[str, int] = defaultdict(int)
    owed: dict[str, int] = defaultdict(int)
    ids: set[str] = set()
    counts: Counter[str] = Counter()
    for value in running.values(topics.LENDING, partition):
        event = msgspec.json.decode(value)
        kind, line = event["type"], event["line_id"]
        assert event["event_id"] not in ids, f"twice: {event}"
        ids.add(event["event_id"])
        counts[kind] += 1
        if kind == "limit.acknowledged":
            answered[line] += 1
            assert event["version"] == answered[line], "answers in order"
            change = changes[event["decision_id"]]
            limit[line] = change.new_limit_minor if change.moves else limit[line]
        elif kind == "loan.disbursed":
            owed[line] += event["amount"]
            assert owed[line] <= limit[line], event
        elif kind == "repayment.received":
            owed[line] -= event["amount"]
    latest = {
        message.key(): decode_line(message.value())
        for message in read_partition(running.settings, topics.CORE_BOOK, partition)
    }
    drawn = {line.line_id: line.drawn_minor for line in latest.values()}
    assert drawn == {line_id: owed[line_id] for line_id in drawn}, "what is owed is in the book"
    return counts


def tideline(running: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command against the cluster."""
    return subprocess.run(
        [sys.executable, "-m", "tideline.cli", "lending-core", *arguments],
        env={**os.environ, **running.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def check_statement(running: Cluster, folder: Path) -> None:
    """As a person would: write the statement, reconcile it, and find what was altered."""
    for name in ("book.ndjson", "book.csv"):
        file = folder / name
        done = tideline(running, "--statement", str(file), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["lines"] == MERCHANTS
        done = tideline(running, "--reconcile", str(file), "--json")
        assert (done.returncode, json.loads(done.stdout)["differences"]) == (0, []), done.stderr
    first, *rest = (folder / "book.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "cut.csv").write_text(first + "".join(rest[1:]), "utf-8")
    done = tideline(running, "--reconcile", str(folder / "cut.csv"))
    assert done.returncode == 2 and "totals" in done.stderr.replace("\n", " ")


def test_the_cores_book_equals_the_log_whatever_is_killed(cluster, own_kafka, tmp_path) -> None:  # type: ignore[no-untyped-def]
    published = sellers(MERCHANTS)
    with cluster(own_kafka, TIDELINE_WORKER__CHECKPOINT_INTERVAL_MS="1500") as running:
        running.start("worker", "worker")
        for name in ("core-a", "core-b"):
            running.start(name, "lending-core", "--draw", "--seed", "5")
        running.publish(published)
        running.drain(len(published))
        asked = [applications(MERCHANTS), *(commands(number) for number in range(1, ROUNDS + 1))]

        def publish() -> None:
            for records in asked:
                running.publish(records)
                time.sleep(2.5)

        publisher = threading.Thread(target=publish)
        publisher.start()
        storm = Storm(running, SEED)
        storm.kills(10, ["worker", "core-a", "core-b", "core-a", "core-b"], (0.3, 2.0))
        publisher.join(120)
        assert not publisher.is_alive()
        count = len(published) + sum(map(len, asked))
        settle(running, count)
        assert len(running.log_lines()) == count + written(running)[topics.LENDING]
        for report in replay_log(running.settings, lambda *_: None, compare=True):
            assert report.equal, f"seed {SEED}: {report}\n{running.logs()}"
        events = check(running)
        assert events["limit.acknowledged"] >= MERCHANTS * (ROUNDS // 2)
        assert events["loan.disbursed"] > MERCHANTS // 2
        assert reconcile_with_log(running.settings, read_book(running.settings)) == []
        check_statement(running, tmp_path)
        logs = "".join(path.read_text("utf-8") for path in running.folder.glob("core-*.log"))
        restored = [int(lines) for lines in re.findall(r'"book_restored".*"lines": (\d+)', logs)]
        assert sum(map(bool, restored)) >= 5, "the kills have to hit cores that hold a book"


def wait_answers(running: Cluster, *expected: tuple[str, int, str | None]) -> None:
    """Until these answers are there: type, version and reason, in this order."""
    deadline = time.monotonic() + DRAIN_S
    found: list[tuple[str, int, str | None]] = []
    while found != list(expected):
        assert time.monotonic() < deadline, f"{found}\n{running.logs()}"
        time.sleep(0.5)
        events = [msgspec.json.decode(value) for value in running.values(topics.LENDING)]
        found = [(e["type"].removeprefix("limit."), e["version"], e["reason"]) for e in events]


def test_a_conflict_is_refused_shown_by_the_statement_and_mended_by_a_person(
    cluster, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    file = str(tmp_path / "book.csv")
    sent = [change(1), change(2, 5_000), change(2, 9_000), change(3, 7_000, action="decrease")]
    with cluster() as running:
        running.start("core", "lending-core")
        running.publish([(topics.LIMIT_CHANGES, b"m1", encode(each)) for each in sent])
        refused = [("rejected", 2, "version_conflict"), ("rejected", 3, "line_quarantined")]
        booked = [("acknowledged", 1, None), ("acknowledged", 2, None)]
        wait_answers(running, *booked, *refused)
        assert tideline(running, "--statement", file).returncode == 0
        done = tideline(running, "--reconcile", file, "--json")
        kinds = [each["kind"] for each in json.loads(done.stdout)["differences"]]
        assert (done.returncode, kinds) == (1, ["version", "amount"])
        running.end("core")
        running.start("core", "lending-core", "--mend", "ln_a")
        wait_answers(running, *booked, *refused, ("acknowledged", 3, None))
        assert tideline(running, "--statement", file).returncode == 0
        assert tideline(running, "--reconcile", file).returncode == 0
        assert [line.limit_minor for line in read_book(running.settings).lines] == [7_000]

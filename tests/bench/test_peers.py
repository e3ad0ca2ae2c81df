"""The peers do the job that they are timed on: the same totals from every one of them."""

import uuid
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from bench.cluster import FEEDS, PARTITIONS, open_site, publish
from bench.peers import launch
from bench.peers.launch import PEERS, Backlog, PeerError, peer_python, run_peer
from bench.peers.tally import DAY_MS, add
from bench.workload import HOUR_MS, START_MS, events
from deploy.kafka.local import LocalKafka
from ops.kafka import topic_name
from tests.conftest import require

EVENTS = 2_000


def test_a_total_is_of_the_current_day_by_event_time() -> None:
    total = add(None, DAY_MS, 5)
    total = add(total, DAY_MS + 1, 7)
    assert total == (1, 2, 12)
    assert add(total, DAY_MS - 1, 100) == total
    assert add(total, 2 * DAY_MS, 3) == (2, 1, 3)


def test_a_peer_that_cannot_be_installed_gives_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = tmp_path / "requirements.txt"
    wrong.write_text("--no-such-option\n")
    monkeypatch.setattr(launch, "REQUIREMENTS", wrong)
    monkeypatch.setattr(launch, "ENVIRONMENT", tmp_path / "venv")
    found = run_peer("bytewax", Backlog("127.0.0.1:1", ["t"], 1, 1, 1.0))
    assert found.events_per_s is None
    assert found.error is not None
    assert "cannot be installed" in found.error
    assert not (tmp_path / "venv" / "installed.txt").exists()


@pytest.mark.kafka
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_counts_and_sums_every_event(
    name: str, kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "bytewax" in name or "quix" in name:
        try:
            peer_python()
        except PeerError as error:
            require("peers", str(error))
    for variable in ("BOOTSTRAP_SERVERS", "TOPIC_PREFIX", "PARTITIONS"):
        monkeypatch.setenv(f"TIDELINE_KAFKA__{variable}", "1")
    monkeypatch.setenv("TIDELINE_PRIVACY__KEY_FILE", "")
    site = open_site(kafka.bootstrap_servers, f"peer-{uuid.uuid4().hex[:8]}.", tmp_path)
    batch = events(EVENTS, 30, seed=1, start_ms=START_MS, span_ms=HOUR_MS)
    publish(site.settings, batch)
    expected: dict[str, int] = defaultdict(int)
    for _, _, raw in batch:
        event = msgspec.json.decode(raw)
        expected[event["merchant_id"]] += event.get("amount") or 0
    names = [topic_name(site.settings, feed) for feed in FEEDS]
    found = run_peer(name, Backlog(kafka.bootstrap_servers, names, PARTITIONS, EVENTS, 60.0))
    assert found.error is None
    assert found.events == found.count == EVENTS
    assert found.merchants == len(expected)
    assert found.amount == sum(expected.values())
    assert found.events_per_s

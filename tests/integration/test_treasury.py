"""Budgets that span partitions, on real Kafka: never exceeded while their treasury is killed."""

import time
from collections import Counter, defaultdict

import msgspec
import pytest

from bench.workload import DAY_MS, START_MS
from credit.guardrails import RAISES
from schemas import topics
from streams.artifacts import builtin_policy
from streams.verify import replay_log

from .cluster import Cluster, Storm

pytestmark = [pytest.mark.kafka, pytest.mark.kill, pytest.mark.timeout(400)]

MERCHANTS = 24
HISTORY_DAYS = 54
LIVE_DAYS = 9
BUDGET_MINOR = 2_500_000
SEED = 20_261_127
TIGHT = (
    builtin_policy("portfolio-1.yaml")
    .replace("version: portfolio-1", "version: tight-1", 1)
    .replace("holdout_share: 0.02", "holdout_share: 0.0")
    .replace("{CNY: 5000000000, USD: 700000000}", f"{{CNY: {BUDGET_MINOR}}}", 1)
)


def order(merchant: int, day: int) -> tuple[str, bytes, bytes]:
    """What a merchant sells on a day."""
    name = f"s{merchant:03d}"
    event = {
        "type": "order.paid",
        "event_id": f"{name}-{day}",
        "merchant_id": name,
        "occurred_at": START_MS + day * DAY_MS + 9 * 3_600_000 + merchant,
        "amount": 60_000,
        "currency": "CNY",
    }
    return topics.TRANSACTIONS, name.encode(), msgspec.json.encode(event)


def publication() -> tuple[str, bytes, bytes]:
    """The tight policy, put in force."""
    event = {
        "type": "policy.publish",
        "event_id": "publish",
        "merchant_id": "*",
        "occurred_at": START_MS,
        "actor": "li",
        "document": TIGHT,
    }
    return topics.COMMANDS, b"*", msgspec.json.encode(event)


def raised(running: Cluster, topic: str) -> dict[int, int]:
    """What rules raised a day; every line's versions are without gaps."""
    moved: dict[int, int] = defaultdict(int)
    versions = defaultdict(list)
    for raw in running.values(topic):
        change = msgspec.json.decode(raw)
        versions[change["line_id"]].append(change["version"])
        if change["action"] in RAISES and change["state"] == "sent":
            day = change["decided_at"] // DAY_MS
            moved[day] += change["new_limit_minor"] - change["previous_limit_minor"]
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    return moved


def leased(running: Cluster) -> dict[tuple[object, object], int]:
    """What the log grants, by day and budget; no lease stands there twice."""
    granted: dict[tuple[object, object], int] = defaultdict(int)
    seen: Counter[object] = Counter()
    for line in running.log_lines():
        if line["type"] == "budget.leased":
            seen[line["event_id"]] += 1
            granted[line.get("day"), line["budget_id"]] += int(str(line["amount_minor"]))
    assert seen and set(seen.values()) == {1}
    return granted


def test_budgets_hold_and_a_challenger_decides_beside_them_while_workers_are_killed(
    cluster,
) -> None:
    with cluster() as running:
        for name in ("a", "b"):
            running.start(name, "worker")
        running.start("shadow", "worker", "--roles", "shadow", "--policy", "working-capital-1")
        running.publish([publication()])
        time.sleep(2)
        lines = 1 + MERCHANTS * HISTORY_DAYS
        running.publish([order(m, day) for day in range(HISTORY_DAYS) for m in range(MERCHANTS)])
        running.drain(lines)
        storm = Storm(running, SEED)
        for day in range(HISTORY_DAYS, HISTORY_DAYS + LIVE_DAYS):
            running.publish([order(m, day) for m in range(MERCHANTS)])
            lines += MERCHANTS
            if day % 3 == 0:
                storm.kills(1, ["a", "b", "shadow"], (0.0, 1.0))
            running.drain(lines)
            time.sleep(1.5)  # what the day's beginning asks for passes through the log
        granted = leased(running)
        assert all(
            minor <= BUDGET_MINOR
            for (_, budget), minor in granted.items()
            if budget == "portfolio.raises.CNY"
        )
        by_day = raised(running, topics.LIMIT_CHANGES)
        assert by_day, f"nothing moved, seed {SEED}\n{running.logs()}"
        for day, minor in by_day.items():
            assert minor <= granted[day, "portfolio.raises.CNY"] <= BUDGET_MINOR
        for report in replay_log(running.settings, lambda *_: None, compare=True):
            assert report.equal, f"seed {SEED}: {report}\n{running.logs()}"
        assert not list(running.values(topics.DEAD_LETTERS))
        running.revive()
        deadline = time.monotonic() + 60
        while not raised(running, topics.SHADOW_CHANGES) and time.monotonic() < deadline:
            time.sleep(1)
        assert raised(running, topics.SHADOW_CHANGES), running.logs()
        stamped = {
            msgspec.json.decode(raw)["policy_version"]
            for raw in running.values(topics.SHADOW_CHANGES)
        }
        assert stamped == {"working-capital-1"}
        decided = {
            msgspec.json.decode(raw)["policy_version"]
            for raw in running.values(topics.LIMIT_CHANGES)
        }
        assert decided == {"tight-1"}

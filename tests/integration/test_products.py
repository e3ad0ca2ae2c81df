"""Every product from application to repayment, on real Kafka, while all that runs is killed."""

import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec
import pytest
from confluent_kafka import murmur2

from bench.workload import DAY_MS, START_MS
from credit.lines import line_id_of
from credit.policy import load_policy
from schemas import topics
from schemas.events import BY_TAG
from schemas.outputs import LimitChange
from streams.artifacts import builtin_policy
from streams.verify import replay_log
from tests.credit.borrowers import (
    HISTORY_DAYS,
    TRADES,
    applies,
    at_ms,
    borrower,
    day_of,
    registered,
)
from tideline.commands.lending_core import read_book, reconcile_with_log

from .cluster import DRAIN_S, PARTITIONS, Cluster
from .test_lending_core import check

pytestmark = [pytest.mark.kafka, pytest.mark.kill, pytest.mark.timeout(600)]

POLICY = builtin_policy("portfolio-1.yaml")
PRODUCTS = tuple(load_policy(POLICY).terms)
EACH = 2
"""Merchants that apply for each product."""
ROUND_DAYS, ROUNDS = 14, 7
"""Less than the 15 days past due that freeze a line: repayments are told at a round's end."""
SEED = 20_261_128
DRAW_SEED = 105
"""Of each product's two lines one draws for three months and repays in time: within the rounds."""
OWN_LINES = frozenset(
    {"budget.leased", "clock.tick", "model.activated", "policy.activated", "policy.publish"}
)
PEOPLE = ("li", "wu")


class Line(msgspec.Struct):
    """What is read of a line of the log."""

    type: str


TYPES = msgspec.json.Decoder(Line).decode_lines


class Counts(NamedTuple):
    """Lines of the log that were published, limit changes, lending events, acknowledgements."""

    logged: int
    changes: int
    lending: int
    answered: int


class Lives:
    """What is published so far, and the storm that the roles run in."""

    def __init__(self, running: Cluster, seed: int) -> None:
        self.running = running
        self.random = random.Random(seed)
        self.count = 0
        self.day = 0
        self.strikes: list[tuple[str, str]] = []
        self.borrowers = [(borrower(p, n), p) for p in PRODUCTS for n in range(EACH)]
        self.clocks = [clock(partition) for partition in range(PARTITIONS)]
        self.trades = [*self.borrowers, *((name, "working-capital") for name in self.clocks)]
        self._approved: set[str] = set()
        self._next: list[str] = []

    def publish(self, events: list[dict[str, Any]]) -> None:
        """Events in order of time."""
        events.sort(key=lambda event: event["occurred_at"])
        self.running.publish(
            [
                (BY_TAG[e["type"]].topic, e["merchant_id"].encode(), msgspec.json.encode(e))
                for e in events
            ]
        )
        self.count += sum(event["type"] not in OWN_LINES for event in events)

    def trade(self, days: int) -> None:
        """The next days of all merchants, a week at a time, so that no topic runs far ahead."""
        until = self.day + days
        while self.day < until:
            week = range(self.day, min(self.day + 7, until))
            found = [
                event
                for day in week
                for merchant, product in self.trades
                for event in day_of(merchant, product, day)
            ]
            self.day = week.stop
            self.publish(found)

    def strike(self) -> None:
        """SIGKILL or SIGTERM to one of the roles, all by turns, a random while from now."""
        if not self._next:
            names = sorted(self.running.children)
            self._next = self.random.sample(names, len(names))
        victim = self._next.pop()
        hard = self.random.random() < 2 / 3
        self.running.wait_ready(victim)
        time.sleep(self.random.uniform(0.0, 1.5))
        self.strikes.append((victim, "SIGKILL" if hard else "SIGTERM"))
        process = self.running.children[victim].process
        process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        process.wait(20)

    def settle(self) -> None:
        """Wait until nothing is under way: logged, scored, booked, answered, and that logged."""
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            self.running.revive()
            before = self.look()
            if before.logged >= self.count + before.lending and before.answered == before.changes:
                self.running.drain(0)
                if self.look() == before:
                    return
        raise AssertionError(f"not at rest, {self.storm()}\n{self.running.logs()}")

    def look(self) -> "Counts":
        """What there is by now."""
        wanted = (topics.EVENTS, topics.LIMIT_CHANGES, topics.LENDING)
        places = [(topic, partition) for topic in wanted for partition in range(PARTITIONS)]
        with ThreadPoolExecutor(len(places)) as pool:
            found = pool.map(lambda place: list(self.running.values(*place)), places)
        values: dict[str, list[bytes]] = defaultdict(list)
        for (topic, _), some in zip(places, found, strict=True):
            values[topic] += some
        lines = [line for value in values[topics.EVENTS] for line in TYPES(value)]
        return Counts(
            logged=sum(line.type not in OWN_LINES for line in lines),
            changes=len(values[topics.LIMIT_CHANGES]),
            lending=len(values[topics.LENDING]),
            answered=sum(b'"type":"limit.acknowledged"' in v for v in values[topics.LENDING]),
        )

    def storm(self) -> str:
        """What to know of a failure."""
        return f"seed {SEED}, strikes {self.strikes}"

    def wait_policy(self) -> None:
        """Until the policy is in force on every partition."""
        self._wait(lambda line: line["type"] == "policy.activated")

    def wait_leases(self, day: int) -> None:
        """Until the treasury has leased every partition its part of a day's raises."""
        of_day = {"budget_id": "portfolio.raises.CNY", "day": (START_MS + day * DAY_MS) // DAY_MS}
        self._wait(lambda line: line.items() >= of_day.items())

    def _wait(self, wanted: Callable[[dict[str, object]], bool]) -> None:
        """Until each partition has such a line."""
        deadline = time.monotonic() + DRAIN_S
        while not all(any(map(wanted, self.running.log_lines(p))) for p in range(PARTITIONS)):
            assert time.monotonic() < deadline, f"{self.storm()}\n{self.running.logs()}"
            self.running.revive()
            time.sleep(0.3)

    def approve(self) -> None:
        """Two persons agree to what is proposed."""
        at = at_ms(self.day - 1) + 2 * 3_600_000
        found = [
            {
                "type": "limit.approve",
                "event_id": f"{change.decision_id}-{actor}",
                "merchant_id": change.merchant_id,
                "occurred_at": at,
                "actor": actor,
                "reason": "a good harvest",
                "decision_id": change.decision_id,
            }
            for change in changes(self.running)
            if change.state == "proposed" and change.decision_id not in self._approved
            for actor in PEOPLE
        ]
        self._approved |= {each["decision_id"] for each in found}
        self.publish(found)

    def overrides(self) -> list[dict[str, Any]]:
        """A limit by hand on each partition: the core's time moves with limit changes."""
        at = at_ms(self.day - 1) + 3_600_000
        money = {"amount": 200_000 + 1_000 * self.day, "currency": "CNY"}
        return [
            {
                "type": "limit.override",
                "event_id": f"{merchant}-override-{self.day}",
                "merchant_id": merchant,
                "occurred_at": at,
                "actor": "desk",
                "reason": "time goes on",
                **money,
            }
            for merchant in self.clocks
        ]


def clock(partition: int) -> str:
    """A merchant of a partition, whose line is set by hand."""
    names = (f"clock-{number}" for number in range(1000))
    return next(n for n in names if murmur2(n.encode(), PARTITIONS) == partition)


def changes(running: Cluster) -> list[LimitChange]:
    """All limit changes."""
    decode = msgspec.json.Decoder(LimitChange).decode
    return [decode(raw) for raw in running.values(topics.LIMIT_CHANGES)]


def publication() -> dict[str, Any]:
    """All products, put in force by the desk."""
    return {
        "type": "policy.publish",
        "event_id": "publish",
        "merchant_id": "*",
        "occurred_at": START_MS,
        "actor": "li",
        "document": POLICY,
    }


def check_products(running: Cluster) -> None:
    """Of each product a line was applied for, opened, drawn, and its loan repaid in full."""
    of_line: dict[str, list[LimitChange]] = defaultdict(list)
    for change in changes(running):
        of_line[change.line_id].append(change)
    loans: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for raw in running.values(topics.LENDING):
        event = msgspec.json.decode(raw)
        if event.get("loan_id"):
            loans[event["line_id"]][event["loan_id"]].append(event)
    repaid = defaultdict(int)
    for product in PRODUCTS:
        for number in range(EACH):
            line = line_id_of(borrower(product, number), product)
            assert of_line[line], f"{product} was not answered, seed {SEED}\n{running.logs()}"
            opened = next((c for c in of_line[line] if c.state == "sent"), of_line[line][0])
            codes = [reason.code for reason in opened.reasons]
            assert (opened.action, opened.product) == ("open", product), (opened.merchant_id, codes)
            assert opened.new_limit_minor > 0 and opened.policy_version == "portfolio-1"
            repaid[product] += sum(map(whole, loans[line].values()))
    assert set(repaid) == set(PRODUCTS) and min(repaid.values()) >= 1, dict(repaid)
    check_approvals(of_line)
    check_shares(running)


def whole(events: list[dict[str, Any]]) -> bool:
    """Whether a loan was paid out once, repaid to the last cent, and settled; never overpaid."""
    kinds = [event["type"] for event in events]
    drawn = sum(e["amount"] for e in events if e["type"] == "loan.disbursed")
    paid = sum(e["amount"] for e in events if e["type"] == "repayment.received")
    assert kinds.count("loan.disbursed") == 1 and paid <= drawn
    settled = kinds.count("loan.settled")
    assert settled == (paid == drawn), events
    return settled == 1


def check_approvals(of_line: dict[str, list[LimitChange]]) -> None:
    """The farms' lines were proposed, and sent once two persons had agreed."""
    for number in range(EACH):
        first, second, *_ = of_line[
            line_id_of(borrower("rural-seasonal", number), "rural-seasonal")
        ]
        assert (first.state, first.approval, first.version) == ("proposed", "required", 1)
        assert (second.state, second.approval, second.version) == ("sent", "granted", 2)
        assert second.actor == PEOPLE[1], "the second of two"


def check_shares(running: Cluster) -> None:
    """Funders' parts of each co-lending line sum to its limit, in what the core was told."""
    shared = [c for c in changes(running) if c.product == "co-lending" and c.state == "sent"]
    assert {share.funder for c in shared for share in c.funders} == {"partner-bank", "own-book"}
    for each in shared:
        assert sum(share.limit_minor for share in each.funders) == each.new_limit_minor


def test_each_product_lives_from_application_to_repayment_whatever_is_killed(cluster) -> None:  # type: ignore[no-untyped-def]
    assert set(PRODUCTS) == set(TRADES), "a product of the policy has nobody that applies for it"
    settings = {
        "TIDELINE_WORKER__CHECKPOINT_INTERVAL_MS": "1500",
        "TIDELINE_KAFKA__SESSION_TIMEOUT_MS": "3000",
    }
    with cluster(**settings) as running:
        running.start("worker", "worker", "--roles", "intake,scoring")
        running.start("core", "lending-core", "--draw", "--seed", str(DRAW_SEED))
        lives = Lives(running, SEED)
        print(f"seed {SEED}")
        lives.publish([publication()])
        lives.wait_policy()
        lives.publish([registered(merchant) for merchant, _ in lives.trades])
        lives.trade(HISTORY_DAYS)
        lives.settle()
        # Without leases nothing opened in the history, which went by faster than loans can.
        running.start("treasury", "worker", "--roles", "treasury")
        lives.trade(1)
        lives.strike()
        lives.wait_leases(HISTORY_DAYS)
        lives.publish([applies(merchant, product) for merchant, product in lives.borrowers])
        lives.settle()
        lives.approve()
        for _ in range(2):  # what waits for a lease is decided when its day ends
            lives.trade(1)
            lives.wait_leases(lives.day - 1)
        for _ in range(ROUNDS):
            lives.trade(ROUND_DAYS)
            lives.publish(lives.overrides())
            lives.strike()
            lives.settle()
        assert {how for _, how in lives.strikes} == {"SIGKILL", "SIGTERM"}
        assert {who for who, _ in lives.strikes} == set(running.children)
        found = lives.look()
        assert found.logged == lives.count + found.lending, "each line once"
        events = check(running)
        check_products(running)
        assert events["loan.settled"] >= len(PRODUCTS)
        assert reconcile_with_log(running.settings, read_book(running.settings)) == []
        for report in replay_log(running.settings, lambda *_: None, compare=True):
            assert report.equal, f"seed {SEED}: {report}\n{running.logs()}"

"""Delivery in steps, on a Kafka in memory and real servers on loopback."""

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.errors import RetryableError
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from schemas.codec import encode
from schemas.outputs import FunderShare
from sinks.webhooks.courier import OPEN_AFTER_FAILURES, PAUSE_MAX_S, Courier
from sinks.webhooks.outcome import Failed
from sinks.webhooks.targets import Target, load_targets
from tests.sinks.fake_kafka import TIMESTAMP_MS, Clock, FakeConsumer, FakeKafka
from tests.sinks.outputs import alert, limit_change
from tests.sinks.webhooks.servers import Receiver, receiving
from tests.sinks.webhooks.test_document import SECRET, WEBHOOK, written

KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


class Bench:
    """A Kafka, a clock, and couriers over it."""

    def __init__(self, folder: Path, metrics: Metrics, health: HealthServer) -> None:
        self.kafka = FakeKafka()
        self.clock = Clock()
        self.metrics, self.health = metrics, health
        self.folder = folder
        self.funders: dict[str, frozenset[str]] = {}
        self.draw = random.Random(7)

    def target(self, url: str, **over: Any) -> Target:
        endpoint = {**WEBHOOK, "url": url, "networks": ["127.0.0.0/8"], "start": "earliest", **over}
        (target,) = load_targets(written(self.folder, endpoint))
        return target

    def courier(self, target: Target) -> Courier:
        """A courier that owns everything from now on."""
        consumer = FakeConsumer(self.kafka)
        courier = Courier(
            Settings(),
            target,
            self.metrics,
            self.health,
            funders_of=self.funders.__getitem__,
            consumer=consumer,  # type: ignore[arg-type]
            clock=self.clock,
            wall_clock=lambda: TIMESTAMP_MS / 1000 + self.clock.now - 1_000,
            draw=self.draw.random,
        )
        self.kafka.give(consumer)
        return courier

    def publish(self, *numbers: int, partitions: int = 1, **over: object) -> None:
        for number in numbers:
            value = encode(alert(number, **over))
            self.kafka.publish(topics.ALERTS, number % partitions, b"key", value)

    def counted(self, outcome: str, name: str = "core") -> float:
        labels = {"endpoint": name, "outcome": outcome}
        found = self.metrics.registry.get_sample_value("tideline_webhook_deliveries_total", labels)
        return found or 0.0

    def turns(self, courier: Courier, times: int = 30, step_s: float = 0.0) -> None:
        for _ in range(times):
            self.clock.now += step_s
            courier.run_once(0)


@pytest.fixture
def bench(tmp_path: Path, metrics: Metrics, health: HealthServer) -> Bench:
    return Bench(tmp_path, metrics, health)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_every_alert_is_delivered_once_in_order_and_signed(
    bench: Bench, receiver: Receiver
) -> None:
    bench.publish(*range(5))
    bench.turns(bench.courier(bench.target(receiver.url)))
    assert receiver.ids() == [f"al-{n}.1" for n in range(5)]
    for posted in receiver.posted:
        head = posted.headers
        text = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + posted.body
        digest = base64.b64encode(hmac.new(KEY, text, hashlib.sha256).digest()).decode()
        assert head["webhook-signature"] == f"v1,{digest}"
        assert int(head["webhook-timestamp"]) == TIMESTAMP_MS // 1000
    assert json.loads(receiver.posted[2].body)["data"] == json.loads(encode(alert(2)))
    assert bench.kafka.committed[topics.ALERTS, 0] == (5, "")
    assert bench.counted("delivered") == 5


def test_a_restart_goes_on_where_it_was(bench: Bench, receiver: Receiver) -> None:
    bench.publish(*range(3))
    target = bench.target(receiver.url)
    first = bench.courier(target)
    bench.turns(first)
    first.close()
    bench.publish(3, 4)
    bench.turns(bench.courier(target))
    assert receiver.ids() == [f"al-{n}.1" for n in range(5)]


def test_who_ends_before_the_commit_tells_it_again_under_the_same_id(
    bench: Bench, receiver: Receiver
) -> None:
    bench.publish(0, 1)
    target = bench.target(receiver.url)
    first = bench.courier(target)
    bench.turns(first, 1)
    assert receiver.ids() == ["al-0.1"]
    bench.kafka.committed[topics.ALERTS, 0] = (0, "")  # as if killed before the commit
    bench.turns(bench.courier(target))
    assert receiver.ids() == ["al-0.1", "al-0.1", "al-1.1"]
    assert receiver.posted[0].body == receiver.posted[1].body


def test_a_failed_message_is_tried_again_after_growing_pauses(
    bench: Bench, receiver: Receiver
) -> None:
    bench.publish(0)
    receiver.answers = [(503, {})] * 4
    courier = bench.courier(bench.target(receiver.url))
    attempts = []
    for _ in range(400):
        before = len(receiver.posted)
        courier.run_once(0)
        if len(receiver.posted) > before:
            attempts.append(bench.clock.now)
        bench.clock.now += 0.1
    assert receiver.ids() == ["al-0.1"] * 5
    pauses = [later - sooner for sooner, later in pairwise(attempts)]
    for number, pause in enumerate(pauses):
        assert 0.5 * 2**number <= pause <= 2**number + 0.2
    assert (bench.counted("failed"), bench.counted("delivered")) == (4, 1)


def test_a_pause_is_never_longer_than_five_minutes(bench: Bench, receiver: Receiver) -> None:
    bench.publish(0)
    receiver.answers = [(500, {})] * 30
    target = bench.target(receiver.url, give_up_after_s=30 * 86_400)
    bench.turns(bench.courier(target), 30, step_s=PAUSE_MAX_S)
    assert len(receiver.posted) == 30


def test_an_endpoint_may_ask_for_a_pause(bench: Bench, receiver: Receiver) -> None:
    bench.publish(0)
    receiver.answers = [(429, {"retry-after": "120"})]
    courier = bench.courier(bench.target(receiver.url))
    bench.turns(courier, 119, step_s=1.0)
    assert len(receiver.posted) == 1
    bench.turns(courier, 3, step_s=1.0)
    assert len(receiver.posted) == 2


def test_a_refused_message_holds_up_no_other(bench: Bench, receiver: Receiver) -> None:
    bench.publish(0, 1, 2)
    receiver.answers = [(204, {}), (422, {})]
    bench.turns(bench.courier(bench.target(receiver.url)))
    assert receiver.ids() == ["al-0.1", "al-1.1", "al-2.1"]
    assert (bench.counted("refused"), bench.counted("delivered")) == (1, 2)
    assert bench.kafka.committed[topics.ALERTS, 0] == (3, "")


def test_what_cannot_be_delivered_in_its_time_is_given_up_and_said(
    bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    bench.publish(0, 1)
    receiver.answers = [(500, {})] * 200
    courier = bench.courier(bench.target(receiver.url, give_up_after_s=600))
    bench.turns(courier, 90, step_s=10)
    assert bench.counted("given_up") == 2
    assert bench.kafka.committed[topics.ALERTS, 0] == (2, "")
    said = [r for r in caplog.records if r.message == "webhook_given_up"]
    assert [(r.webhook_id, r.offset, r.partition) for r in said] == [
        ("al-0.1", 0, 0),
        ("al-1.1", 1, 0),
    ]


def test_a_dead_endpoint_counts_as_down_and_holds_up_no_other(
    bench: Bench, receiver: Receiver, health: HealthServer, metrics: Metrics
) -> None:
    other = FakeKafka()
    with receiving() as gone:
        dead_target = bench.target(gone.url, name="dead")
    target = bench.target(receiver.url)
    bench.publish(0, 1)
    dead = bench.courier(dead_target)
    other.logs = bench.kafka.logs
    consumer = FakeConsumer(other)
    live = Courier(
        Settings(),
        target,
        metrics,
        health,
        funders_of=bench.funders.__getitem__,
        consumer=consumer,  # type: ignore[arg-type]
        clock=bench.clock,
        wall_clock=lambda: TIMESTAMP_MS / 1000 + bench.clock.now - 1_000,
    )
    other.give(consumer)
    for _ in range(60):
        bench.turns(dead, 1, step_s=2)
        live.run_once(0)
    assert receiver.ids() == ["al-0.1", "al-1.1"]
    assert bench.counted("failed", "dead") >= OPEN_AFTER_FAILURES
    value = metrics.registry.get_sample_value
    assert value("tideline_webhook_down", {"endpoint": "dead"}) == 1
    assert value("tideline_webhook_down", {"endpoint": "core"}) == 0
    assert value("tideline_webhook_waiting_seconds", {"endpoint": "dead"}) > 100
    assert value("tideline_webhook_waiting_seconds", {"endpoint": "core"}) == 0
    assert bench.kafka.committed.get((topics.ALERTS, 0), (0, ""))[0] == 0


def test_a_new_endpoint_begins_with_what_is_new_and_a_restart_skips_nothing(
    bench: Bench, receiver: Receiver
) -> None:
    bench.publish(0, 1)
    target = bench.target(receiver.url, start="latest")
    first = bench.courier(target)
    bench.turns(first)
    assert bench.kafka.committed[topics.ALERTS, 0] == (2, "")
    first.close()
    bench.publish(2)
    bench.turns(bench.courier(target))
    assert receiver.ids() == ["al-2.1"]


def test_the_filter_decides_and_positions_move_past_the_rest(
    bench: Bench, receiver: Receiver
) -> None:
    bench.publish(*range(9))
    bench.turns(bench.courier(bench.target(receiver.url, filter={"severity": "critical"})))
    assert receiver.ids() == ["al-2.1", "al-5.1", "al-8.1"]
    assert bench.kafka.committed[topics.ALERTS, 0] == (9, "")


def test_a_record_that_is_no_alert_is_said_and_passed_over(
    bench: Bench, receiver: Receiver
) -> None:
    bench.publish(0)
    bench.kafka.publish(topics.ALERTS, 0, b"key", b"\xff poison")
    bench.kafka.publish(topics.ALERTS, 0, b"key", None)
    bench.publish(1)
    bench.turns(bench.courier(bench.target(receiver.url)))
    assert receiver.ids() == ["al-0.1", "al-1.1"]
    assert bench.counted("unreadable") == 2


def test_a_funder_is_told_of_its_own_merchants_alone(bench: Bench, receiver: Receiver) -> None:
    bench.funders = {f"m-{n}": frozenset({"north"} if n == 1 else {"south"}) for n in range(7)}
    bench.publish(*range(7))
    both = [FunderShare(funder=name, limit_minor=5) for name in ("north", "south")]
    for number, shares in ((1, both), (2, both[1:])):
        value = encode(limit_change(number, funders=shares))
        bench.kafka.publish(topics.LIMIT_CHANGES, 0, b"key", value)
    types = ["alert.opened", "limit_change.sent"]
    filter_ = {"types": types, "funders": ["north"]}
    bench.turns(bench.courier(bench.target(receiver.url, filter=filter_)))
    assert sorted(receiver.ids()) == ["al-1.1", "d-1.1"]
    assert all(b"south" not in posted.body for posted in receiver.posted)


def test_who_funds_a_merchant_is_asked_until_it_is_known(bench: Bench, receiver: Receiver) -> None:
    asked = []

    def funders_of(merchant_id: str) -> frozenset[str]:
        asked.append(merchant_id)
        if len(asked) < 3:
            raise RetryableError("ClickHouse is down")
        return frozenset({"north"})

    bench.publish(1)
    courier = bench.courier(bench.target(receiver.url, filter={"funders": ["north"]}))
    courier._funders_of = funders_of
    bench.turns(courier, 20, step_s=1)
    assert receiver.ids() == ["al-1.1"]
    assert asked == ["m-1"] * 3


def test_partitions_that_are_taken_away_are_not_delivered_here(
    bench: Bench, receiver: Receiver
) -> None:
    bench.publish(*range(4))
    target = bench.target(receiver.url)
    stopped = bench.courier(target)
    bench.turns(stopped, 1)
    successor = bench.courier(target)
    bench.turns(stopped)
    bench.turns(successor)
    assert receiver.ids() == [f"al-{n}.1" for n in range(4)]


@given(
    script=st.lists(st.sampled_from(["ok", "fail", "crash"]), max_size=25),
    partitions=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_whatever_fails_nothing_is_lost_and_order_holds_within_a_partition(
    script: list[str], partitions: int
) -> None:
    """Failures and ends of the process at any place, on a sender that notes what it was told."""
    kafka, clock, metrics = FakeKafka(), Clock(), Metrics()
    for number in range(8):
        value = encode(alert(number))
        kafka.publish(topics.ALERTS, number % partitions, b"key", value)
    told: list[str] = []
    steps = iter(script)

    def send(message: Any, _now_s: float) -> None:
        step = next(steps, "ok")
        if step == "fail":
            raise Failed("not now")
        told.append(message.message_id)
        if step == "crash":
            raise KeyboardInterrupt

    from sinks.webhooks.document import WebhookEndpoint

    endpoint = WebhookEndpoint(name="core", url="x", secret_files=["x"], start="earliest")
    quiet: Any = type("Quiet", (), {"ready": lambda *_: None, "beat": lambda *_: None})()

    def begin() -> Courier:
        consumer = FakeConsumer(kafka)
        courier = Courier(
            Settings(),
            Target(endpoint, send),
            metrics,
            quiet,
            funders_of=lambda _: frozenset(),
            consumer=consumer,  # type: ignore[arg-type]
            clock=clock,
            wall_clock=lambda: TIMESTAMP_MS / 1000,
        )
        kafka.give(consumer)
        return courier

    courier = begin()
    for _ in range(120):
        clock.now += PAUSE_MAX_S
        try:
            courier.run_once(0)
        except KeyboardInterrupt:
            courier = begin()
    assert set(told) == {f"al-{n}.1" for n in range(8)}
    firsts = list(dict.fromkeys(told))
    for partition in range(partitions):
        own = [f"al-{n}.1" for n in range(8) if n % partitions == partition]
        assert [each for each in firsts if each in own] == own
    assert len(told) - 8 <= script.count("crash")

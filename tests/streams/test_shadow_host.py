"""A challenger in shadow says what it would do, and nothing that anybody obeys."""

from typing import Any

import msgspec
import pytest

from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from streams.artifacts import MemoryArtifacts, builtin_policy
from streams.host import Committed
from streams.records import Output, Record
from streams.shadow_host import ShadowHost

DAY_MS = 86_400_000
START_MS = 19_723 * DAY_MS


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ShadowHost:
    monkeypatch.setattr("streams.scoring_host.restore", lambda *_: None)
    text = builtin_policy("portfolio-1.yaml").replace("holdout_share: 0.02", "holdout_share: 0.0")
    made = ShadowHost(Settings(), Metrics(), MemoryArtifacts(), text)
    made.assign({(topics.EVENTS, 0): Committed(None, "")})
    return made


def trade(host: ShadowHost, days: int) -> list[Output]:
    outputs: list[Output] = []
    for number in range(days):
        line: dict[str, Any] = {
            "type": "order.paid",
            "event_id": f"e{number}",
            "merchant_id": "m",
            "occurred_at": START_MS + number * DAY_MS,
            "amount": 300_000,
            "currency": "CNY",
        }
        raw = msgspec.json.encode(line)
        outputs += host.take(Record(topics.EVENTS, 0, number, None, raw, [], 0), 0)
    return outputs


def test_its_limit_changes_go_to_their_own_topic_and_nothing_else_goes_anywhere(
    host: ShadowHost,
) -> None:
    outputs = trade(host, 60)
    assert {each.topic for each in outputs} == {topics.SHADOW_CHANGES}
    (opened,) = [msgspec.json.decode(each.value or b"") for each in outputs]
    assert (opened["action"], opened["policy_version"]) == ("open", "portfolio-1")
    assert topics.SHADOW_CHANGES not in (*topics.INPUT_TOPICS, *topics.OUTPUT_TOPICS)


def test_an_activation_in_the_log_does_not_replace_the_challenger(host: ShadowHost) -> None:
    line = {
        "type": "policy.activated",
        "event_id": "a",
        "merchant_id": "*",
        "occurred_at": START_MS,
        "version": "working-capital-2",
        "digest": "d",
    }
    host.take(Record(topics.EVENTS, 0, 0, None, msgspec.json.encode(line), [], 0), 0)
    assert host._partitions[0].scoring.policy_version == "portfolio-1"


def test_its_group_and_checkpoints_are_those_of_its_version(host: ShadowHost) -> None:
    trade(host, 3)
    assert host.role == "shadow-portfolio-1"
    host._partitions[0].checkpointer.begin()
    pages = host.drain()
    assert {each.topic for each in pages} == {topics.SHADOW_CHECKPOINTS}
    assert all((each.key or b"").startswith(b"portfolio-1/0/") for each in pages)

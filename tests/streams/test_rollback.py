"""A roll-back by the desk is heard by the contest, which then compares with what is in force."""

from typing import Any

import msgspec
import pytest

from detectors.contest import PACE_MS
from detectors.default_risk import PRIOR_MODEL, encode_model
from ops.metrics import Metrics
from ops.settings import load_settings
from schemas import topics
from streams.artifacts import MemoryArtifacts
from streams.intake import Intake
from streams.learner import Learner
from streams.learner_host import LearnerHost
from streams.model_keys import REPLAY_SIGNER
from streams.pipeline import Pipeline
from streams.records import Output, Record

from .test_learner import DAY_MS, assessment, merchants, process

PRIOR = PRIOR_MODEL.version


def default_risk(outputs: list[Output]) -> list[Output]:
    """The versions of default risk: the learner publishes anomaly models and reports too."""
    return [o for o in outputs if (o.key or b"").startswith(b"default-risk-")]


def promoted() -> Learner:
    """A learner that has just promoted its first version."""
    learner = Learner()
    for record in merchants(0, 600, 1):
        if default_risk(learner.process(record)):
            return learner
    raise AssertionError("nobody was promoted")


def restored(learner: Learner, items: dict[bytes, bytes | None]) -> Learner:
    items |= dict(learner.dirty())
    other = Learner()
    other.restore(items)
    return other


def seen(day: float, model: str, partition: int = 2, name: str = "seen") -> Record:
    return assessment(name, int(day * DAY_MS), None, model=model, partition=partition)


@pytest.mark.parametrize("stopped", [False, True])
def test_the_contest_goes_back_with_the_workers_also_over_a_restart(stopped: bool) -> None:
    learner, items = promoted(), dict[bytes, bytes | None]()
    first = learner.contest.champion.version
    steps = [
        (0, PRIOR, first),  # it has not heard of the new version yet
        (2, first, first),
        (0, first, first),
        (2, PRIOR, PRIOR),  # the desk went back
        (0, first, PRIOR),  # it lags behind
        (0, PRIOR, PRIOR),
    ]
    for number, (partition, stamped, champion) in enumerate(steps):
        if stopped:
            learner = restored(learner, items)
        learner.process(seen(120 + number / 10, stamped, partition))
        assert learner.contest.champion.version == champion
    assert learner.contest.champion == PRIOR_MODEL
    assert (learner.counters.rolled_back, learner.counters.rollbacks_unknown) == (1, 0)
    assert learner.contest.standings() == {}, "the comparison starts anew"


def published_at(outputs: list[Output]) -> list[tuple[str, int]]:
    lines = [msgspec.json.decode(o.value or b"") for o in outputs if o.topic == topics.CONTROL]
    return [(e["version"], e["occurred_at"]) for e in lines if e["artifact"] == "model"]


def test_nothing_is_promoted_until_a_day_after_the_roll_back() -> None:
    records = merchants(0, 600, 1)
    kept = Learner()
    free = published_at(process(kept, records))
    learner, found, gone_back = Learner(), list[tuple[str, int]](), 0
    for record in records:
        found += published_at(learner.process(record))
        if found and not gone_back:
            as_of = msgspec.json.decode(record.value or b"")["as_of"]
            gone_back = as_of
            learner.process(seen(as_of / DAY_MS, found[0][0]))
            learner.process(seen(as_of / DAY_MS, PRIOR))
            assert learner.contest.champion == PRIOR_MODEL
    assert len(free) > 1 and len(found) > 1
    assert all(at >= gone_back + PACE_MS for _, at in found[1:])
    names = [version for version, _ in found]
    assert names == [f"default-risk-{n + 1}" for n in range(len(names))], "no name is used twice"


def test_a_later_version_comes_from_the_one_that_was_rolled_back_to() -> None:
    learner, parents = Learner(), []
    stamped = PRIOR
    for record in merchants(0, 600, 1):
        for output in default_risk(learner.process(record)):
            envelope = msgspec.json.decode(output.value or b"")
            parents.append(envelope["parent"])
            stamped = envelope["version"]
            at = envelope["published_at"] / DAY_MS
            learner.process(seen(at, stamped))
            learner.process(seen(at, PRIOR))
    assert len(parents) > 1 and set(parents) == {PRIOR}


def test_a_version_that_is_not_the_learner_s_is_counted_and_the_champion_stays() -> None:
    learner = promoted()
    first = learner.contest.champion.version
    for day, stamped in ((120, first), (121, "foreign"), (122, "foreign")):
        learner.process(seen(day, stamped))
    assert learner.contest.champion.version == first
    assert (learner.counters.rolled_back, learner.counters.rollbacks_unknown) == (0, 1)


def test_roll_backs_are_shown() -> None:
    metrics = Metrics()
    host = LearnerHost(load_settings(), metrics, REPLAY_SIGNER)
    host.assign({})
    for record in merchants(0, 600, 1):
        if outputs := default_risk(host.take(record, 0)):
            first = msgspec.json.decode(outputs[0].value or b"")["version"]
            host.take(seen(120, first), 0)
            host.take(seen(121, PRIOR), 0)
            break
    host.tick(1)
    assert metrics.rollbacks.labels("followed")._value.get() == 1


def test_the_command_of_the_desk_reaches_the_contest_through_the_log() -> None:
    artifacts, learner = MemoryArtifacts(), Learner()
    intake = Intake(partitions=2, privacy_key=bytes(32), artifacts=artifacts)
    said: list[tuple[str, bytes]] = []
    pipeline = Pipeline(intake, artifacts, lambda *each: said.append(each), learner=learner)
    model = msgspec.structs.replace(PRIOR_MODEL, version="mine-1")
    raw = REPLAY_SIGNER.seal(
        "default-risk", "mine-1", encode_model(model), published_at=1, libraries={}, parent=PRIOR
    )
    artifacts.put("model", "mine-1", raw)
    learner.in_force.published(model)
    start = 1_760_000_000_000 // DAY_MS * DAY_MS
    number = 0

    def feed(type: str, day: float, merchant: str, **fields: Any) -> None:
        nonlocal number
        number += 1
        event = {
            "type": type,
            "event_id": f"e{number}",
            "merchant_id": merchant,
            "occurred_at": start + int(day * DAY_MS),
            **fields,
        }
        pipeline.feed("file", number, msgspec.json.encode(event), start + 400 * DAY_MS)

    def trade(first: int, after: int) -> None:
        for day in range(first, after):
            for name in ("a", "b", "c"):
                feed(
                    "order.paid", day + 0.5, name, order_id=f"{name}{day}", amount=9, currency="CNY"
                )
        pipeline.settle(start + 400 * DAY_MS)

    trade(0, 5)
    assert learner.contest.champion.version == PRIOR
    feed("model.rollback", 5, "*", actor="li", version="mine-1")
    trade(5, 10)
    assert learner.contest.champion == model
    feed("model.rollback", 10, "*", actor="li", version=PRIOR)
    trade(10, 15)
    assert learner.contest.champion == PRIOR_MODEL
    assert learner.counters.rolled_back == 2
    stamps = [msgspec.json.decode(v)["model_version"] for t, v in said if t == topics.ASSESSMENTS]
    assert list(dict.fromkeys(stamps)) == [PRIOR, "mine-1"] and stamps[-1] == PRIOR

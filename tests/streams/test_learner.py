"""The learner: labels in order of arrival, quarantine, promotion, and a restore that goes on."""

import random
from collections import Counter

import msgspec

from detectors.default_risk import decode_model
from detectors.envelope import open_envelope
from detectors.labelling import STEP_MAX
from detectors.prior import PRIOR_VERSION
from features.catalogue import NAMES
from schemas import topics
from schemas.digests import content_digest
from schemas.outputs import Assessment
from streams.learner import SCORE, SNAPSHOTS_MAX, Learner
from streams.model_keys import LIBRARIES, REPLAY_KEYS
from streams.records import Output, Record
from tests.detectors.merchants import vector_of

DAY_MS = 86_400_000


def assessment(
    merchant: str,
    as_of: int,
    outcome: str | None,
    of: str | None = None,
    *,
    model: str = "m",
    partition: int = 0,
    **values: float,
) -> Record:
    """One record of ``risk.assessments``; ``of`` is the loan or alert of its outcome."""
    vector = vector_of(**values).tolist()
    value = Assessment(
        assessment_id="as",
        merchant_id=merchant,
        as_of=as_of,
        segment="s",
        trigger="t",
        probability_of_default=0.1,
        horizon_days=90,
        anomaly_score=None,
        band="D" if values.get("silence_days", 0) > 3 else "B",
        exposure_minor=100,
        currency="CNY",
        reasons=[],
        features={n: v for n, v in zip(NAMES, vector, strict=True) if v == v},
        causes=[],
        model_version=model,
        policy_version="p",
        feature_version="f",
        outcome=outcome,  # type: ignore[arg-type]
        outcome_of=of,
    )
    return Record(
        topics.ASSESSMENTS, partition, 0, merchant.encode(), msgspec.json.encode(value), [], 0
    )


def merchants(first: int, count: int, seed: int) -> list[Record]:
    """Each is assessed, and 40 days later defaults or settles."""
    rng = random.Random(seed)
    records = []
    for number in range(first, first + count):
        bad = rng.random() < 0.2
        at = number * DAY_MS // 8
        values = {
            "silence_days": rng.expovariate(1 / (8 if bad else 1)),
            "repayment_late_share": min(max(rng.gauss(0.6 if bad else 0.1, 0.2), 0), 1),
        }
        records.append(assessment(f"m{number}", at, None, **values))
        outcome = "defaulted" if bad else "settled"
        records.append(assessment(f"m{number}", at + 40 * DAY_MS, outcome, f"l{number}", **values))
    return records


def burst(at: int) -> list[Record]:
    """A hundred merchants written off within the same moment."""
    return [
        assessment(f"m{number}", at + number, "defaulted", f"b{number}") for number in range(100)
    ]


def process(learner: Learner, records: list[Record]) -> list[Output]:
    return [output for record in records for output in learner.process(record)]


def promoted(outputs: list[Output]) -> list[Output]:
    """Versions and their activations: all but the reports."""
    return [output for output in outputs if output.topic != topics.LEARNER_REPORTS]


def test_what_is_learnt_is_promoted_published_and_activated() -> None:
    learner = Learner()
    outputs = promoted(process(learner, merchants(0, 600, 1)))
    by_topic = Counter(output.topic for output in outputs)
    published = learner.counters.published + learner.anomaly.versions
    assert by_topic[topics.MODELS] == by_topic[topics.CONTROL] == published
    assert learner.counters.published > 0
    raw = outputs[0].value or b""
    envelope = open_envelope(raw, REPLAY_KEYS, kind="default-risk", version="default-risk-1")
    assert envelope.parent == PRIOR_VERSION and set(envelope.libraries) == set(LIBRARIES)
    first = decode_model(bytes(envelope.payload))
    assert envelope.published_at == first.trained_until
    assert first.version == "default-risk-1" and first.parent == PRIOR_VERSION
    activation = msgspec.json.decode(outputs[1].value or b"")
    assert activation["type"] == "model.activated" and activation["version"] == first.version
    assert activation["digest"] == content_digest(raw), "of the whole envelope"
    assert learner.counters.learned + learner.counters.labels_ripening == 600


def test_a_restored_learner_goes_on_as_if_never_stopped() -> None:
    records = merchants(0, 400, 2)
    whole, one = Learner(), Learner()
    expected = process(whole, records)
    items: dict[bytes, bytes] = {}
    found: list[Output] = []
    for first in range(0, len(records), 97):
        found += process(one, records[first : first + 97])
        items |= dict(one.dirty())
        one = Learner()
        one.restore(items)
    assert found == expected
    assert one.contest.snapshot() == whole.contest.snapshot()
    assert one.counters == whole.counters and one.psi() == whole.psi()


def test_a_poisoned_burst_is_held_and_promotes_nobody() -> None:
    learner = Learner()
    process(learner, merchants(0, 400, 3))
    learned = learner.counters.learned
    for record in burst(at=90 * DAY_MS):
        held = learner.quarantine.holding
        assert not (promoted(learner.process(record)) and held), "nothing is promoted meanwhile"
    assert learner.counters.labels_held > 50
    assert learner.counters.learned - learned < 60
    process(learner, merchants(400, 110, 5))
    assert learner.counters.labels_held == 0 and learner.counters.labels_given_up > 30


def test_an_outcome_without_history_is_counted() -> None:
    learner = Learner()
    process(learner, [assessment("m", 5, "settled")])
    assert learner.counters.outcomes_without_history == 1


def test_another_population_shows_in_the_index() -> None:
    learner = Learner()
    for number in range(1_000):
        learner.process(assessment(f"a{number}", number, None, silence_days=0.1))
    assert learner.psi() == {}
    for number in range(1_000):
        learner.process(assessment(f"b{number}", number, None, silence_days=30.0))
    psi = learner.psi()
    assert psi["silence_days"] > 0.25 and psi[SCORE] > 0.25
    assert psi["refund_share_28d"] < 0.01


def test_good_outcomes_wait_until_bad_ones_of_their_age_are_known() -> None:
    learner = Learner()
    for name in ("good", "bad", "other"):
        process(learner, [assessment(name, 0, None)])
    process(learner, [assessment("good", 40 * DAY_MS, "settled")])
    assert (learner.counters.labels_ripening, learner.counters.learned) == (1, 0)
    process(learner, [assessment("bad", 50 * DAY_MS, "defaulted")])
    assert (learner.counters.labels_ripening, learner.counters.learned) == (1, 1)
    process(learner, [assessment("other", 70 * DAY_MS - 1, None)])
    assert learner.counters.labels_ripening == 1
    process(learner, [assessment("other", 70 * DAY_MS, None)])
    assert (learner.counters.labels_ripening, learner.counters.learned) == (0, 2)


def test_thirty_days_late_and_a_verdict_of_default_are_bad_labels_once() -> None:
    learner = Learner()
    process(learner, [assessment("a", 0, None), assessment("b", 0, None)])
    process(learner, [assessment("a", 40 * DAY_MS, "late_30", "l1")])
    process(learner, [assessment("a", 60 * DAY_MS, "defaulted", "l1")])
    process(learner, [assessment("b", 61 * DAY_MS, "verdict_defaulted", "al1")])
    assert (learner.counters.learned, learner.counters.labels_repeated) == (2, 1)
    assert [outcome.defaulted for outcome in learner.contest.outcomes] == [True, True]
    assert [outcome.lead_days for outcome in learner.contest.outcomes] == [40.0, 61.0]


def test_verdicts_of_suspicion_teach_and_do_not_judge() -> None:
    learner = Learner()
    for number in range(8):
        process(learner, [assessment(f"m{number}", 0, None)])
        process(learner, [assessment(f"m{number}", DAY_MS, "verdict_confirmed", f"al{number}")])
    process(learner, [assessment("other", 31 * DAY_MS, None)])
    assert (learner.counters.learned, learner.counters.labels_thinned) == (2, 6)
    assert learner.contest.labels == 0 and learner.contest.outcomes == []


def test_a_storm_of_labels_changes_what_one_step_costs_by_a_constant() -> None:
    learner = Learner()
    for number in range(1_000):
        process(learner, [assessment(f"m{number}", number, None)])
    before = learner.counters.learned
    for number in range(1_000):
        process(learner, [assessment(f"m{number}", 40 * DAY_MS, "settled", f"l{number}")])
    assert learner.counters.labels_ripening == 1_000
    for step in range(1, 5):
        process(learner, [assessment("other", 100 * DAY_MS + step, None)])
        assert learner.counters.learned - before == step * STEP_MAX


def test_a_storm_writes_what_changed_and_no_more() -> None:
    learner = Learner()
    for number in range(500):
        process(learner, [assessment(f"m{number}", number, None)])
        process(learner, [assessment(f"m{number}", 40 * DAY_MS, "settled", f"l{number}")])
    learner.dirty()
    process(learner, [assessment("m0", 41 * DAY_MS, "settled", "another")])
    items = dict(learner.dirty())
    assert sum(key.startswith(b"ripening/") for key in items) == 1
    waiting = [raw for key, raw in items.items() if key.startswith((b"ripening", b"labelled"))]
    assert sum(len(raw or b"") for raw in waiting) < 2_000


def test_memory_of_a_merchant_is_bounded() -> None:
    learner = Learner()
    everything = dict.fromkeys(NAMES, 0.5)
    for month in range(40):
        process(learner, [assessment("m", month * 30 * DAY_MS, None, **everything)])
    (raw,) = [raw for key, raw in learner.dirty() if key.startswith(b"snapshots/")]
    assert len(raw or b"") < SNAPSHOTS_MAX * (4 * len(NAMES) + len(NAMES) / 8 + 16) + 16


def test_what_was_kept_of_other_features_is_left_out() -> None:
    learner = Learner()
    other = msgspec.msgpack.encode([[9, b"f2/" + bytes(80)]])
    learner.restore({b"snapshots/m": other})
    process(learner, [assessment("m", 40 * DAY_MS, "defaulted", "l")])
    assert learner.counters.outcomes_without_history == 1
    assert learner.counters.learned == 0

"""The learner's part for the anomaly models: who is learnt, what is published, what is kept."""

from collections import Counter

import msgspec
import numpy as np
import pytest

from detectors.anomaly_learning import DAY_MS, WARM_UP, WINDOW, turn_of
from detectors.anomaly_model import decode_anomaly
from detectors.envelope import open_envelope
from features.catalogue import INDEX, NAMES
from schemas import topics
from schemas.digests import content_digest
from schemas.outputs import Assessment
from streams import anomaly_learner
from streams.learner import Learner
from streams.model_keys import REPLAY_KEYS
from streams.records import Output, Record
from tests.detectors.usual import usual

HOUR_MS = 3_600_000


def assessment(merchant: str, at: int, vector: list[float], band: str = "B") -> Record:
    """One record of ``risk.assessments``."""
    value = Assessment(
        assessment_id="as",
        merchant_id=merchant,
        as_of=at,
        segment="s",
        trigger="t",
        probability_of_default=0.1,
        horizon_days=90,
        anomaly_score=None,
        band=band,  # type: ignore[arg-type]
        exposure_minor=100,
        currency="CNY",
        reasons=[],
        features={n: v for n, v in zip(NAMES, vector, strict=True) if v == v},
        causes=[],
        model_version="m",
        policy_version="p",
        feature_version="f",
    )
    return Record(topics.ASSESSMENTS, 0, 0, merchant.encode(), msgspec.json.encode(value), [], 0)


def assessments(count: int, seed: int, first: int = 0, moved: float = 0.0) -> list[Record]:
    """Each of another merchant, an hour apart."""
    vectors = usual(count, seed)
    vectors[:, INDEX["refund_share_28d"]] += moved
    return [
        assessment(f"m{number}", number * HOUR_MS, vector)
        for number, vector in enumerate(vectors.tolist(), first)
    ]


def process(learner: Learner, records: list[Record]) -> list[Output]:
    return [output for record in records for output in learner.process(record)]


def published(outputs: list[Output]) -> list[Output]:
    """Versions and activations: the learner writes reports too."""
    return [output for output in outputs if output.topic != topics.LEARNER_REPORTS]


def test_what_is_usual_is_learnt_published_and_activated() -> None:
    learner = Learner()
    assert published(process(learner, assessments(WARM_UP - 1, 1))) == []
    model, control = published(process(learner, assessments(1, 2, first=WARM_UP)))
    assert (model.topic, model.key) == (topics.MODELS, b"anomaly-1")
    raw = model.value or b""
    envelope = open_envelope(raw, REPLAY_KEYS, kind="anomaly", version="anomaly-1")
    assert decode_anomaly(bytes(envelope.payload)).version == "anomaly-1"
    activation = msgspec.json.decode(control.value or b"")
    assert (activation["type"], activation["artifact"]) == ("model.activated", "anomaly")
    assert activation["digest"] == content_digest(model.value or b"")
    assert control.topic == topics.CONTROL and control.key == b"*"


def test_a_busy_merchant_counts_once_a_week_and_a_thin_history_never() -> None:
    learner = Learner()
    vector = usual(1, 1)[0].tolist()
    process(learner, [assessment("new", 0, vector, band="insufficient_history")])
    assert learner.anomaly.learned == 0
    process(learner, [assessment("busy", hour * HOUR_MS, vector) for hour in range(4 * 7 * 24)])
    assert learner.anomaly.learned in (4, 5)


def test_weeks_of_merchants_begin_at_all_hours() -> None:
    names = [f"m{number}" for number in range(2_000)]
    begins = Counter(
        next(day for day in range(7) if turn_of(name, (day + 1) * DAY_MS) > turn_of(name, 0))
        for name in names
    )
    assert len(begins) == 7 and max(begins.values()) < 2 * min(begins.values())


def test_a_restored_learner_goes_on_as_if_never_stopped() -> None:
    records = assessments(WINDOW, 1) + assessments(WINDOW, 2, first=WINDOW, moved=0.3)
    whole, one = Learner(), Learner()
    expected = process(whole, records)
    assert Counter(output.topic for output in expected)[topics.MODELS] > 2
    items: dict[bytes, bytes] = {}
    found: list[Output] = []
    for first in range(0, len(records), 197):
        found += process(one, records[first : first + 197])
        items |= dict(one.dirty())
        one = Learner()
        one.restore(items)
    assert found == expected
    assert one.anomaly.learning.windows == whole.anomaly.learning.windows
    assert max(map(len, items.values())) < 100_000
    assert process(one, records[:1]) == process(whole, records[:1])


def test_only_what_changed_is_written() -> None:
    learner = Learner()
    process(learner, assessments(WARM_UP, 1))
    learner.dirty()
    process(learner, assessments(1, 2, first=WARM_UP))
    ours = [key for key, _ in learner.dirty() if key.startswith(anomaly_learner.PREFIX)]
    assert sorted(ours) == [
        b"anomaly/head/0",
        b"anomaly/head/1",
        b"anomaly/learnt/m256",
        b"anomaly/rows/0/8",
        b"anomaly/rows/1/8",
    ]


def test_state_of_another_release_with_other_inputs_warms_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = Learner()
    process(learner, assessments(WARM_UP, 1))
    items = dict(learner.dirty())
    monkeypatch.setattr(anomaly_learner, "_MADE_FOR", "other")
    again = Learner()
    again.restore(items)
    assert again.anomaly.learning.windows[0].count == 0
    outputs = process(again, assessments(WARM_UP, 2, first=WARM_UP))
    assert outputs[0].key == b"anomaly-2", "no version is named twice"


def test_a_feature_that_is_null_is_one_that_is_absent() -> None:
    vector = usual(1, 1)[0]
    record = assessment("m", 0, vector.tolist())
    plain = msgspec.json.decode(record.value or b"")
    plain["features"] |= {n: None for n, v in zip(NAMES, vector, strict=True) if np.isnan(v)}
    one, other = Learner(), Learner()
    one.process(record)
    other.process(record._replace(value=msgspec.json.encode(plain)))
    assert one.anomaly.learning.windows == other.anomaly.learning.windows

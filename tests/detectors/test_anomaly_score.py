"""Scores of batches: calibrated, found in any company, and with what makes them so high."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.anomaly import ROBUST_DISTANCE
from detectors.anomaly_inputs import INPUTS, input_rows
from detectors.anomaly_score import UNUSUAL_FROM, UNUSUAL_MAX, anomaly_version, rate
from features.catalogue import INDEX, NAMES
from tests.detectors.merchants import any_vector, vector_of
from tests.detectors.usual import learnt, usual

MODEL = learnt(512)


def scores(vectors, segment: str = "s") -> list[float | None]:
    return [each.score for each in rate(MODEL, vectors, [segment] * len(vectors))]


@pytest.mark.parametrize("share", [0.5, 0.2, 0.1, 0.05])
def test_a_score_is_the_share_of_the_segment_that_is_less_unusual(share: float) -> None:
    found = np.array(scores(usual(4000, 9)), float)
    assert float((found >= 1 - share).mean()) == pytest.approx(share, abs=0.3 * share + 0.02)


def test_calibration_holds_on_average_over_windows() -> None:
    reached = []
    for seed in range(12):
        model = learnt(256, seed=seed)
        found = rate(model, usual(500, 1000 + seed), ["s"] * 500)
        reached.append(np.mean([(each.score or 0) >= 0.95 for each in found]))
    assert 0.03 < float(np.mean(reached)) < 0.07


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("refund_share_28d", 0.6),
        ("late_delivery_share_28d", 0.9),
        ("silence_days", 40.0),
        ("turnover_28d_minor", 1_000.0),
    ],
)
def test_a_planted_outlier_is_found_and_its_feature_named(feature: str, value: float) -> None:
    vectors = usual(50, 4)
    vectors[17, INDEX[feature]] = value
    found = rate(MODEL, vectors, ["s"] * 50)
    assert max(range(50), key=lambda i: found[i].score or 0) == 17
    assert (found[17].score or 0) >= UNUSUAL_FROM
    assert found[17].unusual[0] == feature


def test_the_usual_is_named_of_none() -> None:
    found = rate(MODEL, usual(300, 5), ["s"] * 300)
    assert all(not each.unusual for each in found if (each.score or 0) < UNUSUAL_FROM)
    assert all(1 <= len(each.unusual) <= UNUSUAL_MAX for each in found if each.unusual)


def test_farther_beyond_all_that_was_shown_scores_higher() -> None:
    vectors = np.stack([vector_of(refund_share_28d=share) for share in (0.1, 0.15, 0.2)])
    found = [score or 0.0 for score in scores(vectors)]
    assert found == sorted(set(found)) and found[-1] < 1


def test_an_unseen_segment_is_judged_by_all_merchants() -> None:
    vectors = usual(20, 6)
    unseen, other = scores(vectors, "never seen"), scores(vectors, "another")
    assert unseen == other
    assert None not in unseen and unseen != scores(vectors, "s")


def test_a_merchant_scores_the_same_alone_and_in_any_batch() -> None:
    vectors = usual(64, 7)
    alone = [rate(MODEL, vectors[i : i + 1], ["s"])[0] for i in range(64)]
    assert rate(MODEL, vectors, ["s"] * 64) == alone


def test_too_little_to_compare_has_no_score() -> None:
    vector = vector_of({"tenure_days": 40, "refund_share_28d": 0.5})
    assert rate(MODEL, vector[None], ["s"])[0].score is None
    assert rate(None, vector[None], ["s"])[0].score is None


def test_before_any_version_the_robust_distance_speaks() -> None:
    assert anomaly_version(None) == ROBUST_DISTANCE and anomaly_version(MODEL) == "anomaly-1"
    near, far = rate(None, np.stack([vector_of(), vector_of(turnover_28d_minor=0)]), ["s", "s"])
    assert near.score is not None and near.score < 0.2
    assert far.score is not None and far.score > 0.5


@settings(deadline=None)
@given(st.lists(any_vector, min_size=1, max_size=4))
def test_no_number_breaks_a_score(vectors) -> None:
    for model in (MODEL, None):
        for each in rate(model, np.array(vectors), ["s"] * len(vectors)):
            assert each.score is None or 0 <= each.score < 1


@given(any_vector)
def test_inputs_are_finite_or_not_available(vector) -> None:
    row = input_rows(vector[None])[0]
    assert len(row) == len(INPUTS) and not np.isinf(row).any()
    known = [math.isfinite(vector[NAMES.index(name)]) for name in INPUTS]
    assert known == np.isfinite(row).tolist()

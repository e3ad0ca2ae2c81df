"""The robust distance: how far a merchant is from its own usual."""

import math

import numpy as np
import pytest
from hypothesis import given

from detectors.anomaly import PART_FEATURES, PART_MAX, distance_scores, own_distances
from tests.detectors.merchants import any_vector, vector_of


def score_of(**changes: float) -> float:
    return float(distance_scores(own_distances(vector_of(**changes)[None]).total)[0])


def test_the_distance_grows_with_the_fall_of_sales() -> None:
    scores = [score_of(turnover_28d_minor=1_000_000 * s) for s in (1.0, 0.7, 0.4, 0.1, 0.0)]
    assert scores == sorted(scores)
    assert scores[0] < 0.2 and scores[-1] > 0.5


def test_a_volatile_merchant_is_less_anomalous_at_the_same_fall() -> None:
    steady = score_of(turnover_28d_minor=400_000, turnover_volatility_ratio=0.2)
    assert score_of(turnover_28d_minor=400_000, turnover_volatility_ratio=1.0) < steady


def test_the_parts_are_deviations_in_units_of_noise() -> None:
    found = own_distances(
        vector_of(
            turnover_28d_minor=500_000,
            refund_share_28d=0.12,
            dispute_share_28d=0.05,
            sales_count_28d=49,
            silence_days=7,
            silence_usual_days=1,
        )[None]
    )
    spread = math.sqrt(0.02 * 0.98 / 49)
    expected = [math.log(0.5) / 0.2, 0.1 / (spread + 0.02), 0.05 / 0.02, 0.0, 2.0]
    assert found.parts[0].tolist() == pytest.approx(expected)
    assert len(expected) == len(PART_FEATURES)
    assert found.total[0] == pytest.approx(math.sqrt(sum(p * p for p in expected) / 5))


def test_there_is_no_distance_without_a_usual() -> None:
    known = {"tenure_days": 100.0, "silence_days": 1.0}
    vectors = np.stack([vector_of(tenure_days=30), vector_of(known)])
    assert np.isnan(own_distances(vectors).total).all()


@given(any_vector)
def test_every_distance_is_bounded_or_not_available(vector) -> None:
    total = own_distances(vector[None]).total[0]
    assert math.isnan(total) or 0 <= total <= PART_MAX

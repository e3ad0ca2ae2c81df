"""Many merchants are scored as each alone, to the bit, and the leading inputs are the leading."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.assess import REASONS_MAX, judge
from detectors.bins import binned
from detectors.default_risk import (
    PRIOR_MODEL,
    PRIOR_SCORECARD,
    Z_BOUND,
    Model,
    base_log_odds,
    score,
    score_rows,
)
from detectors.facts import FACTS
from detectors.scorer import leading
from detectors.transform import INPUT_NAMES, input_rows, model_inputs, named, row_of
from tests.detectors.merchants import any_vector
from tests.detectors.test_boosted import version

MODELS = [PRIOR_MODEL, PRIOR_SCORECARD, version(400)]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
vectors = st.lists(any_vector, min_size=1, max_size=3).map(np.array)


@each_model
@given(vectors=vectors)
@settings(max_examples=30, deadline=None)
def test_a_merchant_is_scored_alike_alone_and_among_others(
    model: Model, vectors: np.ndarray
) -> None:
    together = model.scorer(input_rows(vectors))
    for i, vector in enumerate(vectors):
        alone = model.scorer(input_rows(vector[None]))
        assert alone.log_odds[0] == together.log_odds[i]
        assert np.array_equal(alone.contributions[0], together.contributions[i])
        probability, contributions = score(model, model_inputs(vector))
        assert probability == together.probabilities[i]
        assert set(contributions) == {
            name for name, part in zip(INPUT_NAMES, alone.contributions[0], strict=True) if part
        }


@given(any_vector)
def test_a_logistic_score_is_that_of_its_formula(vector: np.ndarray) -> None:
    inputs = model_inputs(vector)
    total = base_log_odds(PRIOR_MODEL)
    for name, weight, mean, variance in zip(
        PRIOR_MODEL.features,
        PRIOR_MODEL.weights,
        PRIOR_MODEL.means,
        PRIOR_MODEL.variances,
        strict=True,
    ):
        if name in inputs:
            z = (inputs[name] - mean) / variance**0.5
            total += weight * min(max(z, -Z_BOUND), Z_BOUND)
    assert score_rows(PRIOR_MODEL, input_rows(vector[None]))[0] == pytest.approx(
        1 / (1 + np.exp(-total)), abs=1e-12
    )


@given(any_vector)
def test_points_are_those_of_the_bins(vector: np.ndarray) -> None:
    points = dict(zip(PRIOR_SCORECARD.features, PRIOR_SCORECARD.weights, strict=True))
    total = base_log_odds(PRIOR_SCORECARD)
    total += sum(points[name] for name in binned(model_inputs(vector)))
    assert score_rows(PRIOR_SCORECARD, input_rows(vector[None]))[0] == pytest.approx(
        1 / (1 + np.exp(-total)), abs=1e-12
    )


@given(any_vector)
def test_inputs_by_name_and_as_a_row_are_the_same(vector: np.ndarray) -> None:
    (row,) = input_rows(vector[None])
    assert np.array_equal(row_of(named(row)), row, equal_nan=True)


@given(
    st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0]), min_size=9, max_size=9),
    st.permutations(range(9)),
    st.integers(1, 5),
)
def test_the_leading_inputs_are_the_largest_by_size_then_rank(
    parts: list[float], ranks: list[int], count: int
) -> None:
    places = np.array([rank if rank else -1 for rank in ranks])
    towards, away = leading(np.array([parts]), places, count)
    for found, sign in ((towards[0], 1.0), (away[0], -1.0)):
        able = [j for j in range(9) if sign * parts[j] > 0 and places[j] >= 0]
        able.sort(key=lambda j: (-sign * parts[j], places[j]))
        expected = (able + [-1] * count)[:count]
        assert found.tolist() == expected


@each_model
@given(vectors=vectors)
@settings(max_examples=30, deadline=None)
def test_what_is_stated_is_available_and_ranked(model: Model, vectors: np.ndarray) -> None:
    for row, judgement in zip(input_rows(vectors), judge(vectors, model), strict=True):
        contributions = dict(zip(INPUT_NAMES, row, strict=True))
        names = [name for name, _ in judgement.ranked]
        parts = [part for _, part in judgement.ranked]
        assert len(set(names)) == len(names) <= 2 * REASONS_MAX
        assert all(name in FACTS and contributions[name] == contributions[name] for name in names)
        assert parts == sorted((p for p in parts if p > 0), reverse=True) + sorted(
            p for p in parts if p < 0
        )

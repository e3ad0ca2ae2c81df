"""Model inputs are finite, bounded and in one order."""

import math

import pytest
from hypothesis import given

from detectors.prior import PRIOR
from detectors.transform import INPUT_NAMES, MISSING, model_inputs
from features.catalogue import CATALOGUE, INDEX, NAMES
from tests.detectors.merchants import any_vector, vector_of


@given(any_vector)
def test_inputs_are_finite_and_bounded_and_ordered(vector) -> None:
    inputs = model_inputs(vector)
    assert all(math.isfinite(value) and abs(value) <= 100 for value in inputs.values())
    assert list(inputs) == [name for name in INPUT_NAMES if name in inputs]


def test_what_is_not_available_is_left_out_and_its_feed_flagged() -> None:
    inputs = model_inputs(vector_of())
    assert "review_mean_13w" not in inputs
    assert inputs[MISSING + "review_mean_13w"] == 1.0
    assert inputs[MISSING + "turnover_28d_minor"] == 0.0


def test_transforms_follow_the_catalogue() -> None:
    inputs = model_inputs(vector_of(net_inflow_28d_minor=-1000.0))
    assert inputs["turnover_28d_minor"] == math.log1p(1_000_000)
    assert inputs["net_inflow_28d_minor"] == math.asinh(-1000)
    assert inputs["refund_share_28d"] == 0.02


def test_the_model_reads_the_features_of_the_prior_in_the_order_of_the_catalogue() -> None:
    read = [name for name in INPUT_NAMES if not name.startswith(MISSING)]
    assert read == sorted(PRIOR, key=INDEX.__getitem__)
    assert len(read) < len(CATALOGUE)


def test_of_the_percentiles_the_model_reads_three() -> None:
    peers = {feature.name for feature in CATALOGUE if feature.family == "peers"}
    assert len(peers & set(INPUT_NAMES)) == 3


def test_lists_and_arrays_give_the_same() -> None:
    vector = vector_of()
    assert model_inputs(vector) == model_inputs(vector.tolist())


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=f"the catalogue has {len(NAMES)}"):
        model_inputs([1.0])

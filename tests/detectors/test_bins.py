"""Inputs fall into the bins of the scorecard, whose points are those of the prior at the start."""

import math

import pytest

from detectors.bins import BIN_NAMES, CUTS, binned, feature_of, middle_of
from detectors.default_risk import PRIOR_MODEL, PRIOR_SCORECARD, score
from detectors.prior import PRIOR
from detectors.transform import INPUT_NAMES, model_inputs
from tests.detectors.merchants import vector_of


def test_a_value_falls_into_the_bin_of_its_distance_from_the_mean() -> None:
    mean, deviation, _ = PRIOR["days_past_due"]
    for z, number in ((-9, 0), (-1.5, 1), (-0.6, 1), (0, 2), (0.5, 3), (1.5, 4), (9, 4)):
        found = binned({"days_past_due": mean + z * deviation})
        assert found == {f"days_past_due#{number}": 1.0}


def test_what_is_missing_or_only_flags_it_has_no_bin() -> None:
    flags = {name: 1.0 for name in INPUT_NAMES if name not in PRIOR}
    assert flags and binned(flags) == {}
    assert len(BIN_NAMES) == len(PRIOR) * (len(CUTS) + 1)
    assert {feature_of(name) for name in BIN_NAMES} == set(PRIOR)
    assert [middle_of(name) for name in BIN_NAMES[:5]] == [0, 1, 2, 3, 4]


def test_the_prior_scorecard_follows_the_prior() -> None:
    healthy, late = vector_of(), vector_of(days_past_due=40, repayment_late_share=0.9)
    for model in (PRIOR_MODEL, PRIOR_SCORECARD):
        assert score(model, model_inputs(late))[0] > 2 * score(model, model_inputs(healthy))[0]


def test_the_parts_of_a_scorecard_are_named_by_feature_and_sum_to_the_log_odds() -> None:
    probability, parts = score(PRIOR_SCORECARD, model_inputs(vector_of(days_past_due=40)))
    assert set(parts) <= set(PRIOR)
    log_odds = PRIOR_SCORECARD.intercept + math.fsum(parts.values())
    assert math.log(probability / (1 - probability)) == pytest.approx(log_odds)

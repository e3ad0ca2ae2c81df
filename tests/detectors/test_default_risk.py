"""A model version is checked whole, scores exactly, and starts as an expert would."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from msgspec import structs

from detectors.default_risk import (
    PRIOR_MODEL,
    Model,
    ModelError,
    base_log_odds,
    decode_model,
    encode_model,
    score,
)
from detectors.prior import PRIOR, PRIOR_PROBABILITY
from detectors.transform import model_inputs
from features.catalogue import CATALOGUE
from tests.detectors.merchants import any_vector, vector_of


def test_encoding_and_decoding_give_the_same_model_and_bytes() -> None:
    raw = encode_model(PRIOR_MODEL)
    assert decode_model(raw) == PRIOR_MODEL
    assert encode_model(decode_model(raw)) == raw


@given(any_vector)
def test_contributions_sum_to_the_log_odds(vector) -> None:
    probability, contributions = score(PRIOR_MODEL, model_inputs(vector))
    assert 0 < probability < 1
    total = base_log_odds(PRIOR_MODEL) + math.fsum(contributions.values())
    assert math.log(probability / (1 - probability)) == pytest.approx(total, abs=1e-6)


def test_the_mean_merchant_has_the_prior_probability_and_no_contribution() -> None:
    probability, contributions = score(PRIOR_MODEL, {})
    assert probability == pytest.approx(PRIOR_PROBABILITY)
    assert contributions == {}
    means = dict(zip(PRIOR_MODEL.features, PRIOR_MODEL.means, strict=True))
    assert not any(score(PRIOR_MODEL, means)[1].values())


@pytest.mark.parametrize(
    "feature", [f for f in CATALOGUE if f.name in PRIOR], ids=lambda feature: feature.name
)
def test_prior_weights_point_where_the_catalogue_says_risk_lies(feature) -> None:
    _, deviation, weight = PRIOR[feature.name]
    assert deviation > 0
    if feature.direction == "up":
        assert weight > 0
    elif feature.direction == "down":
        assert weight < 0
    else:
        assert weight == 0


def test_a_merchant_past_due_scores_worse_than_a_healthy_one() -> None:
    healthy, _ = score(PRIOR_MODEL, model_inputs(vector_of()))
    past_due, _ = score(
        PRIOR_MODEL,
        model_inputs(vector_of(days_past_due=30, repayment_late_share=0.8, silence_days=20)),
    )
    assert healthy < 0.05 < 0.3 < past_due


def changed(**fields: Any) -> bytes:
    document = json.loads(encode_model(PRIOR_MODEL))
    document.update(fields)
    return json.dumps(document).encode()


def one_bad(name: str, value: Any) -> bytes:
    numbers = list(getattr(PRIOR_MODEL, name))
    return changed(**{name: [value, *numbers[1:]]})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[1, 2]",
        b"[" * 100_000,
        b" " * (2 << 20),
        changed(schema="tideline.default-risk/2"),
        changed(schema="tideline.default-risk/4"),
        changed(kind="forest"),
        changed(kind="scorecard"),
        changed(feature_version="f0"),
        changed(code="import os"),
        changed(version=""),
        changed(version="a\nb"),
        changed(features=[]),
        changed(features=["tenure_days"] * len(PRIOR_MODEL.features)),
        one_bad("features", "shoe_size"),
        changed(weights=[0.0]),
        changed(means=[0.0]),
        changed(variances=[0.0]),
        one_bad("weights", float("nan")),
        one_bad("weights", float("inf")),
        one_bad("weights", 5000.0),
        one_bad("weights", "0.1"),
        one_bad("variances", -1.0),
        changed(intercept=1e5),
        changed(calibration={"slope": 0.0, "offset": 0.0}),
        changed(calibration={"slope": 1.0}, horizon_days=0),
        changed(n_learned=1, n_defaults=2),
        changed(metrics={"log_loss": 1e300}),
        encode_model(PRIOR_MODEL).replace(b'"intercept":', b'"intercept":1e999,"x":'),
    ],
)
def test_a_corrupt_newer_or_forged_version_is_refused(raw: bytes) -> None:
    with pytest.raises(ModelError):
        decode_model(raw)


def test_an_input_that_never_varied_contributes_nothing() -> None:
    flat: Model = structs.replace(PRIOR_MODEL, variances=(0.0,) * len(PRIOR_MODEL.features))
    assert score(flat, model_inputs(vector_of())) == (pytest.approx(PRIOR_PROBABILITY), {})

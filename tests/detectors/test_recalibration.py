"""A version whose ranking stays while its probabilities follow the labels."""

import math
import random

import msgspec
import numpy as np
import pytest

from detectors.default_risk import PRIOR_MODEL, decode_model, encode_model, score
from detectors.metrics import roc_auc
from detectors.platt import OFFSET_VARIANCE, SLOPE_VARIANCE
from detectors.recalibration import Recalibrated
from tests.detectors.test_learning import samples


def learnt(count: int, seed: int = 1) -> Recalibrated:
    model = Recalibrated.from_model(PRIOR_MODEL)
    for inputs, label in samples(count, seed):
        model.learn(inputs, label, at=7)
    return model


def test_before_any_label_it_says_what_its_version_says() -> None:
    model = Recalibrated.from_model(PRIOR_MODEL)
    for inputs, _ in samples(20, 2):
        assert model.predict(inputs) == pytest.approx(score(PRIOR_MODEL, inputs)[0], abs=1e-12)


def test_the_base_rate_is_found_and_the_ranking_kept() -> None:
    model = learnt(300)
    fresh = list(samples(500, 3))
    labels = [label for _, label in fresh]
    said = [model.predict(inputs) for inputs, _ in fresh]
    before = [score(PRIOR_MODEL, inputs)[0] for inputs, _ in fresh]
    assert sum(said) / len(said) == pytest.approx(0.2, abs=0.06)
    assert roc_auc(said, labels) == pytest.approx(roc_auc(before, labels))


def test_a_version_scores_as_its_learner_predicts() -> None:
    model = learnt(200)
    version = model.to_model(version="v", parent="p", trained_until=9)
    version = decode_model(encode_model(version))
    assert (version.trained_from, version.trained_until, version.n_learned) == (7, 9, 200)
    for inputs, _ in samples(50, 4):
        assert score(version, inputs)[0] == pytest.approx(model.predict(inputs), abs=1e-12)


def test_what_is_learnt_is_near_the_best_fit_of_all_labels_and_the_prior() -> None:
    """Against Newton's method, damped, on the penalised likelihood of the same labels."""
    some = list(samples(400, 5))
    raw = np.array([math.log(p / (1 - p)) for p in (score(PRIOR_MODEL, x)[0] for x, _ in some)])
    labels = np.array([label for _, label in some], float)
    design = np.stack([raw, np.ones_like(raw)], axis=1)
    prior, start = np.diag([1 / SLOPE_VARIANCE, 1 / OFFSET_VARIANCE]), np.array([1.0, 0.0])

    def loss(theta: np.ndarray) -> float:
        signed = (2 * labels - 1) * (design @ theta)
        off = theta - start
        return float(np.logaddexp(0, -signed).sum() + off @ prior @ off / 2)

    theta = start.copy()
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ theta))
        gradient = design.T @ (labels - p) - prior @ (theta - start)
        step = np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]) + prior, gradient)
        while loss(theta + step) > loss(theta) and np.abs(step).max() > 1e-12:
            step /= 2
        theta = theta + step
    model = Recalibrated.from_model(PRIOR_MODEL)
    for inputs, label in some:
        model.learn(inputs, label)
    found = model.to_model(version="v", parent=None, trained_until=0).calibration
    assert found.slope == pytest.approx(theta[0], abs=0.1)
    assert found.offset == pytest.approx(theta[1], abs=0.25)


def test_a_storm_of_wrong_labels_never_turns_the_ranking_round() -> None:
    model = Recalibrated.from_model(PRIOR_MODEL)
    for inputs, label in samples(3_000, 6):
        model.learn(inputs, not label)
    version = model.to_model(version="v", parent=None, trained_until=0)
    assert version.calibration.slope > 0
    assert decode_model(encode_model(version)) == version


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_input_that_is_not_finite_leaves_no_trace(bad: float) -> None:
    model = learnt(10)
    before = model.snapshot()
    inputs, label = next(samples(1, 8))
    with pytest.raises(ValueError, match="tenure_days"):
        model.learn({**inputs, "tenure_days": bad}, label)
    assert model.snapshot() == before


@pytest.mark.parametrize("stop", [0, 50, 120])
def test_restore_and_go_on_equals_never_having_stopped(stop: int) -> None:
    some = list(samples(120, 5))
    model = Recalibrated.from_model(PRIOR_MODEL)
    for inputs, label in some[:stop]:
        model.learn(inputs, label)
    model = Recalibrated.restore(model.snapshot())
    for inputs, label in some[stop:]:
        model.learn(inputs, label)
    whole = Recalibrated.from_model(PRIOR_MODEL)
    for inputs, label in some:
        whole.learn(inputs, label)
    assert model.snapshot() == whole.snapshot()
    with pytest.raises(msgspec.DecodeError):
        Recalibrated.restore(b"\x80\x04")


def test_order_of_labels_matters_little() -> None:
    some = list(samples(300, 9))
    one, other = Recalibrated.from_model(PRIOR_MODEL), Recalibrated.from_model(PRIOR_MODEL)
    for inputs, label in some:
        one.learn(inputs, label)
    for inputs, label in random.Random(1).sample(some, len(some)):
        other.learn(inputs, label)
    inputs, _ = some[0]
    assert one.predict(inputs) == pytest.approx(other.predict(inputs), abs=0.03)

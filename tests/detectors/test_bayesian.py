"""A logistic regression by beliefs: near the best fit of all labels, within the directions."""

import math
import random

import msgspec
import numpy as np
import pytest

from detectors.bayesian import INTERCEPT_VARIANCE, WEIGHT_VARIANCE, BayesianLogistic
from detectors.default_risk import PRIOR_MODEL, Z_BOUND, Model, decode_model, encode_model, score
from detectors.metrics import log_loss, roc_auc
from detectors.transform import DIRECTIONS, INPUT_NAMES, row_of
from tests.detectors.test_learning import Sample, samples


def learnt(some: list[Sample]) -> BayesianLogistic:
    model = BayesianLogistic.from_model(PRIOR_MODEL)
    for inputs, label in some:
        model.learn(inputs, label, at=7)
    return model


def version(model: BayesianLogistic) -> Model:
    return model.to_model(version="v", parent="p", trained_until=9)


def test_before_any_label_nothing_but_the_base_rate_is_believed() -> None:
    model = version(BayesianLogistic.from_model(PRIOR_MODEL))
    assert not any(model.weights)
    for inputs, _ in samples(5, 2):
        assert score(model, inputs)[0] == pytest.approx(score(PRIOR_MODEL, {})[0])


def test_a_version_scores_as_its_learner_predicts() -> None:
    learner = learnt(list(samples(300, 1)))
    model = decode_model(encode_model(version(learner)))
    assert (model.trained_from, model.trained_until, model.n_learned) == (7, 9, 300)
    for inputs, _ in samples(100, 3):
        assert score(model, inputs)[0] == pytest.approx(learner.predict(inputs), abs=1e-12)


def test_what_is_learnt_in_one_pass_is_near_the_best_fit_of_all_labels() -> None:
    """Against projected gradient descent on the penalised likelihood of the same labels."""
    some = list(samples(1_500, 5))
    model = version(learnt(some))
    rows = np.stack([row_of(inputs) for inputs, _ in some])
    spread = np.sqrt(np.array(model.variances))
    z = (rows - np.array(model.means)) / np.where(spread > 0, spread, 1.0)
    z = np.nan_to_num(np.clip(np.where(spread > 0, z, 0.0), -Z_BOUND, Z_BOUND))
    x = np.column_stack([z, np.ones(len(z))])
    labels = np.array([label for _, label in some], float)
    start = np.zeros(x.shape[1])
    start[-1] = PRIOR_MODEL.intercept
    penalty = np.full(x.shape[1], 1 / WEIGHT_VARIANCE)
    penalty[-1] = 1 / INTERCEPT_VARIANCE
    sides = np.append(DIRECTIONS, 0.0)

    def loss(theta: np.ndarray) -> float:
        signed = (2 * labels - 1) * (x @ theta)
        return float(np.logaddexp(0, -signed).sum() + penalty @ (theta - start) ** 2 / 2)

    theta = start.copy()
    rate = 1 / (0.25 * np.linalg.norm(x, 2) ** 2 + penalty.max())
    for _ in range(3_000):
        p = 1 / (1 + np.exp(-x @ theta))
        theta = theta - rate * (x.T @ (p - labels) + penalty * (theta - start))
        theta[theta * sides < 0] = 0.0
    found = np.append(model.weights, model.intercept)
    assert loss(found) - loss(theta) < 0.02 * (loss(start) - loss(theta))


def test_weights_that_made_up_for_one_against_its_direction_are_moved_as_well() -> None:
    """Two inputs that say the same, one of them bounded the wrong way."""
    rng = random.Random(4)
    up = next(i for i, side in enumerate(DIRECTIONS) if side > 0)
    free = next(i for i, side in enumerate(DIRECTIONS) if side == 0)
    some = []
    for _ in range(2_000):
        bad = rng.random() < 0.3
        shared = rng.gauss(-0.8 if bad else 0.8, 1.0)
        z = {up: shared + rng.gauss(0, 0.3), free: shared + rng.gauss(0, 0.3)}
        some.append(
            (
                {
                    INPUT_NAMES[j]: PRIOR_MODEL.means[j] + v * PRIOR_MODEL.variances[j] ** 0.5
                    for j, v in z.items()
                },
                bad,
            )
        )
    model = version(learnt(some))
    assert model.weights[up] == 0.0
    said = [score(model, inputs)[0] for inputs, _ in some]
    alone = roc_auc([-inputs[INPUT_NAMES[free]] for inputs, _ in some], [bad for _, bad in some])
    assert roc_auc(said, [bad for _, bad in some]) == pytest.approx(alone, abs=1e-3)
    assert sum(said) / len(said) == pytest.approx(0.3, abs=0.03)


def test_learning_beats_the_prior_soon() -> None:
    model = learnt(list(samples(200, 1)))
    fresh = list(samples(400, 6))
    labels = [label for _, label in fresh]
    ours = [model.predict(inputs) for inputs, _ in fresh]
    prior = [score(PRIOR_MODEL, inputs)[0] for inputs, _ in fresh]
    assert log_loss(ours, labels) < log_loss(prior, labels)


@pytest.mark.parametrize("stop", [0, 1, 150])
def test_restore_and_go_on_equals_never_having_stopped(stop: int) -> None:
    some = list(samples(200, 5))
    model = BayesianLogistic.restore(learnt(some[:stop]).snapshot())
    for inputs, label in some[stop:]:
        model.learn(inputs, label, at=7)
    assert model.snapshot() == learnt(some).snapshot()
    with pytest.raises(msgspec.DecodeError):
        BayesianLogistic.restore(b"\x80\x04")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_input_that_is_not_finite_is_refused_and_leaves_no_trace(bad: float) -> None:
    model = learnt(list(samples(10, 1)))
    before = model.snapshot()
    with pytest.raises(ValueError, match="tenure_days"):
        model.learn({"tenure_days": bad}, True)
    assert model.snapshot() == before


def test_extreme_labels_and_inputs_keep_the_weights_finite() -> None:
    model = BayesianLogistic.from_model(PRIOR_MODEL)
    for i in range(2_000):
        model.learn(dict.fromkeys(INPUT_NAMES, 100.0 if i % 2 else -100.0), i % 3 == 0)
    assert decode_model(encode_model(version(model))) == version(model)

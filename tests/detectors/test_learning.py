"""Learning online is exact under restore, equal to River, guarded, and published by rule."""

import math
import random
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from river import linear_model, optim, utils

from detectors.bins import BIN_DIRECTIONS, binned
from detectors.default_risk import (
    PRIOR_MODEL,
    PRIOR_SCORECARD,
    Model,
    decode_model,
    encode_model,
    score,
)
from detectors.learning import (
    AVERAGING,
    CLIP_GRADIENT,
    L2,
    LEARNING_RATE,
    POSITIVE_WEIGHT,
    OnlineDefaultModel,
)
from detectors.metrics import log_loss, roc_auc
from detectors.monotone import rising
from detectors.transform import model_inputs
from tests.detectors.merchants import vector_of

Sample = tuple[dict[str, float], bool]


def samples(count: int, seed: int) -> Iterator[Sample]:
    """Merchants of whom a fifth defaults, those late and silent mostly."""
    rng = random.Random(seed)
    for _ in range(count):
        bad = rng.random() < 0.2
        vector = vector_of(
            repayment_late_share=min(max(rng.gauss(0.5 if bad else 0.1, 0.2), 0), 1),
            silence_days=rng.expovariate(1 / (6 if bad else 1)),
            turnover_28d_minor=math.exp(rng.gauss(13, 1)),
            review_mean_13w=math.nan if rng.random() < 0.3 else rng.uniform(3, 5),
            net_inflow_28d_minor=rng.gauss(0, 1e6),
        )
        yield model_inputs(vector), bad


def learnt(count: int, seed: int = 1, start: Model = PRIOR_MODEL) -> OnlineDefaultModel:
    model = OnlineDefaultModel.from_model(start)
    for inputs, label in samples(count, seed):
        model.learn(inputs, label)
    return model


kinds = pytest.mark.parametrize("start", [PRIOR_MODEL, PRIOR_SCORECARD], ids=lambda m: m.kind)


@kinds
def test_a_new_learner_says_what_its_model_says(start: Model) -> None:
    model = OnlineDefaultModel.from_model(start)
    for inputs, _ in samples(20, 2):
        assert model.predict(inputs) == pytest.approx(score(start, inputs)[0], abs=1e-12)


@kinds
def test_a_version_scores_as_its_learner_predicts(start: Model) -> None:
    model = learnt(300, start=start)
    version = model.to_model(version="v1", parent="prior-1", trained_until=5)
    version = decode_model(encode_model(version))
    for inputs, _ in samples(100, 3):
        assert score(version, inputs)[0] == pytest.approx(model.predict(inputs), abs=1e-12)


def test_the_weights_of_a_version_are_the_average_of_what_river_learns() -> None:
    """The scorecard, since its inputs do not depend on what was learnt."""
    river = linear_model.LogisticRegression(
        optimizer=optim.SGD(LEARNING_RATE),
        loss=optim.losses.Log(weight_pos=POSITIVE_WEIGHT),
        l2=L2,
        intercept_init=PRIOR_SCORECARD.intercept + math.log(POSITIVE_WEIGHT),
        intercept_lr=LEARNING_RATE,
        clip_gradient=CLIP_GRADIENT,
    )
    weights = zip(PRIOR_SCORECARD.features, PRIOR_SCORECARD.weights, strict=True)
    river._weights = utils.VectorDict(dict(weights))
    steps = []
    for inputs, label in samples(60, 1):
        river.learn_one(binned(inputs), label)
        steps.append([river.weights[name] for name in PRIOR_SCORECARD.features])
    # The weight of step t in the average after n: (a + 1) / (t + a) times what later steps leave.
    expected, left = np.zeros(len(steps[0])), 1.0
    for t in range(len(steps), 0, -1):
        share = (AVERAGING + 1) / (t + AVERAGING)
        expected += np.array(steps[t - 1]) * share * left
        left *= 1 - share
    assert left == pytest.approx(0)
    version = learnt(60, start=PRIOR_SCORECARD).to_model(version="v", parent=None, trained_until=0)
    expected = rising(expected.reshape(len(BIN_DIRECTIONS), -1), BIN_DIRECTIONS).ravel()
    assert version.weights == pytest.approx(expected.tolist(), abs=1e-12)


def test_predicting_learns_nothing() -> None:
    model = learnt(30)
    before = model.snapshot()
    for inputs, _ in samples(30, 4):
        model.predict(inputs)
    model.to_model(version="v1", parent=None, trained_until=0)
    assert model.snapshot() == before


@kinds
@pytest.mark.parametrize("stop", [0, 1, 99, 200])
def test_restore_and_go_on_equals_never_having_stopped(start: Model, stop: int) -> None:
    stream = list(samples(200, 5))
    model = OnlineDefaultModel.from_model(start)
    for inputs, label in stream[:stop]:
        model.learn(inputs, label)
    model = OnlineDefaultModel.restore(model.snapshot())
    for inputs, label in stream[stop:]:
        model.learn(inputs, label)
    assert model.snapshot() == learnt(200, 5, start).snapshot()


def test_another_process_learns_the_same_bits() -> None:
    code = (
        "from tests.detectors.test_learning import learnt\n"
        "import sys; sys.stdout.write(learnt(60).snapshot().hex())"
    )
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert bytes.fromhex(found.stdout) == learnt(60).snapshot()


@kinds
def test_learning_tells_the_classes_apart_better_than_the_prior(start: Model) -> None:
    model = learnt(600, start=start)
    fresh = list(samples(400, 6))
    labels = [label for _, label in fresh]
    ours = [model.predict(inputs) for inputs, _ in fresh]
    prior = [score(start, inputs)[0] for inputs, _ in fresh]
    assert log_loss(ours, labels) < log_loss(prior, labels)
    auc = roc_auc(ours, labels)
    assert auc is not None and auc > 0.85


def test_class_weighting_does_not_shift_the_mean_probability() -> None:
    model = learnt(3000)
    said = [model.predict(inputs) for inputs, _ in samples(500, 7)]
    assert sum(said) / len(said) == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_input_that_is_not_finite_is_refused_and_leaves_no_trace(bad: float) -> None:
    model = learnt(10)
    before = model.snapshot()
    inputs, label = next(samples(1, 8))
    with pytest.raises(ValueError, match="tenure_days"):
        model.learn({**inputs, "tenure_days": bad}, label)
    assert model.snapshot() == before


def test_unknown_inputs_are_left_aside() -> None:
    model, other = learnt(5), learnt(5)
    inputs, label = next(samples(1, 9))
    model.learn({**inputs, "from_the_future": 1.0}, label)
    other.learn(inputs, label)
    assert model.snapshot() == other.snapshot()


def test_extreme_labels_and_inputs_keep_the_weights_finite() -> None:
    model = OnlineDefaultModel.from_model(PRIOR_MODEL)
    names = PRIOR_MODEL.features
    for i in range(500):
        model.learn(dict.fromkeys(names, 100.0 if i % 2 else -100.0), i % 3 == 0)
    version = model.to_model(version="v1", parent=None, trained_until=0)
    assert decode_model(encode_model(version)) == version


def test_foreign_bytes_are_no_snapshot() -> None:
    with pytest.raises(msgspec.DecodeError):
        OnlineDefaultModel.restore(b"\x80\x04\x95pickle")


def test_roc_auc_counts_ties_half() -> None:
    assert roc_auc([0.1, 0.2, 0.3, 0.4], [False, False, True, True]) == 1.0
    assert roc_auc([0.5, 0.5], [False, True]) == 0.5
    assert roc_auc([0.3, 0.1, 0.3, 0.2], [True, False, False, True]) == pytest.approx(0.625)
    assert roc_auc([0.5], [True]) is None


def test_log_loss_of_certainty_in_the_wrong_is_finite() -> None:
    assert log_loss([1.0, 0.0], [False, True]) == pytest.approx(-math.log(1e-15), rel=1e-2)
    assert log_loss([0.5], [True]) == pytest.approx(math.log(2))

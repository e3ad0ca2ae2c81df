"""Boosted trees: what they find, that they can be told apart from nothing else, and their rules."""

import json
import math

import numpy as np
import pytest
from msgspec import DecodeError, structs

from detectors.boosted import GROW_EARLY, GROW_EVERY, ROWS_MAX, BoostedTrees
from detectors.default_risk import (
    PRIOR_MODEL,
    Model,
    ModelError,
    base_log_odds,
    decode_model,
    encode_model,
    score,
)
from detectors.metrics import roc_auc
from detectors.scorer import LEVELS, coded
from detectors.transform import DIRECTIONS, INPUT_NAMES, row_of
from detectors.trees import INNER, NO_SPLIT, Tree
from tests.detectors.test_learning import Sample, samples


def learnt(some: list[Sample]) -> BoostedTrees:
    model = BoostedTrees.from_model(PRIOR_MODEL)
    for inputs, label in some:
        model.learn(inputs, label, at=7)
    return model


def version(count: int, seed: int = 1) -> Model:
    return learnt(list(samples(count, seed))).to_model(version="v", parent="p", trained_until=9)


def by_hand(model: Model, inputs: dict[str, float]) -> float:
    """The log-odds of a version, read off its document."""
    document = json.loads(encode_model(model))
    raw = document["intercept"]
    for tree in document["trees"]:
        node = 0
        while node < INNER and tree["inputs"][node] != NO_SPLIT:
            place = tree["inputs"][node]
            deviation = document["variances"][place] ** 0.5
            z = (inputs.get(document["features"][place], math.nan) - document["means"][place]) / (
                deviation or 1.0
            )
            code = LEVELS // 2 if math.isnan(z) else math.floor(32 + 32 * z / (1 + abs(z)))
            node = 2 * node + (2 if code > tree["thresholds"][node] else 1)
        raw += tree["values"][node]
    return float(document["calibration"]["slope"] * raw + document["calibration"]["offset"])


def test_before_any_label_it_says_the_base_rate() -> None:
    model = BoostedTrees.from_model(PRIOR_MODEL)
    assert model.predict({}) == pytest.approx(score(PRIOR_MODEL, {})[0])


def test_a_version_scores_as_its_learner_and_as_its_document_says() -> None:
    learner = learnt(list(samples(500, 1)))
    model = decode_model(encode_model(learner.to_model(version="v", parent="p", trained_until=9)))
    assert (model.trained_from, model.trained_until, model.n_learned) == (7, 9, 500)
    assert len(encode_model(model)) < 100_000
    for inputs, _ in samples(100, 3):
        probability, _ = score(model, inputs)
        assert probability == pytest.approx(learner.predict(inputs), abs=1e-12)
        odds = by_hand(model, inputs)
        assert probability == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-9)


def test_contributions_and_base_sum_to_the_log_odds() -> None:
    model = version(500)
    for inputs, _ in samples(50, 4):
        probability, contributions = score(model, inputs)
        total = base_log_odds(model) + math.fsum(contributions.values())
        assert math.log(probability / (1 - probability)) == pytest.approx(total, abs=1e-9)


def test_a_split_on_the_riskier_side_never_counts_for_the_merchant() -> None:
    """Path contributions of a directed input, where it is the only one that trees split on."""
    only = "silence_days"
    rows = [({only: inputs[only]}, label) for inputs, label in samples(600, 2)]
    model = learnt(rows).to_model(version="v", parent=None, trained_until=0)
    assert {j for tree in model.trees for j in tree.inputs} <= {NO_SPLIT, INPUT_NAMES.index(only)}
    parts = [score(model, {only: value})[1].get(only, 0.0) for value in np.linspace(0, 4, 50)]
    assert parts == sorted(parts) and parts[0] < 0 < parts[-1]


def test_what_holds_of_two_inputs_together_is_found_where_a_line_finds_nothing() -> None:
    rng = np.random.default_rng(3)
    free = [name for name, side in zip(INPUT_NAMES, DIRECTIONS, strict=True) if not side][:2]
    some = []
    for a, b in rng.normal(0.0, 1.0, (3_000, 2)):
        some.append(
            ({free[0]: 0.1 + a, free[1]: 0.1 + b}, bool(rng.random() < 0.1 + 0.4 * (a * b > 0)))
        )
    means = [PRIOR_MODEL.means[INPUT_NAMES.index(name)] for name in free]
    spread = [PRIOR_MODEL.variances[INPUT_NAMES.index(name)] ** 0.5 for name in free]
    scaled = [
        ({n: m + s * x[n] for n, m, s in zip(free, means, spread, strict=True)}, label)
        for x, label in some
    ]
    model = learnt(scaled[:2_000])
    said = [model.predict(inputs) for inputs, _ in scaled[2_000:]]
    auc = roc_auc(said, [label for _, label in scaled[2_000:]])
    assert auc is not None and auc > 0.68


def test_learning_tells_the_classes_apart_and_is_calibrated() -> None:
    model = learnt(list(samples(2_000, 1)))
    fresh = list(samples(1_000, 6))
    said = [model.predict(inputs) for inputs, _ in fresh]
    auc = roc_auc(said, [label for _, label in fresh])
    assert auc is not None and auc > 0.9
    assert sum(said) / len(said) == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("stop", [0, GROW_EARLY - 1, GROW_EARLY, GROW_EVERY + 20])
def test_restore_and_go_on_equals_never_having_stopped(stop: int) -> None:
    some = list(samples(2 * GROW_EVERY + 10, 5))
    model = BoostedTrees.restore(learnt(some[:stop]).snapshot())
    for inputs, label in some[stop:]:
        model.learn(inputs, label, at=7)
    assert model.snapshot() == learnt(some).snapshot()
    with pytest.raises(DecodeError):
        BoostedTrees.restore(b"\x80\x04")


def test_a_storm_of_good_outcomes_keeps_the_defaults_and_the_base_rate() -> None:
    inputs = {"silence_days": 1.0}
    model = BoostedTrees.from_model(PRIOR_MODEL)
    for number in range(3 * ROWS_MAX):
        model.learn(inputs, number % 50 == 0)
    assert len(model.snapshot()) < 600_000, "what is kept is bounded"
    assert model.predict(inputs) == pytest.approx(0.02, abs=0.01)


def test_an_input_that_is_not_finite_is_refused_and_leaves_no_trace() -> None:
    model = learnt(list(samples(60, 1)))
    before = model.snapshot()
    with pytest.raises(ValueError, match="tenure_days"):
        model.learn({"tenure_days": math.inf}, True)
    assert model.snapshot() == before


def test_one_class_alone_gives_finite_trees() -> None:
    some = [(inputs, False) for inputs, _ in samples(2 * GROW_EVERY, 1)]
    model = learnt(some).to_model(version="v", parent=None, trained_until=0)
    assert 0 < score(decode_model(encode_model(model)), some[0][0])[0] < 0.02


def test_codes_rise_with_their_input_and_absent_ones_are_the_mean() -> None:
    rows = np.stack([row_of({"silence_days": value}) for value in np.linspace(-1e6, 1e6, 999)])
    means, spread = np.array(PRIOR_MODEL.means), np.sqrt(PRIOR_MODEL.variances)
    codes = coded(rows, means, spread)[:, INPUT_NAMES.index("silence_days")].astype(int)
    assert (np.diff(codes) >= 0).all() and codes.min() >= 0 and codes.max() < LEVELS
    absent = coded(np.full((1, len(INPUT_NAMES)), np.nan), means, spread)
    assert np.array_equal(absent, coded(means[None], means, spread))


LEAF = Tree(inputs=(NO_SPLIT,) * 7, thresholds=(0,) * 7, values=(0.0,) * 15)
UP = int(np.flatnonzero(DIRECTIONS > 0)[0])
DOWN = int(np.flatnonzero(DIRECTIONS < 0)[0])


def stump(place: int, left: float, right: float) -> Tree:
    return Tree(
        inputs=(place, *(NO_SPLIT,) * 6),
        thresholds=(9,) + (0,) * 6,
        values=(0.0, left, right, *(0.0,) * 12),
    )


@pytest.mark.parametrize(
    "trees",
    [
        (),
        (LEAF,) * 101,
        (structs.replace(LEAF, inputs=(NO_SPLIT,) * 6),),
        (structs.replace(LEAF, inputs=(10_000, *(NO_SPLIT,) * 6)),),
        (structs.replace(LEAF, inputs=(-2, *(NO_SPLIT,) * 6)),),
        (structs.replace(LEAF, thresholds=(LEVELS, *(0,) * 6)),),
        (structs.replace(LEAF, values=(60.0, *(0.0,) * 14)),),
        (structs.replace(LEAF, values=(0.0, 1.0, *(0.0,) * 13)),),
        (structs.replace(LEAF, inputs=(NO_SPLIT, 0, *(NO_SPLIT,) * 5)),),
        (stump(UP, 0.1, -0.1),),
        (stump(DOWN, -0.1, 0.1),),
    ],
)
def test_a_corrupt_or_forged_tree_is_refused(trees: tuple[Tree, ...]) -> None:
    good = structs.replace(
        BoostedTrees.from_model(PRIOR_MODEL).to_model(version="v", parent=None, trained_until=0),
        trees=(stump(UP, -0.1, 0.1), stump(DOWN, 0.1, -0.1)),
    )
    assert decode_model(encode_model(good)) == good
    with pytest.raises(ModelError, match="trees"):
        decode_model(encode_model(structs.replace(good, trees=trees)))

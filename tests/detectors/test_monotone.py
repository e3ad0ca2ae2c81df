"""Risk never falls when a feature moves to its riskier side, whatever was learnt."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from detectors.contest import START
from detectors.default_risk import Model, ModelError, decode_model, encode_model, score_rows
from detectors.monotone import rising
from detectors.transform import DIRECTIONS, INPUT_NAMES, named
from tests.detectors.test_learning import samples

DIRECTED = [j for j in range(len(INPUT_NAMES)) if DIRECTIONS[j]]
numbers = st.floats(-120.0, 120.0, allow_nan=False)


@cache
def misled(name: str) -> Model:
    """What a challenger makes of outcomes the wrong way round: the silent repay."""
    learns, start = START[name]
    learner = learns.from_model(start)
    rng = np.random.default_rng(5)
    for inputs, label in samples(900, 5):
        noise = dict(zip(INPUT_NAMES, rng.normal(0.0, 2.0, len(INPUT_NAMES)), strict=True))
        learner.learn({**noise, **inputs}, not label)
    return learner.to_model(version="misled", parent=None, trained_until=0)


@pytest.fixture(scope="module", params=START)
def model(request: pytest.FixtureRequest) -> Model:
    """Learnt before any example is timed."""
    found = misled(request.param)
    score_rows(found, np.zeros((1, len(INPUT_NAMES))))
    return found


@given(
    row=arrays.arrays(np.float64, len(INPUT_NAMES), elements=st.one_of(numbers, st.just(np.nan))),
    column=st.sampled_from(DIRECTED),
    values=st.tuples(numbers, numbers),
)
def test_moving_a_feature_to_its_riskier_side_never_lowers_the_probability(
    model: Model, row: np.ndarray, column: int, values: tuple[float, float]
) -> None:
    safer, riskier = sorted(values, key=lambda value: value * DIRECTIONS[column])
    rows = np.stack([row, row])
    rows[:, column] = safer, riskier
    low, high = score_rows(model, rows)
    assert low <= high


@pytest.mark.parametrize("name", START)
def test_a_version_that_was_misled_still_decodes_and_says_something(name: str) -> None:
    model = misled(name)
    assert decode_model(encode_model(model)) == model
    if name == "boosted":
        used = {INPUT_NAMES[j] for tree in model.trees for j in tree.inputs if j >= 0}
        assert len(used) > 5, "trees that never split would prove nothing"


@given(arrays.arrays(np.float64, (4, 5), elements=st.floats(-5, 5)))
def test_points_are_made_monotone_by_moving_them_as_little_as_can_be(points: np.ndarray) -> None:
    directions = np.array([1.0, -1.0, 0.0, 1.0])
    found = rising(points, directions)
    assert (np.diff(found * directions[:, None], axis=1) >= 0).all()
    assert np.array_equal(found[2], points[2])
    assert found.mean(axis=1) == pytest.approx(points.mean(axis=1))
    assert rising(found, directions) == pytest.approx(found)
    # Nearest: no monotone line is nearer (the variational inequality of a projection).
    for line in (np.zeros(5), np.arange(5.0), np.minimum.accumulate(points[0])[::-1]):
        line = np.sort(line)
        assert (points[0] - found[0]) @ (line - found[0]) <= 1e-6


def test_points_of_a_case_worked_by_hand() -> None:
    assert rising(np.array([[1.0, 3.0, 2.0, 2.0, 5.0]]), np.array([1.0])).tolist() == [
        [1.0, pytest.approx(7 / 3), pytest.approx(7 / 3), pytest.approx(7 / 3), 5.0]
    ]


def test_a_message_against_a_direction_is_refused() -> None:
    model = misled("logistic")
    place = next(j for j, name in enumerate(model.features) if DIRECTIONS[INPUT_NAMES.index(name)])
    weights = list(model.weights)
    weights[place] = -0.5 * float(DIRECTIONS[place])
    raw = encode_model(model).replace(
        str(list(model.weights)).replace(" ", "").encode(),
        str(weights).replace(" ", "").encode(),
    )
    assert raw != encode_model(model)
    with pytest.raises(ModelError, match="against its direction"):
        decode_model(raw)


def test_an_absent_input_is_named_by_none() -> None:
    assert named(np.full(len(INPUT_NAMES), np.nan)) == {}

"""A forest is River's, and its scale is that of the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import anomaly

from detectors.anomaly import own_distances
from detectors.anomaly_fit import fit_forest, scale_of
from detectors.anomaly_inputs import INPUTS, Rows, input_rows
from detectors.anomaly_kernel import scale_rows
from detectors.anomaly_model import HEIGHT, NODES, TREES, Floats, Forest, most_mass, tables_of
from detectors.anomaly_score import walk
from tests.detectors.usual import usual


def shown(count: int, seed: int) -> tuple[Rows, Floats]:
    vectors = usual(count, seed)
    return input_rows(vectors), own_distances(vectors).total


def forest_of(count: int, seed: int) -> Forest:
    found = fit_forest(*shown(count, seed), name="s", trained_from=1, trained_until=2)
    assert found is not None
    return found


def test_scores_are_those_of_river() -> None:
    rows, own = shown(256, 1)
    forest = fit_forest(rows, own, name="s", trained_from=1, trained_until=2)
    assert forest is not None
    tables = tables_of([forest])
    used = [i for i, spread in enumerate(forest.spreads) if spread > 0]
    assert 5 < len(used) < len(INPUTS)
    teacher = anomaly.HalfSpaceTrees(TREES, HEIGHT, window_size=128, seed=forest.seed)
    asked = np.concatenate([rows[::2], shown(300, 2)[0], 5 * shown(50, 3)[0]])
    scaled = np.empty_like(asked)
    here, known = np.zeros(len(asked), np.int64), np.empty(len(asked), np.int64)
    far = np.empty(len(asked))
    scale_rows(asked, here, tables.medians, tables.spreads, scaled, known, far)
    named = [dict(zip(used, row, strict=True)) for row in scaled[:, used].tolist()]
    for row in named[:128]:
        teacher.learn_one(row)
    expected = [teacher.score_one(row) for row in named]
    found = 1 - walk(tables, here, asked).totals / most_mass(forest.rows)
    assert found.tolist() == pytest.approx(expected, abs=1e-9)
    assert len(set(expected)) > 100


def test_the_same_rows_give_the_same_forest_and_another_name_other_trees() -> None:
    assert forest_of(64, 5) == forest_of(64, 5)
    other = fit_forest(*shown(64, 5), name="t", trained_from=1, trained_until=2)
    assert other is not None and other.cuts != forest_of(64, 5).cuts
    assert len(other.masses) == TREES * NODES and max(other.masses) == other.rows == 32


def test_rows_that_never_vary_grow_no_forest() -> None:
    rows, own = shown(64, 5)
    same = np.repeat(rows[:1], 64, axis=0)
    assert fit_forest(same, own, name="s", trained_from=1, trained_until=2) is None
    nothing = np.full_like(rows, np.nan)
    assert fit_forest(nothing, own, name="s", trained_from=1, trained_until=2) is None


def test_an_input_that_is_hardly_known_is_left_out() -> None:
    rows, _ = shown(200, 6)
    place = INPUTS.index("refund_share_28d")
    rows[5:, place] = np.nan
    medians, spreads = scale_of(rows)
    assert (medians[place], spreads[place]) == (0.0, 0.0)
    assert spreads[INPUTS.index("silence_days")] > 0


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_the_scale_follows_shift_and_unit(shift: float, unit: float, seed: int) -> None:
    column = np.random.default_rng(seed).normal(size=80)
    rows = np.full((80, len(INPUTS)), np.nan)
    rows[:, 0], rows[:, 1] = column, column * unit + shift
    medians, spreads = scale_of(rows)
    assert medians[1] == pytest.approx(medians[0] * unit + shift, abs=1e-6)
    assert spreads[1] == pytest.approx(spreads[0] * unit, rel=1e-3, abs=1e-6)

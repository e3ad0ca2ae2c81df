"""Measures of a forecast: exact small cases, and what must hold for all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.metrics import (
    Ranking,
    calibration_error,
    matched_auc,
    reliability,
    roc_auc,
)

SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
CASES = st.lists(st.tuples(SCORES, st.booleans()), min_size=2, max_size=40).filter(
    lambda cases: 0 < sum(label for _, label in cases) < len(cases)
)


def ranking(scores: list[float], labels: list[int]) -> Ranking:
    return Ranking(np.array(scores, float), np.array(labels, bool))


def split(cases: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = zip(*cases, strict=True)
    return np.array(scores), np.array(labels)


def test_average_precision_of_small_cases() -> None:
    assert ranking([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]).average_precision() == pytest.approx(
        (1 + 2 / 3) / 2
    )
    assert ranking([0.9, 0.8], [0, 1]).average_precision() == 0.5
    assert ranking([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0]).average_precision() == 0.25
    assert ranking([0.5, 0.4], [0, 0]).average_precision() is None


def test_capacity_takes_the_first_and_draws_a_tie_evenly() -> None:
    of = ranking([0.9, 0.5, 0.5, 0.5, 0.1], [1, 1, 0, 0, 1])
    assert of.found_at(1) == 1.0
    assert of.found_at(2) == pytest.approx(1 + 1 / 3)
    assert of.found_at(4) == pytest.approx(2.0)
    assert of.found_at(99) == 3.0


def test_pairs_of_like_size_are_all_that_count() -> None:
    scores = np.array([0.9, 0.1, 0.5, 0.5])
    labels = np.array([True, False, True, False])
    assert matched_auc(scores, labels, np.array([1.0, 1.5, 100.0, 149.0])) == (0.75, 2)
    assert matched_auc(scores, labels, np.array([1.0, 10.0, 100.0, 1000.0])) == (None, 0)
    with pytest.raises(ValueError, match="above 0"):
        matched_auc(scores, labels, np.array([1.0, 0.0, 1.0, 1.0]))


def test_reliability_of_equal_counts_and_its_error() -> None:
    said = np.array([0.1] * 5 + [0.6] * 5)
    came = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0], bool)
    table = reliability(said, came, bins=2)
    assert [(b.count, b.predicted, b.observed) for b in table] == [
        (5, pytest.approx(0.1), pytest.approx(0.2)),
        (5, pytest.approx(0.6), pytest.approx(0.6)),
    ]
    assert calibration_error(table) == pytest.approx(0.05)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        ranking([0.5, float("nan")], [1, 0])
    with pytest.raises(ValueError, match="one for each"):
        Ranking(np.zeros(2), np.zeros(3, bool))


@given(CASES)
def test_the_ranking_agrees_with_the_mean_of_ranks(cases: list[tuple[float, bool]]) -> None:
    scores, labels = split(cases)
    expected = roc_auc(scores.tolist(), labels.tolist())
    assert Ranking(scores, labels).roc_auc() == pytest.approx(expected)


@given(CASES, st.data())
def test_a_weight_of_n_is_the_case_n_times(
    cases: list[tuple[float, bool]], data: st.DataObject
) -> None:
    scores, labels = split(cases)
    size = len(cases)
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    repeated = Ranking(np.repeat(scores, counts), np.repeat(labels, counts))
    weighted = Ranking(scores, labels)
    for name in ("roc_auc", "average_precision"):
        expected = getattr(repeated, name)()
        found = getattr(weighted, name)(counts.astype(float))
        assert found == (None if expected is None else pytest.approx(expected))


@given(CASES)
def test_measures_depend_on_the_order_alone_and_turn_round_with_it(
    cases: list[tuple[float, bool]],
) -> None:
    scores, labels = split(cases)
    plain, stretched = Ranking(scores, labels), Ranking(np.exp(3 * scores), labels)
    assert plain.roc_auc() == pytest.approx(stretched.roc_auc())
    assert plain.average_precision() == pytest.approx(stretched.average_precision())
    assert Ranking(-scores, labels).roc_auc() == pytest.approx(1 - plain.roc_auc())
    base = labels.mean()
    assert base / len(labels) <= plain.average_precision() <= 1.0
    assert plain.found_at(len(labels)) == pytest.approx(labels.sum())


@given(CASES)
def test_the_reliability_table_holds_every_case_once(cases: list[tuple[float, bool]]) -> None:
    scores, labels = split(cases)
    table = reliability(scores, labels)
    assert sum(b.count for b in table) == len(cases)
    assert sum(b.count * b.observed for b in table) == pytest.approx(labels.sum())
    assert [b.predicted for b in table] == sorted(b.predicted for b in table)
    gap = abs(scores.mean() - labels.mean())
    assert gap - 1e-9 <= calibration_error(table) <= 1.0

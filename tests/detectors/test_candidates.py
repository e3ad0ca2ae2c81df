"""Candidates of a quality report: each learns, none learns by predicting, all are repeatable."""

import numpy as np
import pytest

from detectors.candidates import CANDIDATES
from detectors.floors import FLOORS
from detectors.metrics import Ranking
from detectors.transform import INPUT_NAMES
from tests.detectors.test_learning import samples

LEARNS = [key for key in CANDIDATES if key != "expert-prior"]


def rows_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Made-up merchants as rows: NaN where an input is not available."""
    made = list(samples(count, seed))
    rows = np.array([[inputs.get(name, np.nan) for name in INPUT_NAMES] for inputs, _ in made])
    return rows, np.array([label for _, label in made])


def taught(key: str, count: int = 400, seed: int = 1):  # type: ignore[no-untyped-def]
    model = CANDIDATES[key].make(7)
    rows, labels = rows_of(count, seed)
    for row, label in zip(rows, labels, strict=True):
        model.learn(row, bool(label), 0, np.full(len(FLOORS), np.nan))
    return model


@pytest.mark.parametrize("key", LEARNS)
def test_learning_tells_the_classes_apart(key: str) -> None:
    rows, labels = rows_of(300, 2)
    for name, said in taught(key, 600).predict(rows).items():
        assert ((said > 0) & (said < 1)).all(), name
        auc = Ranking(said, labels).roc_auc()
        assert auc is not None and auc > 0.6, name


@pytest.mark.parametrize("key", CANDIDATES)
def test_the_same_labels_and_seed_give_the_same_scores_and_predicting_changes_none(
    key: str,
) -> None:
    rows, _ = rows_of(50, 3)
    model, other = taught(key), taught(key)
    model.predict(rows)
    first, second = model.predict(rows), other.predict(rows)
    assert set(first) == set(CANDIDATES[key].says)
    for name, said in first.items():
        assert np.array_equal(said, second[name])


@pytest.mark.parametrize("key", CANDIDATES)
def test_before_any_label_and_without_any_input_there_is_a_probability(key: str) -> None:
    nothing = np.full((3, len(INPUT_NAMES)), np.nan)
    for said in CANDIDATES[key].make(0).predict(nothing).values():
        assert said == pytest.approx(0.035, abs=0.03)

"""Planted leaks are found and named; an honest set passes."""

import numpy as np
import pytest

from detectors.transform import INPUT_NAMES
from features.catalogue import NAMES
from tideline.evaluation import judge, leaks
from tideline.evaluation.leaks import LeakError
from tideline.evaluation.questions import Questions, questions

DAY_MS = 86_400_000


def made(count: int = 100, **changes) -> Questions:  # type: ignore[no-untyped-def]
    """A question a merchant, every fourth bad, known a week later."""
    at = np.arange(count) * DAY_MS
    columns = {
        "merchants": [f"m{i}" for i in range(count)],
        "at": at,
        "labels": np.arange(count) % 4 == 0,
        "known_at": at + 7 * DAY_MS,
        "outcome_ids": [f"o{i}" for i in range(count)],
    } | changes
    return questions(**columns)


def test_an_answer_known_before_its_question_is_named() -> None:
    leaks.check_times(made())
    known_at = np.arange(100) * DAY_MS
    known_at[7] -= 1
    with pytest.raises(LeakError, match=r"'m7' \(o7\) is known at .* before the question"):
        leaks.check_times(made(known_at=known_at))


def test_an_outcome_fed_before_its_question_is_named() -> None:
    guard = leaks.Guard(made())
    outcome = {"event_id": "o3", "type": "loan.defaulted", "occurred_at": 5}
    guard.fed(outcome, answered=4)
    with pytest.raises(LeakError, match=r"'o3' \(loan.defaulted\).*'m3'"):
        guard.fed(outcome, answered=3)


@pytest.mark.parametrize("way", ["value", "negated", "absence"])
def test_a_feature_that_is_the_label_is_named(way: str) -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(200) < 0.3
    columns = rng.normal(size=(200, len(NAMES))) + labels[:, None]
    leaks.check_columns(NAMES, columns, labels)
    place = NAMES.index("court_cases_92d")
    planted = {
        "value": labels.astype(float),
        "negated": -labels.astype(float),
        "absence": np.where(labels, np.nan, 1.0),
    }
    columns[:, place] = planted[way]
    how = "absence" if way == "absence" else "value"
    with pytest.raises(LeakError, match=rf"^'court_cases_92d' \(by {how}\): each alone tells"):
        leaks.check_columns(NAMES, columns, labels)
    leaks.check_columns(NAMES, columns, labels, allowed=["court_cases_92d"])


def test_a_candidate_that_sees_the_scored_fold_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = judge._fold

    def cheating(entry, seed, asked, rows, naive, labels, train, test):  # type: ignore[no-untyped-def]
        said = honest(entry, seed, asked, rows, naive, labels, train, test)
        return {name: values + 1e-6 * labels[test] for name, values in said.items()}

    asked = made()
    rows = np.random.default_rng(2).normal(size=(100, len(INPUT_NAMES)))
    vectors = np.full((100, len(NAMES)), np.nan)
    options = {
        "chosen": ["production"],
        "seeds": 1,
        "folds": 4,
        "progress": lambda done: None,
    }
    judge.by_entity(asked, rows, vectors, **options)
    monkeypatch.setattr(judge, "_fold", cheating)
    with pytest.raises(LeakError, match=r"'champion' scores .* it has seen them"):
        judge.by_entity(asked, rows, vectors, **options)


def test_in_time_a_score_depends_on_no_label_that_is_known_later() -> None:
    asked = made()
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(100, len(INPUT_NAMES)))
    vectors = np.full((100, len(NAMES)), np.nan)

    def scores(labels: np.ndarray) -> np.ndarray:
        judged = judge.in_time(
            asked._replace(labels=labels),
            judge.batches_of(asked, vectors, rows),
            chosen=["production"],
            seeds=1,
            negatives=1.0,
            progress=lambda done: None,
        )
        names = ("online-logistic", "online-boosted")
        return np.stack([judged.scores[name][0] for name in names])

    plain = scores(asked.labels)
    turned = np.where(asked.known_at > 50 * DAY_MS, ~asked.labels, asked.labels)
    other = scores(turned)
    assert np.array_equal(plain[:, :51], other[:, :51])
    assert not np.array_equal(plain[:, 52:], other[:, 52:])

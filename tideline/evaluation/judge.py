"""Scores of all candidates: by folds of merchants, or in one pass of time.

A candidate is given rows of inputs to score, and rows with their labels to learn from once they
may be known. It never gets a label of the fold that is scored, nor one known later.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors.candidates import CANDIDATES, Candidate, Entry
from detectors.floors import FLOORS, centred, naive_scores
from tideline.evaluation.leaks import check_blind
from tideline.evaluation.questions import Questions
from tideline.evaluation.unlabelled import TITLES, Unlabelled
from tideline.evaluation.watch import Batch

Numbers = NDArray[np.float64]
Scores = dict[str, list[Numbers]]
"""Name -> scores of the judged cases, in their order, one array a seed."""
Progress = Callable[[int], None]
FEW_CASES = 10_000
"""Cases up to which slow candidates get every seed; beyond, the first alone."""


class Judged(Struct, kw_only=True):
    """Scores on the cases of ``asked``; names of ``probabilities`` say how likely, others rank.

    Of those that rank, names of ``unlabelled`` have learnt without labels; the others are floors.
    """

    asked: Questions
    scores: Scores
    probabilities: frozenset[str]
    unlabelled: frozenset[str] = frozenset()


def entry_names(chosen: Iterable[str]) -> frozenset[str]:
    """What the chosen candidates say."""
    return frozenset(name for key in chosen for name in CANDIDATES[key].says)


def _keys(chosen: Iterable[str], seed: int, cases: int) -> list[str]:
    """The candidates that run under a seed."""
    return [key for key in chosen if not seed or cases <= FEW_CASES or not CANDIDATES[key].slow]


def by_entity(
    asked: Questions,
    rows: Numbers,
    vectors: Numbers,
    *,
    chosen: Iterable[str],
    seeds: int,
    folds: int,
    progress: Progress,
) -> Judged:
    """Folds of merchants, stratified: the labels of the other folds come first, in their order.

    Raises ``LeakError`` where a candidate has seen the labels of the fold that it scores.
    """
    chosen = tuple(chosen)
    scores: Scores = {}
    naive = naive_scores(vectors)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        fold = stratified_folds(asked, folds, rng)
        shuffled = rng.permutation(len(fold))
        order = shuffled[np.argsort(asked.known_at[shuffled], kind="stable")]
        for key in _keys(chosen, seed, len(fold)):
            found = {name: np.empty(len(fold)) for name in CANDIDATES[key].says}
            for number in range(folds):
                train, test = order[fold[order] != number], np.flatnonzero(fold == number)
                given = CANDIDATES[key], seed, asked, rows, naive
                said = _fold(*given, asked.labels, train, test)
                for name, values in said.items():
                    found[name][test] = values
                if seed == number == 0:
                    turned = asked.labels.copy()
                    turned[test] = ~turned[test]
                    again = _fold(*given, turned, train, test)
                    for name, values in said.items():
                        check_blind(values, again[name], name)
                progress(1)
            for name, column in found.items():
                scores.setdefault(name, []).append(column)
        if not seed:
            for name, column in _without_labels(asked, vectors, fold, folds).items():
                scores[name] = [column] * seeds
    _add_floors(scores, asked, vectors, seeds)
    return Judged(
        asked=asked,
        scores=scores,
        probabilities=entry_names(chosen),
        unlabelled=frozenset(TITLES),
    )


def _without_labels(
    asked: Questions, vectors: Numbers, fold: NDArray[np.int64], folds: int
) -> dict[str, Numbers]:
    """Scores of each fold after learning what is usual in the others, in the order of time.

    Asked for once: seeds would change the folds alone, and half of the time is growing trees.
    """
    found = {name: np.empty(len(fold)) for name in TITLES}
    for number in range(folds):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        usual = Unlabelled()
        usual.learn(asked.merchants[train].tolist(), vectors[train], asked.at[train].tolist())
        for name, values in usual.score(vectors[test]).items():
            found[name][test] = values
    return found


def _fold(
    entry: Entry,
    seed: int,
    asked: Questions,
    rows: Numbers,
    naive: Numbers,
    labels: NDArray[np.bool_],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> dict[str, Numbers]:
    model = entry.make(seed)
    for i in train.tolist():
        model.learn(rows[i], bool(labels[i]), int(asked.known_at[i]), naive[i])
    return model.predict(rows[test])


def stratified_folds(asked: Questions, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each question. All of a merchant's are in one; each has its share of the bad."""
    names, place = np.unique(asked.merchants.astype(str), return_inverse=True)
    bad = np.zeros(len(names), np.bool_)
    np.logical_or.at(bad, place, asked.labels)
    fold = np.empty(len(names), np.int64)
    start = 0
    for kind in (True, False):
        members = rng.permutation(np.flatnonzero(bad == kind))
        # Go on where the other kind ended, so that folds are of like size.
        fold[members] = (np.arange(len(members)) + start) % folds
        start += len(members)
    return fold[place]


class _Pupil:
    """One candidate under one seed in a pass of time."""

    def __init__(self, key: str, seed: int, negatives: float) -> None:
        self.key = key
        self.seed = seed
        self._model: Candidate = CANDIDATES[key].make(seed)
        self._shift = math.log(negatives)

    def learn(self, row: Numbers, label: bool, at: int, naive: Numbers) -> None:
        """One answer that has become known."""
        self._model.learn(row, label, at, naive)

    def predict(self, rows: Numbers) -> Mapping[str, Numbers]:
        """Probabilities, corrected for the share of the good that was learnt from."""
        said = self._model.predict(rows)
        if not self._shift:
            return said
        factor = math.exp(self._shift)
        return {name: p * factor / (p * factor + 1.0 - p) for name, p in said.items()}


def in_time(
    asked: Questions,
    batches: Iterable[tuple[Batch, Numbers]],
    *,
    chosen: Iterable[str],
    seeds: int,
    negatives: float,
    progress: Progress,
) -> Judged:
    """One pass: before each time, what has become known is learnt; then its questions are scored.

    ``batches`` come with their rows of inputs, in order. ``negatives`` is the share of the good
    that are learnt from, drawn anew under each seed.
    """
    chosen = tuple(chosen)
    pupils = [
        _Pupil(key, seed, negatives)
        for seed in range(seeds)
        for key in _keys(chosen, seed, len(asked.at))
    ]
    learnt = _sampled(asked.labels, negatives, seeds)
    judged = asked.at >= asked.judged_from
    scores: dict[tuple[str, int], list[Numbers]] = {}
    floors: list[Numbers] = []
    usual, strange = Unlabelled(), list[dict[str, Numbers]]()
    waiting: list[tuple[int, int]] = []
    held: dict[int, tuple[Numbers, Numbers]] = {}
    for batch, rows in batches:
        at = int(asked.at[batch.first])
        while waiting and waiting[0][0] <= at:
            known_at, i = heapq.heappop(waiting)
            row, known_then = held.pop(i)
            for pupil in pupils:
                if learnt[pupil.seed, i]:
                    pupil.learn(row, bool(asked.labels[i]), known_at, known_then)
        naive = naive_scores(batch.vectors)
        if judged[batch.first]:
            for pupil in pupils:
                for name, values in pupil.predict(rows).items():
                    scores.setdefault((name, pupil.seed), []).append(values)
            floors.append(naive)
            strange.append(usual.score(batch.vectors))
        names = asked.merchants[batch.first : batch.last].tolist()
        usual.learn(names, batch.vectors, [at] * len(names))
        for i in range(batch.first, batch.last):
            if learnt[:, i].any():
                held[i] = rows[i - batch.first].copy(), naive[i - batch.first].copy()
                heapq.heappush(waiting, (int(asked.known_at[i]), i))
        progress(batch.last - batch.first)
    made: Scores = {}
    for (name, _), parts in sorted(scores.items(), key=lambda item: item[0][1]):
        made.setdefault(name, []).append(np.concatenate(parts))
    shown = asked.take(judged)
    for name, values in zip(FLOORS, np.concatenate(floors).T, strict=True):
        made[name] = [centred(values)] * seeds
    for name in TITLES:
        made[name] = [np.concatenate([scores[name] for scores in strange])] * seeds
    _add_own(made, shown, seeds)
    return Judged(
        asked=shown,
        scores=made,
        probabilities=entry_names(chosen),
        unlabelled=frozenset(TITLES),
    )


def _sampled(labels: NDArray[np.bool_], negatives: float, seeds: int) -> NDArray[np.bool_]:
    """Which answers are learnt from under each seed: all of the bad, a share of the good."""
    draws = [np.random.default_rng(seed).random(len(labels)) for seed in range(seeds)]
    return np.stack([labels | (draw < negatives) for draw in draws])


def batches_of(
    asked: Questions, vectors: Numbers, rows: Numbers
) -> Iterator[tuple[Batch, Numbers]]:
    """Stored vectors again as batches, each time's questions together."""
    edges = np.flatnonzero(np.r_[True, asked.at[1:] != asked.at[:-1], True]).tolist()
    for first, last in pairwise(edges):
        yield Batch(first, last, vectors[first:last]), rows[first:last]


def _add_floors(scores: Scores, asked: Questions, vectors: Numbers, seeds: int) -> None:
    for name, values in zip(FLOORS, naive_scores(vectors).T, strict=True):
        scores[name] = [centred(values)] * seeds
    _add_own(scores, asked, seeds)


def _add_own(scores: Scores, asked: Questions, seeds: int) -> None:
    """The protocol's own floors, and chance."""
    for name, values in asked.floors.items():
        scores[name] = [values] * seeds
    scores["random"] = [np.random.default_rng(seed).random(len(asked.at)) for seed in range(seeds)]

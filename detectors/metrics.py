"""Measures of a forecast, over predictions and labels of equal length.

``Ranking`` needs scores that rank; ``log_loss`` and calibration need probabilities.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

_TINY = 1e-15


def log_loss(predictions: Sequence[float], labels: Sequence[bool]) -> float:
    """Mean negative log-likelihood, in nats; predictions are kept 1e-15 off 0 and 1."""
    total = 0.0
    for p, label in zip(predictions, labels, strict=True):
        said = min(max(p, _TINY), 1 - _TINY)
        total -= math.log(said if label else 1.0 - said)
    return total / len(labels)


def roc_auc(predictions: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Area under the ROC curve by mean ranks (Mann-Whitney U, ties count half).

    None unless both classes occur.
    """
    n_true = sum(labels)
    n_false = len(labels) - n_true
    if n_true == 0 or n_false == 0:
        return None
    order = sorted(range(len(predictions)), key=predictions.__getitem__)
    rank_sum, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and predictions[order[end]] == predictions[order[start]]:
            end += 1
        mean_rank = (start + 1 + end) / 2
        rank_sum += mean_rank * sum(labels[order[i]] for i in range(start, end))
        start = end
    return (rank_sum - n_true * (n_true + 1) / 2) / (n_true * n_false)


Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Bin(Struct, frozen=True, kw_only=True):
    """One bin of a reliability table: mean prediction against the share that came true."""

    count: int
    predicted: float
    observed: float


class Ranking:
    """Cases by falling score, sorted once, so that many weightings of them are measured cheaply.

    A weight says how often a case counts, as in a bootstrap; without weights each counts once.
    """

    def __init__(self, scores: Numbers, labels: Flags) -> None:
        """Raises ``ValueError`` on a score that is no number, or on other than a label each."""
        if scores.shape != labels.shape or scores.ndim != 1:
            raise ValueError(f"{scores.shape} scores for {labels.shape} labels; give one for each")
        if np.isnan(scores).any():
            raise ValueError("a score is NaN; a case without a score cannot be ranked")
        self.order: NDArray[np.int64] = np.argsort(-scores, kind="stable")
        self._true = labels[self.order].astype(np.float64)
        falling = scores[self.order]
        firsts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])
        self._firsts = firsts if len(scores) else np.zeros(0, np.int64)

    def _ties(self, weights: Numbers | None) -> tuple[Numbers, Numbers]:
        """Weight of the true and of the false among each group of equal scores, best first."""
        if not len(self._firsts):
            return np.zeros(0), np.zeros(0)
        each = np.ones(len(self.order)) if weights is None else weights[self.order]
        true = np.add.reduceat(each * self._true, self._firsts)
        return true, np.add.reduceat(each, self._firsts) - true

    def roc_auc(self, weights: Numbers | None = None) -> float | None:
        """Area under the ROC curve (Mann-Whitney U, ties count half); None without both classes."""
        true, false = self._ties(weights)
        pairs = true.sum() * false.sum()
        if pairs <= 0:
            return None
        below = false.sum() - np.cumsum(false)
        return float((true * (below + false / 2)).sum() / pairs)

    def average_precision(self, weights: Numbers | None = None) -> float | None:
        """Mean precision over the true cases, by thresholds between unequal scores.

        The sum of (recall step x precision at the step), without interpolation (Davis and
        Goadrich, 2006). None without a true case.
        """
        true, false = self._ties(weights)
        total = true.sum()
        if total <= 0:
            return None
        found, seen = np.cumsum(true), np.cumsum(true + false)
        held = seen > 0
        return float((true[held] * found[held] / seen[held]).sum() / total)

    def found_at(self, capacity: int) -> float:
        """True cases expected among the first ``capacity``; a tie at the cut is drawn evenly."""
        true, false = self._ties(None)
        size = true + false
        before = np.cumsum(size) - size
        taken = np.clip(capacity - before, 0.0, size)
        return float((true * taken / np.maximum(size, 1.0)).sum())

    def curve(self) -> tuple[Numbers, Numbers, Numbers]:
        """False-positive rate, true-positive rate (recall) and precision at every threshold."""
        true, false = self._ties(None)
        found, wrong = np.cumsum(true), np.cumsum(false)
        return (
            wrong / max(float(false.sum()), 1.0),
            found / max(float(true.sum()), 1.0),
            found / np.maximum(found + wrong, 1.0),
        )


def matched_auc(
    scores: Numbers, labels: Flags, sizes: Numbers, ratio_max: float = 1.5
) -> tuple[float | None, int]:
    """AUC within pairs of like size: a true and a false case whose sizes differ by a factor of at
    most ``ratio_max``. Ties count half. Returns it (None without a pair) and the number of pairs.

    Raises ``ValueError`` if a size is not above 0.
    """
    if not (sizes > 0).all():
        raise ValueError("a size is not above 0; pairs are matched by their ratio")
    true, false = np.flatnonzero(labels), np.flatnonzero(~labels)
    logs = np.log(sizes)
    near = np.abs(logs[true][:, None] - logs[false][None, :]) <= np.log(ratio_max) + 1e-12
    pairs = int(near.sum())
    if not pairs:
        return None, 0
    gap = scores[true][:, None] - scores[false][None, :]
    wins = (gap > 0) + 0.5 * (gap == 0)
    return float((wins * near).sum() / pairs), pairs


def reliability(predictions: Numbers, labels: Flags, bins: int = 10) -> list[Bin]:
    """Bins of equal count by rising prediction; equal predictions stay together.

    Equal counts, since most probabilities of default are small and equal widths would put them
    all into one bin.
    """
    if not len(predictions):
        return []
    order = np.argsort(predictions, kind="stable")
    said, came = predictions[order], labels[order]
    cuts = {0, len(said)}
    for i in range(1, bins):
        cuts.add(int(np.searchsorted(said, said[i * len(said) // bins], side="left")))
    edges = sorted(cuts)
    return [
        Bin(
            count=last - first,
            predicted=float(said[first:last].mean()),
            observed=float(came[first:last].mean()),
        )
        for first, last in pairwise(edges)
    ]


def calibration_error(table: Sequence[Bin]) -> float:
    """Expected calibration error: mean distance of a table's bins, by their counts, 0-1.

    After Naeini, Cooper and Hauskrecht (2015), with bins of equal count.
    """
    total = sum(each.count for each in table)
    return sum(each.count * abs(each.predicted - each.observed) for each in table) / total


def brier_score(predictions: Numbers, labels: Flags) -> float:
    """Mean squared difference of probability and outcome, 0-1 (Brier, 1950)."""
    return float(np.square(predictions - labels).mean())


def calibration_report(predictions: Sequence[float], labels: Sequence[bool]) -> dict[str, float]:
    """How far probabilities can be believed, as flat figures; empty without a prediction.

    ``brier``, ``expected_calibration_error``, and of each bin of ``reliability`` in rising order
    ``reliability.N.count``, ``.predicted`` and ``.observed``.
    """
    if not labels:
        return {}
    said, came = np.array(predictions, np.float64), np.array(labels, np.bool_)
    table = reliability(said, came)
    found = {
        "brier": brier_score(said, came),
        "expected_calibration_error": calibration_error(table),
    }
    for number, each in enumerate(table):
        for field, value in structs.asdict(each).items():
            found[f"reliability.{number}.{field}"] = float(value)
    return found

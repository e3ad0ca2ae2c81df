"""Scoring many merchants at once: what each input adds to the log-odds, compiled.

There is one path: one merchant is a batch of one. Sums run in the order of the inputs, so a score
does not depend on who is scored beside whom.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.layout import entry

Numbers = NDArray[np.float64]
Matrix = NDArray[np.float64]
Scorer = Callable[[Matrix], "Scored"]
"""Takes rows of ``transform.input_rows``."""
LEVELS = 64
"""Codes of an input of a tree: 0 to ``LEVELS`` - 1."""


class Scored(NamedTuple):
    """Log-odds of each merchant, and what each input added: they and the base sum to it."""

    log_odds: Numbers
    contributions: Matrix

    @property
    def probabilities(self) -> Numbers:
        """The probabilities of the log-odds."""
        return sigmoids(self.log_odds)


def linear(
    factors: Numbers, means: Numbers, deviations: Numbers, bound: float, base: float
) -> Scorer:
    """Adds ``factor * z``, z the standardised input within ``bound``; NaN adds nothing."""

    def score(rows: Matrix) -> Scored:
        found = _empty(rows)
        _linear(rows, factors, means, deviations, bound, base, *found)
        return found

    return score


def points(bounds: Matrix, table: Matrix, base: float) -> Scorer:
    """Adds the points of the bin of each input; NaN adds nothing.

    ``table`` has a row of points for each input, ``bounds`` the lower bounds of the bins but the
    first.
    """

    def score(rows: Matrix) -> Scored:
        found = _empty(rows)
        _points(rows, bounds, table, base, *found)
        return found

    return score


def trees(
    means: Numbers,
    deviations: Numbers,
    columns: NDArray[np.int64],
    thresholds: NDArray[np.int64],
    values: Matrix,
    base: float,
) -> Scorer:
    """Adds, at each split passed, the value of the child less that of the node (Saabas, 2014).

    A tree is a row of ``columns`` and ``thresholds`` (-1: no split) by inner node and of ``values``
    by node; the children of node i are 2i + 1, for a code of at most the threshold, and 2i + 2.
    ``base`` counts the values of the roots in.
    """

    def score(rows: Matrix) -> Scored:
        found = _empty(rows)
        codes = coded(rows, means, deviations)
        _trees(codes, columns, thresholds, values, base, *found)
        return found

    return score


def coded(rows: Matrix, means: Numbers, deviations: Numbers) -> NDArray[np.uint8]:
    """Inputs as whole numbers for trees: z / (1 + |z|) in ``LEVELS`` equal steps.

    Fine near the mean, and without an end: the scale need not fit the data. One that is not
    available is coded as the mean; the indicators still tell.
    """
    codes = np.empty(rows.shape, np.uint8)
    _code(rows, means, deviations, codes)
    return codes


def sigmoids(log_odds: Numbers) -> Numbers:
    """Probabilities of log-odds, without overflow."""
    found = np.empty_like(log_odds)
    _sigmoids(log_odds, found)
    return found


def leading(
    contributions: Matrix, ranks: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The inputs that add most, and those that take off most, ``count`` of each by merchant.

    Columns of inputs, the largest first, -1 where there are no more. Equal ones go by ``ranks``;
    inputs of a negative rank are left out.
    """
    shape = len(contributions), count
    towards, away = np.empty(shape, np.int64), np.empty(shape, np.int64)
    _leading(contributions, ranks, 1.0, towards)
    _leading(contributions, ranks, -1.0, away)
    return towards, away


def _empty(rows: Matrix) -> Scored:
    return Scored(np.empty(len(rows)), np.zeros(rows.shape))


@entry
def _linear(
    rows: Any,
    factors: Any,
    means: Any,
    deviations: Any,
    bound: float,
    base: float,
    log_odds: Any,
    contributions: Any,
) -> None:
    for i in range(rows.shape[0]):
        total = base
        for j in range(rows.shape[1]):
            value = rows[i, j]
            if deviations[j] > 0.0 and not math.isnan(value):
                z = min(max((value - means[j]) / deviations[j], -bound), bound)
                added = factors[j] * z
                contributions[i, j] = added
                total += added
        log_odds[i] = total


@entry
def _points(
    rows: Any, bounds: Any, table: Any, base: float, log_odds: Any, contributions: Any
) -> None:
    for i in range(rows.shape[0]):
        total = base
        for j in range(len(table)):
            value = rows[i, j]
            if not math.isnan(value):
                bin_number = 0
                while bin_number < bounds.shape[1] and value >= bounds[j, bin_number]:
                    bin_number += 1
                contributions[i, j] = table[j, bin_number]
                total += table[j, bin_number]
        log_odds[i] = total


@entry
def _code(rows: Any, means: Any, deviations: Any, codes: Any) -> None:
    half = LEVELS // 2
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            code = half
            if deviations[j] > 0.0 and not math.isnan(rows[i, j]):
                z = (rows[i, j] - means[j]) / deviations[j]
                code = min(math.floor(half + half * (z / (1.0 + abs(z)))), LEVELS - 1)
            codes[i, j] = code


@entry
def _trees(
    codes: Any,
    columns: Any,
    thresholds: Any,
    values: Any,
    base: float,
    log_odds: Any,
    contributions: Any,
) -> None:
    inner = columns.shape[1]
    for i in range(codes.shape[0]):
        total = base
        for tree in range(columns.shape[0]):
            node = 0
            while node < inner and columns[tree, node] >= 0:
                column = columns[tree, node]
                child = 2 * node + 1
                if codes[i, column] > thresholds[tree, node]:
                    child += 1
                contributions[i, column] += values[tree, child] - values[tree, node]
                node = child
            total += values[tree, node] - values[tree, 0]
        log_odds[i] = total


@entry
def _sigmoids(log_odds: Any, found: Any) -> None:
    for i in range(len(log_odds)):
        odds = math.exp(-abs(log_odds[i]))
        found[i] = 1.0 / (1.0 + odds) if log_odds[i] >= 0.0 else odds / (1.0 + odds)


@entry
def _leading(contributions: Any, ranks: Any, sign: float, found: Any) -> None:
    count = found.shape[1]
    for i in range(contributions.shape[0]):
        held = 0
        for j in range(contributions.shape[1]):
            added = sign * contributions[i, j]
            if ranks[j] < 0 or not added > 0.0:
                continue
            at = held
            while at > 0:
                other = found[i, at - 1]
                before = sign * contributions[i, other]
                if before > added or (before == added and ranks[other] < ranks[j]):
                    break
                at -= 1
            if at == count:
                continue
            held = min(held + 1, count)
            for k in range(held - 1, at, -1):
                found[i, k] = found[i, k - 1]
            found[i, at] = j
        for k in range(held, count):
            found[i, k] = -1

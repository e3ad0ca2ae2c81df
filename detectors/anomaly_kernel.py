"""The compiled part of the anomaly models: distances, inputs, their scale, and walks in trees.

All in one file, since machine code is cached by the file that it was made of. What is summed over
trees are whole numbers and the rest is arithmetic of single numbers, so that any host computes the
same bits.
"""

import math
from typing import Any

import numpy as np

from features.layout import entry

PARTS = 5
VOLATILITY_MIN = 0.2
SHARE_WIDTH = 0.02
NOTHING = 0.01
"""A hundredth of the usual stands for nothing at all, which has no logarithm."""
IDENTITY, LOG1P, ASINH = 0, 1, 2
IDENTITY_MAX = 100.0
"""Shares and ratios lie within; beyond it they say no more."""
FAR = 10.0
"""Spreads from the median beyond which an input says no more."""
KNOWN_MIN = 3
"""Inputs of a merchant that must be known to compare it with its segment."""
EMPTY = 1e-4
"""Added to a share of the mass, which has no logarithm where it is 0."""


@entry
def own_parts(
    vectors: Any, places: Any, part_max: float, parts_min: int, parts: Any, total: Any
) -> None:
    """Deviations from the usual as ``detectors.anomaly`` tells, and the root of their mean square.

    ``places`` are those of the features of the parts, then of their usuals, of the volatility and
    of the count of sales.
    """
    for i in range(vectors.shape[0]):
        now = vectors[i]
        for p in range(PARTS):
            parts[i, p] = np.nan
        sales, usual = now[places[0]], now[places[PARTS]]
        if usual > 0 and sales == sales:
            noise = max(now[places[2 * PARTS]], VOLATILITY_MIN)
            if noise != noise:
                noise = VOLATILITY_MIN
            parts[i, 0] = math.log(max(sales / usual, NOTHING)) / noise
        count = now[places[2 * PARTS + 1]]
        for p in range(1, PARTS - 1):
            share, normal = now[places[p]], now[places[PARTS + p]]
            if share == share and normal == normal and count == count:
                spread = math.sqrt(max(normal * (1 - normal), 0.0) / max(count, 1.0))
                parts[i, p] = (share - normal) / (spread + SHARE_WIDTH)
        silence, gap = now[places[PARTS - 1]], now[places[2 * PARTS - 1]]
        if silence >= 0 and gap >= 0:
            parts[i, PARTS - 1] = max(math.log2((silence + 1) / (gap + 1)), 0.0)
        squares, known = 0.0, 0
        for p in range(PARTS):
            if math.isfinite(parts[i, p]):
                part = min(abs(parts[i, p]), part_max)
                squares += part * part
                known += 1
            else:
                parts[i, p] = np.nan
        total[i] = math.sqrt(squares / known) if known >= parts_min else np.nan


@entry
def read_rows(vectors: Any, places: Any, transforms: Any, out: Any) -> None:
    """Inputs of vectors on the scale of their transforms; NaN where one is not finite."""
    for i in range(vectors.shape[0]):
        for j in range(places.size):
            value = vectors[i, places[j]]
            if not math.isfinite(value):
                value = np.nan
            elif transforms[j] == LOG1P:
                value = math.log1p(value) if value > 0 else 0.0
            elif transforms[j] == ASINH:
                value = math.asinh(value)
            elif value > IDENTITY_MAX:
                value = IDENTITY_MAX
            elif value < -IDENTITY_MAX:
                value = -IDENTITY_MAX
            out[i, j] = value


@entry
def scale_rows(
    rows: Any, which: Any, medians: Any, spreads: Any, out: Any, known: Any, distances: Any
) -> None:
    """Inputs within 0-1: the median is 0.5, one spread from it 0.25 or 0.75.

    What is not known, or has no spread, is 0.5 too; ``known`` counts the others. A distance is the
    root of the mean square of inputs in spreads from the median, each at most ``FAR``. ``which`` is
    the place of each row's scale.
    """
    for i in range(rows.shape[0]):
        k = which[i]
        count, used, squares = 0, 0, 0.0
        for j in range(rows.shape[1]):
            out[i, j] = 0.5
            if spreads[k, j] > 0:
                used += 1
                if rows[i, j] == rows[i, j]:
                    t = (rows[i, j] - medians[k, j]) / spreads[k, j]
                    out[i, j] = 0.5 + 0.5 * t / (1.0 + abs(t))
                    squares += min(t * t, FAR * FAR)
                    count += 1
        known[i] = count
        distances[i] = math.sqrt(squares / max(used, 1))


@entry
def count_masses(
    scaled: Any, which: Any, inputs: Any, cuts: Any, masses: Any, least: Any, out: Any
) -> None:
    """Sum over the trees of mass times 2 to the depth on the way of a row (Tan et al., 2011).

    A way ends at a leaf, or at a node with less mass than ``least``. Little means unusual.
    ``inputs`` and ``cuts`` are of shape (forests, trees, branches), ``masses`` of (forests, trees,
    nodes); the children of node n are 2n + 1 and 2n + 2.
    """
    branches = inputs.shape[2]
    for i in range(scaled.shape[0]):
        k = which[i]
        total = 0
        for t in range(inputs.shape[1]):
            node, weight = 0, 1
            while True:
                mass = masses[k, t, node]
                total += mass * weight
                if node >= branches or mass < least[k]:
                    break
                below = scaled[i, inputs[k, t, node]] < cuts[k, t, node]
                node = 2 * node + (1 if below else 2)
                weight *= 2
        out[i] = total


@entry
def measure_excess(
    totals: Any, most: Any, distances: Any, known: Any, own: Any, which: Any, scales: Any, out: Any
) -> None:
    """How far rows lie beyond the middle of what a forest was shown, in its own unit.

    Of three measures, each less its median and over its spread: minus the log of the share of the
    greatest mass, the distance from the segment's usual and that from the own; NaN where a measure
    is not available. ``scales`` are median and spread of each measure, by forest.
    """
    for i in range(totals.size):
        k = which[i]
        out[i, 0] = out[i, 1] = out[i, 2] = np.nan
        if known[i] >= KNOWN_MIN:
            strangeness = -math.log(totals[i] / most[k] + EMPTY)
            out[i, 0] = (strangeness - scales[k, 0, 0]) / scales[k, 0, 1]
            out[i, 1] = (distances[i] - scales[k, 1, 0]) / scales[k, 1, 1]
        if own[i] == own[i]:
            out[i, 2] = (own[i] - scales[k, 2, 0]) / scales[k, 2, 1]


@entry
def rank_excess(excess: Any, which: Any, shown: Any, ends: Any, out: Any) -> None:
    """The greatest excess as a quantile: 1 - (held-out ones that reach it + 1) / (all + 1).

    So of exchangeable rows a share of at most e gets 1 - e or more. Beyond the greatest of all it
    rises on towards 1. ``shown`` holds the held-out ones of every forest, ascending, each to its
    end.
    """
    for i in range(which.size):
        k = which[i]
        first, end = ends[k - 1] if k > 0 else 0, ends[k]
        value = excess[i, 0]
        for m in range(1, excess.shape[1]):
            if excess[i, m] > value or value != value:
                value = excess[i, m]
        if value != value:
            out[i] = np.nan
            continue
        reached = end - first - np.searchsorted(shown[first:end], value)
        rest = reached + 1.0
        if reached == 0:
            rest = 1.0 / (1.0 + value - shown[end - 1])
        out[i] = 1.0 - rest / (end - first + 1.0)

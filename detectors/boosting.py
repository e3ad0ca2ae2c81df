"""Gradient-boosted trees whose splits keep to directions: the compiled part of ``boosted``.

Newton boosting of the log loss on histograms of coded inputs (Friedman, 2001; Chen and Guestrin,
2016). A split on an input with a direction is taken only if its riskier side gets the higher value,
and the middle of the two bounds all that grows below, so that no leaf of the riskier side is ever
below one of the other. Plain sums in the order of the rows: the same rows give the same bits.
"""

import math
from typing import Any

import numpy as np

from features.layout import entry, inner

_NO_SPLIT = -1
_UNBOUNDED = 1e9
_GAIN_MIN = 1e-9


@entry
def grow(
    codes: Any,
    labels: Any,
    weights: Any,
    directions: Any,
    levels: int,
    start: float,
    rate: float,
    ridge: float,
    cover_min: float,
    inputs: Any,
    thresholds: Any,
    values: Any,
) -> None:
    """Fill trees (see ``detectors.trees``), each on what those before it leave.

    ``codes`` (of so many ``levels``), ``labels`` and ``weights`` have a row each, ``start`` is the
    log-odds before any tree; a leaf has a weighted sum of p (1 - p) of at least ``cover_min``, is
    shrunk by ``ridge``, and counts by ``rate``.
    """
    rows, width = codes.shape
    said = np.full(rows, start)
    slope, bend = np.empty(rows), np.empty(rows)
    place = np.empty(rows, np.int64)
    sums = np.empty(((inputs.shape[1] + 1) // 2, width, levels, 2))
    # By node: sum of slopes, sum of bends, least and greatest value allowed.
    nodes = np.empty((values.shape[1], 4))
    for tree in range(inputs.shape[0]):
        place[:] = 0
        nodes[0, 0] = nodes[0, 1] = 0.0
        nodes[0, 2], nodes[0, 3] = -_UNBOUNDED, _UNBOUNDED
        for i in range(rows):
            p = 1.0 / (1.0 + math.exp(-said[i]))
            slope[i] = weights[i] * (p - labels[i])
            bend[i] = weights[i] * max(p * (1.0 - p), 1e-12)
            nodes[0, 0] += slope[i]
            nodes[0, 1] += bend[i]
        inputs[tree, :] = _NO_SPLIT
        thresholds[tree, :] = 0
        values[tree, :] = 0.0
        values[tree, 0] = -nodes[0, 0] / (nodes[0, 1] + ridge)
        first = 0
        while first < inputs.shape[1]:
            _gather(codes, place, first, slope, bend, sums[: first + 1])
            for node in range(first, 2 * first + 1):
                if node == 0 or inputs[tree, (node - 1) // 2] != _NO_SPLIT:
                    histogram = sums[node - first]
                    _split(
                        histogram,
                        directions,
                        ridge,
                        cover_min,
                        node,
                        nodes,
                        inputs[tree],
                        thresholds[tree],
                        values[tree],
                    )
            _descend(codes, place, first, inputs[tree], thresholds[tree])
            first = 2 * first + 1
        for i in range(rows):
            said[i] += rate * values[tree, place[i]]
        for node in range(inputs.shape[1] - 1, -1, -1):
            if inputs[tree, node] != _NO_SPLIT:
                one, two = 2 * node + 1, 2 * node + 2
                total = nodes[one, 1] * values[tree, one] + nodes[two, 1] * values[tree, two]
                values[tree, node] = total / (nodes[one, 1] + nodes[two, 1])
        values[tree] *= rate


@inner
def _gather(codes: Any, place: Any, first: int, slope: Any, bend: Any, sums: Any) -> None:
    """Slopes and bends by node of a level, input and code."""
    sums[:] = 0.0
    for i in range(codes.shape[0]):
        node = place[i] - first
        if node < 0:
            continue
        for j in range(codes.shape[1]):
            cell = sums[node, j, codes[i, j]]
            cell[0] += slope[i]
            cell[1] += bend[i]


@inner
def _split(
    histogram: Any,
    directions: Any,
    ridge: float,
    cover_min: float,
    node: int,
    nodes: Any,
    inputs: Any,
    thresholds: Any,
    values: Any,
) -> None:
    """Split a node where that gains most, if anywhere; of equal gains the first."""
    slopes, bends, low, high = nodes[node]
    one, two = 2 * node + 1, 2 * node + 2
    best = _gain(slopes, bends + ridge, values[node]) + _GAIN_MIN
    for j in range(histogram.shape[0]):
        g, h = 0.0, 0.0
        for code in range(histogram.shape[1] - 1):
            g += histogram[j, code, 0]
            h += histogram[j, code, 1]
            rest, other = slopes - g, bends - h
            if h < cover_min:
                continue
            if other < cover_min:
                break
            left = min(max(-g / (h + ridge), low), high)
            right = min(max(-rest / (other + ridge), low), high)
            if (right - left) * directions[j] < 0.0:
                continue
            gain = _gain(g, h + ridge, left) + _gain(rest, other + ridge, right)
            if gain > best:
                best = gain
                inputs[node], thresholds[node] = j, code
                values[one], values[two] = left, right
                nodes[one, 0], nodes[two, 0] = g, rest
                nodes[one, 1], nodes[two, 1] = h, other
    if inputs[node] == _NO_SPLIT:
        return
    nodes[one, 2], nodes[one, 3] = low, high
    nodes[two, 2], nodes[two, 3] = low, high
    middle = 0.5 * (values[one] + values[two])
    if directions[inputs[node]] > 0.0:
        nodes[one, 3], nodes[two, 2] = middle, middle
    elif directions[inputs[node]] < 0.0:
        nodes[one, 2], nodes[two, 3] = middle, middle


@inner
def _gain(slope: float, bend: float, value: float) -> float:
    return -(slope * value + 0.5 * bend * value * value)


@inner
def _descend(codes: Any, place: Any, first: int, inputs: Any, thresholds: Any) -> None:
    """Move the rows of a level to the nodes below, where it was split."""
    for i in range(codes.shape[0]):
        node = place[i]
        if node >= first and inputs[node] != _NO_SPLIT:
            right = codes[i, inputs[node]] > thresholds[node]
            place[i] = 2 * node + 2 if right else 2 * node + 1

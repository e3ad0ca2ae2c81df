"""Gradient-boosted trees with monotone splits: the compiled part of ``detectors.boosted``.

Newton boosting of the log loss on histograms of coded inputs (Friedman, 2001; Chen and Guestrin,
2016), with bounds handed down a split on an input that has a direction, so that no leaf on its
riskier side is below one on the other. A tree is a heap: the children of node i are 2i + 1 (code at
most the threshold) and 2i + 2. Plain sums in the order of the rows: the same rows give the same
bits.
"""

import math
from typing import Any

import numpy as np

from features.layout import entry

DEPTH = 3
INNER = (1 << DEPTH) - 1
"""Nodes of a tree that may split."""
NODES = (1 << (DEPTH + 1)) - 1
LEVELS = 64
"""Codes of an input: 0 to ``LEVELS`` - 1."""
NO_SPLIT = -1


@entry
def encode_rows(rows: Any, means: Any, deviations: Any, codes: Any) -> None:
    """Inputs as codes: z / (1 + |z|) in equal steps; one that is not available as its mean."""
    half = LEVELS // 2
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            value = rows[i, j]
            code = half
            if math.isfinite(value) and deviations[j] > 0.0:
                z = (value - means[j]) / deviations[j]
                code = min(int(math.floor(half + half * (z / (1.0 + abs(z))))), LEVELS - 1)
            codes[i, j] = code


@entry
def grow(
    codes: Any,
    labels: Any,
    directions: Any,
    start: float,
    rate: float,
    ridge: float,
    cover_min: float,
    features: Any,
    thresholds: Any,
    values: Any,
) -> None:
    """Fill trees from coded rows, each tree on what those before it leave.

    ``start`` is the log-odds before any tree, ``cover_min`` the least sum of p (1 - p) in a leaf,
    ``directions`` +1, -1 or 0 by input. Values of inner nodes are the means of their leaves.
    """
    rows, width = codes.shape
    said = np.full(rows, start)
    slope, bend = np.empty(rows), np.empty(rows)
    place = np.empty(rows, np.int64)
    sums = np.empty((1 << (DEPTH - 1), width, LEVELS, 2))
    low, high = np.empty(NODES), np.empty(NODES)
    slopes, bends = np.empty(NODES), np.empty(NODES)
    for tree in range(features.shape[0]):
        for i in range(rows):
            p = 1.0 / (1.0 + math.exp(-said[i]))
            slope[i] = p - labels[i]
            bend[i] = max(p * (1.0 - p), 1e-12)
            place[i] = 0
        slopes[:], bends[:] = 0.0, 0.0
        for i in range(rows):
            slopes[0] += slope[i]
            bends[0] += bend[i]
        low[0], high[0] = -1e9, 1e9
        features[tree, :] = NO_SPLIT
        thresholds[tree, :] = 0
        values[tree, :] = 0.0
        values[tree, 0] = -slopes[0] / (bends[0] + ridge)
        for depth in range(DEPTH):
            first = (1 << depth) - 1
            sums[: first + 1] = 0.0
            for i in range(rows):
                node = place[i] - first
                if node < 0:
                    continue
                for j in range(width):
                    cell = sums[node, j, codes[i, j]]
                    cell[0] += slope[i]
                    cell[1] += bend[i]
            for node in range(first, 2 * first + 1):
                if depth and features[tree, (node - 1) // 2] == NO_SPLIT:
                    continue
                w = values[tree, node]
                kept = -(slopes[node] * w + 0.5 * (bends[node] + ridge) * w * w)
                best = kept + 1e-9
                for j in range(width):
                    g, h = 0.0, 0.0
                    for code in range(LEVELS - 1):
                        g += sums[node - first, j, code, 0]
                        h += sums[node - first, j, code, 1]
                        other = bends[node] - h
                        if h < cover_min:
                            continue
                        if other < cover_min:
                            break
                        left = min(max(-g / (h + ridge), low[node]), high[node])
                        rest = slopes[node] - g
                        right = min(max(-rest / (other + ridge), low[node]), high[node])
                        if (right - left) * directions[j] < 0.0:
                            continue
                        gain = -(g * left + 0.5 * (h + ridge) * left * left)
                        gain -= rest * right + 0.5 * (other + ridge) * right * right
                        if gain > best:
                            best = gain
                            features[tree, node] = j
                            thresholds[tree, node] = code
                            one, two = 2 * node + 1, 2 * node + 2
                            values[tree, one], values[tree, two] = left, right
                            slopes[one], slopes[two] = g, rest
                            bends[one], bends[two] = h, other
                j = features[tree, node]
                if j == NO_SPLIT:
                    continue
                one, two = 2 * node + 1, 2 * node + 2
                low[one], high[one] = low[node], high[node]
                low[two], high[two] = low[node], high[node]
                middle = 0.5 * (values[tree, one] + values[tree, two])
                if directions[j] > 0:
                    high[one], low[two] = middle, middle
                elif directions[j] < 0:
                    low[one], high[two] = middle, middle
            for i in range(rows):
                node = place[i]
                if node >= first and features[tree, node] != NO_SPLIT:
                    right = codes[i, features[tree, node]] > thresholds[tree, node]
                    place[i] = 2 * node + 1 + right
        for i in range(rows):
            said[i] += rate * values[tree, place[i]]
        for node in range(INNER - 1, -1, -1):
            if features[tree, node] != NO_SPLIT:
                one, two = 2 * node + 1, 2 * node + 2
                values[tree, node] = (
                    bends[one] * values[tree, one] + bends[two] * values[tree, two]
                ) / bends[node]
        for node in range(NODES):
            values[tree, node] *= rate

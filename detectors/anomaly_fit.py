"""A forest of half-space trees from a window of rows, with River (Tan, Ting and Liu, 2011).

Every other row is held out from scale and trees; what those rows add up to calibrates the score
(split conformal anomaly detection; Laxhammar and Falkman, 2015).
"""

import hashlib
import math
from typing import Any

import numpy as np
from msgspec import structs
from river import anomaly

from detectors.anomaly_inputs import INPUTS, Rows
from detectors.anomaly_kernel import scale_rows
from detectors.anomaly_model import (
    BLANK_FOREST,
    BRANCHES,
    HEIGHT,
    SPREAD_MIN,
    TREES,
    Floats,
    Forest,
    Scale,
    tables_of,
)
from detectors.anomaly_score import excess_of

KNOWN_SHARE_MIN = 0.05
"""An input that a smaller share of the rows has is left out."""
DEVIATION_SHARE = 0.5
"""A spread is at least this share of the standard deviation: of an input that is nearly always the
same, quartiles and deciles are one number."""


SCALE_LEVEL = 0.95
"""Quantile whose distance from the median is the unit of a measure."""
STRANGENESS_MIN, DISTANCE_MIN = 0.1, 0.1
"""Least spread of the measures: of the log of a share of mass, and of distances in spreads or in
noise."""


def fit_forest(
    rows: Rows, own: Floats, *, name: str, trained_from: int, trained_until: int
) -> Forest | None:
    """Trees of the even rows, calibrated by the odd ones; None where no input varies.

    ``rows`` have columns as ``INPUTS``, NaN = not available, ``own`` are distances from the own
    usual. ``name`` seeds the trees, so that they split alike at every fit. Times are those of the
    first and the last row (epoch milliseconds).
    """
    taught, held_out = np.ascontiguousarray(rows[::2]), np.ascontiguousarray(rows[1::2])
    medians, spreads = scale_of(taught)
    used = [place for place, spread in enumerate(spreads) if spread > 0]
    if not used or not len(held_out):
        return None
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest())
    units = np.empty_like(taught)
    here = np.zeros(len(taught), np.int64)
    scale_rows(
        taught,
        here,
        np.array([medians]),
        np.array([spreads]),
        units,
        np.empty_like(here),
        np.empty(len(here)),
    )
    trees = anomaly.HalfSpaceTrees(TREES, HEIGHT, window_size=len(taught), seed=seed)
    for row in units[:, used].tolist():
        trees.learn_one(dict(zip(used, row, strict=True)))
    nodes = [_by_depth(tree) for tree in trees.trees]
    unscaled = structs.replace(
        BLANK_FOREST,
        medians=tuple(medians),
        spreads=tuple(spreads),
        places=tuple(node.feature for tree in nodes for node in tree[:BRANCHES]),
        cuts=tuple(node.threshold for tree in nodes for node in tree[:BRANCHES]),
        masses=tuple(node.r_mass for tree in nodes for node in tree),
        rows=len(taught),
        trained_from=trained_from,
        trained_until=trained_until,
        seed=seed,
    )
    return _calibrated(unscaled, held_out, np.ascontiguousarray(own[1::2]))


def _calibrated(forest: Forest, rows: Rows, own: Floats) -> Forest:
    """The forest with the scales of the measures, and the greatest of them of every row."""
    here = np.zeros(len(rows), np.int64)
    plain = excess_of(tables_of([forest]), here, rows, own)
    forest = structs.replace(
        forest,
        strangeness=_scale(plain[:, 0], STRANGENESS_MIN),
        distance=_scale(plain[:, 1], DISTANCE_MIN),
        own_distance=_scale(plain[:, 2], DISTANCE_MIN),
    )
    excess = np.fmax.reduce(excess_of(tables_of([forest]), here, rows, own), axis=1)
    known = excess[np.isfinite(excess)]
    # Where nothing was known of any row, the middle stands for all of them.
    return structs.replace(forest, excesses=tuple(np.sort(known).tolist()) or (0.0,))


def _scale(values: Floats, least: float) -> Scale:
    known = values[np.isfinite(values)]
    if not len(known):
        return Scale(0.0, least)
    median, high = np.quantile(known, (0.5, SCALE_LEVEL)).tolist()
    return Scale(median, max(high - median, least))


def scale_of(rows: Rows) -> tuple[list[float], list[float]]:
    """Median and spread of each input; a spread of 0 where it is hardly known or never varies.

    The spread is the greatest of the distance of the quartiles, half that of the outer deciles, and
    ``DEVIATION_SHARE`` of the standard deviation.
    """
    medians, spreads = [0.0] * len(INPUTS), [0.0] * len(INPUTS)
    for place, column in enumerate(rows.T):
        known = column[np.isfinite(column)]
        if len(known) < max(KNOWN_SHARE_MIN * len(rows), 2):
            continue
        low, first, median, third, high = np.quantile(known, (0.1, 0.25, 0.5, 0.75, 0.9)).tolist()
        medians[place] = median
        deviation = DEVIATION_SHARE * _deviation(known)
        spread = max(third - first, (high - low) / 2, deviation)
        spreads[place] = spread if spread >= SPREAD_MIN else 0.0
    return medians, spreads


def _deviation(values: Floats) -> float:
    """Standard deviation; ``fsum``, since the order in which numpy adds up is the host's."""
    mean = math.fsum(values.tolist()) / len(values)
    return math.sqrt(math.fsum(((values - mean) ** 2).tolist()) / len(values))


def _by_depth(tree: Any) -> list[Any]:
    """The nodes of one of River's trees, so that the children of node n are 2n + 1 and 2n + 2."""
    nodes = [tree]
    for place in range(BRANCHES):
        nodes += nodes[place].children
    return nodes

"""From feature vectors to what models take: bounded, finite, in one fixed order.

Compiled, but with the log1p and asinh of ``math`` one number at a time, so that the bits do not
depend on how many merchants come together or on the vector units of the host.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.prior import PRIOR
from detectors.vectors import Vector, as_floats
from features.catalogue import CATALOGUE, INDEX
from features.feature import Direction, Transform
from features.layout import entry

Numbers = NDArray[np.float64]
Matrix = NDArray[np.float64]
"""One row a merchant."""

MISSING = "missing:"
"""Prefix of the inputs that say (1 or 0) that a whole feed of the merchant has nothing to tell."""
INDICATED: tuple[str, ...] = (
    "turnover_28d_minor",
    "late_delivery_share_28d",
    "void_share_28d",
    "settlement_to_sales_28d_ratio",
    "net_inflow_28d_minor",
    "review_mean_13w",
    "repayment_late_share",
    "bureau_score",
    "sensor_days_28d",
)
"""The feature that stands for each source. An indicator for every feature would repeat these."""

IDENTITY_MAX = 100.0
"""Shares, ratios, stars and days of a month lie within; beyond it a ratio says no more."""
LOG_MAX = 50.0
"""Above log1p and asinh of any amount that fits 64 bits."""

_SCALES: tuple[Transform, ...] = ("identity", "log1p", "asinh")
_READ = [feature for feature in CATALOGUE if feature.name in PRIOR]
_PLACES = np.array([INDEX[feature.name] for feature in _READ])
_SCALE = np.array([_SCALES.index(feature.transform) for feature in _READ])
_FLAGS = np.array([INDEX[name] for name in INDICATED])

INPUT_NAMES: tuple[str, ...] = (
    *(feature.name for feature in _READ),
    *(MISSING + name for name in INDICATED),
)
"""Names of all model inputs: the features of the prior in the order of the catalogue, indicators.

The model reads part of the catalogue, as ``detectors.prior`` explains.
"""
_SIDES: dict[Direction, int] = {"up": 1, "down": -1, "none": 0}
DIRECTIONS: Numbers = np.array(
    [*(_SIDES[feature.direction] for feature in _READ), *(0 for _ in INDICATED)], np.float64
)
"""The riskier side of each input by the catalogue: 1 up, -1 down, 0 not stated.

Every transform rises with its feature, so the side of a feature is that of its input.
"""


def input_rows(vectors: Matrix) -> Matrix:
    """The inputs of many merchants, one row each, columns as ``INPUT_NAMES``, NaN for none.

    ``vectors`` are in catalogue order, NaN = not available.
    """
    rows = np.empty((len(vectors), len(INPUT_NAMES)))
    _transform(vectors, _PLACES, _SCALE, _FLAGS, IDENTITY_MAX, LOG_MAX, rows)
    return rows


def model_inputs(vector: Vector) -> dict[str, float]:
    """The inputs of one merchant, from its vector in catalogue order (NaN = not available).

    A feature that is not available is left out. Models standardise inputs, and one left out counts
    as the mean: it moves the score neither way, except through the indicator of its feed.
    """
    return named(input_rows(np.array([as_floats(vector)]))[0])


def named(row: Numbers) -> dict[str, float]:
    """One row of ``input_rows`` by name; inputs that are not available are left out."""
    pairs = zip(INPUT_NAMES, row.tolist(), strict=True)
    return {name: value for name, value in pairs if value == value}


def row_of(inputs: Mapping[str, float]) -> Numbers:
    """Inverse of ``named``; other names are left aside.

    Raises ``ValueError`` if an input is not finite: whatever learns from it would be poisoned.
    """
    for name, value in inputs.items():
        if not math.isfinite(value):
            raise ValueError(f"input {name!r} is {value}; leave it out where not available")
    nothing = math.nan
    return np.array([inputs.get(name, nothing) for name in INPUT_NAMES])


@entry
def _transform(
    vectors: Any,
    places: Any,
    scales: Any,
    flags: Any,
    identity_max: float,
    log_max: float,
    rows: Any,
) -> None:
    width = len(places)
    for i in range(vectors.shape[0]):
        for j in range(width):
            value = vectors[i, places[j]]
            if not math.isfinite(value):
                rows[i, j] = math.nan
            elif scales[j] == 1:
                rows[i, j] = min(math.log1p(value), log_max) if value > 0.0 else 0.0
            elif scales[j] == 2:
                rows[i, j] = min(max(math.asinh(value), -log_max), log_max)
            else:
                rows[i, j] = min(max(value, -identity_max), identity_max)
        for j in range(len(flags)):
            rows[i, width + j] = 0.0 if math.isfinite(vectors[i, flags[j]]) else 1.0

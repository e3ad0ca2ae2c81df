"""From a feature vector to what models take: bounded, finite, in one fixed order.

Plain float arithmetic of ``math``, so that any host computes the same bits.
"""

import math
from collections.abc import Callable, Mapping

from detectors.prior import PRIOR
from detectors.vectors import Vector, as_floats
from features.catalogue import CATALOGUE, INDEX

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


def _log1p(value: float) -> float:
    return min(math.log1p(value), LOG_MAX) if value > 0 else 0.0


def _asinh(value: float) -> float:
    return min(max(math.asinh(value), -LOG_MAX), LOG_MAX)


def _identity(value: float) -> float:
    return -IDENTITY_MAX if value < -IDENTITY_MAX else min(value, IDENTITY_MAX)


_TRANSFORMS: Mapping[str, Callable[[float], float]] = {
    "log1p": _log1p,
    "asinh": _asinh,
    "identity": _identity,
}
_PLAN = tuple(
    (i, f.name, _TRANSFORMS[f.transform]) for i, f in enumerate(CATALOGUE) if f.name in PRIOR
)
_FLAGS = tuple((INDEX[name], MISSING + name) for name in INDICATED)

INPUT_NAMES: tuple[str, ...] = (*(name for _, name, _ in _PLAN), *(name for _, name in _FLAGS))
"""Names of all model inputs: the features of the prior in the order of the catalogue, indicators.

The model reads part of the catalogue, as ``detectors.prior`` explains.
"""


def model_inputs(vector: Vector) -> dict[str, float]:
    """The inputs of one merchant, from its vector in catalogue order (NaN = not available).

    A feature that is not available is left out. Models standardise inputs, and one left out counts
    as the mean: it moves the score neither way, except through the indicator of its feed.
    """
    values = as_floats(vector)
    inputs = {}
    isfinite = math.isfinite
    for i, name, transform in _PLAN:
        value = values[i]
        if isfinite(value):
            inputs[name] = transform(value)
    for i, name in _FLAGS:
        inputs[name] = 0.0 if isfinite(values[i]) else 1.0
    return inputs

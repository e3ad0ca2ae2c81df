"""Model inputs as bins: what a points scorecard gives points for.

An input falls into one of five bins by its distance from the mean of the expert prior, in standard
deviations, cut at -1.5, -0.5, 0.5 and 1.5; one that is not available falls into none and takes no
points (as in Siddiqi, 2006, ch. 6, with fixed cuts instead of fitted ones, so that points can be
learnt label by label).
"""

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np

from detectors.prior import PRIOR
from detectors.transform import DIRECTIONS, INPUT_NAMES, Matrix, Numbers

CUTS = (-1.5, -0.5, 0.5, 1.5)
"""Standard deviations from the prior's mean; a value on a cut lies above it."""
MIDDLES = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""What stands for each bin, in standard deviations: where the prior's points come from."""
_SIGN = "#"
_BOUNDS: dict[str, tuple[float, ...]] = {
    name: tuple(PRIOR[name][0] + cut * PRIOR[name][1] for cut in CUTS)
    for name in INPUT_NAMES
    if name in PRIOR
}

BIN_NAMES: tuple[str, ...] = tuple(
    f"{name}{_SIGN}{number}" for name in _BOUNDS for number in range(len(MIDDLES))
)
"""Names of all bins, by input in the order of the inputs, lowest first."""
BIN_BOUNDS: Matrix = np.array(list(_BOUNDS.values()))
"""Lower bounds of the bins but the first: a row for each input that has bins, which come first."""
BIN_DIRECTIONS: Numbers = DIRECTIONS[: len(_BOUNDS)]
"""The riskier side of each input that has bins, as in ``transform.DIRECTIONS``."""


def binned(inputs: Mapping[str, float]) -> dict[str, float]:
    """1.0 for the bin of each input of ``transform.model_inputs`` that has bins."""
    return {
        f"{name}{_SIGN}{bisect_right(_BOUNDS[name], value)}": 1.0
        for name, value in inputs.items()
        if name in _BOUNDS
    }


def middle_of(name: str) -> int:
    """The number of a bin, which is that of its middle."""
    return int(name.partition(_SIGN)[2])


def feature_of(name: str) -> str:
    """The feature behind an input or a bin."""
    return name.partition(_SIGN)[0]

"""Feature vectors as the detectors take them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.catalogue import NAMES

Vector = NDArray[np.float64] | Sequence[float]
"""One number per feature of the catalogue, in its order; NaN = not available."""


def as_floats(vector: Vector) -> list[float]:
    """The vector as a list of numbers; a list is taken as it is.

    Raises ``ValueError`` if its length is not the catalogue's.
    """
    if isinstance(vector, np.ndarray):
        values: list[float] = vector.tolist()
    else:
        values = vector if isinstance(vector, list) else list(vector)
    if len(values) != len(NAMES):
        raise ValueError(f"vector of {len(values)} numbers; the catalogue has {len(NAMES)}")
    return values

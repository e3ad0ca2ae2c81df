"""Risk that rises where the catalogue says so: bounds on the signs and points of a model.

What is learnt from few labels may turn round by accident, and then a merchant that gets worse is
scored better. Where a feature has a direction, no version lets that happen; without a direction,
and for indicators, nothing is bounded.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.layout import entry

Numbers = NDArray[np.float64]


def signed(weights: Numbers, directions: Numbers) -> Numbers:
    """Weights with those against their direction at 0: the nearest ones that keep to it."""
    return np.where(weights * directions < 0.0, 0.0, weights)


def rising(points: Numbers, directions: Numbers) -> Numbers:
    """Points by input and bin, monotone over the bins of each input that has a direction.

    The nearest ones in least squares, found by pooling adjacent violators (Ayer et al., 1955), each
    bin of the same weight. ``points`` has a row for each of ``directions``, bins rise in it.
    """
    found = points.copy()
    _pool(found, directions)
    return found


@entry
def _pool(points: Any, directions: Any) -> None:
    width = points.shape[1]
    means, sizes = np.empty(width), np.empty(width, np.int64)
    for i in range(points.shape[0]):
        side = directions[i]
        if side == 0.0:
            continue
        blocks = 0
        for j in range(width):
            means[blocks], sizes[blocks] = side * points[i, j], 1
            blocks += 1
            while blocks > 1 and means[blocks - 2] > means[blocks - 1]:
                size = sizes[blocks - 2] + sizes[blocks - 1]
                total = (
                    means[blocks - 2] * sizes[blocks - 2] + means[blocks - 1] * sizes[blocks - 1]
                )
                blocks -= 1
                means[blocks - 1], sizes[blocks - 1] = total / size, size
        at = 0
        for block in range(blocks):
            for _ in range(sizes[block]):
                points[i, at] = side * means[block]
                at += 1

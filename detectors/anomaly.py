"""How far a merchant is from its own usual: a robust distance, without learning.

Each part is the deviation of one number from the merchant's usual, in the unit of its own noise:

- sales of 28 days: log of the ratio to the usual, over the merchant's own volatility of sales;
- shares (refunds, disputes, voids): difference to the usual over the binomial standard error for
  the number of sales, widened by two points so that thin counts do not shout;
- silence: binary log of the ratio of (days + 1) to (longest usual pause + 1), where longer.

The distance is the root of their mean square, each at most ``PART_MAX``. Until a learnt version
speaks (see ``anomaly_learning``) it is the anomaly score, as ``d / (d + 3)``: three standard
deviations are 0.5. It is a rank, not a probability.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.anomaly_kernel import PARTS, own_parts
from features.catalogue import INDEX

ROBUST_DISTANCE = "robust-distance-1"
"""Version of the score that the distance alone gives."""
TENURE_MIN_DAYS = 56.0
"""A usual needs history: the distance warms up for so long."""
PARTS_MIN = 2
HALF_AT = 3.0
PART_MAX = 10.0

PART_FEATURES: tuple[str, ...] = (
    "turnover_28d_minor",
    "refund_share_28d",
    "dispute_share_28d",
    "void_share_28d",
    "silence_days",
)
"""What each part is about."""
assert len(PART_FEATURES) == PARTS
_PLACES = np.array(
    [
        INDEX[name]
        for name in (
            *PART_FEATURES,
            "turnover_usual_28d_minor",
            "refund_share_usual",
            "dispute_share_usual",
            "void_share_usual",
            "silence_usual_days",
            "turnover_volatility_ratio",
            "sales_count_28d",
        )
    ]
)


class Distances(NamedTuple):
    """Distances of merchants from their usual, and their parts in the order of ``PART_FEATURES``.

    NaN where not available: a distance while there is too little to compare.
    """

    total: NDArray[np.float64]
    parts: NDArray[np.float64]


def own_distances(vectors: NDArray[np.float64]) -> Distances:
    """Of vectors in catalogue order (NaN = not available), one row a merchant."""
    parts = np.empty((len(vectors), PARTS))
    total = np.empty(len(vectors))
    own_parts(vectors, _PLACES, PART_MAX, PARTS_MIN, parts, total)
    total[~(vectors[:, INDEX["tenure_days"]] >= TENURE_MIN_DAYS)] = np.nan
    return Distances(total, parts)


def distance_scores(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The anomaly score, 0-1, where nothing is learnt yet; NaN where there is no distance."""
    return distances / (distances + HALF_AT)

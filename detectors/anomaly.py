"""How far a merchant is from its own usual: a robust distance, cheap and without learning.

Each part is the deviation of one number from the merchant's usual, in the unit of its own noise:

- sales of 28 days: log of the ratio to the usual, over the merchant's own volatility of sales;
- shares (refunds, disputes, voids): difference to the usual over the binomial standard error for
  the number of sales, widened by two points so that thin counts do not shout;
- silence: binary log of the ratio of (days + 1) to (longest usual pause + 1), where longer.

The score is ``d / (d + 3)`` of the root mean square ``d``: three standard deviations are 0.5. It is
a rank, not a probability.
"""

import math
from collections.abc import Iterator

from detectors.vectors import Vector, as_floats
from features.catalogue import INDEX

TENURE_MIN_DAYS = 56.0
"""A usual needs history: the score warms up for so long (None until then)."""
PARTS_MIN = 2
HALF_AT = 3.0
PART_MAX = 10.0
VOLATILITY_MIN = 0.2
SHARE_WIDTH = 0.02

_SHARES = (
    ("refund_share_28d", "refund_share_usual"),
    ("dispute_share_28d", "dispute_share_usual"),
    ("void_share_28d", "void_share_usual"),
)


def anomaly_score(vector: Vector) -> float | None:
    """Distance from the merchant's usual, 0-1, or None while there is too little to compare.

    ``vector`` is in catalogue order, NaN = not available.
    """
    values = as_floats(vector)
    if not values[INDEX["tenure_days"]] >= TENURE_MIN_DAYS:
        return None
    parts = [min(abs(part), PART_MAX) for part in _parts(values) if part == part]
    if len(parts) < PARTS_MIN:
        return None
    distance = math.sqrt(sum(part * part for part in parts) / len(parts))
    return distance / (distance + HALF_AT)


def _parts(vector: list[float]) -> Iterator[float]:
    """Deviations from the usual, in units of noise; NaN where not available."""
    sales = vector[INDEX["turnover_28d_minor"]]
    usual = vector[INDEX["turnover_usual_28d_minor"]]
    volatility = vector[INDEX["turnover_volatility_ratio"]]
    if usual > 0 and sales == sales:
        # A hundredth of the usual stands for nothing at all, which has no logarithm.
        ratio = max(sales / usual, 0.01)
        yield math.log(ratio) / max(volatility if volatility == volatility else 0, VOLATILITY_MIN)
    count = max(vector[INDEX["sales_count_28d"]], 1.0)
    for name, usual_name in _SHARES:
        share, normal = vector[INDEX[name]], vector[INDEX[usual_name]]
        if share == share and normal == normal and count == count:
            spread = math.sqrt(max(normal * (1 - normal), 0.0) / count)
            yield (share - normal) / (spread + SHARE_WIDTH)
    silence, gap = vector[INDEX["silence_days"]], vector[INDEX["silence_usual_days"]]
    if silence >= 0 and gap >= 0:
        yield max(math.log2((silence + 1) / (gap + 1)), 0.0)

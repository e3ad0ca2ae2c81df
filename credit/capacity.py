"""What a merchant's sales can carry, times what its risk allows."""

import math

from msgspec import Struct

from credit.policy import Amounts, Policy
from features.catalogue import INDEX


class Capacity(Struct, frozen=True):
    """Sales of 28 days in minor units, as three windows see them.

    ``lowest`` carries raises (it asks all windows to agree, None unless all are known), ``middle``
    carries cuts (so that one quiet week cuts nobody, None if no window is known).
    """

    lowest: float | None
    middle: float | None


def sales_capacity(vector: list[float]) -> Capacity:
    """Sales by 7 days × 4, by 28 days and by the usual 28 days; ``vector`` in catalogue order."""
    windows = (
        vector[INDEX["turnover_7d_minor"]] * 4,
        vector[INDEX["turnover_28d_minor"]],
        vector[INDEX["turnover_usual_28d_minor"]],
    )
    known = sorted(max(window, 0.0) for window in windows if math.isfinite(window))
    return Capacity(
        lowest=known[0] if len(known) == len(windows) else None,
        middle=known[len(known) // 2] if known else None,
    )


def target_minor(policy: Policy, amounts: Amounts, band: str, sales: float | None) -> int | None:
    """The limit that sales and band support, at most the cap, not rounded.

    None where the sales are not known or the band gives no multiplier (``insufficient_history``).
    """
    multiplier = policy.risk_multipliers.get(band)  # type: ignore[call-overload]
    if sales is None or multiplier is None:
        return None
    return int(min(sales * policy.capacity.months * multiplier, amounts.cap_minor))


def round_down(amount: float, unit: int) -> int:
    """The largest multiple of ``unit`` not above ``amount``."""
    return math.floor(amount) // unit * unit


def round_up(amount: float, unit: int) -> int:
    """The smallest multiple of ``unit`` not below ``amount``."""
    return -(-math.ceil(amount) // unit) * unit

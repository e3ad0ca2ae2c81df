"""What the anomaly models read: how a merchant behaves, whatever its size and whatever it owes.

An amount, a count that follows the size of the business, and a usual level say how large or how old
a merchant is, and large ones would be the unusual ones; loans have the default-risk model. What is
left are changes, shares, delays and silences.
"""

import numpy as np
from numpy.typing import NDArray

from detectors.anomaly_kernel import ASINH, IDENTITY, LOG1P, read_rows
from features.catalogue import CATALOGUE, INDEX

INPUTS: tuple[str, ...] = (
    "turnover_change_7d_ratio",
    "turnover_change_28d_ratio",
    "turnover_trend_12w_ratio",
    "turnover_volatility_ratio",
    "daily_sales_spread_28d_ratio",
    "daily_sales_surprise_score",
    "sales_burst_24h_ratio",
    "sales_hour_surprise_score",
    "sale_size_change_ratio",
    "weekend_sales_share_84d",
    "refund_share_28d",
    "cancel_share_28d",
    "dispute_share_28d",
    "review_mean_13w",
    "buyer_top_share",
    "buyer_new_share",
    "dispatch_delay_28d_hours",
    "delivery_time_28d_hours",
    "late_delivery_share_28d",
    "lost_share_28d",
    "return_share_28d",
    "overdue_shipment_share",
    "unshipped_share_28d",
    "parcels_without_orders_share",
    "settlement_to_sales_28d_ratio",
    "inflow_change_14d_ratio",
    "outflow_to_inflow_28d_ratio",
    "failed_payments_28d",
    "utility_gap_days",
    "void_share_28d",
    "purchases_to_sales_28d_ratio",
    "margin_28d_ratio",
    "supplier_top_share",
    "supplier_new_share",
    "silence_days",
)
"""Features of the catalogue, in its order of families."""

_TRANSFORM = {feature.name: feature.transform for feature in CATALOGUE}
_CODES = {"identity": IDENTITY, "log1p": LOG1P, "asinh": ASINH}
_PLACES = np.array([INDEX[name] for name in INPUTS])
_TRANSFORMS = np.array([_CODES[_TRANSFORM[name]] for name in INPUTS])

Rows = NDArray[np.float64]
"""One row a merchant, columns as ``INPUTS``, NaN = not available."""


def input_rows(vectors: NDArray[np.float64]) -> Rows:
    """The inputs of vectors in catalogue order, each on the scale that the catalogue states."""
    rows = np.empty((len(vectors), len(INPUTS)))
    read_rows(vectors, _PLACES, _TRANSFORMS, rows)
    return rows

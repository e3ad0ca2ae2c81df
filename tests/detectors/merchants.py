"""Feature vectors by name, for tests of what stands on them."""

import math

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.catalogue import INDEX, NAMES

HEALTHY: dict[str, float] = {
    "turnover_7d_minor": 250_000,
    "turnover_28d_minor": 1_000_000,
    "turnover_usual_28d_minor": 1_000_000,
    "turnover_change_7d_ratio": 1.0,
    "turnover_change_28d_ratio": 1.0,
    "turnover_volatility_ratio": 0.2,
    "sales_count_28d": 200,
    "sale_size_28d_minor": 5_000,
    "active_days_28d": 26,
    "silence_days": 0.1,
    "silence_usual_days": 2,
    "refund_share_28d": 0.02,
    "refund_share_usual": 0.02,
    "dispute_share_28d": 0.0,
    "dispute_share_usual": 0.0,
    "cancel_share_28d": 0.01,
    "void_share_28d": 0.0,
    "void_share_usual": 0.0,
    "overdue_shipments": 0,
    "overdue_shipment_share": 0.0,
    "late_delivery_share_28d": 0.02,
    "failed_payments_28d": 0,
    "dishonoured_bills_92d": 0,
    "court_cases_92d": 0,
    "registration_changes_92d": 0,
    "tenure_days": 400,
    "exposure_minor": 0,
    "loans_settled_count": 0,
}
"""A steady merchant without loans; what is not named is not available."""


def vector_of(base: dict[str, float] | None = None, **changes: float) -> NDArray[np.float64]:
    """The vector of a healthy merchant (or of ``base``) with some features set."""
    values = {**(HEALTHY if base is None else base), **changes}
    vector = np.full(len(NAMES), math.nan)
    for name, value in values.items():
        vector[INDEX[name]] = value
    return vector


any_number = st.one_of(
    st.just(math.nan),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(10**6), 10**18).map(float),
    st.floats(0, 1),
)
any_vector = st.lists(any_number, min_size=len(NAMES), max_size=len(NAMES)).map(np.array)
"""Vectors of whatever bits a float can hold."""

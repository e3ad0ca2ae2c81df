"""What values a feature can take: by its unit, and where its formula says more.

A threshold outside of that is a slip: 30 for 30 %, or a bound that nothing ever reaches.
"""

from math import inf

from features.catalogue import CATALOGUE
from features.feature import Feature, Unit

Range = tuple[float, float]

_BY_UNIT: dict[Unit, Range] = {
    "minor": (0, inf),
    "count": (0, inf),
    "ratio": (0, inf),
    "days": (0, inf),
    "hours": (0, inf),
    "score": (-inf, inf),
    "flag": (0, 1),
}
_BY_NAME: dict[str, Range] = {
    "net_inflow_28d_minor": (-inf, inf),
    "balance_minor": (-inf, inf),
    "turnover_trend_12w_ratio": (-inf, inf),
    "margin_28d_ratio": (-10, 1),
    "turnover_year_ratio": (-inf, inf),
    "daily_sales_surprise_score": (-20, 20),
    "review_mean_4w": (0, 5),
    "review_mean_13w": (0, 5),
    "zero_sales_days_28d": (0, 28),
    "active_days_28d": (0, 28),
    "sensor_days_28d": (0, 28),
    "oldest_unshipped_days": (0, 27),
    "silence_usual_days": (0, 91),
    "balance_runway_days": (0, 365),
    "sales_fall_cusum_score": (0, 70),
    "inflow_fall_cusum_score": (0, 70),
    "repayment_delay_cusum_days": (0, 112),
    "sales_cut_days": (7, 84),
    "dishonoured_bills_92d": (0, 8),
    "court_cases_92d": (0, 8),
    "registration_changes_92d": (0, 8),
    "repayment_delay_mean_days": (-30, 120),
    "repayment_delay_last_days": (-30, 120),
}


def _range_of(feature: Feature) -> Range:
    if feature.name in _BY_NAME:
        return _BY_NAME[feature.name]
    if feature.unit == "ratio" and (feature.family == "peers" or "_share" in feature.name):
        return (0, 1)
    return _BY_UNIT[feature.unit]


RANGES: dict[str, Range] = {feature.name: _range_of(feature) for feature in CATALOGUE}
"""Feature -> least and greatest value, both included."""

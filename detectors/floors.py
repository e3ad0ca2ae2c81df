"""Naive rankings that any model must beat to be believed.

Each orders merchants by one thing that everybody knows without a model; higher is riskier. What is
not available counts as the neutral value: no sales, no change, nothing past due.
"""

from xxhash import xxh64_intdigest

from features.catalogue import INDEX

FLOORS: tuple[str, ...] = ("smallness", "last_month_fall", "lateness", "random")
_SEED = 5
_UNIT = 2.0**-64


def floors(vector: list[float], *, key: str) -> dict[str, float]:
    """The naive scores of a merchant, by name in the order of ``FLOORS``.

    - ``smallness``: the less sold in 92 days, the riskier;
    - ``last_month_fall``: the ratio of the last 28 days to the usual, the lower the riskier;
    - ``lateness``: days past due, else the delay of the last repayment (days);
    - ``random``: a number in [0, 1) that depends on ``key`` alone (merchant and time, say).

    ``vector`` is in catalogue order, NaN where not available.
    """

    def known(name: str, neutral: float) -> float:
        value = vector[INDEX[name]]
        return value if value == value else neutral

    past_due = known("days_past_due", 0.0)
    return {
        "smallness": -known("turnover_92d_minor", 0.0),
        "last_month_fall": -known("turnover_change_28d_ratio", 1.0),
        "lateness": past_due or known("repayment_delay_last_days", 0.0),
        "random": xxh64_intdigest(key.encode(), _SEED) * _UNIT,
    }

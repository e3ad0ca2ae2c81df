"""Naive scores that a model must beat: each is one number that a risk desk would rank by."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from features.catalogue import INDEX

Numbers = NDArray[np.float64]


def _by(feature: str, sign: float) -> Callable[[Numbers], Numbers]:
    def score(vectors: Numbers) -> Numbers:
        values: Numbers = sign * vectors[:, INDEX[feature]]
        return values

    return score


FLOORS: Mapping[str, Callable[[Numbers], Numbers]] = {
    "volume-rank": _by("turnover_92d_minor", -1.0),
    "last-month-fall": _by("turnover_change_28d_ratio", -1.0),
    "days-past-due": _by("days_past_due", 1.0),
    "last-lateness": _by("repayment_delay_last_days", 1.0),
}
"""Name -> score of vectors (one row a merchant, in catalogue order); higher is riskier.

``volume-rank``: the least sales of 92 days first. ``last-month-fall``: the least sales of 28 days
against the usual first. ``days-past-due`` and ``last-lateness``: days of the oldest open due, and
of the last repayment. NaN where not available, for ``centred``.
"""


def naive_scores(vectors: Numbers) -> Numbers:
    """The scores of ``FLOORS`` in their order, shape (merchants, floors)."""
    return np.stack([score(vectors) for score in FLOORS.values()], axis=1)


def centred(scores: Numbers) -> Numbers:
    """Scores with the middle one in the place of those that are not available (NaN).

    A merchant of whom the number says nothing is ranked neither first nor last.
    """
    known = scores[~np.isnan(scores)]
    return np.nan_to_num(scores, nan=float(np.median(known)) if len(known) else 0.0)

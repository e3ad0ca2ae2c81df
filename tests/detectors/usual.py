"""Merchants that behave alike, for tests of the anomaly models."""

import numpy as np
from numpy.typing import NDArray

from detectors.anomaly_learning import REFIT_EVERY, WARM_UP, AnomalyLearning
from detectors.anomaly_model import AnomalyModel
from features.catalogue import INDEX
from tests.detectors.merchants import vector_of

DAY_MS = 86_400_000


def usual(count: int, seed: int) -> NDArray[np.float64]:
    """Vectors of merchants of one kind, drawn at random."""
    rng = np.random.default_rng(seed)
    vectors = np.repeat(vector_of()[None], count, axis=0)

    def put(name: str, values: NDArray[np.float64]) -> None:
        vectors[:, INDEX[name]] = values

    put("turnover_change_28d_ratio", rng.lognormal(0.0, 0.2, count))
    put("turnover_change_7d_ratio", rng.lognormal(0.0, 0.3, count))
    put("turnover_volatility_ratio", rng.uniform(0.2, 0.5, count))
    put("turnover_28d_minor", 1_000_000 * rng.lognormal(0.0, 0.1, count))
    put("refund_share_28d", rng.beta(2, 60, count))
    put("cancel_share_28d", rng.beta(2, 80, count))
    put("buyer_top_share", rng.beta(3, 9, count))
    put("late_delivery_share_28d", rng.beta(2, 40, count))
    put("silence_days", rng.exponential(0.5, count))
    return vectors


def learnt(count: int = WARM_UP + REFIT_EVERY, seed: int = 1, segment: str = "s") -> AnomalyModel:
    """A version that has seen so many of them."""
    learning = AnomalyLearning()
    for number, vector in enumerate(usual(count, seed)):
        learning.learn(segment, vector, number * 3_600_000)
    return learning.publish("anomaly-1")

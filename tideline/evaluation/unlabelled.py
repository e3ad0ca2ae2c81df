"""What the anomaly scores are worth as rankings of risk: candidates that never see a label.

``anomaly`` is what scoring would say, with the version in force at the time; before the first one
it is the robust distance. ``robust-distance`` is that distance all along.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.anomaly import distance_scores, own_distances
from detectors.anomaly_learning import AnomalyLearning, turn_of
from detectors.anomaly_score import rate
from detectors.floors import centred

Numbers = NDArray[np.float64]
TITLES: dict[str, str] = {
    "anomaly": "anomaly score alone, without labels: learnt online, all merchants as one segment",
    "robust-distance": "distance from the own usual alone, without labels and without learning",
}
"""What is scored, by name."""


class Unlabelled:
    """Learns from the vectors of questions as they are asked, a merchant once a week."""

    def __init__(self) -> None:
        self._learning = AnomalyLearning()
        self._learnt: dict[str, int] = {}
        self._versions = 0

    def learn(self, merchants: Sequence[str], vectors: Numbers, at: Sequence[int]) -> None:
        """Take vectors (catalogue order) as of ``at`` (epoch ms), one a merchant, in order."""
        for merchant, vector, now in zip(merchants, vectors, at, strict=True):
            turn = turn_of(merchant, now)
            if turn <= self._learnt.get(merchant, -1):
                continue
            self._learnt[merchant] = turn
            self._learning.learn("", vector, now)
            if self._learning.is_due():
                self._versions += 1
                self._learning.publish(f"anomaly-{self._versions}")

    def score(self, vectors: Numbers) -> dict[str, Numbers]:
        """Scores by name of ``TITLES``; the middle one where there is too little to compare."""
        found = rate(self._learning.published, vectors, [""] * len(vectors))
        scores = np.array([np.nan if each.score is None else each.score for each in found])
        distances = distance_scores(own_distances(vectors).total)
        return {"anomaly": centred(scores), "robust-distance": centred(distances)}

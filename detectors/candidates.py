"""The models that a quality report compares: one registry, name -> how to make one.

Each learns label by label from the inputs of ``detectors.transform`` and scores many merchants at
once. All are pure: the seed comes in, nothing else does.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from msgspec import Struct
from river import forest, tree

from detectors.contest import START, Contest
from detectors.default_risk import PRIOR_MODEL, score_rows, sigmoid
from detectors.transform import INPUT_NAMES, Matrix, Numbers, named


class Candidate(Protocol):
    """What learns online and says a probability."""

    def learn(self, row: Numbers, label: bool, at: int, naive: Numbers) -> None:
        """One label, known at ``at`` (epoch ms), with the inputs of when it was asked for.

        ``naive`` are the scores of ``floors.naive_scores`` as of then.
        """
        ...

    def predict(self, rows: Matrix) -> dict[str, Numbers]:
        """Probability of the bad outcome by name: one learner may hold several versions."""
        ...


class Entry(Struct, frozen=True, kw_only=True):
    """How a candidate is made. ``slow`` ones get fewer seeds, or none, where cases are many."""

    make: Callable[[int], Candidate]
    says: tuple[str, ...]
    title: str
    slow: bool = False


class Production:
    """The contest of production: the version in force, and the challengers that go on learning.

    ``champion`` is the last version that was promoted, which is what scoring would use, and
    ``online-logistic`` and so on its challengers as of the last label.
    """

    def __init__(self) -> None:
        self._contest = Contest()

    def learn(self, row: Numbers, label: bool, at: int, naive: Numbers) -> None:
        """See ``Candidate``."""
        contest = self._contest
        contest.learn(named(row), label, at=at, naive=naive.tolist())
        winner = contest.winner(at)
        if winner is not None:
            contest.promote(winner, version=f"{contest.labels}", at=at)

    def predict(self, rows: Matrix) -> dict[str, Numbers]:
        """See ``Candidate``."""
        found = {"champion": score_rows(self._contest.champion, rows)}
        for name, each in self._contest.challengers.items():
            model = each.to_model(version="latest", parent=None, trained_until=0)
            found[f"online-{name}"] = score_rows(model, rows)
        return found


class ExpertPrior:
    """The expert prior of ``detectors.prior``, which never learns: points set by judgement."""

    def learn(self, row: Numbers, label: bool, at: int, naive: Numbers) -> None:
        """Nothing is learnt."""

    def predict(self, rows: Matrix) -> dict[str, Numbers]:
        """See ``Candidate``."""
        return {"expert-prior": score_rows(PRIOR_MODEL, rows)}


class RiverClassifier:
    """A tree or forest of River, on the inputs as they are."""

    def __init__(self, name: str, model: forest.ARFClassifier | tree.HoeffdingTreeClassifier):
        self._name = name
        self._model = model
        self._seen = [0, 0]

    def learn(self, row: Numbers, label: bool, at: int, naive: Numbers) -> None:
        """See ``Candidate``."""
        self._seen[label] += 1
        self._model.learn_one(filled(row), label)

    def predict(self, rows: Matrix) -> dict[str, Numbers]:
        """See ``Candidate``. Before the first label, the rate of the prior."""
        usual = (self._seen[1] + sigmoid(PRIOR_MODEL.intercept)) / (sum(self._seen) + 1)
        said = [self._model.predict_proba_one(filled(row)).get(True, usual) for row in rows]
        # A leaf that saw one class says 0 or 1, which no count supports.
        return {self._name: np.clip(np.array(said, np.float64), 1e-4, 1.0 - 1e-4)}


def _forest(seed: int) -> Candidate:
    model = forest.ARFClassifier(n_models=5, max_depth=8, grace_period=50, seed=seed)
    return RiverClassifier("adaptive-forest", model)


def _tree(seed: int) -> Candidate:
    model = tree.HoeffdingAdaptiveTreeClassifier(grace_period=100, max_depth=8, seed=seed)
    return RiverClassifier("adaptive-tree", model)


CANDIDATES: Mapping[str, Entry] = {
    "production": Entry(
        make=lambda seed: Production(),
        says=("champion", *(f"online-{name}" for name in START)),
        title="the contest of production: the version in force, and its challengers of now",
    ),
    "expert-prior": Entry(
        make=lambda seed: ExpertPrior(),
        says=("expert-prior",),
        title="points by judgement, before any label",
    ),
    "adaptive-tree": Entry(
        make=_tree,
        says=("adaptive-tree",),
        title="Hoeffding adaptive tree of River",
        slow=True,
    ),
    "adaptive-forest": Entry(
        make=_forest,
        says=("adaptive-forest",),
        title="adaptive random forest of River, five trees",
        slow=True,
    ),
}
"""A further candidate is added here and appears in every report."""


def filled(row: Numbers) -> dict[str, float]:
    """One row for a tree, which splits on every input: the mean of the prior where there is none.

    The indicators of ``detectors.transform`` still say so.
    """
    pairs = zip(INPUT_NAMES, row.tolist(), PRIOR_MODEL.means, strict=True)
    return {name: value if value == value else mean for name, value, mean in pairs}

"""The models that a quality report compares: one registry, name -> how to make one.

Each learns label by label from the inputs of ``detectors.transform`` and scores many merchants at
once. All are pure: the seed comes in, nothing else does.
"""

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from river import forest, tree

from detectors.bins import BIN_NAMES, bin_places
from detectors.contest import Contest
from detectors.default_risk import PRIOR_MODEL, Z_BOUND, Model, sigmoid
from detectors.transform import INPUT_NAMES

Matrix = NDArray[np.float64]
"""One row a merchant, one column an input in the order of ``INPUT_NAMES``, NaN = not available."""
Numbers = NDArray[np.float64]


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
    ``online-logistic``, ``online-scorecard`` and ``online-recalibrated`` its challengers as of the
    last label.
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


class PointsScorecard:
    """A points scorecard that counts: weight of evidence of each bin of each input.

    Bins are cut at ``_EDGES`` standard deviations of the prior, and one is for "not available". The
    points of a bin are ln(share of the bad that is in it / share of the good), each class smoothed
    by ``_SMOOTHING`` cases spread as all cases are (Siddiqi, 2006, ch. 6). Inputs overlap, so the
    sum is scaled: slope and offset are learnt online on what was said before each label (Platt's
    form), since naive sums are far too sure.
    """

    _EDGES = np.array([-2.0, -1.0, -0.4, 0.0, 0.4, 1.0, 2.0])
    _SMOOTHING = 10.0
    _RATE = 0.05

    def __init__(self) -> None:
        self._centre = np.array(PRIOR_MODEL.means)
        self._spread = np.sqrt(np.maximum(PRIOR_MODEL.variances, 1e-12))
        self._columns = np.arange(len(INPUT_NAMES))
        bins = len(self._EDGES) + 2
        self._counts = np.zeros((2, len(INPUT_NAMES), bins))
        self._slope = 1.0 / math.sqrt(len(INPUT_NAMES))
        self._offset = 0.0
        self._points = np.zeros((len(INPUT_NAMES), bins))

    def learn(self, row: Numbers, label: bool, at: int, naive: Numbers) -> None:
        """See ``Candidate``."""
        placed = self._bins(row[None])[0]
        total = float(self._points[self._columns, placed].sum())
        error = sigmoid(self._base() + self._slope * total + self._offset) - label
        self._slope = max(self._slope - self._RATE * error * total / (1.0 + total * total), 0.01)
        self._offset -= self._RATE * error
        self._counts[int(label), self._columns, placed] += 1.0
        self._count_points(placed)

    def predict(self, rows: Matrix) -> dict[str, Numbers]:
        """See ``Candidate``."""
        total = self._points[self._columns, self._bins(rows)].sum(axis=1)
        return {"points-scorecard": _sigmoid(self._base() + self._slope * total + self._offset)}

    def _bins(self, rows: Matrix) -> NDArray[np.int64]:
        scaled = (rows - self._centre) / self._spread
        placed: NDArray[np.int64] = np.searchsorted(self._EDGES, scaled) + 1
        placed[np.isnan(scaled)] = 0
        return placed

    def _base(self) -> float:
        """Log-odds of a bad outcome, a single merchant of the prior counted in."""
        good, bad = self._counts[:, 0, :].sum(axis=1)
        prior = sigmoid(PRIOR_MODEL.intercept)
        return math.log((bad + prior) / (good + 1.0 - prior))

    def _count_points(self, placed: NDArray[np.int64]) -> None:
        """Points of all bins; every bin of an input moves with its totals."""
        spread = self._counts.sum(axis=0)
        spread = (spread + 1e-9) / (spread.sum(axis=1, keepdims=True) + 1e-9 * spread.shape[1])
        good, bad = self._counts + self._SMOOTHING * spread
        good /= good.sum(axis=1, keepdims=True)
        bad /= bad.sum(axis=1, keepdims=True)
        self._points = np.log(bad / good)


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
        says=("champion", "online-logistic", "online-scorecard", "online-recalibrated"),
        title="the contest of production: the version in force, and its challengers of now",
    ),
    "expert-prior": Entry(
        make=lambda seed: ExpertPrior(),
        says=("expert-prior",),
        title="points by judgement, before any label",
    ),
    "points-scorecard": Entry(
        make=lambda seed: PointsScorecard(),
        says=("points-scorecard",),
        title="points scorecard by counts (weight of evidence)",
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


def named(row: Numbers) -> dict[str, float]:
    """One row as models take it: inputs that are not available are left out."""
    pairs = zip(INPUT_NAMES, row.tolist(), strict=True)
    return {name: value for name, value in pairs if value == value}


def filled(row: Numbers) -> dict[str, float]:
    """One row for a tree, which splits on every input: the mean of the prior where there is none.

    The indicators of ``detectors.transform`` still say so.
    """
    pairs = zip(INPUT_NAMES, row.tolist(), PRIOR_MODEL.means, strict=True)
    return {name: value if value == value else mean for name, value, mean in pairs}


def score_rows(model: Model, rows: Matrix) -> Numbers:
    """``detectors.default_risk.score`` of many rows at once, equal but for rounding."""
    if model.kind == "scorecard":
        points = dict(zip(model.features, model.weights, strict=True))
        table = np.array([points.get(name, 0.0) for name in BIN_NAMES])
        places = bin_places(rows)
        raw = model.intercept + np.where(places >= 0, table[places], 0.0).sum(axis=1)
        return _sigmoid(model.calibration.slope * raw + model.calibration.offset)
    place = {name: i for i, name in enumerate(INPUT_NAMES)}
    columns = rows[:, [place[name] for name in model.features]]
    spread = np.sqrt(np.array(model.variances))
    used = spread > 0
    scaled = (columns[:, used] - np.array(model.means)[used]) / spread[used]
    scaled = np.nan_to_num(np.clip(scaled, -Z_BOUND, Z_BOUND), nan=0.0)
    raw = model.intercept + scaled @ np.array(model.weights)[used]
    return _sigmoid(model.calibration.slope * raw + model.calibration.offset)


def _sigmoid(log_odds: Numbers) -> Numbers:
    odds = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1.0 / (1.0 + odds), odds / (1.0 + odds))

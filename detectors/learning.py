"""Online learning of a default-risk model with River: a challenger that can become a version.

A version takes not the latest weights, which still swing with the last labels, but their average in
which the weight of step t grows as t^3 (polynomial-decay averaging; Shamir and Zhang, 2013). Where
the catalogue states a direction the version keeps to it: a weight of the regression that a step
turned round goes back to 0 (projected gradient), points of the scorecard are made monotone over
their bins.

State is plain data (msgpack): a restored learner goes on exactly like one never stopped.
"""

import math
from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np
import river
from msgspec import Struct
from river import compose, linear_model, optim, preprocessing, utils

from detectors.bins import BIN_BOUNDS, BIN_DIRECTIONS, BIN_NAMES, binned
from detectors.default_risk import SCHEMA, Z_BOUND, Calibration, Kind, Model, check_model, sigmoid
from detectors.monotone import rising
from detectors.transform import DIRECTIONS, INPUT_NAMES, Numbers

PRIOR_COUNT = 50
"""The prior's means and variances weigh like so many merchants."""
LEARNING_RATE = 0.02
L2 = 1e-4
CLIP_GRADIENT = 5.0
AVERAGING = 3
"""How much more later steps weigh in the average."""
POSITIVE_WEIGHT = 4.0
"""Defaults are rare; each counts for so many settled loans. Calibration takes it out again."""


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    """All of a learner. Weights keep their order: sums of floats depend on it."""

    river_version: str
    kind: Kind
    feature_version: str
    horizon_days: int
    seed: int
    names: list[str]
    weights: list[float]
    intercept: float
    mean_weights: list[float]
    mean_intercept: float
    n_iterations: int
    counts: list[int]
    means: list[float]
    variances: list[float]
    n_learned: int
    n_defaults: int
    trained_from: int


class OnlineDefaultModel:
    """A default-risk model of one kind that learns label by label.

    A logistic regression standardises its inputs by their running mean and variance; a scorecard
    takes bins as they are.
    """

    def __init__(self, state: _State) -> None:
        self.kind = state.kind
        self.n_learned = state.n_learned
        self.n_defaults = state.n_defaults
        self.trained_from = state.trained_from
        self._origin = state
        self._names = list(state.names)
        scaler = preprocessing.StandardScaler()
        scaler.counts = Counter(dict(zip(self._names, state.counts, strict=True)))
        scaler.means.update(zip(self._names, state.means, strict=True))
        scaler.vars.update(zip(self._names, state.variances, strict=True))
        optimizer = optim.SGD(LEARNING_RATE)
        optimizer.n_iterations = state.n_iterations
        regression = linear_model.LogisticRegression(
            optimizer=optimizer,
            loss=optim.losses.Log(weight_pos=POSITIVE_WEIGHT),
            l2=L2,
            intercept_init=state.intercept,
            intercept_lr=LEARNING_RATE,
            clip_gradient=CLIP_GRADIENT,
        )
        # River has no public way to start from weights; the version is pinned for this line.
        regression._weights = utils.VectorDict(dict(zip(self._names, state.weights, strict=True)))
        self._scaler, self._regression = scaler, regression
        self._place = {name: place for place, name in enumerate(self._names)}
        self._mean_weights = np.array(state.mean_weights)
        self._mean_intercept = state.mean_intercept
        self._bins = np.array([BIN_NAMES.index(n) for n in self._names if n in BIN_NAMES], np.int64)
        self._published = self._within_directions()
        steps = (scaler, compose.FuncTransformer(_clip)) if self._is_scaled else ()
        self._pipeline = compose.Pipeline(*steps, regression)

    @classmethod
    def from_model(cls, model: Model) -> "OnlineDefaultModel":
        """A learner that starts from a version."""
        check_model(model)
        slope, shift = model.calibration.slope, model.calibration.offset - _CALIBRATION.offset
        size = PRIOR_COUNT + model.n_learned
        weights = [slope * weight for weight in model.weights]
        intercept = slope * model.intercept + shift
        return cls(
            _State(
                river_version=river.__version__,
                kind=model.kind,
                feature_version=model.feature_version,
                horizon_days=model.horizon_days,
                seed=model.seed,
                names=list(model.features),
                weights=weights,
                intercept=intercept,
                mean_weights=weights,
                mean_intercept=intercept,
                n_iterations=0,
                counts=[size] * len(model.features),
                means=list(model.means),
                variances=list(model.variances),
                n_learned=model.n_learned,
                n_defaults=model.n_defaults,
                trained_from=model.trained_from,
            )
        )

    @property
    def _is_scaled(self) -> bool:
        return self.kind == "logistic"

    def predict(self, inputs: Mapping[str, float]) -> float:
        """Calibrated probability of default, as ``score`` of ``to_model`` would say.

        ``inputs`` come from ``transform.model_inputs``.
        """
        known = self._known(inputs)
        if self._is_scaled:
            known = _clip(self._scaler.transform_one(known))
        raw = self._mean_intercept
        for name, value in known.items():
            raw += float(self._published[self._place[name]]) * value
        return sigmoid(_CALIBRATION.slope * raw + _CALIBRATION.offset)

    def learn(self, inputs: Mapping[str, float], label: bool, at: int = 0) -> None:
        """Learn from the inputs of one merchant and whether it defaulted, at ``at`` (epoch ms).

        Raises ``ValueError``, and learns nothing, if an input is not finite: River would be
        poisoned for good.
        """
        known = self._known(inputs)
        self._pipeline.learn_one(known, label)
        if self._is_scaled:
            self._project(known)
        share = (AVERAGING + 1) / (self._regression.optimizer.n_iterations + AVERAGING)
        weights = self._regression.weights
        latest = np.fromiter((weights[name] for name in self._names), np.float64, len(self._names))
        self._mean_weights += (latest - self._mean_weights) * share
        self._mean_intercept += (float(self._regression.intercept) - self._mean_intercept) * share
        self._published = self._within_directions()
        self.n_learned += 1
        self.n_defaults += label
        self.trained_from = self.trained_from or at

    def to_model(
        self,
        *,
        version: str,
        parent: str | None,
        trained_until: int,
        metrics: Mapping[str, float] | None = None,
    ) -> Model:
        """What was learnt as an immutable version; changes nothing here.

        ``trained_until`` is the event time of the last label. Raises ``ModelError`` if learning
        has diverged.
        """
        model = Model(
            schema=SCHEMA,
            version=version,
            kind=self.kind,
            feature_version=self._origin.feature_version,
            features=tuple(self._names),
            weights=tuple(self._published.tolist()),
            intercept=self._mean_intercept,
            means=tuple(float(self._scaler.means[name]) for name in self._names),
            variances=tuple(float(self._scaler.vars[name]) for name in self._names),
            horizon_days=self._origin.horizon_days,
            calibration=_CALIBRATION,
            trained_from=self.trained_from,
            trained_until=trained_until,
            n_learned=self.n_learned,
            n_defaults=self.n_defaults,
            river_version=river.__version__,
            parameters={
                "learning_rate": LEARNING_RATE,
                "l2": L2,
                "clip_gradient": CLIP_GRADIENT,
                "positive_weight": POSITIVE_WEIGHT,
                "averaging": float(AVERAGING),
                "prior_count": float(PRIOR_COUNT),
            },
            metrics=dict(metrics or {}),
            seed=self._origin.seed,
            parent=parent,
        )
        check_model(model)
        return model

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        weights = self._regression.weights
        return msgspec.msgpack.encode(
            _State(
                river_version=river.__version__,
                kind=self.kind,
                feature_version=self._origin.feature_version,
                horizon_days=self._origin.horizon_days,
                seed=self._origin.seed,
                names=self._names,
                weights=[float(weights[name]) for name in self._names],
                intercept=float(self._regression.intercept),
                mean_weights=self._mean_weights.tolist(),
                mean_intercept=self._mean_intercept,
                n_iterations=self._regression.optimizer.n_iterations,
                counts=[self._scaler.counts[name] for name in self._names],
                means=[float(self._scaler.means[name]) for name in self._names],
                variances=[float(self._scaler.vars[name]) for name in self._names],
                n_learned=self.n_learned,
                n_defaults=self.n_defaults,
                trained_from=self.trained_from,
            )
        )

    @classmethod
    def restore(cls, raw: bytes) -> "OnlineDefaultModel":
        """Inverse of ``snapshot``. Raises ``msgspec.DecodeError`` on other bytes.

        The state holds numbers of known meaning only, none of River's own classes, so it outlives
        a River upgrade; the version that learns from then on is noted in what it publishes.
        """
        return cls(msgspec.msgpack.decode(raw, type=_State))

    def _known(self, inputs: Mapping[str, float]) -> dict[str, float]:
        """Inputs that the model has, in its order, checked."""
        for name, value in inputs.items():
            if not math.isfinite(value):
                raise ValueError(f"input {name!r} is {value}; leave it out where not available")
        given = inputs if self._is_scaled else binned(inputs)
        return {name: given[name] for name in self._names if name in given}

    def _project(self, moved: Mapping[str, float]) -> None:
        weights = self._regression._weights  # what is public is a copy
        for name in moved:
            if weights[name] * _SIDES[name] < 0:
                weights[name] = 0.0

    def _within_directions(self) -> Numbers:
        """The averages as they are said and published."""
        if self._is_scaled:
            return self._mean_weights  # of weights that keep to their sides
        table = np.zeros(len(BIN_NAMES))
        table[self._bins] = self._mean_weights
        points = rising(table.reshape(len(BIN_BOUNDS), -1), BIN_DIRECTIONS)
        return points.ravel()[self._bins]


_SIDES = dict(zip(INPUT_NAMES, DIRECTIONS.tolist(), strict=True))
_CALIBRATION = Calibration(slope=1.0, offset=-math.log(POSITIVE_WEIGHT))


def _clip(scaled: Mapping[str, float]) -> dict[str, float]:
    return {name: min(max(z, -Z_BOUND), Z_BOUND) for name, z in scaled.items()}

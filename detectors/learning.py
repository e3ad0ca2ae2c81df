"""Online learning of the default-risk model with River, and when a version is worth publishing.

State is plain data (msgpack): a restored learner goes on exactly like one never stopped.
"""

import math
from collections import Counter
from collections.abc import Mapping

import msgspec
import river
from msgspec import Struct
from river import compose, linear_model, optim, preprocessing, utils

from detectors.default_risk import (
    SCHEMA,
    Calibration,
    Model,
    check_model,
    clip_z,
    score,
    sigmoid,
)
from detectors.metrics import log_loss, roc_auc

PUBLISH_EVERY = 25
"""Labels between two chances to publish."""
LABELS_MIN = 25
CLASS_MIN = 3
"""Labels of each class seen before anything is published."""
WINDOW = 500
"""Labels over which challenger and champion are compared, at most."""
PRIOR_COUNT = 50
"""The prior's means and variances weigh like so many merchants."""
LEARNING_RATE = 0.02
L2 = 1e-4
CLIP_GRADIENT = 5.0
POSITIVE_WEIGHT = 4.0
"""Defaults are rare; each counts for so many settled loans. Calibration takes it out again."""


class Outcome(Struct, frozen=True, array_like=True):
    """One label with what challenger and champion had said before either learnt it."""

    challenger: float
    champion: float
    defaulted: bool


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    """All of a learner. Weights keep their order: sums of floats depend on it."""

    river_version: str
    champion: Model
    names: list[str]
    weights: list[float]
    intercept: float
    n_iterations: int
    counts: list[int]
    means: list[float]
    variances: list[float]
    n_learned: int
    n_defaults: int
    outcomes: list[Outcome]


class OnlineDefaultModel:
    """A challenger that learns label by label, and the champion that it must not fall behind."""

    def __init__(self, state: _State) -> None:
        self.champion = state.champion
        self.n_learned = state.n_learned
        self.n_defaults = state.n_defaults
        self.outcomes = list(state.outcomes)
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
        self._pipeline = compose.Pipeline(scaler, compose.FuncTransformer(_clip), regression)

    @classmethod
    def from_model(cls, model: Model) -> "OnlineDefaultModel":
        """A learner that starts from a version, as its challenger and as its champion."""
        check_model(model)
        slope, shift = model.calibration.slope, model.calibration.offset - _CALIBRATION.offset
        size = PRIOR_COUNT + model.n_learned
        return cls(
            _State(
                river_version=river.__version__,
                champion=model,
                names=list(model.features),
                weights=[slope * weight for weight in model.weights],
                intercept=slope * model.intercept + shift,
                n_iterations=0,
                counts=[size] * len(model.features),
                means=list(model.means),
                variances=list(model.variances),
                n_learned=model.n_learned,
                n_defaults=model.n_defaults,
                outcomes=[],
            )
        )

    def predict_raw(self, inputs: Mapping[str, float]) -> float:
        """River's ``predict_proba_one`` of a default: class-weighted, before calibration."""
        return float(self._pipeline.predict_proba_one(self._known(inputs))[True])

    def predict(self, inputs: Mapping[str, float]) -> float:
        """Calibrated probability of default, as ``score`` of ``to_model`` would say."""
        known = self._known(inputs)
        scaled = _clip(self._scaler.transform_one(known))
        raw = self._regression._raw_dot_one(scaled)
        return sigmoid(_CALIBRATION.slope * raw + _CALIBRATION.offset)

    def learn(self, inputs: Mapping[str, float], label: bool) -> None:
        """Learn from the inputs of one merchant and whether it defaulted.

        First notes what challenger and champion say (test, then train). Raises ``ValueError``, and
        learns nothing, if an input is not finite: River would be poisoned for good.
        """
        known = self._known(inputs)
        champion, _ = score(self.champion, known)
        self.outcomes.append(Outcome(self.predict(known), champion, label))
        del self.outcomes[:-WINDOW]
        self._pipeline.learn_one(known, label)
        self.n_learned += 1
        self.n_defaults += label

    def metrics(self) -> dict[str, float]:
        """Prequential metrics over the labels since the last publication, at most ``WINDOW``.

        ``roc_auc`` entries are absent until both classes occur among them.
        """
        labels = [o.defaulted for o in self.outcomes]
        found = {"n": float(len(labels))}
        if not labels:
            return found
        for who in ("challenger", "champion"):
            said = [getattr(o, who) for o in self.outcomes]
            found[f"{who}_log_loss"] = log_loss(said, labels)
            auc = roc_auc(said, labels)
            if auc is not None:
                found[f"{who}_roc_auc"] = auc
        return found

    def to_model(self, *, version: str, parent: str | None, trained_until: int) -> Model:
        """The challenger as an immutable version; changes nothing here.

        ``trained_until`` is the event time of the last label. Raises ``ModelError`` if learning
        has diverged.
        """
        weights = self._regression.weights
        model = Model(
            schema=SCHEMA,
            version=version,
            feature_version=self.champion.feature_version,
            features=tuple(self._names),
            weights=tuple(float(weights[name]) for name in self._names),
            intercept=float(self._regression.intercept),
            means=tuple(float(self._scaler.means[name]) for name in self._names),
            variances=tuple(float(self._scaler.vars[name]) for name in self._names),
            horizon_days=self.champion.horizon_days,
            calibration=_CALIBRATION,
            trained_until=trained_until,
            n_learned=self.n_learned,
            n_defaults=self.n_defaults,
            river_version=river.__version__,
            parameters={
                "learning_rate": LEARNING_RATE,
                "l2": L2,
                "clip_gradient": CLIP_GRADIENT,
                "positive_weight": POSITIVE_WEIGHT,
                "prior_count": float(PRIOR_COUNT),
            },
            metrics=self.metrics(),
            seed=self.champion.seed,
            parent=parent,
        )
        check_model(model)
        return model

    def adopt(self, model: Model) -> None:
        """From now on compare with ``model``, a version just published; a new window begins."""
        self.champion = model
        self.outcomes.clear()

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        weights = self._regression.weights
        return msgspec.msgpack.encode(
            _State(
                river_version=river.__version__,
                champion=self.champion,
                names=self._names,
                weights=[float(weights[name]) for name in self._names],
                intercept=float(self._regression.intercept),
                n_iterations=self._regression.optimizer.n_iterations,
                counts=[self._scaler.counts[name] for name in self._names],
                means=[float(self._scaler.means[name]) for name in self._names],
                variances=[float(self._scaler.vars[name]) for name in self._names],
                n_learned=self.n_learned,
                n_defaults=self.n_defaults,
                outcomes=self.outcomes,
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
        known = {name: inputs[name] for name in self._names if name in inputs}
        for name, value in known.items():
            if not math.isfinite(value):
                raise ValueError(f"input {name!r} is {value}; leave it out where not available")
        return known


def should_publish(model: OnlineDefaultModel) -> bool:
    """The rule of publication.

    Every ``PUBLISH_EVERY`` labels, once there are ``LABELS_MIN`` with ``CLASS_MIN`` of each class,
    a version is published unless the challenger's prequential log loss since the last publication
    exceeds the champion's. One that lags goes on learning and is looked at again.
    """
    if model.n_learned % PUBLISH_EVERY or model.n_learned < LABELS_MIN or not model.outcomes:
        return False
    if min(model.n_defaults, model.n_learned - model.n_defaults) < CLASS_MIN:
        return False
    labels = [o.defaulted for o in model.outcomes]
    challenger = log_loss([o.challenger for o in model.outcomes], labels)
    return challenger <= log_loss([o.champion for o in model.outcomes], labels)


_CALIBRATION = Calibration(slope=1.0, offset=-math.log(POSITIVE_WEIGHT))


def _clip(scaled: Mapping[str, float]) -> dict[str, float]:
    return {name: clip_z(z) for name, z in scaled.items()}

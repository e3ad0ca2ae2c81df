"""A logistic regression that believes nothing at first: weights as beliefs, not as steps.

Every weight starts at 0, give or take ``WEIGHT_VARIANCE`` ** 0.5. Each label moves all of them by
the uncertainty that they share (an extended Kalman filter of a logistic regression: Spiegelhalter
and Lauritzen, 1990; Murphy, 2012, ch. 8.5), so no learning rate has to be chosen and rich labels
are used at once, also of outcomes that the expert prior ranks the wrong way round.

What is said and published are the most likely weights that keep to the directions of the catalogue:
least Mahalanobis distance from the belief, by coordinate descent. Clipping the belief itself would
leave other weights where they made up for what was clipped. State is plain data (msgpack).
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors.default_risk import (
    SCHEMA,
    Z_BOUND,
    Calibration,
    Model,
    check_model,
    sigmoid,
)
from detectors.learning import PRIOR_COUNT
from detectors.transform import DIRECTIONS, INPUT_NAMES, Numbers, row_of
from features.layout import entry

WEIGHT_VARIANCE = 0.01
INTERCEPT_VARIANCE = 1.0
SWEEPS_MAX = 50
TOLERANCE = 1e-4
"""Log-odds by which no weight moves any more in a sweep of the coordinate descent."""
_NUMBERS = ("belief", "bounded", "covariance", "precision", "means", "variances", "counts")


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    """All of a learner. Numbers are little-endian float64, weights with the intercept last."""

    start: Model
    belief: bytes
    bounded: bytes
    covariance: bytes
    precision: bytes
    means: bytes
    variances: bytes
    counts: bytes
    n_learned: int = 0
    n_defaults: int = 0
    trained_from: int = 0


class BayesianLogistic:
    """A logistic regression by beliefs, on inputs standardised by their running moments."""

    def __init__(self, state: _State) -> None:
        self._start = state.start
        self.n_learned, self.n_defaults = state.n_learned, state.n_defaults
        self.trained_from = state.trained_from
        self._numbers: dict[str, Numbers] = {
            name: np.frombuffer(getattr(state, name), "<f8").copy() for name in _NUMBERS
        }
        side = len(INPUT_NAMES) + 1
        for name in ("covariance", "precision"):
            self._numbers[name] = self._numbers[name].reshape(side, side)

    @classmethod
    def from_model(cls, model: Model) -> "BayesianLogistic":
        """A learner with the base rate and the moments of a version, and none of its weights.

        Raises ``ValueError`` unless the version has all inputs in their order.
        """
        check_model(model)
        if model.features != INPUT_NAMES:
            raise ValueError(f"model {model.version} has not the inputs of this release")
        weights = np.zeros(len(INPUT_NAMES) + 1)
        weights[-1] = model.intercept
        spread = np.full(len(weights), WEIGHT_VARIANCE)
        spread[-1] = INTERCEPT_VARIANCE
        counts = np.full(len(INPUT_NAMES), float(PRIOR_COUNT))
        return cls(
            _State(
                start=model,
                belief=_bytes(weights),
                bounded=_bytes(weights),
                covariance=_bytes(np.diag(spread)),
                precision=_bytes(np.diag(1.0 / spread)),
                means=_bytes(np.array(model.means)),
                variances=_bytes(np.array(model.variances)),
                counts=_bytes(counts),
            )
        )

    def predict(self, inputs: Mapping[str, float]) -> float:
        """Probability of default, as ``score`` of ``to_model`` would say.

        ``inputs`` come from ``transform.model_inputs``.
        """
        n = self._numbers
        row = row_of(inputs)
        return sigmoid(_log_odds(row, n["means"], n["variances"], n["bounded"], Z_BOUND))

    def learn(self, inputs: Mapping[str, float], label: bool, at: int = 0) -> None:
        """Learn from one merchant's outcome at ``at`` (epoch ms).

        Raises ``ValueError``, and learns nothing, if an input is not finite.
        """
        n = self._numbers
        moments = n["means"], n["variances"], n["counts"]
        beliefs = n["belief"], n["covariance"], n["precision"]
        _learn(row_of(inputs), float(label), *moments, *beliefs, Z_BOUND)
        _bound(n["bounded"], n["belief"], n["precision"], DIRECTIONS, SWEEPS_MAX, TOLERANCE)
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

        Raises ``ModelError`` if learning has diverged.
        """
        n = self._numbers
        model = Model(
            schema=SCHEMA,
            version=version,
            kind="logistic",
            feature_version=self._start.feature_version,
            features=INPUT_NAMES,
            weights=tuple(n["bounded"][:-1].tolist()),
            intercept=float(n["bounded"][-1]),
            means=tuple(n["means"].tolist()),
            variances=tuple(n["variances"].tolist()),
            horizon_days=self._start.horizon_days,
            calibration=Calibration(),
            trained_from=self.trained_from,
            trained_until=trained_until,
            n_learned=self.n_learned,
            n_defaults=self.n_defaults,
            river_version="",
            parameters={
                "weight_variance": WEIGHT_VARIANCE,
                "intercept_variance": INTERCEPT_VARIANCE,
                "prior_count": float(PRIOR_COUNT),
            },
            metrics=dict(metrics or {}),
            seed=self._start.seed,
            parent=parent,
        )
        check_model(model)
        return model

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        numbers = {name: _bytes(values) for name, values in self._numbers.items()}
        state = _State(
            start=self._start,
            n_learned=self.n_learned,
            n_defaults=self.n_defaults,
            trained_from=self.trained_from,
            **numbers,
        )
        return msgspec.msgpack.encode(state)

    @classmethod
    def restore(cls, raw: bytes) -> "BayesianLogistic":
        """Inverse of ``snapshot``. Raises ``msgspec.DecodeError`` on other bytes."""
        return cls(msgspec.msgpack.decode(raw, type=_State))


def _bytes(numbers: NDArray[np.float64]) -> bytes:
    return numbers.astype("<f8").tobytes()


@entry
def _log_odds(row: Any, means: Any, variances: Any, weights: Any, bound: float) -> float:
    total: float = weights[len(row)]
    for j in range(len(row)):
        if variances[j] > 0.0 and not math.isnan(row[j]):
            z = (row[j] - means[j]) / math.sqrt(variances[j])
            total += weights[j] * min(max(z, -bound), bound)
    return total


@entry
def _learn(
    row: Any,
    label: float,
    means: Any,
    variances: Any,
    counts: Any,
    belief: Any,
    covariance: Any,
    precision: Any,
    bound: float,
) -> None:
    """One label: first the moments of the inputs, then the belief."""
    side = len(belief)
    x, shared = np.zeros(side), np.zeros(side)
    for j in range(len(row)):
        if not math.isnan(row[j]):
            counts[j] += 1.0
            off = row[j] - means[j]
            means[j] += off / counts[j]
            variances[j] += (off * (row[j] - means[j]) - variances[j]) / counts[j]
            if variances[j] > 0.0:
                z = (row[j] - means[j]) / math.sqrt(variances[j])
                x[j] = min(max(z, -bound), bound)
    x[side - 1] = 1.0
    log_odds, doubt = 0.0, 0.0
    for a in range(side):
        for b in range(side):
            shared[a] += covariance[a, b] * x[b]
        log_odds += belief[a] * x[a]
        doubt += shared[a] * x[a]
    said = 1.0 / (1.0 + math.exp(-min(max(log_odds, -500.0), 500.0)))
    information = max(said * (1.0 - said), 1e-6)
    gain = 1.0 / (1.0 / information + doubt)
    step = (label - said) / information * gain
    for a in range(side):
        belief[a] += shared[a] * step
        for b in range(side):
            covariance[a, b] -= shared[a] * shared[b] * gain
            precision[a, b] += information * x[a] * x[b]


@entry
def _bound(
    bounded: Any, belief: Any, precision: Any, directions: Any, sweeps: int, tolerance: float
) -> None:
    """Move ``bounded`` to the most likely weights within the directions, from where it is."""
    side = len(belief)
    for _ in range(sweeps):
        moved = 0.0
        for a in range(side):
            pull = 0.0
            for b in range(side):
                pull += precision[a, b] * (bounded[b] - belief[b])
            value = bounded[a] - pull / precision[a, a]
            if a < len(directions) and value * directions[a] < 0.0:
                value = 0.0
            moved = max(moved, abs(value - bounded[a]))
            bounded[a] = value
        if moved < tolerance:
            break

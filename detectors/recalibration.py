"""A version whose ranking stays and whose probabilities follow what really defaults.

The cheapest challenger there is: two numbers, slope and offset of the log-odds (Platt's form), are
learnt label by label; the weights of the version are left alone. Where labels are few, or come of
another base rate than the version was made for, it beats whatever learns weights.

Slope and offset are those of an extended Kalman filter of a logistic regression (Spiegelhalter and
Lauritzen, 1990): each label moves them by their uncertainty, which shrinks with what was learnt, so
no learning rate has to be chosen. State is plain data (msgpack).
"""

import math
from collections.abc import Mapping

import msgspec
from msgspec import Struct, structs

from detectors.default_risk import Calibration, Model, check_model, score, sigmoid

SLOPE_VARIANCE = 0.04
"""The slope is believed to be 1, give or take 0.2, before any label ..."""
OFFSET_VARIANCE = 1.0
"""... and the offset 0, give or take 1: the base rate may well be another."""
SLOPE_MIN = 0.05
"""A slope at or below 0 would turn the ranking round."""


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    start: Model
    slope: float = 1.0
    offset: float = 0.0
    slope_variance: float = SLOPE_VARIANCE
    offset_variance: float = OFFSET_VARIANCE
    covariance: float = 0.0
    n_learned: int = 0
    n_defaults: int = 0
    trained_from: int = 0


class Recalibrated:
    """Learns how far to believe a version."""

    def __init__(self, state: _State) -> None:
        self._state = state

    @classmethod
    def from_model(cls, model: Model) -> "Recalibrated":
        """A learner that starts from a version."""
        check_model(model)
        return cls(_State(start=model))

    def predict(self, inputs: Mapping[str, float]) -> float:
        """Calibrated probability of default; ``inputs`` come from ``transform.model_inputs``."""
        return sigmoid(self._state.slope * self._log_odds(inputs) + self._state.offset)

    def learn(self, inputs: Mapping[str, float], label: bool, at: int = 0) -> None:
        """Learn from one merchant's outcome at ``at`` (epoch ms).

        Raises ``ValueError``, and learns nothing, if an input is not finite.
        """
        raw = self._log_odds(inputs)
        if not math.isfinite(raw):
            raise ValueError("an input is not finite; leave it out where not available")
        s = self._state
        said = sigmoid(s.slope * raw + s.offset)
        by_slope = s.slope_variance * raw + s.covariance
        by_offset = s.covariance * raw + s.offset_variance
        information = max(said * (1 - said), 1e-6)
        gain = 1 / (1 / information + by_slope * raw + by_offset)
        step = (label - said) / information * gain
        s.slope = max(s.slope + by_slope * step, SLOPE_MIN)
        s.offset += by_offset * step
        s.slope_variance -= by_slope * by_slope * gain
        s.offset_variance -= by_offset * by_offset * gain
        s.covariance -= by_slope * by_offset * gain
        s.n_learned += 1
        s.n_defaults += label
        s.trained_from = s.trained_from or at

    def to_model(
        self,
        *,
        version: str,
        parent: str | None,
        trained_until: int,
        metrics: Mapping[str, float] | None = None,
    ) -> Model:
        """What was learnt as an immutable version; changes nothing here."""
        s, before = self._state, self._state.start.calibration
        model: Model = structs.replace(
            s.start,
            version=version,
            calibration=Calibration(
                slope=s.slope * before.slope, offset=s.slope * before.offset + s.offset
            ),
            trained_from=s.start.trained_from or s.trained_from,
            trained_until=trained_until,
            n_learned=s.start.n_learned + s.n_learned,
            n_defaults=s.start.n_defaults + s.n_defaults,
            parameters={"slope_variance": SLOPE_VARIANCE, "offset_variance": OFFSET_VARIANCE},
            metrics=dict(metrics or {}),
            parent=parent,
        )
        check_model(model)
        return model

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        return msgspec.msgpack.encode(self._state)

    @classmethod
    def restore(cls, raw: bytes) -> "Recalibrated":
        """Inverse of ``snapshot``. Raises ``msgspec.DecodeError`` on other bytes."""
        return cls(msgspec.msgpack.decode(raw, type=_State))

    def _log_odds(self, inputs: Mapping[str, float]) -> float:
        probability, _ = score(self._state.start, inputs)
        probability = min(max(probability, 1e-12), 1 - 1e-12)
        return math.log(probability / (1 - probability))

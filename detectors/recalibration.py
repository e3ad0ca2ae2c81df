"""A version whose ranking stays and whose probabilities follow what really defaults.

The cheapest challenger there is: two numbers, slope and offset of the log-odds (Platt's form), are
learnt label by label; the weights of the version are left alone. Where labels are few, or come of
another base rate than the version was made for, it beats whatever learns weights.

Slope and offset are learnt by ``detectors.platt``. State is plain data (msgpack).
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct, structs

from detectors.default_risk import Model, check_model
from detectors.platt import PARAMETERS, Platt
from detectors.transform import row_of


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    start: Model
    believed: Platt
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
        return cls(_State(start=model, believed=Platt()))

    def predict(self, inputs: Mapping[str, float]) -> float:
        """Calibrated probability of default; ``inputs`` come from ``transform.model_inputs``."""
        return self._state.believed.probability(self._log_odds(inputs))

    def learn(self, inputs: Mapping[str, float], label: bool, at: int = 0) -> None:
        """Learn from one merchant's outcome at ``at`` (epoch ms).

        Raises ``ValueError``, and learns nothing, if an input is not finite.
        """
        s = self._state
        s.believed.learn(self._log_odds(inputs), label)
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
        s = self._state
        model: Model = structs.replace(
            s.start,
            version=version,
            calibration=s.believed.of(s.start.calibration),
            trained_from=s.start.trained_from or s.trained_from,
            trained_until=trained_until,
            n_learned=s.start.n_learned + s.n_learned,
            n_defaults=s.start.n_defaults + s.n_defaults,
            parameters=dict(PARAMETERS),
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
        return float(self._state.start.scorer(row_of(inputs)[None]).log_odds[0])

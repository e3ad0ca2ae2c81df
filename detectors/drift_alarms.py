"""Changes of the champion's error and of its score, found by adaptive windows (ADWIN).

ADWIN (Bifet and Gavalda, 2007) keeps a window of the latest values and cuts it where the means of
two parts of it differ by more than chance. Here it watches two series: the champion's log loss of
each label, said before the label was learnt (prequential error; Gama, Sebastiao and Rodrigues,
2013), and the probability of default of one snapshot of each merchant.

State is the values of the windows, plain numbers: a restored window has seen the same values in the
same order, and goes on exactly like one never stopped.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
from msgspec import Struct, field
from river import drift

DELTA = 0.002
"""Significance of a cut; in 90,000 simulated labels of a champion that stays as good, none."""
LOSS_MAX = 3.0
"""Log loss (nats) counts at most so much, that of an event said to have 5 %: a window of bounded
values is what the bound of ADWIN is about, and one absurd forecast is no change."""
_LOG_ODDS = (-6.0, 2.0)
"""Bounds of the score (0.2 % and 88 %). Watched as log-odds between them, a rise of the mean from
5 % to 7 % is found; as probabilities, which are all small, it passed unseen."""
VALUES_MAX = 2_000
"""Values of a window; a full one goes on with its latest half."""
PAUSE_LABELS = 100
"""After an error that rose, nothing is promoted for so many labels."""
KEPT = 20
"""Latest alarms that are remembered."""

Signal = Literal["error", "score"]
Direction = Literal["up", "down"]
SIGNALS: tuple[Signal, ...] = ("error", "score")
DIRECTIONS: tuple[Direction, ...] = ("up", "down")


class Alarm(Struct, frozen=True, kw_only=True):
    """One change that was found: at which event time (epoch ms), and from which mean to which.

    ``observations`` are the values of the window that was cut, before and after it together. Means
    of ``error`` are nats a label, of ``score`` a probability. The later part is found early and has
    values of before in it, so that the true change is larger.
    """

    signal: Signal
    found_at: int
    direction: Direction
    before: float
    after: float
    observations: int


class AdaptiveWindow:
    """River's ADWIN, and the values that it has seen since it last began.

    ``scaled`` makes of a value what is watched: of about 0 to 1, as the bound of ADWIN wants it.
    """

    def __init__(
        self, scaled: Callable[[float], float], values: Sequence[float] | None = None
    ) -> None:
        self._scaled = scaled
        self._begin(values or ())

    @property
    def values(self) -> list[float]:
        """What makes an equal window."""
        return self._values

    def add(self, value: float) -> tuple[float, float, int] | None:
        """Take a value; the mean before, the mean after and the count of a change it shows.

        After a change the window begins anew. Raises ``ValueError`` on a value that is not finite:
        River would be poisoned for good.
        """
        if not math.isfinite(value):
            raise ValueError(f"the value {value} is not finite; leave it out")
        self._values.append(value)
        self._window.update(self._scaled(value))
        if self._window.drift_detected:
            values, kept = self._values, int(self._window.width)
            self._begin(())
            return _mean(values[:-kept]), _mean(values[-kept:]), len(values)
        if len(self._values) >= VALUES_MAX:
            self._begin(self._values[-VALUES_MAX // 2 :])
        return None

    def _begin(self, values: Sequence[float]) -> None:
        self._window = drift.ADWIN(delta=DELTA)
        self._values = list(values)
        for value in values:
            self._window.update(self._scaled(value))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _as_it_is(loss: float) -> float:
    return loss


def _log_odds_share(probability: float) -> float:
    """Log-odds between ``_LOG_ODDS`` as a share of the way: there small risks differ as large."""
    low, high = _LOG_ODDS
    held = min(max(probability, 1e-9), 1 - 1e-9)
    return (min(max(math.log(held / (1 - held)), low), high) - low) / (high - low)


class _State(Struct, kw_only=True, forbid_unknown_fields=True):
    error: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    pause_labels: int = 0


class DriftAlarms:
    """Both windows, the alarms that they gave, and the pause that one of the error calls for.

    ``changed`` tells whether it differs from the last snapshot.
    """

    def __init__(self, state: _State | None = None) -> None:
        state = state or _State()
        self._error = AdaptiveWindow(_as_it_is, state.error)
        self._score = AdaptiveWindow(_log_odds_share, state.score)
        self.alarms, self._counts = state.alarms, state.counts
        self.pause_labels = state.pause_labels
        self.changed = False

    def note_label(self, forecast: float, defaulted: bool, at: int) -> Alarm | None:
        """A label, and what the champion had said of it (a probability); ``at`` is its event time.

        A label counts towards the end of a pause, and an alarm upward begins one.
        """
        self.pause_labels, self.changed = max(self.pause_labels - 1, 0), True
        chance = forecast if defaulted else 1.0 - forecast
        loss = min(-math.log(max(chance, 1e-12)), LOSS_MAX)
        alarm = self._alarm("error", self._error.add(loss), at)
        if alarm is not None and alarm.direction == "up":
            self.pause_labels = PAUSE_LABELS
        return alarm

    def note_score(self, probability: float, at: int) -> Alarm | None:
        """The probability of default of a merchant's snapshot at ``at`` (event time)."""
        self.changed = True
        return self._alarm("score", self._score.add(probability), at)

    def new_champion(self) -> None:
        """Another model gives other scores, which are compared with its own.

        The error goes on: it is that of whatever is in force, and a version comes to lower it.
        """
        self._score = AdaptiveWindow(_log_odds_share)
        self.changed = True

    def count(self, signal: Signal, direction: Direction) -> int:
        """Alarms so far."""
        return self._counts.get(f"{signal}.{direction}", 0)

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        self.changed = False
        return msgspec.msgpack.encode(
            _State(
                error=self._error.values,
                score=self._score.values,
                alarms=self.alarms,
                counts=self._counts,
                pause_labels=self.pause_labels,
            )
        )

    @classmethod
    def restore(cls, raw: bytes) -> "DriftAlarms":
        """Inverse of ``snapshot``. Raises ``msgspec.DecodeError`` on other bytes."""
        return cls(msgspec.msgpack.decode(raw, type=_State))

    def _alarm(
        self, signal: Signal, change: tuple[float, float, int] | None, at: int
    ) -> Alarm | None:
        if change is None:
            return None
        before, after, count = change
        alarm = Alarm(
            signal=signal,
            found_at=at,
            direction="up" if after > before else "down",
            before=before,
            after=after,
            observations=count,
        )
        self.alarms = [*self.alarms, alarm][-KEPT:]
        name = f"{signal}.{alarm.direction}"
        self._counts[name] = self._counts.get(name, 0) + 1
        return alarm

"""The learner: feature snapshots meet outcomes, challengers learn, versions are promoted.

A pure object over ``risk.assessments``. Good outcomes wait until bad ones of the same age are
known, labels pass the quarantine, the contest of champion and challengers decides, and while the
score drifts nothing is promoted. What is usual is learnt without outcomes (see
``streams.anomaly_learner``). Scoring never learns; it uses the versions published here, from
the place in the log where they are activated. State is a set of keyed items, of which each
transaction writes those that changed.
"""

from bisect import bisect_right, insort
from operator import attrgetter

import msgspec
import numpy as np
from msgspec import Struct

from detectors.anomaly_model import encode_anomaly
from detectors.bins import BIN_NAMES, binned, feature_of
from detectors.contest import Contest
from detectors.default_risk import ModelError, encode_model
from detectors.drift import Drift
from detectors.floors import naive_scores
from detectors.quarantine import Held, Quarantine
from detectors.transform import model_inputs
from features.catalogue import NAMES
from schemas import topics
from schemas.codec import encode
from schemas.digests import content_digest
from schemas.events import GLOBAL_MERCHANT, ModelActivated
from schemas.outputs import Assessment
from streams.anomaly_learner import PREFIX as ANOMALY
from streams.anomaly_learner import AnomalyLearner
from streams.records import Output, Record, model_kind

DAY_MS = 86_400_000
SNAPSHOT_EVERY_MS = 28 * DAY_MS
SNAPSHOTS_MAX = 6
MATURITY_MS = 30 * DAY_MS
"""An outcome is learnt on features from at least so long before it, where there are any."""
SCORE = "score"
"""Name of the score among the variables of ``Learner.psi``."""
_BAND = "band#"
_BANDS = ("A", "B", "C", "D", "E")
_VARIABLES: dict[str, tuple[str, ...]] = {
    feature: tuple(name for name in BIN_NAMES if feature_of(name) == feature)
    for feature in dict.fromkeys(map(feature_of, BIN_NAMES))
} | {SCORE: tuple(_BAND + band for band in _BANDS)}
GOOD_WAITS_MS = 30 * DAY_MS
"""A good outcome is learnt so much later: bad ones of the same loans are known by then. Learnt as
they come, the good first, probabilities would be far too low."""
_CONTEST_KEY, _DRIFT_KEY = b"contest", b"drift"


class Snapshot(Struct, frozen=True, array_like=True):
    """What was known of a merchant at one time.

    ``values`` are little-endian float64 in catalogue order, NaN = not available: a third of what
    they would take as numbers of Python, and a million merchants have several.
    """

    as_of: int
    values: bytes

    @property
    def vector(self) -> list[float]:
        """The values as numbers."""
        return np.frombuffer(self.values, "<f8").tolist()  # type: ignore[no-any-return]


class Case(Struct, frozen=True, array_like=True):
    """What is learnt from one outcome: the merchant as it was known before."""

    snapshot: Snapshot
    exposure_minor: int


class Counters(Struct, kw_only=True):
    """Progress of the learner."""

    published: int = 0
    learned: int = 0
    outcomes_without_history: int = 0
    labels_ripening: int = 0
    labels_held: int = 0
    labels_given_up: int = 0


class _State(Struct, kw_only=True):
    contest: bytes
    quarantine: Quarantine
    ripening: list[Held]
    counters: Counters


class Learner:
    """Learns from outcomes in the order in which they come."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.contest = Contest()
        self.quarantine = Quarantine()
        self.drift = Drift()
        self.anomaly = AnomalyLearner()
        self._ripening: list[Held] = []
        self._snapshots: dict[str, list[Snapshot]] = {}
        self._changed: dict[str, None] = {}
        self._contest_changed = self._drift_changed = False

    def process(self, record: Record) -> list[Output]:
        """One assessment. Returns a model version and its activation when one is due."""
        assessment = _decode(record.value or b"")
        outputs = self._take_ripe(assessment.as_of)
        if assessment.outcome is not None:
            outputs += self._take_outcome(assessment)
        else:
            self._remember(assessment)
            outputs += self._learn_usual(assessment)
        return outputs

    def psi(self) -> dict[str, float]:
        """Population stability index of every model input, and of the score by its bands."""
        return self.drift.psi(_VARIABLES)

    def dirty(self) -> list[tuple[bytes, bytes]]:
        """Items that changed since the last call."""
        items = [
            (b"snapshots/" + merchant.encode(), msgspec.msgpack.encode(self._snapshots[merchant]))
            for merchant in self._changed
        ]
        if self._contest_changed:
            state = _State(
                contest=self.contest.snapshot(),
                quarantine=self.quarantine,
                ripening=self._ripening,
                counters=self.counters,
            )
            items.append((_CONTEST_KEY, msgspec.msgpack.encode(state)))
        if self._drift_changed:
            items.append((_DRIFT_KEY, msgspec.msgpack.encode(self.drift)))
        self._changed.clear()
        self._contest_changed = self._drift_changed = False
        return items + self.anomaly.dirty()

    def restore(self, items: dict[bytes, bytes]) -> None:
        """State as of the last commit, from the last value of every key."""
        self.anomaly.restore({k: raw for k, raw in items.items() if k.startswith(ANOMALY)})
        for key, raw in items.items():
            if key.startswith(ANOMALY):
                continue
            if key == _CONTEST_KEY:
                state = msgspec.msgpack.decode(raw, type=_State)
                self.contest = Contest.restore(state.contest)
                self.quarantine, self.counters = state.quarantine, state.counters
                self._ripening = state.ripening
            elif key == _DRIFT_KEY:
                self.drift = msgspec.msgpack.decode(raw, type=Drift)
            else:
                merchant = key.removeprefix(b"snapshots/").decode()
                self._snapshots[merchant] = msgspec.msgpack.decode(raw, type=list[Snapshot])

    def _remember(self, assessment: Assessment) -> None:
        kept = self._snapshots.setdefault(assessment.merchant_id, [])
        if kept and assessment.as_of - kept[-1].as_of < SNAPSHOT_EVERY_MS:
            return
        found = assessment.features
        # An absent feature and one that is null, as in records of 0.1, are alike.
        values = np.array([found.get(name) for name in NAMES], "<f8")
        kept.append(Snapshot(assessment.as_of, values.tobytes()))
        del kept[:-SNAPSHOTS_MAX]
        self._changed[assessment.merchant_id] = None
        if assessment.band != "insufficient_history":
            bins = binned(model_inputs(values.tolist()))
            self.drift.note([*bins, _BAND + assessment.band])
            self._drift_changed = True

    def _take_outcome(self, assessment: Assessment) -> list[Output]:
        self._contest_changed = True
        kept = self._snapshots.get(assessment.merchant_id)
        if not kept:
            self.counters.outcomes_without_history += 1
            return []
        mature = [s for s in kept if s.as_of <= assessment.as_of - MATURITY_MS]
        case = Case(mature[-1] if mature else kept[0], assessment.exposure_minor)
        label = Held(
            assessment.as_of, assessment.outcome == "defaulted", msgspec.msgpack.encode(case)
        )
        if label.defaulted:
            return self._take_label(label)
        # Equal times stay in order of arrival.
        insort(self._ripening, label, key=attrgetter("at"))
        self.counters.labels_ripening = len(self._ripening)
        return []

    def _take_ripe(self, now_ms: int) -> list[Output]:
        """Good outcomes that are as old by now as bad ones are when they are known."""
        ripe = bisect_right(self._ripening, now_ms - GOOD_WAITS_MS, key=attrgetter("at"))
        if not ripe:
            return []
        labels = self._ripening[:ripe]
        del self._ripening[:ripe]
        self.counters.labels_ripening = len(self._ripening)
        self._contest_changed = True
        return [output for label in labels for output in self._take_label(label)]

    def _take_label(self, label: Held) -> list[Output]:
        outputs: list[Output] = []
        for ready in self.quarantine.take(label):
            outputs += self._learn(ready)
        self.counters.labels_held = len(self.quarantine.held)
        self.counters.labels_given_up = self.quarantine.dropped
        return outputs

    def _learn(self, label: Held) -> list[Output]:
        case = msgspec.msgpack.decode(label.snapshot, type=Case)
        vector = case.snapshot.vector
        self.contest.learn(
            model_inputs(vector),
            label.defaulted,
            at=label.at,
            naive=naive_scores(np.array([vector]))[0].tolist(),
            exposure_minor=case.exposure_minor,
        )
        self.counters.learned += 1
        winner = self.contest.winner(label.at)
        if winner is None or self.quarantine.holding or self.drift.is_moving(_VARIABLES[SCORE]):
            return []
        return self._publish(winner, label.at)

    def _learn_usual(self, assessment: Assessment) -> list[Output]:
        model = self.anomaly.take(assessment)
        if model is None:
            return []
        return self._announce(model.version, encode_anomaly(model), model.trained_until)

    def _publish(self, name: str, at: int) -> list[Output]:
        version = f"default-risk-{self.counters.published + 1}"
        try:
            model = self.contest.promote(name, version=version, at=at)
        except ModelError:
            return []  # it has diverged: the champion stays, and the standings show it
        self.counters.published += 1
        # Another model gives other scores; from here on they are compared with its own first ones.
        self.drift, self._drift_changed = Drift(), True
        return self._announce(version, encode_model(model), at)

    def _announce(self, version: str, raw: bytes, at: int) -> list[Output]:
        """A version of any model, and its activation."""
        activation = ModelActivated(
            event_id=f"activate-{version}-{content_digest(raw)}",
            merchant_id=GLOBAL_MERCHANT,
            occurred_at=at,
            version=version,
            digest=content_digest(raw),
            artifact=model_kind(version),
        )
        return [
            Output(topics.MODELS, 0, version.encode(), raw),
            Output(topics.CONTROL, 0, GLOBAL_MERCHANT.encode(), encode(activation)),
        ]


_decode = msgspec.json.Decoder(Assessment).decode

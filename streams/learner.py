"""The learner: feature snapshots meet outcomes, challengers learn, versions are promoted.

A pure object over ``risk.assessments``. Good outcomes wait until bad ones of the same age are
known, labels pass the quarantine, the contest of champion and challengers decides, and while there
is drift nothing is promoted (``detectors.drift_levels``). Scoring never learns; it uses the
versions published here, from the place in the log where they are activated. State is a set of keyed
items, of which each transaction writes those that changed.
"""

from bisect import bisect_right, insort
from operator import attrgetter

import msgspec
import numpy as np
from msgspec import Struct

from detectors.bins import BIN_NAMES, binned, feature_of
from detectors.contest import CHAMPION, Contest
from detectors.default_risk import ModelError, encode_model
from detectors.drift import Drift
from detectors.drift_alarms import DriftAlarms
from detectors.drift_levels import Pause, pause_of
from detectors.floors import naive_scores
from detectors.quarantine import Held, Quarantine
from detectors.transform import model_inputs
from features.catalogue import NAMES
from schemas import topics
from schemas.codec import encode
from schemas.digests import content_digest
from schemas.events import GLOBAL_MERCHANT, ModelActivated
from schemas.outputs import Assessment
from streams.learner_report import Known, Labels, Reporter
from streams.records import Output, Record

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
_INPUTS = {name: bins for name, bins in _VARIABLES.items() if name != SCORE}
_CONTEST_KEY, _DRIFT_KEY, _ALARMS_KEY, _REPORT_KEY = b"contest", b"drift", b"alarms", b"report"


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
        self.alarms = DriftAlarms()
        self.reporter = Reporter()
        self._ripening: list[Held] = []
        self._snapshots: dict[str, list[Snapshot]] = {}
        self._changed: dict[str, None] = {}
        self._contest_changed = self._drift_changed = False

    def process(self, record: Record) -> list[Output]:
        """One assessment. Returns a model version and its activation, and a report, when due."""
        assessment = _decode(record.value or b"")
        outputs = self._take_ripe(assessment.as_of)
        if assessment.outcome is not None:
            outputs += self._take_outcome(assessment)
        else:
            self._remember(assessment)
        if self.reporter.is_due(assessment.as_of):
            outputs += self.reporter.report(self._known(assessment.as_of))
        return outputs

    @property
    def pause(self) -> Pause | None:
        """Why nothing is promoted now, or None."""
        return pause_of(
            self.drift,
            self.alarms,
            inputs=_INPUTS,
            score=_VARIABLES[SCORE],
            labels_held=self.quarantine.holding,
        )

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
        if self.alarms.changed:
            items.append((_ALARMS_KEY, self.alarms.snapshot()))
        if self.reporter.changed:
            items.append((_REPORT_KEY, self.reporter.snapshot()))
        self._changed.clear()
        self._contest_changed = self._drift_changed = False
        return items

    def restore(self, items: dict[bytes, bytes]) -> None:
        """State as of the last commit, from the last value of every key."""
        for key, raw in items.items():
            if key == _CONTEST_KEY:
                state = msgspec.msgpack.decode(raw, type=_State)
                self.contest = Contest.restore(state.contest)
                self.quarantine, self.counters = state.quarantine, state.counters
                self._ripening = state.ripening
            elif key == _DRIFT_KEY:
                self.drift = msgspec.msgpack.decode(raw, type=Drift)
            elif key == _ALARMS_KEY:
                self.alarms = DriftAlarms.restore(raw)
            elif key == _REPORT_KEY:
                self.reporter = Reporter.restore(raw)
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
            self.reporter.note_snapshot(assessment)
            said = assessment.probability_of_default
            if said is not None and self.alarms.note_score(said, assessment.as_of):
                self.reporter.ring()
            self._drift_changed = True

    def _take_outcome(self, assessment: Assessment) -> list[Output]:
        self._contest_changed = True
        outcome = assessment.outcome or ""
        self.reporter.note_label(outcome, outcome == "defaulted", assessment.as_of)
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
        said = self.contest.outcomes[-1].said[CHAMPION]
        alarm = self.alarms.note_label(said, label.defaulted, label.at)
        if alarm is not None:
            self.reporter.ring()
            if alarm.direction == "up":
                self.contest.restart_window()
        winner = self.contest.winner(label.at)
        if winner is None or self.pause is not None:
            return []
        return self._publish(winner, label.at)

    def _publish(self, name: str, at: int) -> list[Output]:
        version = f"default-risk-{self.counters.published + 1}"
        standings = self.contest.standings()
        try:
            model = self.contest.promote(name, version=version, at=at)
        except ModelError:
            return []  # it has diverged: the champion stays, and the standings show it
        self.counters.published += 1
        # Another model gives other scores; from here on they are compared with its own first ones.
        self.drift, self._drift_changed = Drift(), True
        self.alarms.new_champion()
        self.reporter.note_version(name, model, standings, at)
        raw = encode_model(model)
        activation = ModelActivated(
            event_id=f"activate-{version}-{content_digest(raw)}",
            merchant_id=GLOBAL_MERCHANT,
            occurred_at=at,
            version=version,
            digest=content_digest(raw),
        )
        return [
            Output(topics.MODELS, 0, version.encode(), raw),
            Output(topics.CONTROL, 0, GLOBAL_MERCHANT.encode(), encode(activation)),
        ]

    def _known(self, as_of: int) -> Known:
        held, counters = self.quarantine.held, self.counters
        labels = Labels(
            learnt=counters.learned,
            ripening=counters.labels_ripening,
            held=counters.labels_held,
            held_since=held[0].at if held else None,
            given_up=counters.labels_given_up,
            without_history=counters.outcomes_without_history,
        )
        return Known(as_of, self.contest, self.drift, self.alarms, _VARIABLES, self.pause, labels)


_decode = msgspec.json.Decoder(Assessment).decode

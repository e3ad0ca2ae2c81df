"""The learner: feature snapshots meet outcomes, challengers learn, versions are promoted.

A pure object over ``risk.assessments``. Good outcomes wait until bad ones of the same age are
known, labels pass the quarantine, the contest of champion and challengers decides, and while there
is drift nothing is promoted (``detectors.drift_levels``). What is usual is learnt without outcomes
(``streams.anomaly_learner``). Scoring never learns; it uses the versions published here, from the
place in the log where they are activated. State is a set of keyed items, of which each transaction
writes those that changed.
"""

import msgspec
import numpy as np
from msgspec import Struct

from detectors.anomaly_model import encode_anomaly
from detectors.bins import BIN_NAMES, binned, feature_of
from detectors.contest import CHAMPION, Contest
from detectors.default_risk import ModelError, encode_model
from detectors.drift import Drift
from detectors.drift_alarms import DriftAlarms
from detectors.drift_levels import Pause, pause_of
from detectors.envelope import Kind, Signer
from detectors.floors import naive_scores
from detectors.in_force import InForce
from detectors.labelling import Case, Counters, Labelling
from detectors.labels import TEACHINGS
from detectors.quarantine import Held, Quarantine
from detectors.snapshots import Snapshot, keep, kept, pack
from detectors.transform import model_inputs
from features.catalogue import NAMES
from schemas import topics
from schemas.codec import encode
from schemas.digests import content_digest
from schemas.events import GLOBAL_MERCHANT, ModelActivated
from schemas.outputs import Assessment
from streams.anomaly_learner import PREFIX as ANOMALY
from streams.anomaly_learner import AnomalyLearner
from streams.learner_report import Known, Labels, Reporter
from streams.model_keys import LIBRARIES, REPLAY_SIGNER
from streams.records import Output, Record, model_kind

DAY_MS = 86_400_000
SNAPSHOT_EVERY_MS = 28 * DAY_MS
SNAPSHOTS_MAX = 3
"""One of three that are so far apart is always mature, see ``detectors.labelling``."""
SCORE = "score"
"""Name of the score among the variables of ``Learner.psi``."""
_BAND = "band#"
_BANDS = ("A", "B", "C", "D", "E")
_VARIABLES: dict[str, tuple[str, ...]] = {
    feature: tuple(name for name in BIN_NAMES if feature_of(name) == feature)
    for feature in dict.fromkeys(map(feature_of, BIN_NAMES))
} | {SCORE: tuple(_BAND + band for band in _BANDS)}
_INPUTS = {name: bins for name, bins in _VARIABLES.items() if name != SCORE}
_CONTEST_KEY, _DRIFT_KEY, _ALARMS_KEY, _REPORT_KEY = b"contest", b"drift", b"alarms", b"report"
_SNAPSHOTS_PREFIX = b"snapshots/"


class _State(Struct, kw_only=True):
    contest: bytes
    counters: Counters


class Learner:
    """Learns from outcomes in the order in which they come.

    ``signer`` signs what is published; that of replays is trusted by replays only.
    """

    def __init__(self, signer: Signer = REPLAY_SIGNER) -> None:
        self._signer = signer
        self.counters = Counters()
        self.contest = Contest()
        self.drift = Drift()
        self.alarms = DriftAlarms()
        self.reporter = Reporter()
        self.labelling = Labelling(self.counters)
        self.in_force = InForce()
        self.anomaly = AnomalyLearner()
        self._snapshots: dict[str, bytes] = {}
        self._changed: dict[str, None] = {}
        self._contest_changed = self._drift_changed = False

    @property
    def quarantine(self) -> Quarantine:
        """That of labels of loans."""
        return self.labelling.quarantine

    def process(self, record: Record) -> list[Output]:
        """One assessment. Returns a model version and its activation, and a report, when due."""
        assessment = _decode(record.value or b"")
        stamped, champion = assessment.model_version, self.contest.champion.version
        if self.in_force.hear(record.partition, stamped, champion):
            self._roll_back(stamped, assessment.as_of)
        self.labelling.ripen(assessment.as_of)
        outputs = self._learn_ready()
        if assessment.outcome is None:
            self._remember(assessment)
            outputs += self._learn_usual(assessment)
        else:
            self._take_outcome(assessment, assessment.outcome)
            outputs += self._learn_ready()
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

    def dirty(self) -> list[tuple[bytes, bytes | None]]:
        """Items that changed since the last call; None for one that is gone."""
        items: list[tuple[bytes, bytes | None]] = [
            (_SNAPSHOTS_PREFIX + merchant.encode(), self._snapshots[merchant])
            for merchant in self._changed
        ]
        items += self.labelling.dirty()
        items += self.in_force.dirty()
        if self._contest_changed:
            state = _State(contest=self.contest.snapshot(), counters=self.counters)
            items.append((_CONTEST_KEY, msgspec.msgpack.encode(state)))
        if self._drift_changed:
            items.append((_DRIFT_KEY, msgspec.msgpack.encode(self.drift)))
        if self.alarms.changed:
            items.append((_ALARMS_KEY, self.alarms.snapshot()))
        if self.reporter.changed:
            items.append((_REPORT_KEY, self.reporter.snapshot()))
        self._changed.clear()
        self._contest_changed = self._drift_changed = False
        return items + self.anomaly.dirty()

    def restore(self, items: dict[bytes, bytes | None]) -> None:
        """State as of the last commit, from the last value of every key."""
        self.anomaly.restore({k: v for k, v in items.items() if v and k.startswith(ANOMALY)})
        for key, raw in items.items():
            if raw is None or key.startswith(ANOMALY):
                continue
            if self.labelling.restore(key, raw) or self.in_force.restore(key, raw):
                continue
            if key == _CONTEST_KEY:
                state = msgspec.msgpack.decode(raw, type=_State)
                self.contest = Contest.restore(state.contest)
                self.counters = self.labelling.counters = state.counters
            elif key == _DRIFT_KEY:
                self.drift = msgspec.msgpack.decode(raw, type=Drift)
            elif key == _ALARMS_KEY:
                self.alarms = DriftAlarms.restore(raw)
            elif key == _REPORT_KEY:
                self.reporter = Reporter.restore(raw)
            else:
                self._snapshots[key.removeprefix(_SNAPSHOTS_PREFIX).decode()] = raw

    def _remember(self, assessment: Assessment) -> None:
        merchant = assessment.merchant_id
        snapshots = kept(self._snapshots.get(merchant))
        if snapshots and assessment.as_of - snapshots[-1].as_of < SNAPSHOT_EVERY_MS:
            return
        found = assessment.features
        # An absent feature and one that is null, as in records of 0.1, are alike.
        values = np.array([found.get(name) for name in NAMES], np.float64)
        snapshots.append(Snapshot(assessment.as_of, pack(values)))
        self._snapshots[merchant] = keep(snapshots[-SNAPSHOTS_MAX:])
        self._changed[merchant] = None
        if assessment.band != "insufficient_history":
            bins = binned(model_inputs(values.tolist()))
            self.drift.note([*bins, _BAND + assessment.band])
            self.reporter.note_snapshot(assessment)
            said = assessment.probability_of_default
            if said is not None and self.alarms.note_score(said, assessment.as_of):
                self.reporter.ring()
            self._drift_changed = True

    def _take_outcome(self, assessment: Assessment, outcome: str) -> None:
        self._contest_changed = True
        teaching = TEACHINGS.get(outcome)
        bad = teaching is not None and teaching.bad
        self.reporter.note_label(outcome, bad, assessment.as_of)
        merchant = assessment.merchant_id
        self.labelling.take(
            merchant,
            outcome,
            assessment.outcome_of,
            at=assessment.as_of,
            exposure_minor=assessment.exposure_minor,
            snapshots=kept(self._snapshots.get(merchant)),
        )

    def _learn_ready(self) -> list[Output]:
        return [
            output
            for label, case, judges in self.labelling.ready()
            for output in self._learn(label, case, judges=judges)
        ]

    def _learn(self, label: Held, case: Case, *, judges: bool) -> list[Output]:
        vector = case.snapshot.vector
        self._contest_changed = True
        self.contest.learn(
            model_inputs(vector),
            label.defaulted,
            at=label.at,
            naive=naive_scores(np.array([vector]))[0].tolist(),
            exposure_minor=case.exposure_minor,
            lead_days=max(label.at - case.snapshot.as_of, 0) / DAY_MS,
            judges=judges,
        )
        self.counters.learned += 1
        if not judges:
            return []
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

    def _learn_usual(self, assessment: Assessment) -> list[Output]:
        model = self.anomaly.take(assessment)
        if model is None:
            return []
        raw, at = encode_anomaly(model), model.trained_until
        return self._seal("anomaly", model.version, raw, at, model.parent)

    def _publish(self, name: str, at: int) -> list[Output]:
        version = f"default-risk-{self.counters.published + 1}"
        standings = self.contest.standings()
        try:
            model = self.contest.promote(name, version=version, at=at)
        except ModelError:
            return []  # it has diverged: the champion stays, and the standings show it
        self.counters.published += 1
        self.in_force.published(model)
        self._forget_scores()
        self.reporter.note_version(name, model, standings, at)
        return self._seal("default-risk", version, encode_model(model), at, model.parent)

    def _roll_back(self, version: str, at: int) -> None:
        """The workers use another version than the champion: somebody went back to it."""
        self._contest_changed = True
        model = self.in_force.find(version)
        if model is None:
            self.counters.rollbacks_unknown += 1
            return
        self.contest.roll_back(model, at)
        self.counters.rolled_back += 1
        self._forget_scores()

    def _forget_scores(self) -> None:
        """Another model gives other scores; from here on they are compared with its own."""
        self.drift, self._drift_changed = Drift(), True
        self.alarms.new_champion()

    def _seal(
        self, kind: Kind, version: str, payload: bytes, at: int, parent: str | None
    ) -> list[Output]:
        """The signed version and its activation; whatever the learner publishes goes out here."""
        raw = self._signer.seal(
            kind, version, payload, published_at=at, libraries=LIBRARIES, parent=parent
        )
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

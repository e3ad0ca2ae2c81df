"""The learner: feature snapshots meet outcomes, challengers learn, versions are promoted.

A pure object over ``risk.assessments``. Good outcomes wait until bad ones of the same age are
known, labels pass the quarantine, the contest of champion and challengers decides, and while the
score drifts nothing is promoted. What is usual is learnt without outcomes (see
``streams.anomaly_learner``). Scoring never learns; it uses the versions published here, from
the place in the log where they are activated. State is a set of keyed items, of which each
transaction writes those that changed.
"""

import msgspec
import numpy as np
from msgspec import Struct, field

from detectors.anomaly_model import encode_anomaly
from detectors.bins import BIN_NAMES, binned, feature_of
from detectors.contest import Contest
from detectors.default_risk import ModelError, encode_model
from detectors.drift import Drift
from detectors.envelope import Kind, Signer
from detectors.floors import naive_scores
from detectors.in_force import InForce
from detectors.labelling import Case, Counters, Labelling
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
_CONTEST_KEY, _DRIFT_KEY = b"contest", b"drift"
_SNAPSHOTS_PREFIX = b"snapshots/"


class _State(Struct, kw_only=True):
    """``quarantine`` and ``ripening`` are read of 0.1 only; they have items of their own now."""

    contest: bytes
    counters: Counters
    quarantine: Quarantine | None = None
    ripening: list[Held] = field(default_factory=list)


class Learner:
    """Learns from outcomes in the order in which they come.

    ``signer`` signs what is published; that of replays is trusted by replays only.
    """

    def __init__(self, signer: Signer = REPLAY_SIGNER) -> None:
        self._signer = signer
        self.counters = Counters()
        self.contest = Contest()
        self.drift = Drift()
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
        """One assessment. Returns a model version and its activation when one is due."""
        assessment = _decode(record.value or b"")
        stamped, champion = assessment.model_version, self.contest.champion.version
        if self.in_force.hear(record.partition, stamped, champion):
            self._roll_back(stamped, assessment.as_of)
        self.labelling.ripen(assessment.as_of)
        outputs = self._learn_ready()
        if assessment.outcome is None:
            self._remember(assessment)
            return outputs + self._learn_usual(assessment)
        self._take_outcome(assessment, assessment.outcome)
        return outputs + self._learn_ready()

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
                if state.quarantine is not None:
                    self.labelling.adopt(state.quarantine, state.ripening)
            elif key == _DRIFT_KEY:
                self.drift = msgspec.msgpack.decode(raw, type=Drift)
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
            self._drift_changed = True

    def _take_outcome(self, assessment: Assessment, outcome: str) -> None:
        self._contest_changed = True
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
        winner = self.contest.winner(label.at) if judges else None
        if winner is None or self.quarantine.holding or self.drift.is_moving(_VARIABLES[SCORE]):
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
        try:
            model = self.contest.promote(name, version=version, at=at)
        except ModelError:
            return []  # it has diverged: the champion stays, and the standings show it
        self.counters.published += 1
        self.in_force.published(model)
        self._forget_scores()
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


_decode = msgspec.json.Decoder(Assessment).decode

"""The learner's report of itself: what it keeps for it, when one is due, and what is in it.

A report goes out when its content changed, at most once a day of event time, and at once when a
version was published or an adaptive window rang: then it must not be missed.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct, field

from detectors.contest import CHAMPION, Contest, Standing
from detectors.default_risk import Model
from detectors.drift import Drift
from detectors.drift_alarms import DriftAlarms
from detectors.drift_levels import Pause, level_of
from detectors.floors import FLOORS
from detectors.metrics import reliability
from schemas import topics
from schemas.codec import encode
from schemas.digests import content_digest
from schemas.learner_report import (
    LEARNER_REPORT_SCHEMA,
    CalibrationBin,
    DriftAlarm,
    LabelCount,
    LearnerReport,
    ModelStanding,
    PublishedVersion,
    VariableDrift,
)
from schemas.outputs import Assessment
from streams.records import Output

REPORT_EVERY_MS = 86_400_000
"""Event time between two reports."""
VERSIONS_KEPT = 20
"""Latest versions that a report lists; each was in the report of its own publication."""
KEY = b"learner"
_DUES = "due_next_28d_minor"


class Labels(NamedTuple):
    """Where the labels are: learnt, waiting for their age, in quarantine, given up, useless."""

    learnt: int
    ripening: int
    held: int
    held_since: int | None
    given_up: int
    without_history: int


class Known(NamedTuple):
    """What a report is made of, as of ``as_of`` (event time, epoch ms).

    ``variables`` are the bins by variable, the score among them; ``pause`` is why nothing is
    promoted.
    """

    as_of: int
    contest: Contest
    drift: Drift
    alarms: DriftAlarms
    variables: Mapping[str, tuple[str, ...]]
    pause: Pause | None
    labels: Labels


class _State(Struct, kw_only=True):
    number: int = 0
    as_of: int = 0
    next_at: int | None = None
    said: str = ""
    labels: dict[str, int] = field(default_factory=dict)
    last_label_at: int | None = None
    first_due_at: int | None = None
    last_due_at: int | None = None
    versions: list[PublishedVersion] = field(default_factory=list)


class Reporter:
    """Counts what only reports need, and writes them. State is plain data.

    ``changed`` tells whether it differs from the last snapshot.
    """

    def __init__(self) -> None:
        self._state = _State()
        self.changed = False
        # Both change with labels only, and cost more than all the rest of a report.
        self._judged: tuple[int, int, list[ModelStanding], list[CalibrationBin]] | None = None

    def note_snapshot(self, assessment: Assessment) -> None:
        """An assessment without an outcome: does something of the merchant fall due?"""
        if (assessment.features.get(_DUES) or 0.0) > 0:
            state, self.changed = self._state, True
            state.first_due_at = state.first_due_at or assessment.as_of
            state.last_due_at = max(state.last_due_at or 0, assessment.as_of)

    def note_label(self, outcome: str, bad: bool, at: int) -> None:
        """An outcome that came at ``at`` (event time), before it is known whether it is learnt."""
        state, name = self._state, f"{outcome}/{'bad' if bad else 'good'}"
        state.labels[name] = state.labels.get(name, 0) + 1
        state.last_label_at = max(state.last_label_at or 0, at)
        self.changed = True

    def note_version(
        self, challenger: str, model: Model, standings: Mapping[str, Standing], at: int
    ) -> None:
        """A challenger became a version at ``at``; ``standings`` are those that decided it."""
        own, before = standings[challenger], standings[CHAMPION]
        best = max(FLOORS, key=lambda name: standings[name].roc_auc or 0.0)
        version = PublishedVersion(
            version=model.version,
            kind=model.kind,
            parent=model.parent,
            challenger=challenger,
            published_at=at,
            trained_from=model.trained_from,
            trained_until=model.trained_until,
            labels=model.n_learned,
            defaults=model.n_defaults,
            compared=own.n,
            log_loss=own.log_loss,
            champion_log_loss=before.log_loss,
            roc_auc=own.roc_auc,
            champion_roc_auc=before.roc_auc,
            best_floor=best,
            best_floor_roc_auc=standings[best].roc_auc,
        )
        self._state.versions = [*self._state.versions, version][-VERSIONS_KEPT:]
        self.ring()

    def ring(self) -> None:
        """The next report is due at once."""
        self._state.next_at = 0
        self.changed = True

    @property
    def label_counts(self) -> list[LabelCount]:
        """Outcomes so far, by name."""
        found = []
        for name, count in sorted(self._state.labels.items()):
            outcome, _, kind = name.rpartition("/")
            found.append(LabelCount(outcome=outcome, bad=kind == "bad", labels=count))
        return found

    @property
    def labels_awaited_ms(self) -> int:
        """Event time for which loans have fallen due and no outcome has come."""
        state = self._state
        since = state.last_label_at or state.first_due_at or 0
        return max((state.last_due_at or 0) - since, 0)

    def is_due(self, as_of: int) -> bool:
        """Whether a report may go out; the first one waits a day, for there to be something."""
        if self._state.next_at is None:
            self._state.next_at = as_of + REPORT_EVERY_MS
            self.changed = True
        return as_of >= self._state.next_at

    def report(self, known: Known) -> list[Output]:
        """The report, if it says something else than the last one.

        Assessments of different partitions come a little out of order; reports never go back.
        """
        state = self._state
        state.next_at, self.changed = known.as_of + REPORT_EVERY_MS, True
        made = self._make(known)
        said = content_digest(encode(msgspec.structs.replace(made, number=0, as_of=0)))
        if said == state.said:
            return []
        state.said = said
        state.number += 1
        state.as_of = max(state.as_of, known.as_of)
        value = encode(msgspec.structs.replace(made, number=state.number, as_of=state.as_of))
        return [Output(topics.LEARNER_REPORTS, 0, KEY, value)]

    def snapshot(self) -> bytes:
        """All of the state, as msgpack."""
        self.changed = False
        return msgspec.msgpack.encode(self._state)

    @classmethod
    def restore(cls, raw: bytes) -> "Reporter":
        """Inverse of ``snapshot``. Raises ``msgspec.DecodeError`` on other bytes."""
        found = cls()
        found._state = msgspec.msgpack.decode(raw, type=_State)
        return found

    def _make(self, known: Known) -> LearnerReport:
        state, labels = self._state, known.labels
        standings, calibration = self._judge(known.contest)
        champion = known.contest.champion.version
        since = [v.published_at for v in state.versions if v.version == champion]
        return LearnerReport(
            schema=LEARNER_REPORT_SCHEMA,
            number=0,
            as_of=known.as_of,
            champion=champion,
            champion_since=since[-1] if since else None,
            pause=known.pause,
            pause_labels=known.alarms.pause_labels if known.pause == "error_rose" else 0,
            labels_learnt=labels.learnt,
            labels_ripening=labels.ripening,
            labels_held=labels.held,
            held_since=labels.held_since,
            labels_given_up=labels.given_up,
            outcomes_without_history=labels.without_history,
            last_label_at=state.last_label_at,
            last_due_at=state.last_due_at,
            standings=standings,
            drift=_drift(known),
            alarms=[DriftAlarm(**msgspec.structs.asdict(each)) for each in known.alarms.alarms],
            label_counts=self.label_counts,
            calibration=calibration,
            versions=state.versions,
        )

    def _judge(self, contest: Contest) -> tuple[list[ModelStanding], list[CalibrationBin]]:
        now = (contest.labels, len(contest.outcomes))
        if self._judged is None or self._judged[:2] != now:
            self._judged = (*now, _standings(contest), _calibration(contest))
        return self._judged[2], self._judged[3]


def _standings(contest: Contest) -> list[ModelStanding]:
    found = []
    for name, standing in contest.standings().items():
        values = msgspec.structs.asdict(standing)
        found.append(ModelStanding(name=name, role=_role(name), labels=values.pop("n"), **values))
    return found


def _role(name: str) -> Literal["champion", "challenger", "floor"]:
    return "champion" if name == CHAMPION else "floor" if name in FLOORS else "challenger"


def _drift(known: Known) -> list[VariableDrift]:
    found = [
        VariableDrift(
            variable=name,
            psi=psi,
            level=level_of(psi),
            moving=level_of(psi) == "act" and known.drift.is_moving(known.variables[name]),
        )
        for name, psi in known.drift.psi(known.variables).items()
    ]
    # By name, so that equals have one order everywhere.
    return sorted(found, key=lambda each: (-each.psi, each.variable))


def _calibration(contest: Contest) -> list[CalibrationBin]:
    said = np.array([each.said[CHAMPION] for each in contest.outcomes])
    came = np.array([each.defaulted for each in contest.outcomes], dtype=np.bool_)
    return [
        CalibrationBin(labels=each.count, predicted=each.predicted, observed=each.observed)
        for each in reliability(said, came)
    ]

"""What the learner says of itself: who forecasts how well, what drifts, what was published.

An output like those of ``schemas.outputs``, by the same rules, of one record a day of event time at
most while nothing is published and nothing is found.
"""

from typing import Literal

from msgspec import Struct

LEARNER_REPORT_SCHEMA: Literal["tideline.learner-report/1"] = "tideline.learner-report/1"


class ModelStanding(Struct, kw_only=True, frozen=True, gc=False):
    """How the champion, a challenger or a naive floor did over the labels of the window.

    ``log_loss`` (nats) and ``calibration_error`` (mean forecast less the share of defaults) are
    null for a floor, which states no probability; ``roc_auc`` is null while there is one class
    only. ``precision``, ``recall`` and ``exposure_found`` are those of the riskiest tenth,
    ``lead_time_days`` the median time from the features that put a merchant there to its default.
    """

    name: str
    role: Literal["champion", "challenger", "floor"]
    labels: int
    defaults: int
    log_loss: float | None
    roc_auc: float | None
    calibration_error: float | None
    precision: float
    recall: float | None
    exposure_found: float | None
    lead_time_days: float | None = None


class VariableDrift(Struct, kw_only=True, frozen=True, gc=False):
    """Population stability index of a model input, or of ``score``; ``docs/drift.md`` has the
    levels. ``moving`` tells that it left its reference and has not settled elsewhere.
    """

    variable: str
    psi: float
    level: Literal["none", "watch", "act"]
    moving: bool


class DriftAlarm(Struct, kw_only=True, frozen=True, gc=False):
    """A change that an adaptive window found in the champion's error or in the score.

    Means of ``error`` are log loss (nats a label), of ``score`` a probability of default;
    ``observations`` were in the window.
    """

    signal: Literal["error", "score"]
    found_at: int
    direction: Literal["up", "down"]
    before: float
    after: float
    observations: int


class LabelCount(Struct, kw_only=True, frozen=True, gc=False):
    """Outcomes that came so far, by what they were; ``bad`` is the class they are learnt as."""

    outcome: str
    bad: bool
    labels: int


class CalibrationBin(Struct, kw_only=True, frozen=True, gc=False):
    """Labels of like forecasts of the champion: the mean forecast, and the share that defaulted."""

    labels: int
    predicted: float
    observed: float


class PublishedVersion(Struct, kw_only=True, frozen=True, gc=False):
    """A version that was published, and what it was promoted for.

    ``challenger`` is who became it. ``compared`` labels gave its ``log_loss`` and ``roc_auc``,
    those of the champion before it, and the ``roc_auc`` of the best naive floor; ``labels`` and
    ``defaults`` it has learnt in all. Event times of the first and last label learnt are 0 where
    there is none.
    """

    version: str
    kind: str
    parent: str | None
    challenger: str
    published_at: int
    trained_from: int
    trained_until: int
    labels: int
    defaults: int
    compared: int
    log_loss: float | None
    champion_log_loss: float | None
    roc_auc: float | None
    champion_roc_auc: float | None
    best_floor: str
    best_floor_roc_auc: float | None


class LearnerReport(Struct, kw_only=True, frozen=True, gc=False):
    """The learner as of an event time; ``number`` counts its reports from 1.

    ``pause`` is why nothing is promoted now (null: something may be), ``pause_labels`` how many
    labels more it lasts where that is fixed. ``alarms`` and ``versions`` are the latest, oldest
    first; a version is in the report of the moment of its publication.
    """

    schema: Literal["tideline.learner-report/1"]
    number: int
    as_of: int
    champion: str
    champion_since: int | None
    pause: Literal["labels_held", "error_rose", "score_moves", "inputs_move"] | None
    pause_labels: int
    labels_learnt: int
    labels_ripening: int
    labels_held: int
    held_since: int | None
    labels_given_up: int
    outcomes_without_history: int
    last_label_at: int | None
    last_due_at: int | None
    standings: list[ModelStanding]
    drift: list[VariableDrift]
    alarms: list[DriftAlarm]
    label_counts: list[LabelCount]
    calibration: list[CalibrationBin]
    versions: list[PublishedVersion]

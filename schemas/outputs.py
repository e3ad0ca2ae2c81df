"""What Tideline says: assessments, alerts, limit changes and dead letters.

Field names are a contract with the lending core, the desk and ClickHouse. Times are epoch
milliseconds (UTC), money is integer minor units and ends in ``_minor``, ratios are 0-1. Fields may
be added with defaults, never renamed or retyped. ``rules_version`` is the rule file in force, empty
in records from before there were any, as is ``anomaly_version``.
"""

from typing import Literal

from msgspec import Struct, field

Band = Literal["A", "B", "C", "D", "E", "insufficient_history"]
Severity = Literal["info", "warning", "critical"]
AlertState = Literal["open", "assigned", "acknowledged", "snoozed", "closed"]
Outcome = Literal[
    "defaulted",
    "settled",
    "late_30",
    "verdict_confirmed",
    "verdict_false_alarm",
    "verdict_cured",
    "verdict_defaulted",
]
LimitAction = Literal[
    "open",
    "increase",
    "decrease",
    "freeze",
    "release",
    "override",
    "close",
    "decline",
    "rollback",
]
"""``decline`` answers an application that opens nothing; ``rollback`` undoes what the lending core
did not book."""
LimitState = Literal["proposed", "sent", "withdrawn"]


class Reason(Struct, kw_only=True, frozen=True, gc=False):
    """One ranked reason in the merchant's own numbers.

    ``value`` and ``usual`` are in the unit of ``feature`` (see ``tideline features``);
    ``contribution`` is signed, positive = towards higher risk, in log-odds of the probability of
    default for model reasons and 0 for rules. ``peer_percentile`` is the share (0-1) of the
    merchants of its segment whose value is lower, where the catalogue has it.
    """

    code: str
    text: str
    feature: str
    value: float | None = None
    usual: float | None = None
    contribution: float = 0.0
    peer_percentile: float | None = None


class Assessment(Struct, kw_only=True, frozen=True, gc=False):
    """The risk of one merchant at one event time.

    ``features`` is the vector (name -> value, see ``tideline features``); one that is not available
    is left out, or null in records of 0.1. ``trigger`` is why the assessment was made, ``causes``
    the event ids at hand. ``anomaly_score`` is a quantile: 0.95 is more unusual than 95 % of the
    assessments of its segment, by the models of ``anomaly_version``. By ``robust-distance-1``,
    which speaks until those have warmed up, it is a rank without that meaning. ``unusual`` names
    the features that make it so high, from 0.99 on.

    ``outcome`` is a label that the log gave at this moment: a loan defaulted, was settled or is 30
    days past due for the first time (``late_30``), or the desk closed an alert with a verdict.
    ``outcome_of`` names the loan or the alert, null where the log does not.
    """

    assessment_id: str
    merchant_id: str
    as_of: int
    segment: str
    trigger: str
    probability_of_default: float | None
    horizon_days: int
    anomaly_score: float | None
    band: Band
    exposure_minor: int
    currency: str
    reasons: list[Reason]
    features: dict[str, float | None]
    causes: list[str]
    model_version: str
    policy_version: str
    feature_version: str
    outcome: Outcome | None = None
    rules_version: str = ""
    outcome_of: str | None = None
    anomaly_version: str = ""
    unusual: list[str] = field(default_factory=list)


class Alert(Struct, kw_only=True, frozen=True, gc=False):
    """One state of an episode: at most one is open per merchant and kind.

    Each record is the whole episode as of ``updated_at``; ``version`` counts its states from 1, and
    the latest version wins. ``outcome`` is set when ``state`` is ``closed``.

    ``acknowledge_by`` and ``close_by`` are the deadlines that the policy sets by severity, from the
    opening (null in records of before there were any); ``acknowledged_at`` is when somebody first
    acknowledged or snoozed it. ``reopened`` counts how often it opened again after it was cured.
    ``probability_of_default`` is that of the latest assessment, null without enough history, and
    ``headroom_minor`` what could still be drawn on the merchant's lines in ``currency``. ``note``
    says why, where a person or a bound of the policy made the state.
    """

    alert_id: str
    merchant_id: str
    segment: str
    kind: str
    severity: Severity
    opened_at: int
    updated_at: int
    state: AlertState
    version: int
    exposure_minor: int
    currency: str
    reasons: list[Reason]
    evidence: list[str]
    evidence_count: int
    model_version: str
    policy_version: str
    feature_version: str
    assignee: str | None = None
    actor: str | None = None
    snoozed_until: int | None = None
    outcome: str | None = None
    rules_version: str = ""
    acknowledge_by: int | None = None
    close_by: int | None = None
    acknowledged_at: int | None = None
    reopened: int = 0
    probability_of_default: float | None = None
    headroom_minor: int = 0
    note: str | None = None


class FunderShare(Struct, kw_only=True, frozen=True, gc=False):
    """Part of a line that one funder carries; shares of a line sum to its limit."""

    funder: str
    limit_minor: int


class LimitChange(Struct, kw_only=True, frozen=True, gc=False):
    """One change of one credit line.

    ``decision_id`` is stable under retry and replay; ``version`` counts the line's changes from 1
    without gaps, whatever their ``state``. Only ``sent`` moves the limit. A ``proposed`` change
    waits for people (``approval`` is ``required``): the next version sends it (``granted``) or is
    ``withdrawn``, which leaves the limit where it was. ``region`` is that of the profile.
    """

    decision_id: str
    line_id: str
    merchant_id: str
    segment: str
    product: str
    version: int
    action: LimitAction
    previous_limit_minor: int
    new_limit_minor: int
    drawn_minor: int
    currency: str
    decided_at: int
    effective_at: int
    expires_at: int | None
    reasons: list[Reason]
    causes: list[str]
    approval: Literal["automatic", "required", "granted", "manual"]
    funders: list[FunderShare]
    model_version: str
    policy_version: str
    feature_version: str
    actor: str | None = None
    rules_version: str = ""
    state: LimitState = "sent"
    region: str | None = None


class BudgetRequest(Struct, kw_only=True, frozen=True, gc=False):
    """What scoring of one partition tells the treasury, which answers with ``budget.leased``.

    Without a ``budget_id``: the UTC ``day`` (its number, of event time) begins here under the
    policy of that version. With one: so much was granted and spent of it so far, and a move of
    ``wanted_minor`` waits for it (0: it is half spent). ``day`` is null for headroom that stands.
    """

    partition: int
    as_of: int
    policy_version: str
    day: int | None = None
    budget_id: str = ""
    granted_minor: int = 0
    spent_minor: int = 0
    wanted_minor: int = 0


class Header(Struct, kw_only=True, frozen=True, gc=False):
    """A Kafka header of a dead letter; the value is base64."""

    name: str
    value: str | None


class DeadLetter(Struct, kw_only=True, frozen=True, gc=False):
    """Input that could not be taken, with its original bytes.

    ``key`` and ``value`` are base64 of the bytes as they came (null where Kafka had none);
    ``line`` is the line within a record of NDJSON, else null. In a replay ``topic`` is the file
    and ``offset`` the line number, from 1.
    """

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: str | None
    headers: list[Header] = field(default_factory=list)
    line: int | None = None

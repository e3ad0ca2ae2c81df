"""What the API answers. Times are epoch milliseconds (UTC), money is integer minor units of the
``currency`` beside it, ratios are 0-1. Fields may be added, never renamed or retyped.

Alerts, assessments, limit changes and audit entries are the records of Kafka (``schemas``).
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from schemas.audit import AuditEntry
from schemas.outputs import Alert, Assessment, LimitChange


class _Answer(Struct, kw_only=True, frozen=True):
    """Base of all answers."""


class _Page(_Answer, kw_only=True, frozen=True):
    """Base of one page of a list."""

    next_cursor: Annotated[
        str | None, Meta(description="`cursor` of the next page; null on the last one.")
    ]


class AlertPage(_Page, kw_only=True, frozen=True):
    """Latest states of alerts, the latest opened first."""

    items: list[Alert]


class AlertHistory(_Answer, kw_only=True, frozen=True):
    """An alert: its latest state, and all its states so far, the first first."""

    alert: Alert
    transitions: list[Alert]


class Merchant(_Answer, kw_only=True, frozen=True):
    """A merchant at its latest assessment."""

    merchant_id: str
    segment: str
    currency: str
    as_of: int
    exposure_minor: int
    probability_of_default: float | None
    anomaly_score: float | None
    band: str


class MerchantPage(_Page, kw_only=True, frozen=True):
    """Merchants by their id."""

    items: list[Merchant]


class Line(_Answer, kw_only=True, frozen=True):
    """A credit line as its latest change left it; ``drawn_minor`` is as of that change."""

    line_id: str
    product: str
    region: str
    version: int
    action: str
    limit_minor: int
    drawn_minor: int
    currency: str
    decided_at: int
    expires_at: int | None


class MerchantDetail(_Answer, kw_only=True, frozen=True):
    """A merchant: its latest assessment (null before the first), its lines, its open alerts."""

    merchant_id: str
    assessment: Assessment | None
    lines: list[Line]
    alerts: list[Alert]


class AssessmentPage(_Page, kw_only=True, frozen=True):
    """Assessments of a merchant, the latest first."""

    items: list[Assessment]


class LimitChangePage(_Page, kw_only=True, frozen=True):
    """Limit changes, the latest decided first."""

    items: list[LimitChange]


class Day(_Answer, kw_only=True, frozen=True):
    """One day (UTC, of event time) of a merchant in sums of one currency.

    ``currency`` is empty for what has no amount. A repayment is late on a day after its due day.
    """

    day: Annotated[str, Meta(description="ISO 8601 date.")]
    currency: str
    orders: int
    orders_minor: int
    refunds: int
    refunds_minor: int
    disputes: int
    shipments: int
    deliveries: int
    inflow_minor: int
    outflow_minor: int
    disbursed_minor: int
    due_minor: int
    repaid_minor: int
    late_repayments: int
    defaults: int


class Series(_Page, kw_only=True, frozen=True):
    """Days of a merchant, the latest first. Days without events are left out."""

    items: list[Day]


class Event(_Answer, kw_only=True, frozen=True):
    """A line of the log. A field that the event has not is empty or null.

    ``body`` is the line as it stands in ``risk.events``. Values in it that may be personal data
    are masked, the keys stay.
    """

    event_id: str
    type: str
    occurred_at: int
    amount_minor: int | None
    currency: str
    order_id: str
    loan_id: str
    line_id: str
    due_at: int | None
    actor: str
    alert_id: str
    decision_id: str
    body: dict[str, Any]


class EventPage(_Page, kw_only=True, frozen=True):
    """Events of a merchant, the latest first.

    ``masked`` is false for a session that was shown this merchant's data for a stated reason at
    the desk; a token never is.
    """

    items: list[Event]
    masked: bool


class Exposure(_Answer, kw_only=True, frozen=True):
    """Exposure of the merchants of one segment or band in one currency.

    ``expected_loss_minor`` is PD x LGD x exposure (Basel Framework, CRE35.2) with an LGD of 0.65,
    over the horizon of the probability; merchants without a probability (``merchants`` less
    ``rated``) count in exposure alone.
    """

    name: str
    currency: str
    merchants: int
    rated: int
    exposure_minor: int
    expected_loss_minor: float


class Limits(_Answer, kw_only=True, frozen=True):
    """Limits of the lines of one product, or parts of lines that one funder carries."""

    name: str
    currency: str
    lines: int
    limit_minor: int
    drawn_minor: float


class Portfolio(_Answer, kw_only=True, frozen=True):
    """What is lent, granted and expected to be lost; amounts are never added over currencies.

    ``as_of`` is the event time of the latest assessment, null before the first. Each list has its
    largest 500.
    """

    as_of: int | None
    segments: list[Exposure]
    bands: list[Exposure]
    products: list[Limits]
    funders: list[Limits]


class InForce(_Answer, kw_only=True, frozen=True):
    """A version in force from ``activated_at`` until ``until`` (event time; null: it still is)."""

    artifact: str
    version: str
    digest: str
    activated_at: int
    until: int | None
    event_id: str


class ModelVersion(_Answer, kw_only=True, frozen=True):
    """A version that the learner published, and what it was promoted on."""

    version: str
    kind: str
    parent: str | None
    challenger: str
    published_at: int
    labels: int
    defaults: int
    compared: int
    log_loss: float | None
    champion_log_loss: float | None
    roc_auc: float | None
    best_floor: str
    best_floor_roc_auc: float | None


class Models(_Answer, kw_only=True, frozen=True):
    """Versions published and versions in force, the latest first."""

    in_force: list[InForce]
    published: list[ModelVersion]


class Policies(_Answer, kw_only=True, frozen=True):
    """Policies and rule files in force so far, the latest first.

    What ships with Tideline is in force before the first of its ``artifact``.
    """

    items: list[InForce]


class AuditPage(_Page, kw_only=True, frozen=True):
    """What was done and looked at, the latest first."""

    items: list[AuditEntry]


class Health(_Answer, kw_only=True, frozen=True):
    """How fresh the store is. ``now`` is the desk's clock.

    ``event_time`` is that of the latest assessment, ``stored_at`` the Kafka time of the latest
    output stored, ``behind_ms`` how long ago that was; each is null while nothing is stored.
    """

    now: int
    event_time: int | None
    stored_at: int | None
    behind_ms: int | None


class Me(_Answer, kw_only=True, frozen=True):
    """Who asks. ``funders`` bounds the merchants that are seen to theirs; null is no bound."""

    name: str
    role: str
    funders: list[str] | None
    permissions: list[str]


class Accepted(_Answer, kw_only=True, frozen=True):
    """A command that Kafka has. It counts when the log has it; what came of it shows there.

    ``event_id`` follows from who sent it, its type and the ``Idempotency-Key``: a repeat has the
    same, and intake takes an ``event_id`` once. ``occurred_at`` is the event time of the command.
    """

    event_id: str
    type: str
    merchant_id: str
    occurred_at: int

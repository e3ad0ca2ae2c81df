"""The topic catalogue: the one place that says which topics exist and how they are kept.

Names are logical; settings may put a prefix before them. All topics share one partition count, and
every client partitions by murmur2 of the key, so that a merchant is at the same partition number
everywhere.
"""

from typing import Literal

from msgspec import Struct

DAY_MS = 86_400_000


class Topic(Struct, kw_only=True, frozen=True):
    """One topic.

    ``retention_ms`` is null for compacted topics. ``single_partition`` topics hold what every
    reader needs whole (models, policies). ``internal`` topics are Tideline's own state.
    """

    name: str
    key: str
    value: str
    types: tuple[str, ...] = ()
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int | None = 7 * DAY_MS
    single_partition: bool = False
    internal: bool = False
    description: str = ""


TRANSACTIONS = "merchant.transactions"
LOGISTICS = "merchant.logistics"
PAYMENTS = "merchant.payments"
SIGNALS = "merchant.signals"
PROFILES = "merchant.profiles"
LENDING = "lending.events"
COMMANDS = "desk.commands"
CONTROL = "risk.control"
EVENTS = "risk.events"
ASSESSMENTS = "risk.assessments"
ALERTS = "risk.alerts"
LIMIT_CHANGES = "risk.limit-changes"
MODELS = "risk.models"
POLICIES = "risk.policies"
DEAD_LETTERS = "risk.dead-letters"
CHECKPOINTS = "risk.checkpoints"
LEARNER_STATE = "risk.learner-state"
LEARNER_REPORTS = "risk.learner-reports"
CORE_BOOK = "lending.core-book"
BUDGET_REQUESTS = "risk.budget-requests"
TREASURY_STATE = "risk.treasury-state"
SHADOW_CHANGES = "risk.shadow-changes"
SHADOW_CHECKPOINTS = "risk.shadow-checkpoints"
DESK_AUDIT = "desk.audit"

INPUT_TOPICS: tuple[str, ...] = (
    TRANSACTIONS,
    LOGISTICS,
    PAYMENTS,
    SIGNALS,
    PROFILES,
    LENDING,
    COMMANDS,
    CONTROL,
)
"""What intake reads."""

OUTPUT_TOPICS: tuple[str, ...] = (
    ASSESSMENTS,
    ALERTS,
    LIMIT_CHANGES,
    DEAD_LETTERS,
    LEARNER_REPORTS,
    DESK_AUDIT,
)
"""Topics whose records are one output each; sinks store each as one row."""

STORED_TOPICS: tuple[str, ...] = (EVENTS, *OUTPUT_TOPICS)
"""What sinks store: the outputs, and the log line by line."""

YEAR_MS = 365 * DAY_MS


def _input(name: str, description: str, **more: object) -> Topic:
    # The import is here because events.py names topics too; both stay readable on their own.
    from schemas.events import EVENT_TYPES, tag_of

    types = tuple(tag_of(t) for t in EVENT_TYPES if t.topic == name and tag_of(t) != "clock.tick")
    return Topic(
        name=name,
        key="merchant_id",
        value="Event",
        types=types,
        description=description,
        **more,  # type: ignore[arg-type]
    )


CATALOGUE: tuple[Topic, ...] = (
    _input(TRANSACTIONS, "orders and reviews"),
    _input(LOGISTICS, "parcels"),
    _input(PAYMENTS, "settlements, accounts, utilities"),
    _input(SIGNALS, "invoices, bills, tax, court, register, bureau, sensors"),
    _input(
        PROFILES,
        "who the merchant is, applications and consent",
        cleanup="compact",
        retention_ms=None,
    ),
    _input(LENDING, "loans, repayments and answers of the lending core", retention_ms=YEAR_MS),
    _input(COMMANDS, "what people at the desk asked for", retention_ms=YEAR_MS),
    _input(CONTROL, "activations that concern every partition", retention_ms=YEAR_MS),
    Topic(
        name=EVENTS,
        key="none (one micro-batch of a partition)",
        value="NDJSON of Event",
        retention_ms=90 * DAY_MS,
        description="the one ordered log of every partition; replay of it gives every decision",
    ),
    Topic(
        name=ASSESSMENTS,
        key="merchant_id",
        value="Assessment",
        retention_ms=90 * DAY_MS,
        description="risk of a merchant at an event time",
    ),
    Topic(
        name=ALERTS,
        key="merchant_id",
        value="Alert",
        retention_ms=90 * DAY_MS,
        description="states of early-warning episodes",
    ),
    Topic(
        name=LIMIT_CHANGES,
        key="merchant_id",
        value="LimitChange",
        retention_ms=YEAR_MS,
        description="changes of credit lines, exactly once, versions without gaps",
    ),
    Topic(
        name=MODELS,
        key="version",
        value="Model",
        cleanup="compact",
        retention_ms=None,
        single_partition=True,
        description="immutable model versions, each in a signed envelope",
    ),
    Topic(
        name=POLICIES,
        key="version",
        value="Policy (YAML)",
        cleanup="compact",
        retention_ms=None,
        single_partition=True,
        description="immutable policy versions",
    ),
    Topic(
        name=DEAD_LETTERS,
        key="source key",
        value="DeadLetter",
        retention_ms=30 * DAY_MS,
        description="input that could not be taken, with its original bytes",
    ),
    Topic(
        name=LEARNER_REPORTS,
        key="none (one learner)",
        value="LearnerReport",
        retention_ms=YEAR_MS,
        single_partition=True,
        description="the learner of itself: standings, drift, labels, versions published",
    ),
    Topic(
        name=CHECKPOINTS,
        key="partition/slot/page",
        value="page (binary)",
        cleanup="compact",
        retention_ms=None,
        internal=True,
        description="state of scoring",
    ),
    Topic(
        name=LEARNER_STATE,
        key="kind/id",
        value="msgpack",
        cleanup="compact",
        retention_ms=None,
        single_partition=True,
        internal=True,
        description="state of the learner",
    ),
    Topic(
        name=BUDGET_REQUESTS,
        key="none (one treasury)",
        value="BudgetRequest",
        retention_ms=90 * DAY_MS,
        single_partition=True,
        internal=True,
        description="what partitions need of budgets that span them",
    ),
    Topic(
        name=TREASURY_STATE,
        key="UTC day",
        value="msgpack",
        cleanup="compact",
        retention_ms=None,
        single_partition=True,
        internal=True,
        description="state of the treasury",
    ),
    Topic(
        name=SHADOW_CHANGES,
        key="merchant_id",
        value="LimitChange",
        retention_ms=90 * DAY_MS,
        description="what challenger policies would do, by policy_version; nothing obeys it",
    ),
    Topic(
        name=SHADOW_CHECKPOINTS,
        key="policy/partition/slot/page",
        value="page (binary)",
        cleanup="compact",
        retention_ms=None,
        internal=True,
        description="state of challenger policies",
    ),
    Topic(
        name=CORE_BOOK,
        key="line_id",
        value="BookLine",
        cleanup="compact",
        retention_ms=None,
        internal=True,
        description="book of the sample lending core",
    ),
    Topic(
        name=DESK_AUDIT,
        key="actor",
        value="AuditEntry",
        retention_ms=YEAR_MS,
        description="who did what at the desk, and looked at what",
    ),
)

BY_NAME: dict[str, Topic] = {t.name: t for t in CATALOGUE}
"""Topic by logical name."""

"""Every event that Tideline takes in, as typed structs tagged by ``type``.

Times are epoch milliseconds (UTC), money is integer minor units of ``currency`` (ISO 4217), ratios
are 0-1. Unknown fields are allowed: intake keeps them in the log. Evolution follows msgspec's
rules: a new field has a default, a type never changes, a tag is never used again for something
else.
"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

GLOBAL_MERCHANT = "*"
"""``merchant_id`` of commands and controls that concern no single merchant."""

Id = Annotated[str, Meta(min_length=1, max_length=128)]
ShortText = Annotated[str, Meta(max_length=256)]
LongText = Annotated[str, Meta(max_length=2000)]
Minor = Annotated[int, Meta(ge=0, le=10**15)]
CurrencyCode = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
TimestampMs = Annotated[int, Meta(ge=0, le=2**53)]


class Event(Struct, kw_only=True, frozen=True, tag_field="type"):
    """What all events have: identity, merchant and the time at which it happened."""

    topic: ClassVar[str] = ""

    event_id: Id
    merchant_id: Id
    occurred_at: TimestampMs


class Money(Event, kw_only=True, frozen=True):
    """An event that always carries an amount."""

    amount: Minor
    currency: CurrencyCode


class MaybeMoney(Event, kw_only=True, frozen=True):
    """An event that may carry an amount; an amount without a currency is refused by the codec."""

    amount: Minor | None = None
    currency: CurrencyCode | None = None


# --- merchant.transactions ---------------------------------------------------------------------


class OrderPaid(Money, kw_only=True, frozen=True, tag="order.paid"):
    """A customer paid an order."""

    topic: ClassVar[str] = "merchant.transactions"
    order_id: Id | None = None
    counterparty_id: Id | None = None
    promised_at: TimestampMs | None = None
    channel: ShortText | None = None


class OrderCancelled(MaybeMoney, kw_only=True, frozen=True, tag="order.cancelled"):
    """A paid order was cancelled; amends the day of ``ordered_at`` where given."""

    topic: ClassVar[str] = "merchant.transactions"
    order_id: Id | None = None
    counterparty_id: Id | None = None
    ordered_at: TimestampMs | None = None


class OrderRefunded(Money, kw_only=True, frozen=True, tag="order.refunded"):
    """Money went back to the customer, wholly or in part."""

    topic: ClassVar[str] = "merchant.transactions"
    order_id: Id | None = None
    counterparty_id: Id | None = None
    ordered_at: TimestampMs | None = None


class OrderDisputed(MaybeMoney, kw_only=True, frozen=True, tag="order.disputed"):
    """A customer or a card scheme disputes an order (chargeback, fraud claim)."""

    topic: ClassVar[str] = "merchant.transactions"
    order_id: Id | None = None
    counterparty_id: Id | None = None
    ordered_at: TimestampMs | None = None


class ReviewPosted(Event, kw_only=True, frozen=True, tag="review.posted"):
    """A customer's review, one to five stars."""

    topic: ClassVar[str] = "merchant.transactions"
    rating: Annotated[float, Meta(ge=0, le=5)] | None = None
    order_id: Id | None = None
    counterparty_id: Id | None = None
    ordered_at: TimestampMs | None = None


# --- merchant.logistics ------------------------------------------------------------------------


class Shipment(MaybeMoney, kw_only=True, frozen=True):
    """What all parcels have. ``promised_at`` is the delivery time promised to the customer."""

    topic: ClassVar[str] = "merchant.logistics"
    order_id: Id | None = None
    shipment_id: Id | None = None
    carrier_id: Id | None = None
    counterparty_id: Id | None = None
    ordered_at: TimestampMs | None = None
    promised_at: TimestampMs | None = None


class ShipmentDispatched(Shipment, kw_only=True, frozen=True, tag="shipment.dispatched"):
    """A parcel left the merchant."""


class ShipmentDelivered(Shipment, kw_only=True, frozen=True, tag="shipment.delivered"):
    """A parcel reached its customer."""


class ShipmentReturned(Shipment, kw_only=True, frozen=True, tag="shipment.returned"):
    """A parcel came back."""


class ShipmentLost(Shipment, kw_only=True, frozen=True, tag="shipment.lost"):
    """The carrier gave a parcel up."""


# --- merchant.payments -------------------------------------------------------------------------


class SettlementReceived(Money, kw_only=True, frozen=True, tag="settlement.received"):
    """A platform, acquirer or buyer paid the merchant for its sales."""

    topic: ClassVar[str] = "merchant.payments"
    order_id: Id | None = None
    counterparty_id: Id | None = None
    ordered_at: TimestampMs | None = None
    due_at: TimestampMs | None = None


class AccountCredited(Money, kw_only=True, frozen=True, tag="account.credited"):
    """Money came into the merchant's account."""

    topic: ClassVar[str] = "merchant.payments"
    counterparty_id: Id | None = None
    balance_minor: int | None = None


class AccountDebited(Money, kw_only=True, frozen=True, tag="account.debited"):
    """Money left the merchant's account."""

    topic: ClassVar[str] = "merchant.payments"
    counterparty_id: Id | None = None
    balance_minor: int | None = None


class UtilityPaid(Money, kw_only=True, frozen=True, tag="utility.paid"):
    """A power, water, gas, rent or telephone bill was paid."""

    topic: ClassVar[str] = "merchant.payments"
    counterparty_id: Id | None = None
    due_at: TimestampMs | None = None


class PaymentFailed(MaybeMoney, kw_only=True, frozen=True, tag="payment.failed"):
    """A payment by the merchant bounced."""

    topic: ClassVar[str] = "merchant.payments"
    counterparty_id: Id | None = None
    due_at: TimestampMs | None = None
    reason: ShortText | None = None


# --- merchant.signals --------------------------------------------------------------------------


class Invoice(Money, kw_only=True, frozen=True):
    """What all invoices have; ``amount`` is the total with tax."""

    topic: ClassVar[str] = "merchant.signals"
    invoice_id: Id | None = None
    counterparty_id: Id | None = None
    tax_minor: int | None = None
    due_at: TimestampMs | None = None


class InvoiceIssued(Invoice, kw_only=True, frozen=True, tag="invoice.issued"):
    """A sale was invoiced by the merchant."""


class InvoiceReceived(Invoice, kw_only=True, frozen=True, tag="invoice.received"):
    """A purchase was invoiced to the merchant."""


class InvoiceVoided(Invoice, kw_only=True, frozen=True, tag="invoice.voided"):
    """An invoice was voided, or reversed by a negative ("red-letter") invoice.

    ``amount`` is the absolute amount taken back, ``issued_at`` the day of the original if known.
    """

    side: Literal["issued", "received"] = "issued"
    reversal: bool = False
    issued_at: TimestampMs | None = None


class Bill(Money, kw_only=True, frozen=True):
    """What all bills of exchange have; ``counterparty_id`` is the acceptor."""

    topic: ClassVar[str] = "merchant.signals"
    bill_id: Id | None = None
    counterparty_id: Id | None = None
    due_at: TimestampMs | None = None


class BillAccepted(Bill, kw_only=True, frozen=True, tag="bill.accepted"):
    """An acceptor promised to pay a bill at ``due_at``."""


class BillSettled(Bill, kw_only=True, frozen=True, tag="bill.settled"):
    """An accepted bill was paid."""


class BillDishonoured(Bill, kw_only=True, frozen=True, tag="bill.dishonoured"):
    """An accepted bill was not paid when due."""


class TaxFiled(Money, kw_only=True, frozen=True, tag="tax.filed"):
    """A tax return; ``amount`` is the tax, ``declared_turnover_minor`` what was declared."""

    topic: ClassVar[str] = "merchant.signals"
    declared_turnover_minor: Minor | None = None
    period_start_at: TimestampMs | None = None
    period_end_at: TimestampMs | None = None


class CourtCase(MaybeMoney, kw_only=True, frozen=True, tag="court.case"):
    """A court case that names the merchant."""

    topic: ClassVar[str] = "merchant.signals"
    case_id: Id | None = None
    role: Literal["defendant", "plaintiff", "third_party"] = "defendant"
    status: ShortText | None = None


class RegistrationChanged(Event, kw_only=True, frozen=True, tag="registration.changed"):
    """The business register changed (owner, address, capital, licence, payout account)."""

    topic: ClassVar[str] = "merchant.signals"
    field: ShortText | None = None
    old: ShortText | None = None
    new: ShortText | None = None


class BureauScored(Event, kw_only=True, frozen=True, tag="bureau.scored"):
    """A credit bureau's answer."""

    topic: ClassVar[str] = "merchant.signals"
    score: Annotated[float, Meta(ge=-(10**6), le=10**6)] | None = None
    other_debt_minor: Minor | None = None
    currency: CurrencyCode | None = None


class SensorReading(Event, kw_only=True, frozen=True, tag="sensor.reading"):
    """Activity of a financed machine."""

    topic: ClassVar[str] = "merchant.signals"
    sensor_id: Id | None = None
    reading: Annotated[float, Meta(ge=-(10**15), le=10**15)] | None = None
    unit: ShortText | None = None


# --- merchant.profiles -------------------------------------------------------------------------


class Profile(Event, kw_only=True, frozen=True):
    """What is known of a merchant. ``segment`` is the peer group."""

    topic: ClassVar[str] = "merchant.profiles"
    segment: ShortText | None = None
    region: ShortText | None = None
    currency: CurrencyCode | None = None
    name: ShortText | None = None
    opened_at: TimestampMs | None = None


class MerchantRegistered(Profile, kw_only=True, frozen=True, tag="merchant.registered"):
    """A merchant joined."""


class MerchantUpdated(Profile, kw_only=True, frozen=True, tag="merchant.updated"):
    """A merchant's profile changed; absent fields stay."""


class CreditApplied(Money, kw_only=True, frozen=True, tag="credit.applied"):
    """The merchant asks for a line of ``amount``."""

    topic: ClassVar[str] = "merchant.profiles"
    product: ShortText | None = None
    channel: ShortText | None = None
    consent: bool = True


class ConsentChanged(Event, kw_only=True, frozen=True, tag="consent.changed"):
    """The merchant gave or withdrew consent to the use of its data or to increases."""

    topic: ClassVar[str] = "merchant.profiles"
    granted: bool
    scope: ShortText | None = None


# --- lending.events ----------------------------------------------------------------------------


class Lending(MaybeMoney, kw_only=True, frozen=True):
    """What all lending-core events have."""

    topic: ClassVar[str] = "lending.events"
    loan_id: Id | None = None
    line_id: Id | None = None
    due_at: TimestampMs | None = None


class LoanDisbursed(Lending, kw_only=True, frozen=True, tag="loan.disbursed"):
    """Money was drawn under a line or a loan."""

    amount: Minor
    currency: CurrencyCode
    product: ShortText | None = None


class RepaymentDue(Lending, kw_only=True, frozen=True, tag="repayment.due"):
    """An instalment fell due (at ``due_at``, or at ``occurred_at`` where that is absent)."""


class RepaymentReceived(Lending, kw_only=True, frozen=True, tag="repayment.received"):
    """The merchant repaid; ``due_at`` names the instalment that it settles."""

    amount: Minor
    currency: CurrencyCode


class LoanDefaulted(Lending, kw_only=True, frozen=True, tag="loan.defaulted"):
    """The lender declared a default: the negative outcome."""


class LoanSettled(Lending, kw_only=True, frozen=True, tag="loan.settled"):
    """A loan was repaid in full: the positive outcome."""


class LimitAnswer(Event, kw_only=True, frozen=True):
    """The lending core's answer to a limit change."""

    topic: ClassVar[str] = "lending.events"
    decision_id: Id
    line_id: Id | None = None
    version: Annotated[int, Meta(ge=1)] | None = None
    reason: ShortText | None = None


class LimitAcknowledged(LimitAnswer, kw_only=True, frozen=True, tag="limit.acknowledged"):
    """The limit change is booked."""


class LimitRejected(LimitAnswer, kw_only=True, frozen=True, tag="limit.rejected"):
    """The limit change was refused; ``reason`` says why."""


# --- desk.commands -----------------------------------------------------------------------------


class Command(Event, kw_only=True, frozen=True):
    """What a person at the desk asked for: who, and why."""

    topic: ClassVar[str] = "desk.commands"
    actor: Id
    reason: LongText | None = None


class AlertAssign(Command, kw_only=True, frozen=True, tag="alert.assign"):
    """Give an alert to somebody."""

    alert_id: Id
    assignee: Id


class AlertAcknowledge(Command, kw_only=True, frozen=True, tag="alert.acknowledge"):
    """Say that an alert was seen."""

    alert_id: Id


class AlertSnooze(Command, kw_only=True, frozen=True, tag="alert.snooze"):
    """Hide an alert until ``until_at``."""

    alert_id: Id
    until_at: TimestampMs


class AlertClose(Command, kw_only=True, frozen=True, tag="alert.close"):
    """Close an alert with its outcome, which is a label."""

    alert_id: Id
    outcome: Literal["confirmed", "false_alarm", "cured", "defaulted"]


class LimitApprove(Command, kw_only=True, frozen=True, tag="limit.approve"):
    """Approve a proposed limit change."""

    decision_id: Id


class LimitReject(Command, kw_only=True, frozen=True, tag="limit.reject"):
    """Turn a proposed limit change down."""

    decision_id: Id


class LimitOverride(Command, kw_only=True, frozen=True, tag="limit.override"):
    """Set a limit by hand, until ``expires_at``."""

    amount: Minor
    currency: CurrencyCode
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    line_id: Id | None = None
    expires_at: TimestampMs | None = None


class MerchantFreeze(Command, kw_only=True, frozen=True, tag="merchant.freeze"):
    """Stop all drawing by a merchant."""

    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class MerchantRelease(Command, kw_only=True, frozen=True, tag="merchant.release"):
    """End a freeze."""


class PolicyPublish(Command, kw_only=True, frozen=True, tag="policy.publish"):
    """Put a credit policy or a rule file in force; ``document`` is its YAML text.

    A rule file is told by its key ``rules``.
    """

    document: Annotated[str, Meta(min_length=1, max_length=200_000)]


class ModelRollback(Command, kw_only=True, frozen=True, tag="model.rollback"):
    """Put an earlier model version in force again."""

    version: Id
    digest: Id | None = None


class AutomationPause(Command, kw_only=True, frozen=True, tag="automation.pause"):
    """Kill switch: no automatic limit change until resumed."""


class AutomationResume(Command, kw_only=True, frozen=True, tag="automation.resume"):
    """End a pause."""


class CohortAlerted(Command, kw_only=True, frozen=True, tag="cohort.alerted"):
    """A monitor found that a cohort's merchants fall together; ``actor`` is the monitor.

    ``merchant_id`` is ``cohort:DIMENSION:NAME``. Of ``members`` merchants ``struck`` had a new
    alert, where ``expected`` would be usual; ``evidence`` are the latest of those alerts' ids, with
    blanks between.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    members: Annotated[int, Meta(ge=1, le=10**9)]
    struck: Annotated[int, Meta(ge=0, le=10**9)]
    expected: Annotated[float, Meta(ge=0, le=1e9)]
    evidence: LongText | None = None


class CohortCalmed(Command, kw_only=True, frozen=True, tag="cohort.calmed"):
    """What was said of a cohort no longer holds: its alert closes."""


# --- risk.control and the log's own lines ------------------------------------------------------


class Control(Event, kw_only=True, frozen=True):
    """A line that Tideline itself writes into the log."""

    topic: ClassVar[str] = "risk.control"


class ModelActivated(Control, kw_only=True, frozen=True, tag="model.activated"):
    """From here on, assessments use this version of a model (its bytes have this digest).

    ``artifact`` says which: the default-risk model, or the anomaly models.
    """

    version: Id
    digest: Id
    artifact: Literal["model", "anomaly"] = "model"


class PolicyActivated(Control, kw_only=True, frozen=True, tag="policy.activated"):
    """From here on, decisions use this version of the policy or of the rules, by its digest."""

    version: Id
    digest: Id
    artifact: Literal["policy", "rules"] = "policy"


class BudgetLeased(Control, kw_only=True, frozen=True, tag="budget.leased"):
    """From here on, scoring of ``partition`` may spend so much more of a budget.

    ``budget_id`` is as in ``credit.guardrails``; ``day`` the UTC day (number of event time) for
    which it holds, absent for headroom that stands until it is spent.
    """

    budget_id: Annotated[str, Meta(min_length=1, max_length=192)]
    partition: Annotated[int, Meta(ge=0, le=1_000_000)]
    amount_minor: Minor
    currency: CurrencyCode
    day: Annotated[int, Meta(ge=0, le=10**6)] | None = None


class ClockTick(Control, kw_only=True, frozen=True, tag="clock.tick"):
    """Wall clock at the owner of the partition; moves the watermark only while the feed is live."""


EVENT_TYPES: tuple[type[Event], ...] = (
    OrderPaid,
    OrderCancelled,
    OrderRefunded,
    OrderDisputed,
    ReviewPosted,
    ShipmentDispatched,
    ShipmentDelivered,
    ShipmentReturned,
    ShipmentLost,
    SettlementReceived,
    AccountCredited,
    AccountDebited,
    UtilityPaid,
    PaymentFailed,
    InvoiceIssued,
    InvoiceReceived,
    InvoiceVoided,
    BillAccepted,
    BillSettled,
    BillDishonoured,
    TaxFiled,
    CourtCase,
    RegistrationChanged,
    BureauScored,
    SensorReading,
    MerchantRegistered,
    MerchantUpdated,
    CreditApplied,
    ConsentChanged,
    LoanDisbursed,
    RepaymentDue,
    RepaymentReceived,
    LoanDefaulted,
    LoanSettled,
    LimitAcknowledged,
    LimitRejected,
    AlertAssign,
    AlertAcknowledge,
    AlertSnooze,
    AlertClose,
    LimitApprove,
    LimitReject,
    LimitOverride,
    MerchantFreeze,
    MerchantRelease,
    PolicyPublish,
    ModelRollback,
    AutomationPause,
    AutomationResume,
    CohortAlerted,
    CohortCalmed,
    ModelActivated,
    PolicyActivated,
    BudgetLeased,
    ClockTick,
)


def tag_of(event_type: type[Event]) -> str:
    """The ``type`` tag of a struct."""
    tag = event_type.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


BY_TAG: dict[str, type[Event]] = {tag_of(t): t for t in EVENT_TYPES}
"""Struct by ``type`` tag."""

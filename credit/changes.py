"""From a decision to the next state of the line and the change that announces it."""

from typing import Literal

from msgspec import Struct, structs

from credit.funding import allocate, eligible
from credit.lines import Line, Proposal, decision_id_of
from credit.policy import Policy
from credit.product import Product, Steps
from credit.reasons import REASONS_MAX, money_reason, principal
from schemas.outputs import FunderShare, LimitAction, LimitChange, LimitState, Reason

DAY_MS = 86_400_000
Changed = tuple[Line, LimitChange]
Approval = Literal["automatic", "granted", "manual"]


class Case(Struct, kw_only=True, frozen=True):
    """What every decision about one line at one time has in common.

    ``name`` is the product's; ``product`` is None where the policy offers none of that name.
    ``drawn_minor`` is what is owed under the line, ``exposure_minor`` in all, ``others_minor`` what
    the merchant's other lines grant; ``as_of`` the event time (epoch milliseconds), ``causes`` the
    ids of the events at hand, ``horizon_days`` that of probabilities. ``registered`` says that the
    merchant has a profile.
    """

    policy: Policy
    name: str
    product: Product | None
    merchant_id: str
    segment: str
    drawn_minor: int
    as_of: int
    causes: list[str]
    model_version: str
    feature_version: str
    rules_version: str = ""
    region: str | None = None
    registered: bool = True
    exposure_minor: int = 0
    others_minor: int = 0
    horizon_days: int = 90

    @property
    def steps(self) -> Steps:
        """How far and how often the line moves: as its product says, else as the policy does."""
        own = None if self.product is None else self.product.steps
        return self.policy.steps if own is None else own


def change_line(
    case: Case,
    line: Line,
    action: LimitAction,
    new_limit_minor: int,
    reasons: list[Reason],
    *,
    approval: Approval = "automatic",
    actor: str | None = None,
    expires_at: int | None = None,
    **state: object,
) -> Changed:
    """The line after a change, one version on, and the change.

    ``state`` replaces further fields of the line. A limit below what is drawn says so among its
    reasons. ``expires_at`` defaults to the end of the line's term. Funders' parts are of the band
    of the line's latest decision.
    """
    if new_limit_minor < case.drawn_minor and new_limit_minor < line.limit_minor:
        reasons = [
            *principal(reasons)[: REASONS_MAX - 1],
            money_reason("limit_below_drawn", line.currency, case.drawn_minor),
        ]
    after = structs.replace(
        line,
        version=line.version + 1,
        limit_minor=new_limit_minor,
        changed_at=case.as_of,
        last_action=action,
        sent_at=case.as_of,
        sent_decision_id=_decision_id(case, line),
        core_state="sent",
        before_minor=line.limit_minor,
        **state,
    )
    after = structs.replace(after, shares=tuple(_shares(case, after)))
    return after, announce(
        case,
        line,
        after,
        action,
        reasons,
        approval=approval,
        actor=actor,
        expires_at=after.expires_at if expires_at is None else expires_at,
    )


def announce(
    case: Case,
    before: Line,
    after: Line,
    action: LimitAction,
    reasons: list[Reason],
    *,
    approval: Literal["automatic", "required", "granted", "manual"],
    actor: str | None,
    expires_at: int | None,
    state: LimitState = "sent",
) -> LimitChange:
    """The record of a change from one state of a line to the next version."""
    assert reasons, "no change without a reason"
    return LimitChange(
        decision_id=_decision_id(case, before),
        line_id=after.line_id,
        merchant_id=case.merchant_id,
        segment=case.segment,
        product=after.product,
        version=after.version,
        action=action,
        previous_limit_minor=before.limit_minor,
        new_limit_minor=after.limit_minor,
        drawn_minor=case.drawn_minor,
        currency=after.currency,
        decided_at=case.as_of,
        effective_at=case.as_of,
        expires_at=expires_at,
        reasons=principal(reasons),
        causes=list(case.causes),
        approval=approval,
        funders=[] if after.frozen_by else list(after.shares),
        model_version=case.model_version,
        policy_version=case.policy.version,
        feature_version=case.feature_version,
        actor=actor,
        rules_version=case.rules_version,
        state=state,
        region=case.region,
    )


def propose(case: Case, line: Line, wanted: Changed, approvers: int) -> Changed:
    """The change that is wanted, as a proposal: the line stays, one version on."""
    after, change = wanted
    version = line.version + 1
    pending = Proposal(
        decision_id=change.decision_id,
        action=change.action,
        limit_minor=after.limit_minor,
        reasons=change.reasons,
        approvers=approvers,
        proposed_by=change.actor,
        approved_by=(),
        ends_at=case.as_of + case.policy.approvals.timeout_days * DAY_MS,
        expires_at=change.expires_at,
        term_ends_at=after.expires_at,
        override_until=after.override_until,
        cut_at=after.cut_at,
    )
    kept = structs.replace(
        line, version=version, pending=pending, band=after.band, channel=after.channel
    )
    return kept, structs.replace(change, state="proposed", approval="required")


def withdraw(case: Case, line: Line, reasons: list[Reason], *, actor: str | None = None) -> Changed:
    """The line without its proposal, one version on; its limit stays."""
    pending = line.pending
    assert pending is not None, "nothing to withdraw"
    # A person has looked: the cool-down begins anew, or the same would be proposed at once again.
    after = structs.replace(line, version=line.version + 1, pending=None, changed_at=case.as_of)
    return after, announce(
        case,
        line,
        after,
        pending.action,
        reasons,
        approval="automatic" if actor is None else "manual",
        actor=actor,
        expires_at=line.expires_at,
        state="withdrawn",
    )


def freeze_line(
    case: Case,
    line: Line,
    by: Literal["rule", "desk"],
    reasons: list[Reason],
    *,
    actor: str | None = None,
) -> Changed:
    """Stop all drawing: the limit becomes 0, and what it was is kept for a release."""
    kept = line.limit_minor if line.frozen_by is None else line.frozen_limit_minor
    return change_line(
        case,
        line,
        "freeze",
        0,
        reasons,
        approval="automatic" if by == "rule" else "manual",
        actor=actor,
        frozen_by=by,
        frozen_limit_minor=kept,
    )


def _decision_id(case: Case, before: Line) -> str:
    return decision_id_of(
        before.line_id, before.version + 1, case.as_of, case.causes, case.policy.version
    )


def _shares(case: Case, line: Line) -> list[FunderShare]:
    if case.product is None or not case.product.funders:
        return []
    funders = eligible(case.product, case.segment, line.band)
    return allocate(funders, line.currency, line.committed_minor)

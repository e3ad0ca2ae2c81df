"""From a decision to the next state of the line and the change that announces it."""

from typing import Literal

from msgspec import Struct, structs

from credit.lines import Line, decision_id_of
from credit.policy import Policy
from credit.reasons import REASONS_MAX, money_reason, principal
from schemas.outputs import LimitAction, LimitChange, Reason

DAY_MS = 86_400_000
Changed = tuple[Line, LimitChange]


class Case(Struct, kw_only=True, frozen=True):
    """What every decision of one merchant at one time has in common.

    ``drawn_minor`` is what is owed under the line, ``as_of`` the event time (epoch milliseconds),
    ``causes`` the ids of the events at hand.
    """

    policy: Policy
    merchant_id: str
    segment: str
    drawn_minor: int
    as_of: int
    causes: list[str]
    model_version: str
    feature_version: str
    rules_version: str = ""


def change_line(
    case: Case,
    line: Line,
    action: LimitAction,
    new_limit_minor: int,
    reasons: list[Reason],
    *,
    approval: Literal["automatic", "manual"] = "automatic",
    actor: str | None = None,
    expires_at: int | None = None,
    **state: object,
) -> Changed:
    """The line after a change, one version on, and the change.

    ``state`` replaces further fields of the line. A limit below what is drawn says so among its
    reasons. ``expires_at`` defaults to the end of the line's term.
    """
    if new_limit_minor < case.drawn_minor and new_limit_minor < line.limit_minor:
        reasons = [
            *principal(reasons)[: REASONS_MAX - 1],
            money_reason("limit_below_drawn", line.currency, case.drawn_minor),
        ]
    assert reasons, "no change without a reason"
    after = structs.replace(
        line,
        version=line.version + 1,
        limit_minor=new_limit_minor,
        changed_at=case.as_of,
        last_action=action,
        **state,
    )
    change = LimitChange(
        decision_id=decision_id_of(
            line.line_id, after.version, case.as_of, case.causes, case.policy.version
        ),
        line_id=line.line_id,
        merchant_id=case.merchant_id,
        segment=case.segment,
        product=line.product,
        version=after.version,
        action=action,
        previous_limit_minor=line.limit_minor,
        new_limit_minor=new_limit_minor,
        drawn_minor=case.drawn_minor,
        currency=line.currency,
        decided_at=case.as_of,
        effective_at=case.as_of,
        expires_at=after.expires_at if expires_at is None else expires_at,
        reasons=principal(reasons),
        causes=list(case.causes),
        approval=approval,
        funders=[],
        model_version=case.model_version,
        policy_version=case.policy.version,
        feature_version=case.feature_version,
        actor=actor,
        rules_version=case.rules_version,
    )
    return after, change


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

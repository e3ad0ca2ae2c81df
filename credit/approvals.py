"""Changes that need people: which they are, and what people say of them."""

from msgspec import structs

from credit.bounds import amounts_of
from credit.changes import Case, Changed, change_line, withdraw
from credit.lines import Line
from credit.policy import Policy
from credit.product import Amounts
from credit.reasons import REASONS_MAX, plain_reason, said_reason
from schemas.outputs import LimitChange


def approvers_needed(
    policy: Policy, amounts: Amounts | None, others_minor: int, change: LimitChange
) -> int:
    """How many persons must agree to a change, 0 where none.

    ``amounts`` is the product's own in the line's currency; without it no tier can be judged, and
    any that names the action counts. ``others_minor`` is what the merchant's other lines grant.
    """
    return persons_needed(
        policy,
        amounts,
        change.action,
        total_minor=others_minor + change.new_limit_minor,
        moved_minor=abs(change.new_limit_minor - change.previous_limit_minor),
    )


def persons_needed(
    policy: Policy, amounts: Amounts | None, action: str, *, total_minor: int, moved_minor: int
) -> int:
    """How many persons the policy's tiers want for an action that moves a limit by so much, to so
    much over all lines of the merchant."""
    cap = 0 if amounts is None else amounts.cap_minor
    return max(
        (
            tier.approvers
            for tier in policy.approvals.tiers
            if action in tier.actions
            and total_minor > tier.total_above_ratio * cap
            and moved_minor > tier.change_above_ratio * cap
        ),
        default=0,
    )


def approve(case: Case, line: Line, actor: str, reason: str) -> tuple[Line, list[Changed]]:
    """What an approval of the open proposal does; an unchanged line where it counts for nothing.

    Who proposed it, or has approved it already, cannot. The last of those needed sends it, at most
    at what bounds the line now; where that is no move any more, it is withdrawn.
    """
    pending = line.pending
    if pending is None or actor == pending.proposed_by or actor in pending.approved_by:
        return line, []
    late = time_out(case, line)
    if late is not None:
        return late[0], [late]
    approved = (*pending.approved_by, actor)
    if len(approved) < pending.approvers:
        kept = structs.replace(line, pending=structs.replace(pending, approved_by=approved))
        return kept, []
    amounts = amounts_of(case, line.currency, line.band, line.channel)
    limit = pending.limit_minor if amounts is None else min(pending.limit_minor, amounts.cap_minor)
    if line.frozen_by is not None or limit == line.limit_minor:
        done = withdraw(case, line, [plain_reason("proposal_overtaken")], actor=actor)
        return done[0], [done]
    state = {"pending": None, "expires_at": pending.term_ends_at, "cut_at": pending.cut_at}
    changed = change_line(
        case,
        structs.replace(line, **state),
        pending.action,
        limit,
        [*pending.reasons[: REASONS_MAX - 1], said_reason("approved", reason)],
        approval="granted",
        actor=actor,
        expires_at=pending.expires_at,
        override_until=pending.override_until,
    )
    return changed[0], [changed]


def turn_down(case: Case, line: Line, actor: str, reason: str) -> Changed | None:
    """The proposal withdrawn by a person; None where there is none."""
    if line.pending is None:
        return None
    return withdraw(case, line, [said_reason("proposal_turned_down", reason)], actor=actor)


def time_out(case: Case, line: Line) -> Changed | None:
    """The proposal withdrawn for want of approval, once its time is over."""
    if line.pending is None or case.as_of < line.pending.ends_at:
        return None
    return withdraw(case, line, [plain_reason("approval_timed_out")])

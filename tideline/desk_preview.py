"""What an action at the desk would do to a merchant's lines: decided as scoring would decide it.

The lines are built again from what is stored of their changes, and the command is given to the same
pure function that scoring calls, under the policy in force. What no output tells is left open: the
band and the channel under which a line stands are taken from the latest assessment and application,
and funders' headroom, which is leased to scoring, is shown as what would be taken of it.
"""

import threading
from collections.abc import Callable, Mapping

from msgspec import structs

from credit.approvals import approvers_needed
from credit.bounds import amounts_of
from credit.changes import Case
from credit.fields import PolicyError
from credit.guardrails import STANDING, bounds_of, budget_id
from credit.holding import Guard, Holding, Who, case_of
from credit.lines import Line, Proposal
from credit.merchant import command_merchant
from credit.policy import Policy, load_policy
from desk.lines import LineNow, Share
from desk.preview import UNKNOWN_POLICY, Asked, Effect, Position, Preview
from features.lines import LogLine
from schemas.outputs import FunderShare, LimitChange

PolicyText = Callable[[str, str], str | None]
"""The text of a policy by version and digest; None where it cannot be had."""
_PLENTY_MINOR = 10**18
_KEPT = 8


class LinePreviewer:
    """Tells what would follow. Safe to share between threads.

    ``shipped`` is the text of the policy in force before any was published.
    """

    def __init__(self, shipped: str, text_of: PolicyText) -> None:
        self._shipped = load_policy(shipped)
        self._text_of = text_of
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], Policy] = {}

    def __call__(self, position: Position, asked: Asked, as_of: int) -> Preview:
        """As ``desk.preview.Previewer``."""
        policy = self._policy(position.policy)
        if policy is None:
            return Preview(problem=UNKNOWN_POLICY)
        if not position.lines:
            return Preview(policy_version=policy.version, problem="The merchant has no line.")
        return preview(policy, position, asked, as_of)

    def _policy(self, wanted: tuple[str, str] | None) -> Policy | None:
        if wanted is None:
            return self._shipped
        with self._lock:
            known = self._loaded.get(wanted)
            if known is None:
                text = self._text_of(*wanted)
                if text is None:
                    return None
                try:
                    known = load_policy(text)
                except PolicyError:
                    return None
                if len(self._loaded) >= _KEPT:
                    self._loaded.pop(next(iter(self._loaded)))
                self._loaded[wanted] = known
        return known


def preview(policy: Policy, position: Position, asked: Asked, as_of: int) -> Preview:
    """What the command would do under a policy, decided at ``as_of`` (epoch milliseconds)."""
    holding = holding_of(position)
    said = LogLine(
        type=asked.action,
        event_id="preview",
        merchant_id=position.merchant_id,
        occurred_at=as_of,
        actor=asked.actor,
        reason=asked.reason,
        line_id=asked.line_id,
        amount=asked.amount_minor,
        currency=asked.currency,
        expires_at=asked.expires_ms,
    )
    who = _who(position, as_of)
    before = dict(holding.lines)
    guard = _boundless(policy)
    outcome = command_merchant(policy, who, holding, said, guard)
    made: dict[str, list[LimitChange]] = {}
    for change in outcome.changes:
        made.setdefault(change.line_id, []).append(change)
    meant = _meant(position, holding, asked)
    fresh = Holding(lines=before)
    effects = []
    for line in meant:
        case = case_of(policy, who, fresh, line.product, None)
        changes = made.get(line.line_id, [])
        effects.append(
            _effect(case, line, holding.lines[line.product], changes)
            if changes
            else _no_effect(case, line, before[line.product], asked)
        )
    return Preview(tuple(effects), policy.version)


def holding_of(position: Position) -> Holding:
    """The lending side of a merchant as its stored changes tell it."""
    return Holding(lines={line.product: _line(line, position) for line in position.lines})


def _line(now: LineNow, position: Position) -> Line:
    latest = now.latest
    return Line(
        line_id=now.line_id,
        product=now.product,
        currency=now.currency,
        version=now.version,
        limit_minor=now.limit_minor,
        frozen_by="desk" if now.frozen_by == "desk" else "rule" if now.frozen_by else None,
        frozen_limit_minor=now.kept_minor,
        opened_at=now.opened_ms,
        changed_at=now.changed_ms,
        cut_at=None,
        expires_at=now.expires_ms or 0,
        last_action=latest["action"] if latest else "open",
        override_until=now.override_until_ms,
        pending=None if now.pending is None else _proposal(now.pending),
        shares=tuple(FunderShare(funder=s.funder, limit_minor=s.limit_minor) for s in now.shares),
        band=position.band,
        channel=position.channel,
    )


def _proposal(row: Mapping[str, object]) -> Proposal:
    """An open proposal, as far as a command by hand asks: it gives way to each."""
    at = row["decided_ms"]
    limit = row["new_limit_minor"]
    assert isinstance(at, int)
    assert isinstance(limit, int)
    return Proposal(
        decision_id=str(row["decision_id"]),
        action=row["action"],  # type: ignore[arg-type]
        limit_minor=limit,
        reasons=[],
        approvers=1,
        proposed_by=None,
        approved_by=(),
        ends_at=at,
        expires_at=None,
        term_ends_at=at,
        override_until=None,
        cut_at=None,
    )


def _who(position: Position, as_of: int) -> Who:
    return Who(
        merchant_id=position.merchant_id,
        segment=position.segment,
        region=position.region,
        registered=True,
        exposure_minor=position.exposure_minor,
        owed_minor=position.owed_minor,
        as_of=as_of,
        causes=["preview"],
        model_version="",
        feature_version="",
        rules_version="",
        horizon_days=90,
    )


def _boundless(policy: Policy) -> Guard:
    """A guard that lets all pass: what is asked of headroom is shown instead."""
    guard = Guard()
    for stands, budget in bounds_of(policy):
        if stands:
            guard.purse.grant(budget, STANDING, _PLENTY_MINOR)
    return guard


def _meant(position: Position, holding: Holding, asked: Asked) -> list[LineNow]:
    if asked.action != "limit.override":
        return list(position.lines)
    if asked.line_id is not None:
        return [line for line in position.lines if line.line_id == asked.line_id]
    oldest = holding.oldest
    return [line for line in position.lines if oldest and line.line_id == oldest.line_id]


def _effect(case: Case, now: LineNow, after: Line, changes: list[LimitChange]) -> Effect:
    change = changes[-1]
    own = None if case.product is None else case.product.currencies.get(now.currency)
    asked = change.state == "proposed"
    before = {share.funder: share.limit_minor for share in now.shares}
    carried = () if asked or after.frozen_by else after.shares
    shares = tuple(Share(s.funder, s.limit_minor) for s in carried)
    return Effect(
        line=now,
        state="proposed" if asked else "sent",
        after_minor=change.new_limit_minor,
        approvers=approvers_needed(
            case.policy, own, case.others_minor, structs.replace(change, state="sent")
        )
        if asked
        else 0,
        expires_ms=change.expires_at,
        withdraws=any(each.state == "withdrawn" for each in changes),
        shares=shares,
        headroom_asked_minor=_headroom(case, now.currency, before, shares),
        below_drawn=change.new_limit_minor < min(case.drawn_minor, change.previous_limit_minor),
    )


def _headroom(
    case: Case, currency: str, before: Mapping[str, int], shares: tuple[Share, ...]
) -> tuple[Share, ...]:
    """What is taken of the headroom of funders whose exposure is bounded."""
    bounds = bounds_of(case.policy)
    moved = [(share.funder, share.limit_minor - before.get(share.funder, 0)) for share in shares]
    return tuple(
        Share(funder, minor)
        for funder, minor in moved
        if minor > 0 and (True, budget_id("funder", "exposure", currency, funder)) in bounds
    )


def _no_effect(case: Case, now: LineNow, line: Line, asked: Asked) -> Effect:
    why, bound = _why_not(case, line, asked)
    return Effect(now, "none", now.limit_minor, why_not=why, bound_minor=bound)


def _why_not(case: Case, line: Line, asked: Asked) -> tuple[str, int | None]:
    """Why a command has no effect on a line, as ``credit.commands`` has it."""
    if asked.action == "merchant.freeze":
        return "frozen_already", None
    if asked.action == "merchant.release":
        return "not_frozen", None
    amounts = amounts_of(case, line.currency, line.band, line.channel)
    if amounts is None or asked.amount_minor is None:
        return "not_offered", None
    if asked.currency not in (None, line.currency):
        return "other_currency", None
    if line.frozen_by is not None:
        return "frozen", None
    if asked.expires_ms is not None and asked.expires_ms <= case.as_of:
        return "past", None
    if asked.amount_minor > amounts.cap_minor:
        return "above_cap", amounts.cap_minor
    return "same", None

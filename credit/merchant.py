"""All lines of one merchant: what is decided of them together, by rule, by hand and by the core.

Lines are decided one after the other in the order of the policy's products, each seeing what those
before it did. A change by rule then passes the guardrails, in this order: the holdout, the circuit
breaker, the tiers of approval (it becomes a proposal), the merchant's budget of the day, the leased
budgets and the funders' headroom. What does not pass changes nothing and is decided anew at the
next assessment.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field, structs

from credit import approvals, commands, core_answers
from credit.changes import DAY_MS, Case, Changed, propose, withdraw
from credit.decide import Facts, decide_line
from credit.fields import band_at_least
from credit.guardrails import (
    CUTS,
    RAISES,
    STANDING,
    BreakerState,
    Purse,
    Spent,
    budget_id,
    in_holdout,
    leased_budgets,
    merchant_fits,
    merchant_spends,
    utc_day,
)
from credit.lines import Line, line_id_of
from credit.opening import Application, unopened
from credit.policy import DailyBudget, Policy
from credit.reasons import plain_reason
from features.lines import LogLine
from schemas.outputs import LimitChange

LINES_MAX = 16
"""Lines of one merchant; applications for products beyond them are not answered, but counted."""


class Guard(Struct):
    """What bounds the changes of one partition as a whole; part of its state."""

    purse: Purse = field(default_factory=Purse)
    breaker: BreakerState = field(default_factory=BreakerState)


class Holding(Struct):
    """The lending side of one merchant: its lines by product, and what they still wait for.

    ``applications`` are those not answered yet, by product; ``spent`` what rules moved today.
    """

    lines: dict[str, Line] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    spent: Spent | None = None

    @property
    def granted_minor(self) -> int:
        """What all lines grant."""
        return sum(line.limit_minor for line in self.lines.values())

    @property
    def oldest(self) -> Line | None:
        """The line to which loans that name none belong: the first that was not just declined."""
        lines = self.lines.values()
        return min(
            lines,
            key=lambda each: (each.last_action == "decline", each.opened_at, each.product),
            default=None,
        )

    def by_id(self, line_id: str) -> Line | None:
        """The line of an id."""
        return next((line for line in self.lines.values() if line.line_id == line_id), None)


class Who(Struct, kw_only=True, frozen=True):
    """A merchant and the versions under which its lines are decided at ``as_of`` (epoch ms).

    ``owed_minor`` is what is owed by line id; what belongs to none is ``exposure_minor`` less
    their sum. ``causes`` are the ids of the events at hand.
    """

    merchant_id: str
    segment: str
    region: str | None
    registered: bool
    exposure_minor: int
    owed_minor: Mapping[str, int]
    as_of: int
    causes: list[str]
    model_version: str
    feature_version: str
    rules_version: str
    horizon_days: int


class Outcome(Struct):
    """What happened: changes in order, and what waited for which guardrail.

    ``tripped`` says that the circuit breaker opened; ``taken`` that a command or an answer met what
    it meant, ``effective`` that it changed something.
    """

    changes: list[LimitChange] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    tripped: bool = False
    taken: bool = False
    effective: bool = False


def decide_merchant(
    policy: Policy, who: Who, holding: Holding, facts: Facts, guard: Guard
) -> Outcome:
    """Decide all lines by rule; changes ``holding`` and ``guard`` as the outcome says."""
    outcome = Outcome()
    barred = any(line.frozen_by == "desk" for line in holding.lines.values())
    for name in _names(policy, holding):
        line, application = holding.lines.get(name), holding.applications.get(name)
        if line is None and not _may_open(policy, name, facts, application):
            continue
        if barred and (line is None or line.closed):
            continue  # the desk froze the merchant: nothing of it opens
        if line is None and len(holding.lines) >= LINES_MAX:
            outcome.waited.append("lines_max")
            continue
        case = case_of(policy, who, holding, name, application)
        if line is not None and line.pending is not None:
            line = _overtake(case, holding, line, facts, outcome)
            if line is None:
                continue
        wanted = decide_line(case, line, facts, application)
        answered = line is not None and not line.closed
        if wanted is not None:
            answered |= _take_by_rule(case, holding, line, wanted, guard, outcome)
        if answered:
            holding.applications.pop(name, None)
    _give_up_old(policy, who, holding, outcome)
    return outcome


def command_merchant(
    policy: Policy, who: Who, holding: Holding, said: LogLine, guard: Guard
) -> Outcome:
    """What a command of the desk about lines does; ``taken`` is False where there is no target.

    A freeze or release concerns all lines, an override the line that it names, else the oldest; an
    approval or rejection the proposal that it names.
    """
    outcome = Outcome()
    for line in _targets(holding, said):
        outcome.taken = True
        case = case_of(policy, who, holding, line.product, None)
        actor, reason = said.actor or "", said.reason or ""
        if said.type == "limit.approve":
            after, made = approvals.approve(case, line, actor, reason)
            if not made:
                holding.lines[line.product] = after
                outcome.effective |= after != line
            for changed in made:
                _take(case, holding, line, changed, guard, outcome)
        elif said.type == "limit.reject":
            down = approvals.turn_down(case, line, actor, reason)
            if down is not None:
                _take(case, holding, line, down, guard, outcome)
        else:
            _by_hand(case, holding, line, said, guard, outcome)
    return outcome


def answer_merchant(
    policy: Policy, who: Who, holding: Holding, answer: LogLine, guard: Guard
) -> Outcome:
    """What the lending core's answer does; ``taken`` is False where it means no latest change."""
    outcome = Outcome()
    for name in sorted(holding.lines):
        line = holding.lines[name]
        if line.sent_decision_id != answer.decision_id:
            continue
        if answer.type == "limit.acknowledged":
            holding.lines[name], _, outcome.taken = core_answers.acknowledged(line, answer)
        else:
            _reject(case_of(policy, who, holding, name, None), holding, answer, guard, outcome)
    return outcome


def overdue_lines(policy: Policy, who: Who, holding: Holding) -> list[Line]:
    """The lines of whose latest change the lending core should have said something by now."""
    return [
        line
        for name, line in sorted(holding.lines.items())
        if core_answers.is_overdue(case_of(policy, who, holding, name, None), line)
    ]


def case_of(
    policy: Policy, who: Who, holding: Holding, name: str, application: Application | None
) -> Case:
    """What decisions about the merchant's line of one product have in common."""
    line_id = line_id_of(who.merchant_id, name)
    owed = who.owed_minor.get(line_id, 0)
    oldest = holding.oldest
    if oldest is None or oldest.line_id == line_id:
        others = (each.line_id for each in holding.lines.values() if each.line_id != line_id)
        owed = who.exposure_minor - sum(who.owed_minor.get(each, 0) for each in others)
    line = holding.lines.get(name)
    causes = who.causes
    if application is not None and application.cause not in causes:
        causes = [application.cause, *causes]
    return Case(
        policy=policy,
        name=name,
        product=policy.terms.get(name),
        merchant_id=who.merchant_id,
        segment=who.segment,
        region=who.region,
        registered=who.registered,
        drawn_minor=owed,
        exposure_minor=who.exposure_minor,
        others_minor=holding.granted_minor - (0 if line is None else line.limit_minor),
        as_of=who.as_of,
        causes=causes,
        model_version=who.model_version,
        feature_version=who.feature_version,
        rules_version=who.rules_version,
        horizon_days=who.horizon_days,
    )


# --- by rule --------------------------------------------------------------------------------------


def _names(policy: Policy, holding: Holding) -> Iterable[str]:
    """Products in the policy's order, then those that it lacks."""
    others = {*holding.lines, *holding.applications} - set(policy.terms)
    return [*policy.terms, *sorted(others)]


def _may_open(policy: Policy, name: str, facts: Facts, application: Application | None) -> bool:
    product = policy.terms.get(name)
    if application is not None or product is None:
        return application is not None
    opening = product.opening
    return opening.pre_approved and band_at_least(facts.verdict.band, opening.worst_band)


def _give_up_old(policy: Policy, who: Who, holding: Holding, outcome: Outcome) -> None:
    """Applications that could not be answered in their time, for a pause or a quiet feed say."""
    oldest_ms = who.as_of - policy.application_days * DAY_MS
    for name in [n for n, each in holding.applications.items() if each.at <= oldest_ms]:
        del holding.applications[name]
        outcome.waited.append("application_lapsed")


def _overtake(
    case: Case, holding: Holding, line: Line, facts: Facts, outcome: Outcome
) -> Line | None:
    """A line with a proposal: without it where a freeze or cut is called for, else None.

    The proposal is gone then even if the freeze or cut waits for a guardrail: what it rested on is.
    """
    if facts.paused:
        return None
    late = approvals.time_out(case, line)
    if late is not None:
        _put(holding, late, outcome)
        return None
    instead = decide_line(case, structs.replace(line, pending=None), facts)
    if instead is None or not (instead[1].action in CUTS or instead[1].action == "freeze"):
        return None
    gone = withdraw(case, line, [plain_reason("proposal_overtaken")])
    _put(holding, gone, outcome)
    return gone[0]


def _take_by_rule(
    case: Case,
    holding: Holding,
    line: Line | None,
    wanted: Changed,
    guard: Guard,
    outcome: Outcome,
) -> bool:
    """Pass a change by rule through the guardrails; False where it waits."""
    policy, (after, change) = case.policy, wanted
    action, as_of = change.action, case.as_of
    moved = change.new_limit_minor - change.previous_limit_minor
    if action in ("increase", "decrease") and in_holdout(policy, case.merchant_id):
        return _waits("holdout", outcome)
    if (action in CUTS or action == "freeze") and guard.breaker.waits(as_of):
        return _waits("breaker", outcome)
    product = case.product
    own = None if product is None else product.currencies.get(after.currency)
    needed = approvals.approvers_needed(policy, own, case.others_minor, change)
    if needed:
        start = line if line is not None else unopened(case, after.currency)
        _put(holding, propose(case, start, wanted, needed), outcome)
        return True
    day, currency = utc_day(as_of), after.currency
    counted = (action in CUTS or action in RAISES) and moved != 0
    if counted and not merchant_fits(
        policy.guardrails.merchant, holding.spent, day, currency, moved
    ):
        return _waits("merchant_budget", outcome)
    leased = leased_budgets(policy, case.segment, currency, day, action, moved)
    if not guard.purse.fits(leased):
        return _waits("leased_budget", outcome)
    if not _take(case, holding, line, wanted, guard, outcome):
        return False
    guard.purse.spend(leased)
    if counted and policy.guardrails.merchant != DailyBudget():
        holding.spent = merchant_spends(holding.spent, day, currency, moved)
    if moved < 0:
        breaker = policy.guardrails.breaker
        if guard.breaker.cut(breaker, as_of, currency, -moved):
            outcome.tripped = True
    return True


def _waits(what: str, outcome: Outcome) -> bool:
    outcome.waited.append(what)
    return False


# --- by hand ------------------------------------------------------------------------------------


def _targets(holding: Holding, said: LogLine) -> list[Line]:
    lines = [holding.lines[name] for name in sorted(holding.lines)]
    if said.type in ("limit.approve", "limit.reject"):
        return [
            line
            for line in lines
            if line.pending is not None and line.pending.decision_id == said.decision_id
        ]
    if said.type == "limit.override":
        meant = holding.oldest if said.line_id is None else holding.by_id(said.line_id)
        return [] if meant is None else [meant]
    return lines


def _reject(case: Case, holding: Holding, answer: LogLine, guard: Guard, outcome: Outcome) -> None:
    """The lending core's refusal; where the line goes back, an open proposal gives way to it."""
    line = holding.lines[case.name]
    answered = core_answers.rejected(case, line, answer)
    outcome.taken = answered.known
    if answered.change is not None and line.pending is not None:
        gone = withdraw(case, line, [plain_reason("proposal_overtaken")])
        _put(holding, gone, outcome)
        line = gone[0]
        answered = core_answers.rejected(case, line, answer)
    if answered.change is None:
        holding.lines[case.name] = answered.line
    else:
        _take(case, holding, line, answered.change, guard, outcome)


def _by_hand(
    case: Case, holding: Holding, line: Line, said: LogLine, guard: Guard, outcome: Outcome
) -> None:
    """A freeze, release or override; an open proposal gives way to it."""
    if _hand_made(case, line, said) is None:
        return
    if line.pending is not None:
        gone = withdraw(case, line, [plain_reason("proposal_overtaken")], actor=said.actor)
        _put(holding, gone, outcome)
        line = gone[0]
    changed = _hand_made(case, line, said)
    assert changed is not None, "a proposal has no bearing on what a person decides"
    product = case.product
    own = None if product is None else product.currencies.get(line.currency)
    needed = approvals.approvers_needed(case.policy, own, case.others_minor, changed[1])
    if needed:
        _put(holding, propose(case, line, changed, needed), outcome)
    else:
        _take(case, holding, line, changed, guard, outcome)


def _hand_made(case: Case, line: Line, said: LogLine) -> Changed | None:
    actor, reason = said.actor or "", said.reason or ""
    if said.type == "merchant.freeze":
        return commands.freeze(case, line, actor, reason)
    if said.type == "merchant.release":
        return commands.release(case, line, actor, reason)
    if said.type == "limit.override":
        return commands.override(case, line, said)
    raise ValueError(f"{said.type!r} is no command of a line")


# --- what every change passes -------------------------------------------------------------------


def _take(
    case: Case,
    holding: Holding,
    before: Line | None,
    changed: Changed,
    guard: Guard,
    outcome: Outcome,
) -> bool:
    """Book a change of the limit; False where a funder has no headroom for it."""
    after, change = changed
    if change.state == "sent":
        wanted = _headroom(case, before, after)
        if not guard.purse.fits(wanted):
            return _waits("funder_headroom", outcome)
        guard.purse.spend(wanted)
        held = 0 if before is None else before.limit_minor
        guard.breaker.moved(after.currency, held, after.limit_minor)
    _put(holding, changed, outcome)
    return True


def _headroom(case: Case, before: Line | None, after: Line) -> dict[tuple[int, str], int]:
    """What a change takes of the headroom of funders whose exposure is bounded."""
    if case.product is None:
        return {}
    parts: dict[str, int] = {}
    for sign, line in ((-1, before), (1, after)):
        for share in line.shares if line is not None else ():
            parts[share.funder] = parts.get(share.funder, 0) + sign * share.limit_minor
    currency = after.currency
    return {
        (STANDING, budget_id("funder", "exposure", currency, funder.name)): parts[funder.name]
        for funder in case.product.funders
        if currency in funder.exposure_cap_minor and parts.get(funder.name)
    }


def _put(holding: Holding, changed: Changed, outcome: Outcome) -> None:
    line, change = changed
    holding.lines[line.product] = line
    outcome.changes.append(change)
    outcome.effective = True

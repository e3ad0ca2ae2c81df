"""All lines of one merchant: what is decided of them together, by rule, by hand and by the core.

Lines are decided one after the other in the order of the policy's products, each seeing what those
before it did. A change by rule then passes the guardrails, in this order: the holdout, the circuit
breaker, the tiers of approval (it becomes a proposal), the merchant's budget of the day, the leased
budgets and the funders' headroom. What does not pass changes nothing and is decided anew at the
next assessment.
"""

from collections.abc import Iterable

from msgspec import structs

from credit import approvals, commands, core_answers
from credit.changes import DAY_MS, Case, Changed, propose, withdraw
from credit.decide import Facts, decide_line
from credit.fields import band_at_least
from credit.guardrails import (
    CUTS,
    RAISES,
    STANDING,
    budget_id,
    in_holdout,
    leased_budgets,
    merchant_fits,
    merchant_spends,
    utc_day,
)
from credit.holding import LINES_MAX, Guard, Holding, Outcome, Who, case_of
from credit.lines import Line
from credit.opening import Application, unopened
from credit.policy import DailyBudget, Policy
from credit.reasons import plain_reason
from features.lines import LogLine


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
        guard.purse.wait(leased, policy)
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
    elif not _take(case, holding, line, answered.change, guard, outcome):
        holding.lines[case.name] = structs.replace(line, core_state="rejected")


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
            guard.purse.wait(wanted, case.policy)
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

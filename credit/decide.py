"""From an assessment to a change of one line, or none: the automatic decisions.

Order of precedence: a pause of automation holds everything; a freeze by the desk wins over all
rules; a freeze by rule wins over a quiet feed, and that over the rest; a freeze by rule wins over
an override; an override over raises and cuts. What a merchant's lines have in common is in
``credit.merchant``.
"""

from collections.abc import Sequence

from msgspec import Struct, structs

from credit.bounds import amounts_of
from credit.capacity.amounts import Capacity, Seen, round_down, round_up
from credit.capacity.of import capacity_of
from credit.changes import DAY_MS, Case, Changed, change_line, freeze_line
from credit.fields import band_at_least
from credit.kinds import Bills, Receivables
from credit.lines import Line
from credit.opening import Application, Refusal, begin_term, decline, open_line
from credit.policy import Policy
from credit.product import Amounts
from credit.reasons import (
    REASONS_MAX,
    adverse,
    favourable,
    money_reason,
    plain_reason,
    principal,
)
from credit.risk import stress_multiplier
from credit.targets import capacity_reason, raise_bound, target_minor
from detectors.assess import Verdict
from detectors.holds import standing
from detectors.reasons import make_reason
from detectors.sentinels import Hit
from features.catalogue import INDEX
from schemas.outputs import Reason


class Facts(Struct, kw_only=True, frozen=True):
    """What is known of a merchant when its lines are decided.

    ``hits`` are the rules that fire now, ``held`` the feeds (names as in the catalogue) that are
    quiet for everyone and that the merchant uses.
    """

    verdict: Verdict
    seen: Seen
    currency: str
    hits: Sequence[Hit]
    paused: bool
    held: Sequence[str] = ()
    consent: bool = True


def decide_line(
    case: Case, line: Line | None, facts: Facts, application: Application | None = None
) -> Changed | None:
    """The next state of a line and the change that leads there, or None to stay.

    What holds of every change (the tests keep it):

    - versions rise by one; there are reasons and causes; the limit is 0 or up to the cap;
    - a raise keeps step, cool-down and hysteresis, and needs consent, all views of the capacity, a
      sufficient margin, room for the debt in the cash flow, and no rule that fires;
      ``insufficient_history`` never raises, and opens only where the product has a start for it;
    - a cut keeps step, cool-down, hysteresis and floor, never goes below what is drawn, and under
      ``cuts_need_evidence`` needs a fact about the merchant or a stress that cuts;
    - only a freeze, or the close of a line whose term ended, goes below what is drawn, and says so;
    - a term that ends is reviewed: the line opens for another term, within the steps, or closes.
      Where capacity is not known the review waits;
    - an application that opens nothing is declined, with the reasons against it;
    - while a feed is held nothing changes but for a freeze on what does not rest on it: a merchant
      is not cut for its feed, and not raised or released on windows that are not known.
    """
    if facts.paused:
        return None
    opened = line is not None and not line.closed
    frozen_for = freeze_reasons(case.policy, facts)
    if line is not None and opened:
        if line.frozen_by == "desk":
            return None
        if line.frozen_by is None and frozen_for and case.as_of >= (line.waived_until or 0):
            return freeze_line(case, line, "rule", frozen_for)
    if facts.held:
        return None
    if line is None or line.closed:
        if line is not None and case.as_of < (line.override_until or 0):
            return None
        return _closed(case, line, facts, frozen_for, application)
    if case.product is None:
        return _end_withdrawn(case, line)
    if line.currency != facts.currency:
        return None
    amounts = amounts_of(case, line.currency, facts.verdict.band, line.channel)
    if amounts is None or case.as_of < (line.override_until or 0):
        return None
    capacity = capacity_of(case.product, facts.seen)
    line = structs.replace(line, band=facts.verdict.band)
    if line.frozen_by == "rule":
        return None if frozen_for else _release(case, line, amounts, facts.verdict, capacity)
    if case.as_of >= line.expires_at:
        return _review(case, line, amounts, facts.verdict, capacity)
    cut = _cut(case, line, amounts, facts, capacity)
    if cut is not None or facts.hits or not facts.consent:
        return cut
    return _raise(case, line, amounts, facts, capacity)


# --- freeze and release -------------------------------------------------------------------------


def freeze_reasons(policy: Policy, facts: Facts) -> list[Reason]:
    """Why the policy stops all drawing now; empty = it does not."""
    reasons = []
    vector = facts.seen.vector
    past_due = vector[INDEX["days_past_due"]] >= policy.freeze.days_past_due
    # Without its feed a repayment that was made would count as missed.
    if past_due and "lending" not in facts.held:
        reasons.append(make_reason("days_past_due", vector, currency=facts.currency))
    for hit in standing(facts.hits, facts.held):
        if hit.severity == "critical" and hit.kind in policy.freeze.critical_kinds:
            reasons += hit.reasons
    return reasons


def _release(
    case: Case, line: Line, amounts: Amounts, verdict: Verdict, capacity: Capacity
) -> Changed | None:
    """End an automatic freeze, at the limit from before it or one cut below."""
    release = case.policy.release
    if case.as_of - line.changed_at < release.after_ms:
        return None
    if not band_at_least(verdict.band, release.worst_band):
        return None
    target = target_minor(case, amounts, verdict, capacity.middle)
    if target is None or target < amounts.floor_minor:
        return None
    before = min(line.frozen_limit_minor, amounts.cap_minor)
    limit = _cut_limit(case, amounts, before, target)
    reasons = [
        money_reason("cause_gone", line.currency),
        capacity_reason(capacity, line.currency, target, lowest=False),
        *favourable(verdict.reasons),
    ]
    return change_line(case, line, "release", limit, reasons, frozen_by=None, frozen_limit_minor=0)


# --- open, review, raise, cut -------------------------------------------------------------------


def _closed(
    case: Case,
    line: Line | None,
    facts: Facts,
    frozen_for: list[Reason],
    application: Application | None,
) -> Changed | None:
    """Open a line that is not there or closed, or decline what was applied for."""
    found: Changed | Refusal
    if case.product is None:
        found = Refusal([plain_reason("product_not_offered")])
    else:
        found = _opening(case, line, facts, frozen_for, application)
    if not isinstance(found, Refusal):
        return found
    if application is None or _book_fills(case, application):
        return None
    return decline(case, line, application, found.reasons)


def _book_fills(case: Case, application: Application) -> bool:
    """Whether an application waits for the book that it began: claims are known from then on."""
    if case.product is None or not isinstance(case.product.capacity, Receivables | Bills):
        return False
    return case.as_of < application.at + case.policy.application_days * DAY_MS


def _opening(
    case: Case,
    line: Line | None,
    facts: Facts,
    frozen_for: list[Reason],
    application: Application | None,
) -> Changed | Refusal:
    if frozen_for or facts.hits:
        fired = [reason for hit in facts.hits for reason in hit.reasons]
        return Refusal([*frozen_for, *fired])
    if not facts.consent:
        return Refusal([plain_reason("no_consent")])
    currency = facts.currency
    band = facts.verdict.band
    channel = application.channel if application is not None else line.channel if line else None
    amounts = amounts_of(case, currency, band, channel)
    asked = currency if application is None else application.currency
    if amounts is None or asked != currency or (line is not None and line.currency != currency):
        return Refusal([plain_reason("currency_not_offered")])
    assert case.product is not None
    if not (application is not None or band_at_least(band, case.product.opening.worst_band)):
        return Refusal([])
    capacity = capacity_of(case.product, facts.seen)
    return open_line(
        case, line, amounts, facts.verdict, facts.seen, capacity, currency, application
    )


def _end_withdrawn(case: Case, line: Line) -> Changed | None:
    """A line of a product that is not offered any more ends with its term."""
    if case.as_of < line.expires_at or line.frozen_by is not None:
        return None
    ended = money_reason("term_ended", line.currency)
    return change_line(case, line, "close", 0, [ended, plain_reason("product_not_offered")])


def _review(
    case: Case, line: Line, amounts: Amounts, verdict: Verdict, capacity: Capacity
) -> Changed | None:
    """The line's term ended: another one within the steps, or the close."""
    assert case.product is not None
    target = target_minor(case, amounts, verdict, capacity.middle)
    if target is None:
        return None
    ended = money_reason("term_ended", line.currency)
    support = capacity_reason(capacity, line.currency, target, lowest=False)
    fit = band_at_least(verdict.band, case.product.opening.worst_band)
    if not fit or target < amounts.floor_minor:
        return change_line(case, line, "close", 0, [ended, *adverse(verdict.reasons)[:3], support])
    limit = _cut_limit(case, amounts, line.limit_minor, target)
    return begin_term(case, line, limit, [ended, support, *verdict.reasons])


def _raise(
    case: Case, line: Line, amounts: Amounts, facts: Facts, capacity: Capacity
) -> Changed | None:
    steps, verdict = case.steps, facts.verdict
    if case.as_of - line.changed_at < steps.cool_down_up_ms:
        return None
    target = target_minor(case, amounts, verdict, capacity.lowest)
    if target is None:
        return None
    bound = line.limit_minor * (1 + steps.up_max_ratio)
    limited = raise_bound(case, facts.seen, line, verdict)
    most = bound if limited.most_minor is None else min(bound, limited.most_minor)
    limit = round_down(min(target, most), amounts.rounding_minor)
    if limit - line.limit_minor < max(steps.hysteresis_ratio * line.limit_minor, 1):
        return None
    reasons = [
        capacity_reason(capacity, line.currency, target, lowest=True),
        *favourable(verdict.reasons),
    ]
    return change_line(case, line, "increase", limit, reasons)


def _cut(
    case: Case, line: Line, amounts: Amounts, facts: Facts, capacity: Capacity
) -> Changed | None:
    steps, verdict = case.steps, facts.verdict
    if line.cut_at is not None and case.as_of - line.cut_at < steps.cool_down_down_ms:
        return None
    target = target_minor(case, amounts, verdict, capacity.middle)
    if target is None:
        return None
    limit = _cut_limit(case, amounts, line.limit_minor, target)
    if line.limit_minor - limit < max(steps.hysteresis_ratio * line.limit_minor, 1):
        return None
    reasons = _cut_reasons(case, line, amounts, facts, capacity, target)
    if reasons is None:
        return None
    if limit == round_up(case.drawn_minor, amounts.rounding_minor) > target:
        held = money_reason("held_at_drawn", line.currency, case.drawn_minor)
        reasons = [*principal(reasons)[: REASONS_MAX - 1], held]
    return change_line(case, line, "decrease", limit, reasons, cut_at=case.as_of)


def _cut_reasons(
    case: Case,
    line: Line,
    amounts: Amounts,
    facts: Facts,
    capacity: Capacity,
    target: int,
) -> list[Reason] | None:
    """What speaks for a cut, first what decided it; None where no fact about the merchant does."""
    policy = case.policy
    support = capacity_reason(capacity, line.currency, target, lowest=False)
    against = adverse(facts.verdict.reasons)[:3]
    if line.limit_minor > amounts.cap_minor:
        return [money_reason("above_cap", line.currency, amounts.cap_minor), *against, support]
    if line.last_action == "override":
        return [money_reason("override_ended", line.currency), *against, support]
    if _basis_fell(case, facts, capacity, line):
        return [support, *against]
    if policy.stress.cuts and stress_multiplier(policy, case.segment) < 1:
        return [plain_reason("stress"), *against, support]
    if policy.cuts_need_evidence and not facts.hits and facts.verdict.band not in ("D", "E"):
        return None
    return [*against, support]


def _basis_fell(case: Case, facts: Facts, capacity: Capacity, line: Line) -> bool:
    """Whether what the limit rests on fell: sales against their usual, or the book below it."""
    if capacity.code in ("capacity_receivables", "capacity_bills"):
        return capacity.middle is not None and capacity.middle < line.limit_minor
    usual = facts.seen["turnover_usual_28d_minor"]
    return bool(facts.seen["turnover_28d_minor"] <= (1 - case.steps.hysteresis_ratio) * usual)


def _cut_limit(case: Case, amounts: Amounts, limit: int, target: int) -> int:
    """Where one cut from ``limit`` towards ``target`` ends: by step, floor and what is drawn.

    Never above ``limit``; rounded up, so that rounding breaks none of the bounds.
    """
    bound = limit * (1 - case.steps.down_max_ratio)
    floor = min(amounts.floor_minor, amounts.cap_minor)
    lowest = max(target, bound, floor, case.drawn_minor)
    return min(limit, round_up(lowest, amounts.rounding_minor))

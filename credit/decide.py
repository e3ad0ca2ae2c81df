"""From an assessment to a change of the line, or none: the automatic decisions.

Order of precedence: a pause of automation holds everything; a freeze by the desk wins over all
rules; a freeze by rule wins over a quiet feed, and that over the rest; a freeze by rule wins over
an override; an override over raises and cuts.
"""

from collections.abc import Sequence

from msgspec import structs

from credit.capacity import Capacity, round_down, round_up, sales_capacity, target_minor
from credit.changes import DAY_MS, Case, Changed, change_line, freeze_line
from credit.commands import command
from credit.lines import Line, line_id_of
from credit.policy import Amounts, Policy, band_at_least
from credit.reasons import REASONS_MAX, adverse, favourable, money_reason, principal
from detectors.assess import Verdict
from detectors.holds import standing
from detectors.reasons import make_reason
from detectors.sentinels import Hit
from detectors.vectors import Vector, as_floats
from features.catalogue import INDEX
from schemas.outputs import Reason

__all__ = ["command", "decide"]


def decide(
    policy: Policy,
    line: Line | None,
    verdict: Verdict,
    vector: Vector,
    *,
    merchant_id: str,
    segment: str,
    currency: str,
    drawn_minor: int,
    as_of: int,
    causes: list[str],
    hits: Sequence[Hit],
    paused: bool,
    held: Sequence[str] = (),
    consent: bool = True,
    applied_minor: int | None = None,
    model_version: str,
    feature_version: str,
    rules_version: str = "",
) -> Changed | None:
    """The next state of a merchant's line and the change that leads there, or None to stay.

    ``vector`` is in catalogue order (NaN = not available), money in minor units of ``currency``,
    ``as_of`` epoch milliseconds, ``hits`` the rules that fire now, ``held`` the feeds (names as in
    the catalogue) that are quiet for everyone and that the merchant uses, ``applied_minor`` the
    amount of a ``credit.applied`` at hand. What holds of every change (the tests keep it):

    - versions rise by one; there are reasons and causes; the limit is 0 or up to the cap;
    - a raise keeps step, cool-down and hysteresis, and needs consent, all sales windows and no
      rule that fires; ``insufficient_history`` never opens or raises;
    - a cut keeps step, cool-down, hysteresis and floor, never goes below what is drawn, and under
      ``cuts_need_evidence`` needs a fact about the merchant;
    - only a freeze, or the close of a line whose term ended, goes below what is drawn, and says so;
    - a term that ends is reviewed: the line opens for another term, within the steps, or closes.
      Where capacity is not known the review waits;
    - while a feed is held nothing changes but for a freeze on what does not rest on it: a merchant
      is not cut for its feed, and not raised or released on windows that are not known.
    """
    opened = line is not None and not line.closed
    if paused or not (opened or band_at_least(verdict.band, policy.opening.worst_band)):
        return None
    case = Case(
        policy=policy,
        merchant_id=merchant_id,
        segment=segment,
        drawn_minor=drawn_minor,
        as_of=as_of,
        causes=causes,
        model_version=model_version,
        feature_version=feature_version,
        rules_version=rules_version,
    )
    values = as_floats(vector)
    frozen_for = _freeze_reasons(policy, values, hits, held, currency)
    if line is not None and opened:
        if line.frozen_by == "desk":
            return None
        if line.frozen_by is None and frozen_for and as_of >= (line.waived_until or 0):
            return freeze_line(case, line, "rule", frozen_for)
    if held:
        return None
    amounts = policy.currencies.get(currency)
    if amounts is None or (line is not None and line.currency != currency):
        return None
    if line is not None and as_of < (line.override_until or 0):
        return None
    if line is None or line.closed:
        if frozen_for or hits or not consent:
            return None
        return _open(case, line, amounts, verdict, values, currency, applied_minor)
    sales = sales_capacity(values)
    if line.frozen_by == "rule":
        return None if frozen_for else _release(case, line, amounts, verdict, sales)
    if as_of >= line.expires_at:
        return _review(case, line, amounts, verdict, sales)
    cut = _cut(case, line, amounts, verdict, values, sales, hits)
    if cut is not None or hits or not consent:
        return cut
    return _raise(case, line, amounts, verdict, sales)


# --- freeze and release -------------------------------------------------------------------------


def _freeze_reasons(
    policy: Policy,
    vector: list[float],
    hits: Sequence[Hit],
    held: Sequence[str],
    currency: str,
) -> list[Reason]:
    """Why the policy stops all drawing now; empty = it does not."""
    reasons = []
    past_due = vector[INDEX["days_past_due"]] >= policy.freeze.days_past_due
    # Without its feed a repayment that was made would count as missed.
    if past_due and "lending" not in held:
        reasons.append(make_reason("days_past_due", vector, currency=currency))
    for hit in standing(hits, held):
        if hit.severity == "critical" and hit.kind in policy.freeze.critical_kinds:
            reasons += hit.reasons
    return reasons


def _release(
    case: Case, line: Line, amounts: Amounts, verdict: Verdict, sales: Capacity
) -> Changed | None:
    """End an automatic freeze, at the limit from before it or one cut below."""
    release = case.policy.release
    if case.as_of - line.changed_at < release.after_ms:
        return None
    if not band_at_least(verdict.band, release.worst_band):
        return None
    target = target_minor(case.policy, amounts, verdict.band, sales.middle)
    if target is None or target < amounts.floor_minor:
        return None
    before = min(line.frozen_limit_minor, amounts.cap_minor)
    limit = _cut_limit(case, amounts, before, target)
    reasons = [
        money_reason("cause_gone", line.currency),
        money_reason("capacity", line.currency, target, sales.middle),
        *favourable(verdict.reasons),
    ]
    return change_line(case, line, "release", limit, reasons, frozen_by=None, frozen_limit_minor=0)


# --- open, review, raise, cut -------------------------------------------------------------------


def _open(
    case: Case,
    line: Line | None,
    amounts: Amounts,
    verdict: Verdict,
    vector: list[float],
    currency: str,
    applied_minor: int | None,
) -> Changed | None:
    """Open a first line, or one that closed at least a cool-down ago."""
    opening, steps = case.policy.opening, case.policy.steps
    if line is not None and case.as_of - line.changed_at < steps.cool_down_up_ms:
        return None
    tenure, active = vector[INDEX["tenure_days"]], vector[INDEX["active_days_28d"]]
    by_itself = (
        opening.pre_approved
        and tenure >= opening.pre_approved_tenure_days
        and active >= opening.pre_approved_active_days
    )
    on_application = (
        applied_minor is not None
        and tenure >= opening.application_tenure_days
        and active >= opening.application_active_days
    )
    if not (by_itself or on_application) or not band_at_least(verdict.band, opening.worst_band):
        return None
    sales = sales_capacity(vector)
    target = target_minor(case.policy, amounts, verdict.band, sales.lowest)
    if target is None:
        return None
    wanted = target * opening.start_ratio
    reasons = [money_reason("capacity", currency, target, sales.lowest)]
    if applied_minor is not None:
        wanted = min(wanted, applied_minor)
        reasons.insert(0, money_reason("applied_amount", currency, applied_minor))
    limit = round_down(wanted, amounts.rounding_minor)
    if limit < amounts.floor_minor:
        return None
    if line is None:
        line = _unopened(case, currency)
    return _begin_term(case, line, limit, [*reasons, *favourable(verdict.reasons)])


def _unopened(case: Case, currency: str) -> Line:
    product = case.policy.product
    return Line(
        line_id=line_id_of(case.merchant_id, product),
        product=product,
        currency=currency,
        version=0,
        limit_minor=0,
        frozen_by=None,
        frozen_limit_minor=0,
        opened_at=case.as_of,
        changed_at=case.as_of,
        cut_at=None,
        expires_at=case.as_of,
        last_action="open",
    )


def _begin_term(case: Case, line: Line, limit: int, reasons: list[Reason]) -> Changed:
    until = case.as_of + case.policy.expiry_days * DAY_MS
    return change_line(case, structs.replace(line, expires_at=until), "open", limit, reasons)


def _review(
    case: Case, line: Line, amounts: Amounts, verdict: Verdict, sales: Capacity
) -> Changed | None:
    """The line's term ended: another one within the steps, or the close."""
    target = target_minor(case.policy, amounts, verdict.band, sales.middle)
    if target is None:
        return None
    ended = money_reason("term_ended", line.currency)
    support = money_reason("capacity", line.currency, target, sales.middle)
    fit = band_at_least(verdict.band, case.policy.opening.worst_band)
    if not fit or target < amounts.floor_minor:
        return change_line(case, line, "close", 0, [ended, *adverse(verdict.reasons)[:3], support])
    limit = _cut_limit(case, amounts, line.limit_minor, target)
    return _begin_term(case, line, limit, [ended, support, *verdict.reasons])


def _raise(
    case: Case, line: Line, amounts: Amounts, verdict: Verdict, sales: Capacity
) -> Changed | None:
    steps = case.policy.steps
    if case.as_of - line.changed_at < steps.cool_down_up_ms:
        return None
    target = target_minor(case.policy, amounts, verdict.band, sales.lowest)
    if target is None:
        return None
    bound = line.limit_minor * (1 + steps.up_max_ratio)
    limit = round_down(min(target, bound), amounts.rounding_minor)
    if limit - line.limit_minor < max(steps.hysteresis_ratio * line.limit_minor, 1):
        return None
    reasons = [
        money_reason("capacity", line.currency, target, sales.lowest),
        *favourable(verdict.reasons),
    ]
    return change_line(case, line, "increase", limit, reasons)


def _cut(
    case: Case,
    line: Line,
    amounts: Amounts,
    verdict: Verdict,
    vector: list[float],
    sales: Capacity,
    hits: Sequence[Hit],
) -> Changed | None:
    steps = case.policy.steps
    if line.cut_at is not None and case.as_of - line.cut_at < steps.cool_down_down_ms:
        return None
    target = target_minor(case.policy, amounts, verdict.band, sales.middle)
    if target is None:
        return None
    limit = _cut_limit(case, amounts, line.limit_minor, target)
    if line.limit_minor - limit < max(steps.hysteresis_ratio * line.limit_minor, 1):
        return None
    support = money_reason("capacity", line.currency, target, sales.middle)
    against = adverse(verdict.reasons)
    reasons = [*against[:3], support]
    usual = vector[INDEX["turnover_usual_28d_minor"]]
    fell = vector[INDEX["turnover_28d_minor"]] <= (1 - steps.hysteresis_ratio) * usual
    if line.limit_minor > amounts.cap_minor:
        reasons = [money_reason("above_cap", line.currency, amounts.cap_minor), *reasons]
    elif line.last_action == "override":
        reasons = [money_reason("override_ended", line.currency), *reasons]
    elif fell:
        reasons = [support, *against[:3]]
    elif case.policy.cuts_need_evidence and not hits and verdict.band not in ("D", "E"):
        return None
    if limit == round_up(case.drawn_minor, amounts.rounding_minor) > target:
        held = money_reason("held_at_drawn", line.currency, case.drawn_minor)
        reasons = [*principal(reasons)[: REASONS_MAX - 1], held]
    return change_line(case, line, "decrease", limit, reasons, cut_at=case.as_of)


def _cut_limit(case: Case, amounts: Amounts, limit: int, target: int) -> int:
    """Where one cut from ``limit`` towards ``target`` ends: by step, floor and what is drawn.

    Never above ``limit``; rounded up, so that rounding breaks none of the bounds.
    """
    bound = limit * (1 - case.policy.steps.down_max_ratio)
    lowest = max(target, bound, amounts.floor_minor, case.drawn_minor)
    return min(limit, round_up(lowest, amounts.rounding_minor))

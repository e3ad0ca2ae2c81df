"""How a line opens, by itself or on application, and why an application is declined."""

import math

from msgspec import Struct, structs

from credit.bounds import channel_of
from credit.capacity.amounts import Capacity, Seen, round_down
from credit.changes import DAY_MS, Case, Changed, change_line
from credit.fields import band_at_least
from credit.lines import Line, line_id_of
from credit.product import Amounts, Product
from credit.reasons import REASONS_MAX, favourable, money_reason, plain_reason, principal
from credit.targets import Bound, capacity_reason, raise_bound, target_minor
from detectors.assess import Verdict
from features.catalogue import INDEX
from schemas.outputs import Reason


class Application(Struct, frozen=True, gc=False):
    """A merchant's wish for a line of ``amount_minor``, of ``at`` (epoch ms), not answered yet."""

    amount_minor: int
    at: int
    cause: str
    currency: str
    channel: str | None = None


class Refusal(Struct, frozen=True):
    """Why no line opens now. Only ``reasons`` with something in them decline an application."""

    reasons: list[Reason]


def open_line(
    case: Case,
    line: Line | None,
    amounts: Amounts,
    verdict: Verdict,
    seen: Seen,
    capacity: Capacity,
    currency: str,
    application: Application | None,
) -> Changed | Refusal:
    """Open a first line, or one that closed at least a cool-down ago; or why not."""
    product = case.product
    assert product is not None
    was_open = line is not None and line.last_action != "decline"
    if line is not None and was_open and case.as_of - line.changed_at < case.steps.cool_down_up_ms:
        return Refusal([plain_reason("cooling")])
    channel = application.channel if application is not None else line.channel if line else None
    unfit = _unfit(case, product, seen, channel)
    if unfit is not None:
        return unfit
    thin = _thin_start(product, currency, verdict, application)
    if thin is None:
        early = _too_early(product, seen, application)
        if early:
            return Refusal([plain_reason("history_short")])
        if not band_at_least(verdict.band, product.opening.worst_band):
            return Refusal(list(verdict.reasons))
    reasons: list[Reason]
    if thin is not None:
        wanted, bound = float(thin), Bound(None)
        reasons = [money_reason("thin_file", currency, thin)]
    else:
        target = target_minor(case, amounts, verdict, capacity.lowest)
        if target is None:
            return Refusal([plain_reason("capacity_unknown")])
        wanted = target * product.opening.start_ratio
        bound = raise_bound(case, seen, line, verdict)
        reasons = [capacity_reason(capacity, currency, target, lowest=True)]
    return _begin(case, line, amounts, verdict, currency, application, wanted, bound, reasons)


def _begin(
    case: Case,
    line: Line | None,
    amounts: Amounts,
    verdict: Verdict,
    currency: str,
    application: Application | None,
    wanted: float,
    bound: Bound,
    reasons: list[Reason],
) -> Changed | Refusal:
    """The opening at what is wanted, within the bound and what was applied for."""
    limited: list[Reason] = []
    if bound.most_minor is not None and bound.most_minor < wanted:
        wanted = bound.most_minor
        limited = [bound.reason(currency)]
    wanted = min(wanted, amounts.cap_minor)
    limit = round_down(wanted, amounts.rounding_minor)
    if limit < amounts.floor_minor:
        floor = money_reason("below_floor", currency, amounts.floor_minor)
        return Refusal([*limited, *reasons, floor])
    if application is not None:
        applied = money_reason("applied_amount", currency, application.amount_minor)
        reasons = [applied, *reasons]
        limit = min(limit, round_down(application.amount_minor, amounts.rounding_minor))
        if limit < amounts.floor_minor:
            return Refusal([applied, money_reason("below_floor", currency, amounts.floor_minor)])
    if line is None:
        line = unopened(case, currency)
    line = structs.replace(line, band=verdict.band)
    if application is not None:
        line = structs.replace(line, channel=application.channel)
    return begin_term(case, line, limit, [*reasons, *limited, *favourable(verdict.reasons)])


def decline(
    case: Case, line: Line | None, application: Application, reasons: list[Reason]
) -> Changed:
    """The answer to an application that opens nothing: a change of limit 0, with its reasons.

    The line stays closed, and may open later without a cool-down.
    """
    if line is None:
        line = unopened(case, application.currency)
    applied = money_reason("applied_amount", application.currency, application.amount_minor)
    against = reasons or [plain_reason("capacity_unknown")]
    return change_line(case, line, "decline", 0, [*principal(against)[: REASONS_MAX - 1], applied])


def unopened(case: Case, currency: str) -> Line:
    """A line before its first change."""
    return Line(
        line_id=line_id_of(case.merchant_id, case.name),
        product=case.name,
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


def begin_term(case: Case, line: Line, limit: int, reasons: list[Reason]) -> Changed:
    """The line at a limit for another term of its product."""
    assert case.product is not None
    until = case.as_of + case.product.term_days * DAY_MS
    return change_line(case, structs.replace(line, expires_at=until), "open", limit, reasons)


def _unfit(case: Case, product: Product, seen: Seen, channel: str | None) -> Refusal | None:
    """Why the merchant is not among those for whom the product is."""
    asked = product.eligibility
    fits = (
        (not asked.segments or case.segment in asked.segments)
        and (not asked.regions or case.region in asked.regions)
        and (case.registered or not asked.registered)
        and all(math.isfinite(seen[f"{feed}_silence_days"]) for feed in asked.feeds)
        and (not product.channels or channel_of(product, channel or "") is not None)
    )
    return None if fits else Refusal([plain_reason("not_eligible")])


def _thin_start(
    product: Product, currency: str, verdict: Verdict, application: Application | None
) -> int | None:
    """What an applicant may start with of whom too little is known; None where that is not so."""
    if application is None or verdict.band != "insufficient_history":
        return None
    return product.opening.thin_file_start_minor.get(currency)


def _too_early(product: Product, seen: Seen, application: Application | None) -> bool:
    opening = product.opening
    tenure, active = seen.vector[INDEX["tenure_days"]], seen.vector[INDEX["active_days_28d"]]
    by_itself = (
        opening.pre_approved
        and tenure >= opening.pre_approved_tenure_days
        and active >= opening.pre_approved_active_days
    )
    on_application = (
        application is not None
        and tenure >= opening.application_tenure_days
        and active >= opening.application_active_days
    )
    return not (by_itself or on_application)

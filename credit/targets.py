"""The limit that capacity and risk support, and what bounds every raise beside them."""

from msgspec import Struct

from credit.affordability import affordable_total_minor
from credit.capacity.amounts import Capacity, Seen
from credit.changes import Case
from credit.lines import Line
from credit.product import Amounts
from credit.reasons import money_reason, plain_reason
from credit.risk import earns_enough, risk_multiplier, stress_multiplier
from detectors.assess import Verdict
from schemas.outputs import Reason


def target_minor(
    case: Case, amounts: Amounts, verdict: Verdict, capacity_minor: float | None
) -> int | None:
    """capacity × risk × stress, at most the cap, not rounded.

    None where the capacity is not known or the band gives no multiplier (``insufficient_history``).
    """
    multiplier = risk_multiplier(case.policy, verdict)
    if capacity_minor is None or multiplier is None:
        return None
    stress = stress_multiplier(case.policy, case.segment)
    return int(min(capacity_minor * multiplier * stress, amounts.cap_minor))


def capacity_reason(capacity: Capacity, currency: str, target: int, *, lowest: bool) -> Reason:
    """The reason that states the figure behind a target."""
    basis = capacity.lowest_basis if lowest else capacity.middle_basis
    return money_reason(capacity.code, currency, target, basis)


class Bound(Struct, frozen=True):
    """The most that a line may be after a raise, None for no bound, and the reason's code.

    ``shown_minor`` is the amount that the reason states, where it states one.
    """

    most_minor: int | None
    code: str = ""
    shown_minor: int | None = None

    def reason(self, currency: str) -> Reason:
        """Why no more."""
        if self.shown_minor is None:
            return plain_reason(self.code)
        return money_reason(self.code, currency, self.shown_minor)


def raise_bound(case: Case, seen: Seen, line: Line | None, verdict: Verdict) -> Bound:
    """What bounds an opening or a raise: the margin, and all debt against the cash flow."""
    policy, product = case.policy, case.product
    if product is not None:
        probability = verdict.probability_of_default
        if not earns_enough(policy, product.pricing, probability, case.horizon_days):
            return Bound(0, "margin")
    if policy.affordability is None:
        return Bound(None)
    total = affordable_total_minor(policy.affordability, seen)
    if total is None:
        return Bound(0, "debt_unknown")
    own = 0 if line is None else line.limit_minor
    # What is owed beyond all that the lines grant is debt of no line, and takes room as well.
    beyond = max(case.exposure_minor - case.others_minor - own, 0)
    return Bound(max(total - case.others_minor - beyond, 0), "affordability", total)

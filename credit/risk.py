"""From risk to money: what share of a capacity is granted, and what a line would earn.

Margin, as a ratio of what is drawn and a year::

    margin = annual_rate - funding_rate - operating_rate - expected_loss
    expected_loss = annual_pd x loss_given_default
    annual_pd = 1 - (1 - PD) ** (365 / horizon_days)

PD is the assessed probability of default within ``horizon_days``. It is brought to a year as if
each horizon were survived alike (a constant hazard).
"""

from credit.fields import LendingBand
from credit.policy import Policy
from credit.product import Pricing
from detectors.assess import Verdict


def risk_multiplier(policy: Policy, verdict: Verdict) -> float | None:
    """The share of capacity that band and probability allow, the lower of the two.

    None where the band is no lending band (``insufficient_history``). A probability beyond all
    steps gets nothing.
    """
    band: LendingBand = verdict.band  # type: ignore[assignment]
    multiplier = policy.risk_multipliers.get(band)
    probability = verdict.probability_of_default
    if multiplier is None or probability is None or not policy.probability_multipliers:
        return multiplier
    by_probability = next(
        (step.multiplier for step in policy.probability_multipliers if probability < step.below),
        0.0,
    )
    return min(multiplier, by_probability)


def stress_multiplier(policy: Policy, segment: str) -> float:
    """What the switch for downturns leaves of a capacity."""
    return policy.stress.portfolio * policy.stress.segments.get(segment, 1.0)


def annual_margin(pricing: Pricing, probability: float, horizon_days: int) -> float:
    """What a line earns a year as a ratio of what is drawn; the formula is above."""
    annual_pd: float = 1.0 - (1.0 - probability) ** (365 / horizon_days)
    loss = annual_pd * pricing.loss_given_default
    return pricing.annual_rate - pricing.funding_rate - pricing.operating_rate - loss


def earns_enough(
    policy: Policy, pricing: Pricing | None, probability: float | None, horizon_days: int
) -> bool:
    """Whether a line may open or rise: its margin is at least the policy's ``minimum_margin``."""
    if policy.minimum_margin is None:
        return True
    if pricing is None or probability is None:
        return False
    return annual_margin(pricing, probability, horizon_days) >= policy.minimum_margin

"""Differences between policies, paired by merchant."""

from credit.outcomes import DAY_MS, Outcomes, Terms
from features.lines import LogLine
from tideline.backtesting.compare import Difference, compare


def outcomes_of(limits: list[int], merchants: int) -> Outcomes:
    """Each merchant draws 100 for a year under each policy's limit."""
    outcomes = Outcomes(len(limits), Terms(annual_rate=0.1, annual_funding_cost=0.0))
    for number in range(merchants):
        for policy, limit in enumerate(limits):
            outcomes.limit(policy, f"m{number}", "a", limit)
        for type, day in (("loan.disbursed", 0), ("loan.settled", 365)):
            outcomes.take(
                LogLine(
                    type=type,
                    event_id=f"{type}-{number}",
                    merchant_id=f"m{number}",
                    occurred_at=day * DAY_MS,
                    amount=100 + number % 7,
                    currency="CNY",
                    loan_id="l",
                )
            )
    return outcomes


def net_of(outcomes: Outcomes, names: list[str], seed: int = 1) -> Difference:
    """The difference of net of the second policy."""
    found = compare(names, outcomes, [], {}, seed)
    (currency,) = found.currencies
    return next(d for d in currency.differences[names[1]] if d.field == "net")


def test_equal_policies_differ_by_nothing() -> None:
    net = net_of(outcomes_of([80, 80], 50), ["a", "b"])
    assert (net.total_minor, net.low_minor, net.high_minor) == (0, 0, 0)


def test_the_interval_lies_around_the_total_and_depends_on_the_seed_alone() -> None:
    outcomes = outcomes_of([80, 40], 200)
    net = net_of(outcomes, ["a", "b"])
    assert net.total_minor < 0
    assert net.low_minor < net.total_minor < net.high_minor < 0
    # 200 merchants of about 4 each: a Poisson count of them has a deviation of 7 %.
    assert 0.2 < (net.high_minor - net.low_minor) / -net.total_minor < 0.36
    assert net_of(outcomes, ["a", "b"]) == net
    assert net_of(outcomes, ["a", "b"], seed=2) != net

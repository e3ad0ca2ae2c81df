"""Budgets, leases, the circuit breaker and the holdout bound what rules do as a whole."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from credit.guardrails import (
    BUDGETS_MAX,
    STANDING,
    BreakerState,
    Purse,
    Spent,
    in_holdout,
    leased_budgets,
    merchant_fits,
    merchant_spends,
)
from credit.policy import Breaker, DailyBudget, Guardrails
from tests.credit.desk import POLICY, START_MS

HOUR_MS = 3_600_000
BREAKER = Breaker(
    window_ms=HOUR_MS, lines_min=3, lines_share=0.1, exposure_share=0.2, reset_ms=6 * HOUR_MS
)


def test_a_purse_spends_no_more_than_its_leases() -> None:
    purse = Purse()
    wanted = {(5, "portfolio.cuts.CNY"): 60}
    assert not purse.fits(wanted)
    purse.grant("portfolio.cuts.CNY", 5, 100)
    assert purse.fits(wanted)
    purse.spend(wanted)
    assert not purse.fits(wanted)
    assert purse.fits({(5, "portfolio.cuts.CNY"): 40})
    assert not purse.fits({(6, "portfolio.cuts.CNY"): 1})


def test_a_change_fits_only_if_every_budget_has_room() -> None:
    purse = Purse()
    purse.grant("portfolio.cuts.CNY", 5, 100)
    both = {(5, "portfolio.cuts.CNY"): 10, (5, "segment.cuts.CNY.retail"): 10}
    assert not purse.fits(both)
    purse.grant("segment.cuts.CNY.retail", 5, 10)
    assert purse.fits(both)


def test_headroom_is_given_back() -> None:
    purse = Purse()
    key = (STANDING, "funder.exposure.CNY.bank")
    purse.grant(key[1], STANDING, 100)
    purse.spend({key: 100})
    assert not purse.fits({key: 1}) and purse.fits({key: -30})
    purse.spend({key: -30})
    assert purse.fits({key: 30}) and not purse.fits({key: 31})


def test_a_purse_forgets_the_oldest_days_but_no_headroom() -> None:
    purse = Purse()
    purse.grant("funder.exposure.CNY.bank", STANDING, 1)
    for day in range(BUDGETS_MAX + 10):
        purse.grant("portfolio.cuts.CNY", day, 1)
    assert sum(len(each) for each in purse.leases.values()) <= BUDGETS_MAX
    assert STANDING in purse.leases and BUDGETS_MAX + 9 in purse.leases and 0 not in purse.leases


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100)), max_size=50))
def test_what_is_spent_never_exceeds_what_was_granted(acts: list[tuple[bool, int]]) -> None:
    purse = Purse()
    key = (1, "portfolio.raises.CNY")
    granted = spent = 0
    for is_grant, amount in acts:
        if is_grant:
            purse.grant(key[1], key[0], amount)
            granted += amount
        elif purse.fits({key: amount}):
            purse.spend({key: amount})
            spent += amount
        assert spent <= granted


def test_the_day_of_a_merchant_counts_cuts_and_raises_apart() -> None:
    budget = DailyBudget(cuts_minor={"CNY": 100}, raises_minor={"CNY": 50})
    spent: Spent | None = None
    assert merchant_fits(budget, spent, 1, "CNY", -100)
    spent = merchant_spends(spent, 1, "CNY", -80)
    assert not merchant_fits(budget, spent, 1, "CNY", -21)
    assert merchant_fits(budget, spent, 1, "CNY", -20)
    assert merchant_fits(budget, spent, 1, "CNY", 50)
    assert merchant_fits(budget, spent, 1, "USD", -(10**9))
    assert merchant_fits(budget, spent, 2, "CNY", -100)
    assert merchant_spends(spent, 2, "CNY", -5).cuts_minor == {"CNY": 5}


def test_leased_budgets_are_those_that_the_policy_names() -> None:
    rails = Guardrails(
        portfolio=DailyBudget(cuts_minor={"CNY": 1}, raises_minor={"USD": 1}),
        segments={"retail": DailyBudget(cuts_minor={"CNY": 1})},
    )
    policy = structs.replace(POLICY, guardrails=rails)
    cut = leased_budgets(policy, "retail", "CNY", 7, "decrease", -30)
    assert cut == {(7, "portfolio.cuts.CNY"): 30, (7, "segment.cuts.CNY.retail"): 30}
    assert leased_budgets(policy, "farm", "CNY", 7, "close", -30) == {(7, "portfolio.cuts.CNY"): 30}
    assert leased_budgets(policy, "retail", "USD", 7, "open", 5) == {(7, "portfolio.raises.USD"): 5}
    assert leased_budgets(policy, "retail", "CNY", 7, "freeze", -30) == {}
    assert leased_budgets(policy, "retail", "CNY", 7, "increase", 30) == {}
    assert leased_budgets(POLICY, "retail", "CNY", 7, "decrease", -30) == {}


def test_the_holdout_is_a_stable_share_that_the_salt_chooses() -> None:
    def held(share: float, salt: str) -> set[int]:
        rails = Guardrails(holdout_share=share, holdout_salt=salt)
        policy = structs.replace(POLICY, guardrails=rails)
        return {n for n in range(4000) if in_holdout(policy, f"m{n}")}

    assert held(0.0, "a") == set()
    tenth = held(0.1, "a")
    assert 300 < len(tenth) < 500
    assert tenth <= held(0.2, "a")
    assert len(tenth & held(0.1, "b")) < 100


def partition(lines: int, each: int = 100) -> BreakerState:
    state = BreakerState()
    for _ in range(lines):
        state.moved("CNY", 0, each)
    return state


def cut(state: BreakerState, at: int, before: int = 100, after: int = 0) -> bool:
    state.moved("CNY", before, after)
    return state.cut(BREAKER, at, "CNY", before - after)


def test_a_wave_of_cuts_trips_the_breaker_until_its_time_is_over() -> None:
    state = partition(20)
    assert not cut(state, START_MS)
    assert not cut(state, START_MS + 1)
    assert cut(state, START_MS + 2)
    assert state.waits(START_MS + 3)
    assert not state.waits(START_MS + 2 + 6 * HOUR_MS)


def test_cuts_that_are_few_or_far_apart_trip_nothing() -> None:
    many = partition(1000)
    assert not any(cut(many, START_MS + n, 100, 99) for n in range(50))
    slow = partition(20)
    assert not any(cut(slow, START_MS + n * HOUR_MS) for n in range(10))
    assert len(slow.waves) == 1


def test_the_share_of_exposure_trips_where_lines_are_few() -> None:
    state = partition(97)
    for _ in range(3):
        state.moved("CNY", 0, 10_000)
    assert not cut(state, START_MS, 10_000) and not cut(state, START_MS, 10_000)
    assert cut(state, START_MS, 10_000)


def test_a_reset_lets_cuts_go_on_and_counts_anew() -> None:
    state = partition(20)
    assert [cut(state, START_MS) for _ in range(3)] == [False, False, True]
    state.reset()
    assert not state.waits(START_MS)
    assert not cut(state, START_MS)


def test_without_a_breaker_nothing_is_counted() -> None:
    state = partition(1)
    assert not state.cut(None, START_MS, "CNY", 100) and not state.waves

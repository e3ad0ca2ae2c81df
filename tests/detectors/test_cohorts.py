"""Cohorts that fall together: the tails are exact, chance raises nothing, a common cause does."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.cohorts import (
    PAST_DAYS,
    PAST_DAYS_MIN,
    WINDOW_DAYS,
    Counts,
    Whole,
    binomial_tail,
    hypergeometric_tail,
    judge_cohorts,
)

WEEKS = PAST_DAYS // WINDOW_DAYS


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.01, 0.99))
def test_the_binomial_tail_is_the_sum_of_its_terms(least, more, share) -> None:  # type: ignore[no-untyped-def]
    n = least + more
    exact = sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(least, n + 1))
    assert binomial_tail(least, n, share) == pytest.approx(exact, rel=1e-9, abs=1e-300)


@given(st.data())
def test_the_hypergeometric_tail_counts_the_draws(data) -> None:  # type: ignore[no-untyped-def]
    population = data.draw(st.integers(1, 60))
    marked = data.draw(st.integers(0, population))
    drawn = data.draw(st.integers(0, population))
    least = data.draw(st.integers(0, population))
    ways = sum(
        comb(marked, k) * comb(population - marked, drawn - k)
        for k in range(least, min(marked, drawn) + 1)
    )
    exact = ways / comb(population, drawn)
    assert hypergeometric_tail(least, population, marked, drawn) == pytest.approx(exact, rel=1e-9)


def test_a_cohort_that_falls_together_stands_out_and_the_others_do_not() -> None:
    cohorts = {
        "carrier:a": Counts(members=40, struck=15, past=12),
        "carrier:b": Counts(members=40, struck=1, past=12),
        "region:north": Counts(members=200, struck=9, past=60),
    }
    found = judge_cohorts(cohorts, Whole(members=400, struck=19, past_days=PAST_DAYS))
    assert [name for name, each in found.items() if each.stands_out] == ["carrier:a"]
    assert found["carrier:b"].calm
    # 12 strikes in 12 weeks are one a week, 4 of 360 others are 0.44 of 40: the larger counts.
    assert found["carrier:a"].expected == pytest.approx(1.0)


def test_a_bad_week_for_everyone_is_no_cohorts_alert() -> None:
    cohorts = {f"region:{n}": Counts(members=100, struck=30, past=12) for n in range(4)}
    found = judge_cohorts(cohorts, Whole(members=400, struck=120, past_days=PAST_DAYS))
    assert not any(each.stands_out for each in found.values())


def test_a_cohort_that_is_always_worse_than_the_rest_does_not_stand_out() -> None:
    cohorts = {"segment:rural": Counts(members=50, struck=15, past=15 * WEEKS)}
    found = judge_cohorts(cohorts, Whole(members=500, struck=20, past_days=PAST_DAYS))
    assert not found["segment:rural"].stands_out
    assert found["segment:rural"].calm


def test_nothing_is_said_before_enough_of_the_past_was_seen() -> None:
    cohorts = {"carrier:a": Counts(members=40, struck=30, past=0)}
    assert judge_cohorts(cohorts, Whole(400, 31, PAST_DAYS_MIN - 1)) == {}
    assert judge_cohorts(cohorts, Whole(400, 31, PAST_DAYS_MIN))["carrier:a"].stands_out


def test_chance_alone_raises_next_to_nothing_over_ten_years_of_looks() -> None:
    drawn = np.random.default_rng(7)
    raised = 0
    for _ in range(520):
        sizes = drawn.integers(10, 120, 30)
        struck, past = drawn.binomial(sizes, 0.03), drawn.poisson(sizes * 0.03 * WEEKS)
        cohorts = {f"c{n}": Counts(int(sizes[n]), int(struck[n]), int(past[n])) for n in range(30)}
        whole = Whole(int(sizes.sum()), int(struck.sum()), PAST_DAYS)
        raised += any(each.stands_out for each in judge_cohorts(cohorts, whole).values())
    assert raised <= 1

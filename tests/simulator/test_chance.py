"""Draws are the same everywhere, spread as they should be, and independent of who else is drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tideline.simulator.chance import Chance, counts, log_normal, part, share

MANY = np.arange(200_000)


def test_draws_are_those_of_any_other_machine() -> None:
    drawn = Chance(7).bits(3, 11, np.array([0, 1, 2]), np.array([5, 5, 5]))
    assert drawn.tolist() == [
        6989848988757709249,
        4147777294734388080,
        13474855382228690714,
    ]


@given(seed=st.integers(0, 2**63 - 1), more=st.integers(1, 50))
def test_a_draw_does_not_depend_on_how_many_others_there_are(seed: int, more: int) -> None:
    few, many = np.arange(20), np.arange(20 + more)
    chance = Chance(seed)
    assert (chance.bits(1, 2, few) == chance.bits(1, 2, many)[:20]).all()


def test_draws_of_another_seed_purpose_moment_or_key_are_others() -> None:
    keys = np.arange(1000)
    first = Chance(1).bits(1, 1, keys)
    others = (
        Chance(2).bits(1, 1, keys),
        Chance(1).bits(2, 1, keys),
        Chance(1).bits(1, 2, keys),
        Chance(1).bits(1, 1, keys + 1000),
    )
    assert all(not (first == other).any() for other in others)


def test_shares_are_uniform() -> None:
    drawn = share(Chance(1).bits(0, 0, MANY))
    found, _ = np.histogram(drawn, bins=20, range=(0, 1))
    assert abs(found - len(MANY) / 20).max() < 5 * np.sqrt(len(MANY) / 20)


@pytest.mark.parametrize("rate", [0.002, 0.05, 0.3, 1.0, 4.2, 30.0])
def test_counts_have_the_mean_and_spread_of_a_poisson_count(rate: float) -> None:
    found = counts(np.full(len(MANY), rate), Chance(5).bits(0, 1, MANY))
    assert found.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate / len(MANY)) + 1e-4 * rate)
    assert found.var() == pytest.approx(rate, rel=0.1, abs=5e-4)


def test_log_normal_quantiles_have_their_median_and_spread() -> None:
    table = log_normal(0.8)
    drawn = np.log(table[part(Chance(9).bits(0, 0, MANY), 0, 12)])
    assert np.median(drawn) == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(0.8, rel=0.02)

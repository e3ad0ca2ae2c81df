"""The population stability index, and when a population moves."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.drift import ACT, REFERENCE, Drift, population_stability

BINS = ("x#0", "x#1", "x#2")
counts = st.lists(st.integers(0, 500), min_size=3, max_size=6).filter(lambda some: sum(some) > 0)


def draws(shares: tuple[float, float, float], count: int, seed: int) -> list[list[str]]:
    rnd = random.Random(seed)
    return [rnd.choices([[b] for b in BINS], shares)[0] for _ in range(count)]


def after(*samples: list[list[str]]) -> Drift:
    drift = Drift()
    for sample in samples:
        for bins in sample:
            drift.note(bins)
    return drift


def test_the_index_of_a_case_worked_by_hand() -> None:
    expected = 0.1 * math.log(0.6 / 0.5) + 0.1 * math.log(0.5 / 0.4)
    assert population_stability([60, 40], [50, 50]) == pytest.approx(expected)


@given(counts)
def test_a_sample_is_stable_against_itself_and_the_index_is_never_negative(some) -> None:
    assert population_stability(some, some) == pytest.approx(0)
    assert population_stability(some, some[::-1]) >= 0


def test_the_same_population_is_not_drifting() -> None:
    drift = after(draws((1, 1, 1), REFERENCE, 1), draws((1, 1, 1), 2 * REFERENCE, 2))
    assert drift.psi({"x": BINS})["x"] < 0.02
    assert not drift.is_moving(BINS)


def test_there_is_no_index_before_a_recent_sample() -> None:
    assert after(draws((1, 1, 1), 2 * REFERENCE - 1, 1)).psi({"x": BINS}) == {}


def test_another_population_moves_until_it_has_settled() -> None:
    first = draws((8, 1, 1), REFERENCE, 1)
    drift = after(first, draws((8, 1, 1), REFERENCE, 2), draws((1, 1, 8), REFERENCE // 2, 3))
    assert drift.psi({"x": BINS})["x"] >= ACT
    assert drift.is_moving(BINS)
    for bins in draws((1, 1, 8), 2 * REFERENCE, 4):
        drift.note(bins)
    assert drift.psi({"x": BINS})["x"] >= ACT
    assert not drift.is_moving(BINS)


def test_missing_values_are_a_bin_of_their_own() -> None:
    drift = after([["x#1"]] * REFERENCE, [[]] * REFERENCE)
    assert drift.psi({"x": BINS})["x"] > ACT


def test_it_is_plain_data() -> None:
    drift = after(draws((1, 2, 3), 1_500, 1))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(drift), type=Drift) == drift

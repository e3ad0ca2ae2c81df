"""Percentiles within the segment, against an exact and slow account of every merchant."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import INDEX, MONEY, NAMES, PEERS_MIN
from features.pages import StateFormatError
from features.peers import OTHER, SEGMENTS_MAX, Peers, bins_of
from tests.features.oracle.peers import INTEGER_MAX, PeersOracle, bin_of

OWN = len(NAMES) - len(MONEY)
amounts = st.one_of(
    st.just(math.nan),
    st.sampled_from([0.0, -0.0, 0.5, -0.999, 1.0, -1.0, math.inf, -math.inf, 1e300]),
    st.integers(-(2**53), 2**53).map(float),
    st.integers(-200, 200).map(float),
    st.floats(-1e6, 1e6),
)


def exact(amount: float) -> Fraction | None:
    """An amount as the oracle takes it: infinity is beyond every bin."""
    if math.isnan(amount):
        return None
    if math.isinf(amount):
        return Fraction(INTEGER_MAX if amount > 0 else -INTEGER_MAX)
    return Fraction(amount)


def vector_of(money: list[float]) -> np.ndarray:
    vector = np.full(len(NAMES), -7.0)
    for name, value in zip(MONEY, money, strict=True):
        vector[INDEX[name]] = value
    return vector


def spread(base: list[float]) -> list[float]:
    """An amount for each feature from a few."""
    return [base[i % len(base)] * (1 + i // len(base)) for i in range(len(MONEY))]


def take(peers: Peers, slot: int, segment: str, vector: np.ndarray) -> None:
    """One merchant."""
    peers.update(np.array([slot]), [segment], vector[None])


updates = st.lists(
    st.tuples(
        st.integers(0, 39),
        st.sampled_from(["retail", "retail", "retail", "food"]),
        st.lists(amounts, min_size=4, max_size=4).map(spread),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(st.lists(amounts, min_size=1, max_size=50))
def test_bins_are_those_of_exact_arithmetic(values: list[float]) -> None:
    codes = np.zeros(len(values), np.uint8)
    bins_of(np.array(values), codes)
    amounts = [exact(v) for v in values]
    assert codes.tolist() == [0 if a is None else bin_of(a) for a in amounts]


@settings(deadline=None)
@given(st.integers(0, 61), st.integers(-2, 2))
def test_bins_at_the_bounds_of_octaves_and_their_halves(k: int, off: int) -> None:
    for bound in (2**k, math.isqrt(2 ** (2 * k + 1))):
        value = float(bound + off)
        codes = np.zeros(2, np.uint8)
        bins_of(np.array([value, -value]), codes)
        assert codes.tolist() == [bin_of(Fraction(value)), bin_of(Fraction(-value))]


@settings(max_examples=150, deadline=None)
@given(updates)
def test_percentiles_are_those_of_the_oracle(stream) -> None:
    peers, oracle = Peers(), PeersOracle()
    peers.grow(40)
    everyone = [(slot, "retail", spread([float(slot), 10.0, -5.0, 0.0])) for slot in range(25)]
    for slot, segment, money in [*everyone, *stream]:
        vector = vector_of(money)
        take(peers, slot, segment, vector)
        values = dict(zip(MONEY, map(exact, money), strict=True))
        expected = oracle.percentiles(str(slot), segment, values)
        for value, name in zip(vector[OWN:].tolist(), MONEY, strict=True):
            share = expected[name]
            assert math.isnan(value) if share is None else value == float(share)
        assert peers.segment_of(slot) == segment
        kept = vector_of(money)
        assert np.array_equal(vector[:OWN], kept[:OWN], equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(updates)
def test_many_at_once_are_taken_one_after_the_other(stream) -> None:
    one, other = Peers(), Peers()
    for each in (one, other):
        each.grow(40)
        for slot in range(25):
            take(each, slot, "retail", vector_of(spread([float(slot)])))
    singly = [vector_of(money) for _, _, money in stream]
    for (slot, segment, _), vector in zip(stream, singly, strict=True):
        take(one, slot, segment, vector)
    together = np.array([vector_of(money) for _, _, money in stream]).reshape(-1, len(NAMES))
    other.update(np.array([s for s, _, _ in stream], np.int64), [s for _, s, _ in stream], together)
    assert np.array_equal(np.array(singly).reshape(-1, len(NAMES)), together, equal_nan=True)
    assert one.export(0, 40) == other.export(0, 40)


@settings(max_examples=50, deadline=None)
@given(updates, st.integers(0, 39), st.sampled_from(["retail", "food", "none yet"]))
def test_a_look_shows_what_an_update_would_and_changes_nothing(stream, slot, segment) -> None:
    peers, other = Peers(), Peers()
    for each in (peers, other):
        each.grow(40)
        for number in range(25):
            take(each, number, "retail", vector_of(spread([float(number)])))
        for update in stream:
            take(each, update[0], update[1], vector_of(update[2]))
    seen, taken = vector_of(spread([3.0])), vector_of(spread([3.0]))
    before, names = peers.export(0, 40), list(peers.names)
    peers.look(slot, segment, seen)
    assert (peers.export(0, 40), peers.names) == (before, names)
    for each in (peers, other):
        again = vector_of(spread([3.0]))
        take(each, slot, segment, again)
        assert np.array_equal(again, seen, equal_nan=True)
    take(other, slot, segment, taken)
    assert np.array_equal(taken, seen, equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(updates, updates)
def test_a_restored_state_goes_on_as_if_nothing_had_happened(before, after) -> None:
    one = Peers()
    one.grow(40)
    for slot in range(22):
        take(one, slot, "retail", vector_of(spread([float(slot)])))
    for slot, segment, money in before:
        take(one, slot, segment, vector_of(money))
    other = Peers()
    other.import_names(one.names)
    for first in (0, 16, 32):
        other.import_(first, one.export(first, min(first + 16, 40)))
    assert other.export(0, 40) == one.export(0, 40)
    for slot, segment, money in after:
        vector, again = vector_of(money), vector_of(money)
        take(one, slot, segment, vector)
        take(other, slot, segment, again)
        assert np.array_equal(vector, again, equal_nan=True)
    assert other.export(0, 40) == one.export(0, 40)
    assert other.names == one.names


def test_a_segment_that_everybody_had_left_is_there_after_a_restore() -> None:
    one = Peers()
    one.grow(40)
    for slot in range(30):
        take(one, slot, f"{slot}", vector_of(spread([float(slot)])))
    for slot in range(30):
        take(one, slot, "0", vector_of(spread([float(slot)])))
    other = Peers()
    other.import_names(one.names)
    other.import_(0, one.export(0, 40))
    for name in reversed(one.names):
        for slot in range(30):
            vector, again = vector_of(spread([7.0])), vector_of(spread([7.0]))
            take(one, slot, name, vector)
            take(other, slot, name, again)
            assert np.array_equal(vector, again, equal_nan=True)
    assert other.export(0, 40) == one.export(0, 40)


def test_with_fewer_than_the_least_peers_there_is_no_percentile() -> None:
    peers = Peers()
    peers.grow(PEERS_MIN)
    for slot in range(PEERS_MIN):
        vector = vector_of(spread([float(2**slot)]))
        take(peers, slot, "retail", vector)
        assert np.isnan(vector[OWN:]).all() == (slot < PEERS_MIN - 1)
    assert vector[OWN] == 1 - 1 / (2 * PEERS_MIN)


def test_segments_beyond_the_bound_share_one() -> None:
    peers = Peers()
    peers.grow(SEGMENTS_MAX + 2)
    for slot in range(SEGMENTS_MAX + 2):
        take(peers, slot, f"s{slot}", vector_of(spread([1.0])))
    assert peers.segment_of(SEGMENTS_MAX - 1) == f"s{SEGMENTS_MAX - 1}"
    assert {peers.segment_of(SEGMENTS_MAX + i) for i in range(2)} == {OTHER}
    restored = Peers()
    restored.import_names(peers.names)
    restored.import_(0, peers.export(0, SEGMENTS_MAX + 2))
    assert restored.segment_of(SEGMENTS_MAX + 1) == OTHER
    for each in (peers, restored):
        take(each, 0, "new", vector_of(spread([1.0])))
        assert each.segment_of(0) == OTHER


def test_a_merchant_takes_at_most_thirty_bytes() -> None:
    peers = Peers()
    peers.grow(1000)
    assert len(peers.export(0, 1000)) <= 30 * 1000
    assert peers.segment_of(999) is None


def test_damaged_state_is_refused() -> None:
    peers = Peers()
    peers.grow(2)
    take(peers, 0, "retail", vector_of(spread([1.0])))
    raw = peers.export(0, 2)
    restored = Peers()
    with pytest.raises(StateFormatError, match="merchant 0"):
        restored.import_(0, raw)  # no names yet
    restored.import_names(peers.names)
    with pytest.raises(StateFormatError, match="damaged"):
        restored.import_(0, raw[:-1])
    with pytest.raises(StateFormatError, match="fresh state"):
        restored.import_names(["another"])
    restored.import_(0, raw)
    assert restored.segment_of(1) is None

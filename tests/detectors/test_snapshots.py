"""Kept vectors: the same numbers but for rounding, in few bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.snapshots import Snapshot, keep, kept, pack, unpack
from features.catalogue import FEATURE_VERSION, NAMES

COUNT = len(NAMES)
value = st.one_of(st.just(float("nan")), st.floats(-1e15, 1e15, allow_nan=False), st.floats(0, 1))


@given(st.lists(value, min_size=COUNT, max_size=COUNT))
def test_a_vector_comes_back_to_seven_digits_and_lacks_what_it_lacked(values: list[float]) -> None:
    vector = np.array(values)
    found = np.array(unpack(pack(vector)))
    assert (np.isnan(found) == np.isnan(vector)).all()
    known = ~np.isnan(vector)
    assert np.allclose(found[known], vector[known], rtol=1e-7, atol=1e-37)
    tag = len(FEATURE_VERSION) + 1
    assert len(pack(vector)) == tag + -(-COUNT // 8) + 4 * int(known.sum())


def test_no_number_becomes_infinite() -> None:
    assert np.isfinite(unpack(pack(np.full(COUNT, 1e300)))).all()


def test_what_was_kept_of_other_features_is_left_out() -> None:
    vector = np.arange(COUNT, dtype="<f8")
    raw = keep([Snapshot(7, b"f0/" + bytes(90)), Snapshot(9, pack(vector))])
    assert [(s.as_of, s.vector) for s in kept(raw)] == [(9, vector.tolist())]
    assert kept(None) == []

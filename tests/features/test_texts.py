"""Vectors as JSON: the text of msgspec, whatever the numbers."""

import math

import msgspec
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.catalogue import NAMES
from features.texts import json_texts

numbers = st.one_of(
    st.just(math.nan),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, 1e16, 1e300, 5e-324, 0.1]),
    st.integers(-(2**54), 2**54).map(float),
    st.floats(allow_nan=True),
)
rows = st.lists(numbers, min_size=1, max_size=12).map(
    lambda some: [*some, *[math.nan] * (len(NAMES) - len(some))]
)


@settings(deadline=None)
@given(st.lists(rows, min_size=0, max_size=20))
@example([[math.nan] * len(NAMES)])
@example([[-1.7976931348623157e308] * len(NAMES)] * 3)
@example([[float(2**53 - 1), float(2**53), float(-(2**53) + 1)] + [math.nan] * (len(NAMES) - 3)])
def test_texts_are_those_of_a_dict_of_what_is_available(values: list[list[float]]) -> None:
    vectors = np.array(values).reshape(-1, len(NAMES))
    expected = [
        msgspec.json.encode({n: v for n, v in zip(NAMES, row, strict=True) if v == v})
        for row in values
    ]
    assert json_texts(vectors) == expected

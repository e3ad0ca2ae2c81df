"""Tests on a vector, made one by one or, over the vectors of a batch, in one compiled pass.

A test on what is not available (NaN) is not met, nor one against a multiple of it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.catalogue import INDEX
from features.layout import entry

Op = Literal["ge", "le"]
Placed = tuple[tuple[int, int, float, bool], ...]
"""Of each test: place of the feature, place of what its threshold is multiplied by (-1 for
nothing), threshold, whether it is a floor."""


class Check(Struct, frozen=True):
    """``vector[feature]`` ``ge``/``le`` ``threshold``.

    With ``times`` (the name of a feature) the threshold is that many times ``vector[times]``.
    """

    feature: str
    op: Op
    threshold: float
    times: str | None = None


def place(checks: Iterable[Check]) -> Placed:
    """Checks as they are made."""
    return tuple(
        (INDEX[c.feature], -1 if c.times is None else INDEX[c.times], c.threshold, c.op == "ge")
        for c in checks
    )


def are_met(tests: Placed, vector: Sequence[float]) -> bool:
    """Whether all are known to be met."""
    for at, times, bound, is_floor in tests:
        if times >= 0:
            bound *= vector[times]
        if not (vector[at] >= bound if is_floor else vector[at] <= bound):
            return False
    return True


@entry
def _any_met(vectors: Any, places: Any, bounds: Any, ends: Any, found: Any) -> None:
    for i in range(vectors.shape[0]):
        found[i] = False
        first = 0
        for end in ends:
            met = True
            for t in range(first, end):
                bound = bounds[t]
                if places[t, 1] >= 0:
                    bound *= vectors[i, places[t, 1]]
                value = vectors[i, places[t, 0]]
                met = value >= bound if places[t, 2] else value <= bound
                if not met:
                    break
            if met:
                found[i] = True
                break
            first = end


class AnyOf:
    """Groups of tests: a vector passes when all tests of at least one group are met."""

    def __init__(self, groups: Iterable[Placed]) -> None:
        self._groups = tuple(groups)
        tests = [test for group in self._groups for test in group]
        self._places = np.array([(at, times, floor) for at, times, _, floor in tests], np.int64)
        self._bounds = np.array([bound for _, _, bound, _ in tests])
        self._ends = np.cumsum([len(group) for group in self._groups])

    def met(self, vector: Sequence[float]) -> bool:
        """Whether one vector passes."""
        return any(are_met(group, vector) for group in self._groups)

    def met_by_each(self, vectors: NDArray[np.float64]) -> list[bool]:
        """Which vectors (float64, shape (rows, features), in catalogue order) pass."""
        found = np.empty(len(vectors), np.bool_)
        _any_met(vectors, self._places, self._bounds, self._ends, found)
        return found.tolist()  # type: ignore[no-any-return]

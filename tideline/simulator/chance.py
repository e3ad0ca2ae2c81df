"""Chance that is the same on every machine.

Every draw is a hash of the seed and of what is drawn (merchant, hour, number), so that nothing has
to be remembered, and a merchant's draws do not depend on how many others there are. Distributions
are read from finite tables that are rounded when made: functions of the processor's or the C
library's own (exp, log) differ in the last place from machine to machine, sums and products of
doubles do not.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
Bits = NDArray[np.uint64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
QUANTILES = 1 << 12
"""Entries of a table of quantiles, of which 12 bits choose one."""
_COUNT_QUANTILES = 1 << 16
_LEAST_RATE = 0.01
_RATES = 94
"""Rates from ``_LEAST_RATE`` on, each a tenth above the one before, up to 70."""


def mix(bits: Bits) -> Bits:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): each bit depends on all."""
    mixed = (bits ^ (bits >> np.uint64(30))) * np.uint64(_FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    return mixed ^ (mixed >> np.uint64(31))


def _mix(bits: int) -> int:
    bits = ((bits ^ (bits >> 30)) * _FIRST) & _MASK
    bits = ((bits ^ (bits >> 27)) * _SECOND) & _MASK
    return bits ^ (bits >> 31)


class Chance:
    """Draws under one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = _mix((seed + _GOLDEN) & _MASK)

    def number(self, purpose: int, *keys: int) -> int:
        """64 bits for one thing."""
        state = self._seed
        for key in (purpose, *keys):
            state = _mix((state ^ ((key + 1) * _GOLDEN)) & _MASK)
        return state

    def bits(self, purpose: int, moment: int, *keys: NDArray[Any]) -> Bits:
        """64 bits for each of many things, told apart by ``keys`` (whole numbers, not negative)."""
        state: Any = np.uint64(self.number(purpose, moment))
        for key in keys:
            spread = (key.astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)
            state = mix(state ^ spread)
        return np.asarray(state, np.uint64)

    def shares(self, purpose: int, moment: int, *keys: NDArray[Any]) -> Numbers:
        """Uniform within 0-1 (1 excluded) for each of many things."""
        return share(self.bits(purpose, moment, *keys))


def share(bits: Bits) -> Numbers:
    """Bits as a uniform number within 0-1 (1 excluded)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def part(bits: Bits, first: int, count: int) -> Whole:
    """``count`` of the bits from bit ``first`` on, as whole numbers."""
    mask = np.uint64((1 << count) - 1)
    return ((bits >> np.uint64(first)) & mask).astype(np.int64)


@lru_cache(maxsize=64)
def log_normal(sigma: float) -> Numbers:
    """Quantiles of a log-normal of median 1 whose logarithm spreads by ``sigma``."""
    normal = NormalDist()
    return np.array(
        [
            round(math.exp(sigma * normal.inv_cdf((i + 0.5) / QUANTILES)), 9)
            for i in range(QUANTILES)
        ]
    )


@lru_cache(maxsize=1)
def _count_tables() -> tuple[Numbers, NDArray[np.uint8]]:
    """Rates, and for each the quantiles of its Poisson counts."""
    rates = [_LEAST_RATE]
    while len(rates) < _RATES:
        rates.append(rates[-1] * 1.1)
    tables = np.zeros((_RATES, _COUNT_QUANTILES), np.uint8)
    middles = (np.arange(_COUNT_QUANTILES) + 0.5) / _COUNT_QUANTILES
    for row, rate in enumerate(rates):
        term, total, below = math.exp(-rate), 0.0, []
        for count in range(256):
            total += term
            below.append(round(total, 12))
            term *= rate / (count + 1)
        tables[row] = np.minimum(np.searchsorted(np.array(below), middles, "right"), 255)
    return np.array(rates), tables


def counts(rates: Numbers, bits: Bits) -> Whole:
    """Poisson counts of each rate; between two rates of the table one is drawn by its nearness.

    That keeps the mean and widens the spread a little. Rates above 70 count as 70.
    """
    grid, tables = _count_tables()
    wanted = np.minimum(rates, grid[-1] * 0.999)
    row = np.searchsorted(grid, wanted, "right") - 1
    below = np.maximum(row, 0)
    near = (wanted - grid[below]) / (grid[below + 1] - grid[below])
    chosen = below + (part(bits, 16, 24) * 2.0**-24 < near)
    found = tables[chosen, part(bits, 0, 16)].astype(np.int64)
    rare = (part(bits, 0, 40) * 2.0**-40 < wanted).astype(np.int64)
    return np.where(row < 0, rare, found)

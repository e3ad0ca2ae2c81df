"""The engine as scoring drives it, cut and handed over at will, and its dues against the oracle.

The only module of the oracle that knows how the engine is run.
"""

import math
from collections.abc import Collection, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.cadence import EngineConfig, Trigger
from features.engine import FeatureEngine
from features.lending import LendingBook
from features.lines import LogLine
from tests.features.build import copied, handed_over, scanned
from tests.features.oracle.history import Value
from tests.features.oracle.values import OWN, oracle_values

CONFIG = EngineConfig(dedup_events=4096)
"""No history has more lines, so that every duplicate is known."""
RELATIVE = 1e-9
"""Stated rounding: what is not a whole number may differ by this share of its size ..."""
ABSOLUTE = 1e-12
"""... or by this, where large terms cancel. Whole numbers and what is NaN are equal."""


class Assessed(NamedTuple):
    """A due of a merchant with its whole vector. ``seen`` lines had been applied."""

    seen: int
    merchant: str
    trigger: int
    as_of: int
    vector: NDArray[np.float64]

    @property
    def plain(self) -> tuple[str, int, int, bytes]:
        """What no cut may change."""
        return self.merchant, self.trigger, self.as_of, self.vector.tobytes()


class Difference(NamedTuple):
    """A feature that is not what the oracle finds."""

    name: str
    merchant: str
    as_of: int
    seen: int
    expected: Value
    found: float

    def __str__(self) -> str:
        return (
            f"{self.name} of {self.merchant} at {self.as_of} (day {self.as_of // 86_400_000}) "
            f"after {self.seen} lines: engine {self.found!r}, oracle "
            f"{None if self.expected is None else float(self.expected)!r} ({self.expected})"
        )


def drive(
    lines: Sequence[LogLine],
    cuts: Collection[int],
    hand_over: int | None = None,
    limit_minor: int = 0,
    config: EngineConfig = CONFIG,
) -> list[Assessed]:
    """Run the log in batches cut before the lines ``cuts``.

    Before the first batch that begins at or after ``hand_over``, all state moves into a fresh
    engine. ``seen`` of a timer is exact where every line is a batch of its own.
    """
    engine = FeatureEngine(config)
    books: dict[int, LendingBook] = {}
    found: list[Assessed] = []
    bounds = sorted({0, *(min(c, len(lines)) for c in cuts), len(lines)})
    for first, last in pairwise(bounds):
        if hand_over is not None and first >= hand_over:
            engine, books, hand_over = handed_over(engine), copied(books), None
        for due in engine.run(scanned(lines[first:last])):
            if due.slot < 0:
                continue
            book = books.setdefault(due.slot, LendingBook())
            if due.trigger == Trigger.LENDING:
                book.apply(lines[first + due.line])
            book.fill(due.vector, due.as_of, limit_minor)
            engine.set_lending_deadline(due.slot, book.next_check_ms(due.as_of))
            merchant, seen = engine.index.id_of(due.slot), first + due.line + 1
            engine.hold_back(due.slot, due.vector)
            engine.compare(np.array([due.slot]), ["all"], due.vector[None])
            found.append(Assessed(seen, merchant, due.trigger, due.as_of, due.vector.copy()))
    return found


def drive_line_by_line(lines: Sequence[LogLine], limit_minor: int = 0) -> list[Assessed]:
    """Every line a batch: shows how many lines each due has seen."""
    return drive(lines, range(len(lines)), None, limit_minor)


def off_by(expected: Value, found: float) -> tuple[float, float]:
    """By how much, and by what share of its size, a value differs from one that is there."""
    assert expected is not None
    off = abs(Fraction(found) - Fraction(expected))
    return float(off), float(off / abs(Fraction(expected)) if expected else off)


def differs(expected: Value, found: float) -> bool:
    """Whether a value of the engine is not the oracle's (see ``RELATIVE``)."""
    if expected is None or math.isnan(found):
        return not (expected is None and math.isnan(found))
    if not math.isfinite(found):
        return True
    if not isinstance(expected, Fraction):
        return float(expected) != found
    off, share = off_by(expected, found)
    return off > ABSOLUTE and share > RELATIVE


class Comparison(NamedTuple):
    """One due: the oracle's values by name and where the engine's differ."""

    expected: dict[str, Value]
    found: dict[str, float]
    differences: list[Difference]


def compare(lines: Sequence[LogLine], due: Assessed, seen: int, limit_minor: int) -> Comparison:
    """A due of the engine, which had seen ``seen`` lines, against the oracle."""
    expected = oracle_values(lines[:seen], due.merchant, due.as_of, limit_minor)
    found = dict(zip(OWN, due.vector.tolist(), strict=False))
    return Comparison(
        expected,
        found,
        [
            Difference(name, due.merchant, due.as_of, seen, expected[name], found[name])
            for name in OWN
            if differs(expected[name], found[name])
        ],
    )

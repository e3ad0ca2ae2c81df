"""One generated history against the oracle, with what it shows of every feature."""

import math
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.features.oracle.drive import (
    Assessed,
    Difference,
    compare,
    drive,
    drive_line_by_line,
    off_by,
)
from tests.features.oracle.generate import Generated
from tests.features.oracle.history import Value

DUES_MAX = 25
"""Dues of a history that are compared, the last among them."""


@dataclass
class Figures:
    """What was compared, by feature; sums over histories where they are added."""

    histories: int = 0
    lines: int = 0
    dues: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    available: Counter[str] = field(default_factory=Counter)
    """How many of the values compared are not NaN."""
    off: dict[str, float] = field(default_factory=dict)
    """Largest relative difference."""

    def add(self, other: "Figures") -> None:
        """Add the figures of further histories."""
        self.histories += other.histories
        self.lines += other.lines
        self.dues += other.dues
        self.compared.update(other.compared)
        self.available.update(other.available)
        for name, share in other.off.items():
            self.off[name] = max(self.off.get(name, 0.0), share)

    def note(self, name: str, expected: Value, found: float) -> None:
        """Count one value."""
        self.compared[name] += 1
        if expected is not None and math.isfinite(found):
            self.available[name] += 1
            self.off[name] = max(self.off.get(name, 0.0), off_by(expected, found)[1])


@dataclass
class Checked:
    """The figures of one history and what is wrong with it."""

    seed: int
    figures: Figures
    faults: list[str]


def _chosen(count: int, random: Random) -> list[int]:
    """Which dues are compared, in order."""
    if count <= DUES_MAX:
        return list(range(count))
    return [*sorted(random.sample(range(count - 1), DUES_MAX - 1)), count - 1]


def check(history: Generated) -> Checked:
    """Cut and handed over as the history says, its dues are those of the log line by line, and
    their values those of the oracle."""
    lines, limit = history.lines, history.limit_minor
    single = drive_line_by_line(lines, limit)
    dues = drive(lines, history.cuts, history.hand_over, limit)
    figures = Figures(histories=1, lines=len(lines))
    fault = _first_apart(single, dues)
    if fault is not None:
        return Checked(history.seed, figures, [fault])
    differences: list[Difference] = []
    for place in _chosen(len(dues), Random(history.seed)):
        compared = compare(lines, dues[place], single[place].seen, limit)
        differences += compared.differences
        figures.dues += 1
        for name, expected in compared.expected.items():
            figures.note(name, expected, compared.found[name])
    return Checked(history.seed, figures, [str(difference) for difference in differences])


def _first_apart(single: list[Assessed], dues: list[Assessed]) -> str | None:
    """The first due that the cut of the log, or the hand-over, changed."""
    if len(single) != len(dues):
        return f"line by line makes {len(single)} dues, this cut of the log {len(dues)}"
    for number, (one, other) in enumerate(zip(single, dues, strict=True)):
        if one.plain != other.plain:
            return (
                f"due {number} ({one.merchant} at {one.as_of}) depends on how the log is cut, "
                f"or on the hand-over: {other.merchant} at {other.as_of}"
            )
    return None

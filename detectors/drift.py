"""Drift of the model's inputs and of its score: the population stability index.

PSI = sum over bins of (p - q) ln(p / q), p the recent share of a bin and q that of the reference.
Below 0.1 nothing has moved, up to 0.25 it is worth a look, from there on the population is another
one (the rule of thumb of Lewis, 1994; Siddiqi, 2006, ch. 9). Bins are those of the scorecard, with
one more for what is not available; of the score, its bands.
"""

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

WATCH = 0.1
ACT = 0.25
"""From here on no version is promoted until the population has settled."""
REFERENCE = 1_000
"""Snapshots that make the reference, the first ones; the recent sample has up to twice as many."""
SHARE_MIN = 0.001
"""Stands for an empty bin, which has no logarithm."""

Counts = dict[str, int]


class Drift(Struct, kw_only=True):
    """Counts by bin of a reference and of the latest snapshots. Plain data."""

    reference: Counts = field(default_factory=dict)
    reference_n: int = 0
    before: Counts = field(default_factory=dict)
    before_n: int = 0
    now: Counts = field(default_factory=dict)
    now_n: int = 0

    def note(self, bins: Iterable[str]) -> None:
        """Take the bins of one snapshot: at most one of each variable."""
        if self.reference_n < REFERENCE:
            self.reference_n += 1
            _count(self.reference, bins)
            return
        if self.now_n == REFERENCE:
            self.before, self.before_n = self.now, self.now_n
            self.now, self.now_n = {}, 0
        self.now_n += 1
        _count(self.now, bins)

    def psi(self, variables: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
        """The index of each variable from its bins; empty until there is a recent sample.

        What is in none of a variable's bins counts as its bin of missing values.
        """
        if self.before_n + self.now_n < REFERENCE:
            return {}
        return {name: self._of_recent(bins) for name, bins in variables.items()}

    def is_moving(self, bins: tuple[str, ...]) -> bool:
        """Whether a variable left its reference (``ACT``) and goes on moving (``WATCH``).

        Once the two halves of the recent sample agree, it has settled elsewhere, and what is learnt
        of it from then on holds.
        """
        if self.before_n + self.now_n < REFERENCE or self._of_recent(bins) < ACT:
            return False
        if self.now_n < REFERENCE // 2:
            return True
        halves = (
            _counts_of(self.now, self.now_n, bins),
            _counts_of(self.before, self.before_n, bins),
        )
        return population_stability(*halves) >= WATCH

    def _of_recent(self, bins: tuple[str, ...]) -> float:
        before = _counts_of(self.before, self.before_n, bins)
        now = _counts_of(self.now, self.now_n, bins)
        recent = [a + b for a, b in zip(before, now, strict=True)]
        return population_stability(recent, _counts_of(self.reference, self.reference_n, bins))


def population_stability(recent: list[int], reference: list[int]) -> float:
    """PSI of two samples from their counts by bin, in the same order."""
    n, m = sum(recent), sum(reference)
    total = 0.0
    for a, b in zip(recent, reference, strict=True):
        if a == b == 0:
            continue
        p, q = max(a / n, SHARE_MIN), max(b / m, SHARE_MIN)
        total += (p - q) * math.log(p / q)
    return total


def _counts_of(counts: Counts, n: int, bins: tuple[str, ...]) -> list[int]:
    """Counts of a variable's bins, and of what was in none of them."""
    found = [counts.get(each, 0) for each in bins]
    return [*found, n - sum(found)]


def _count(counts: Counts, bins: Iterable[str]) -> None:
    for each in bins:
        counts[each] = counts.get(each, 0) + 1

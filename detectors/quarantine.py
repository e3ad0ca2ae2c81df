"""Labels that look poisoned wait outside the learner until time tells a burst from a drift.

A burst of labels unlike all before (a batch loaded with the wrong sign, a partner's system that
writes off everybody at once) would teach a model in minutes what takes months to unlearn. A real
downturn looks the same at first, but lasts. So labels are held while their share of defaults is
improbable, and taken after all if it stays so.
"""

import math

from msgspec import Struct, field

DAY_MS = 86_400_000
WINDOW = 50
"""Latest labels whose share of defaults is looked at."""
HISTORY_MIN = 100
"""Labels learnt before anything can be called unusual."""
DEVIATIONS_MAX = 5.0
"""Standard deviations of a binomial share; chance alone passes five in one of two million."""
CALM_DEVIATIONS = 1.0
"""Within so many the share is as usual again."""
LASTING_MS = 28 * DAY_MS
"""A share that stays for so long (event time), a cycle of repayments, is a drift, and true."""
HELD_MAX = 10_000
"""Labels held; past it the oldest are given up, and counted."""


class Held(Struct, frozen=True, array_like=True):
    """One label: when it came (epoch ms), and what is to be learnt."""

    at: int
    defaulted: bool
    snapshot: bytes


class Quarantine(Struct, kw_only=True):
    """Decides which labels may be learnt now. Plain data: part of the learner's state.

    ``learnt`` and ``defaults`` count the labels let through, of which ``recent`` are the latest;
    ``held`` wait in order of arrival; ``dropped`` counts those given up.
    """

    learnt: int = 0
    defaults: int = 0
    recent: list[bool] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    dropped: int = 0

    @property
    def holding(self) -> bool:
        """Whether labels are being held back; nothing is promoted meanwhile."""
        return bool(self.held)

    def take(self, label: Held) -> list[Held]:
        """The labels to learn now that ``label`` has come, in order; it may be among them or not.

        While labels are held: once the last ``WINDOW`` of them are as usual again, these are learnt
        and the burst before them is given up; once those held span ``LASTING_MS``, all are learnt.
        """
        if not self.held:
            recent = [*self.recent, label.defaulted][-WINDOW:]
            if self._deviations(recent) <= DEVIATIONS_MAX:
                return self._let([label])
        self.held.append(label)
        self.dropped += len(self.held) > HELD_MAX
        del self.held[:-HELD_MAX]
        last = self.held[-WINDOW:]
        if self.held[-1].at - self.held[0].at >= LASTING_MS:
            last = self.held
        elif self._deviations([each.defaulted for each in last]) > CALM_DEVIATIONS:
            return []
        self.dropped += len(self.held) - len(last)
        self.held = []
        return self._let(last)

    def _deviations(self, labels: list[bool]) -> float:
        """How far the share of defaults is from that so far; 0 while there is too little to tell.

        Of labels held there are at first fewer than a window, which can only be far off.
        """
        if self.learnt < HISTORY_MIN or (not self.held and len(labels) < WINDOW):
            return 0.0
        if len(labels) < WINDOW:
            return math.inf
        # Laplace's rule keeps the share off 0 and 1.
        share = (self.defaults + 1) / (self.learnt + 2)
        spread = math.sqrt(share * (1 - share) / len(labels))
        return abs(sum(labels) / len(labels) - share) / spread

    def _let(self, labels: list[Held]) -> list[Held]:
        self.learnt += len(labels)
        self.defaults += sum(each.defaulted for each in labels)
        self.recent = [*self.recent, *(each.defaulted for each in labels)][-WINDOW:]
        return labels

"""What scoring keeps of a merchant beside its matrix row: profile, loans, line, episodes."""

from msgspec import Struct, field

from credit.lines import Line
from detectors.episodes import Episode
from detectors.lasting import Cooling
from features.lending import LendingBook
from features.lines import LogLine

NO_SEGMENT = "unspecified"


_NO_LOANS = LendingBook()
"""Stands for the book of the many who never had a loan; it is only read."""


class Ledger(Struct, kw_only=True, gc=False, omit_defaults=True):
    """One merchant's state; changed only by its own lines and timers, in log order.

    ``met_since`` and ``cooling`` are what ``detectors.lasting`` remembers, at most one entry per
    kind of the rule book each, None for none: so it is for nearly all.
    """

    segment: str = NO_SEGMENT
    region: str | None = None
    currency: str | None = None
    consent: bool = True
    loans: LendingBook | None = None
    line: Line | None = None
    episodes: dict[str, Episode] = field(default_factory=dict)
    met_since: dict[str, int] | None = None
    cooling: dict[str, Cooling] | None = None
    assessments: int = 0

    @property
    def book(self) -> LendingBook:
        """What it owes, to be read."""
        return _NO_LOANS if self.loans is None else self.loans

    def lend(self, line: LogLine) -> None:
        """Take a line of ``lending.events``."""
        if self.loans is None:
            self.loans = LendingBook()
        self.loans.apply(line)

    def update_profile(self, line: LogLine) -> None:
        """Take a ``merchant.*`` or ``consent.changed`` line; absent fields stay."""
        if line.segment is not None:
            self.segment = line.segment
        if line.region is not None:
            self.region = line.region
        if line.currency is not None and self.currency is None:
            self.currency = line.currency
        if line.granted is not None:
            self.consent = line.granted

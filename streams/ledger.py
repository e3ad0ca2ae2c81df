"""What scoring keeps of a merchant beside its matrix row: profile, loans, line, episodes."""

from msgspec import Struct, field

from credit.bills import Bills
from credit.capacity.amounts import NO_BOOKS, Books
from credit.holding import Holding
from credit.receivables import Receivables
from detectors.episodes import Episode
from detectors.lasting import Cooling
from features.lending import LendingBook
from features.lines import LogLine

NO_SEGMENT = "unspecified"


_NO_LOANS = LendingBook()
"""Stands for the book of the many who never had a loan; it is only read."""


class Ledger(Struct, kw_only=True, gc=False, omit_defaults=True):
    """One merchant's state; changed only by its own lines and timers, in log order.

    ``lending`` are its credit lines and applications; ``receivables`` and ``bills`` are kept while
    it has or wants a line that rests on them. None for all others, who pay nothing for it.
    ``registered`` says that it has an entry in the profiles.

    ``met_since`` and ``cooling`` are what ``detectors.lasting`` remembers, at most one entry per
    kind of the rule book each, None for none: so it is for nearly all.
    """

    segment: str = NO_SEGMENT
    region: str | None = None
    currency: str | None = None
    consent: bool = True
    loans: LendingBook | None = None
    lending: Holding | None = None
    receivables: Receivables | None = None
    bills: Bills | None = None
    registered: bool = False
    episodes: dict[str, Episode] = field(default_factory=dict)
    met_since: dict[str, int] | None = None
    cooling: dict[str, Cooling] | None = None
    assessments: int = 0

    @property
    def book(self) -> LendingBook:
        """What it owes, to be read."""
        return _NO_LOANS if self.loans is None else self.loans

    @property
    def granted_minor(self) -> int:
        """What its lines grant together, in minor units."""
        return 0 if self.lending is None else self.lending.granted_minor

    def books(self, as_of: int) -> Books:
        """Claims and bills as of an event time (epoch ms)."""
        if self.receivables is None and self.bills is None:
            return NO_BOOKS
        claims, bills = self.receivables, self.bills
        return Books(
            delivered=() if claims is None else claims.delivered.by_age(as_of),
            invoiced=() if claims is None else claims.invoiced.by_age(as_of),
            bills=() if bills is None else bills.open_bills(as_of),
            dishonoured=() if bills is None else bills.broken(as_of),
        )

    def lend(self, line: LogLine) -> None:
        """Take a line of ``lending.events``."""
        if self.loans is None:
            self.loans = LendingBook()
        self.loans.apply(line)

    def update_profile(self, line: LogLine) -> None:
        """Take a ``merchant.*`` or ``consent.changed`` line; absent fields stay."""
        if line.type in ("merchant.registered", "merchant.updated"):
            self.registered = True
        if line.segment is not None:
            self.segment = line.segment
        if line.region is not None:
            self.region = line.region
        if line.currency is not None and self.currency is None:
            self.currency = line.currency
        if line.granted is not None:
            self.consent = line.granted

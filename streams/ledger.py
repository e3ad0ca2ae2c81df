"""What scoring keeps of a merchant beside its matrix row: profile, loans, line, episodes."""

from msgspec import Struct, field

from credit.bills import Bills
from credit.capacity.amounts import NO_BOOKS, Books
from credit.holding import Holding
from credit.receivables import Receivables
from detectors.episodes import Episode
from detectors.lasting import Cooling, Cured
from features.layout import HOUR_MS, NEVER
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

    ``met_since``, ``cooling`` and ``cured`` are what ``detectors.lasting`` remembers, at most one
    entry per kind of alert each, None for none: so it is for nearly all.
    ``probability_of_default`` is that of the latest assessment, kept while an episode is open.
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
    cured: dict[str, Cured] | None = None
    probability_of_default: float | None = None
    assessments: int = 0

    @property
    def book(self) -> LendingBook:
        """What it owes, to be read."""
        return _NO_LOANS if self.loans is None else self.loans

    @property
    def granted_minor(self) -> int:
        """What its lines grant together, in minor units."""
        return 0 if self.lending is None else self.lending.granted_minor

    @property
    def headroom_minor(self) -> int:
        """What could still be drawn on its lines in its currency, in minor units."""
        if self.lending is None:
            return 0
        book = self.book
        owed = book.owed_by_line_minor
        return self.lending.headroom_minor(owed, book.exposure_minor, self.currency)

    def next_look_ms(self, as_of: int, swept: int) -> int:
        """When it is to be looked at without an event: a due grows late, or a snooze is over.

        Epoch ms, ``NEVER`` for not. Snoozes end on the hour, so that many end at one deadline;
        ``swept`` is the latest deadline that has passed, ``as_of`` when lending was looked at.
        """
        look_at = NEVER if self.loans is None else self.loans.next_check_ms(as_of)
        for each in self.episodes.values():
            if each.snoozed_until is not None:
                ends_at = (each.snoozed_until // HOUR_MS + 1) * HOUR_MS
                look_at = min(look_at, ends_at if ends_at > swept else NEVER)
        return look_at

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

"""Claims of one merchant on its debtors: delivered or invoiced, and not yet settled."""

import math

from msgspec import Struct, field

from features.layout import DAY_MS
from features.lines import LogLine

DEBTORS_MAX = 64
"""Debtors held. Past it the one that owes least is forgotten: the capacity errs low."""
AGES_MAX = 128
"""Days held of one debtor. Past it the oldest claims are forgotten, which count least."""
DOCUMENTS_MAX = 512
"""Documents held by name, so that a settlement or void meets its own claim."""

NO_DEBTOR = ""
"""Whoever an event does not name: all of those as one debtor."""


class Debtor(Struct, gc=False):
    """What one debtor owes: (UTC day, open minor units), days ascending, none of them 0."""

    days: list[tuple[int, int]] = field(default_factory=list)

    @property
    def open_minor(self) -> int:
        """All that is open."""
        return sum(amount for _, amount in self.days)


class Claims(Struct, gc=False):
    """Open claims by debtor and day, and of which document each is where that is known.

    ``before_minor`` was open when the book began and is not settled yet: older than all claims
    here, and none of them.
    """

    debtors: dict[str, Debtor] = field(default_factory=dict)
    documents: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    before_minor: int = 0

    def add(self, name: str, day: int, amount: int, document: str | None) -> None:
        """A claim of a UTC day on a debtor; a document that has made one makes no second."""
        if amount == 0 or (document is not None and document in self.documents):
            return
        debtor = self.debtors.setdefault(name, Debtor())
        _add(debtor.days, day, amount)
        del debtor.days[:-AGES_MAX]
        if document is not None:
            self.documents[document] = (name, day, amount)
            while len(self.documents) > DOCUMENTS_MAX:
                del self.documents[next(iter(self.documents))]
        if len(self.debtors) > DEBTORS_MAX:
            least = min(self.debtors, key=lambda each: (self.debtors[each].open_minor, each))
            del self.debtors[least]

    def take_off(self, name: str | None, amount: int, document: str | None) -> None:
        """Take off the claim of the document where it is known, then the oldest of the debtor.

        What was open before the book began is the oldest of any debtor, for it is not known whose
        it was. Without a name the oldest of all. What is left then is dropped.
        """
        known = self.documents.get(document) if document is not None else None
        if known is not None and document is not None:
            debtor, day, claimed = known
            part = min(amount, claimed)
            self._reduce(debtor, part, day)
            self.documents[document] = (debtor, day, claimed - part)
            amount -= part
        part = min(amount, self.before_minor)
        self.before_minor -= part
        amount -= part
        while amount > 0:
            held = [each for each in self.debtors if name in (None, each)]
            if not held:
                return
            oldest = min(held, key=lambda each: (self.debtors[each].days[0][0], each))
            amount = self._reduce(oldest, amount, self.debtors[oldest].days[0][0])

    def by_age(self, as_of: int) -> tuple[tuple[str, int, int], ...]:
        """(debtor, age in whole UTC days, open minor units), by debtor and day."""
        today = as_of // DAY_MS
        return tuple(
            (name, max(today - day, 0), amount)
            for name in sorted(self.debtors)
            for day, amount in self.debtors[name].days
        )

    def _reduce(self, name: str, amount: int, day: int) -> int:
        """Take off the claims of one day; what is left of the amount."""
        debtor = self.debtors.get(name)
        if debtor is None:
            return amount
        for i, (each, open_minor) in enumerate(debtor.days):
            if each != day:
                continue
            part = min(amount, open_minor)
            if part == open_minor:
                del debtor.days[i]
            else:
                debtor.days[i] = (day, open_minor - part)
            amount -= part
            break
        if not debtor.days:
            del self.debtors[name]
        return amount


class Receivables(Struct, gc=False):
    """What is owed to a merchant, twice: as delivered and as invoiced; changed by ``apply`` alone.

    Parcels and invoices are two views of the same sales, so they are never added. A parcel
    delivered with an amount makes a claim of its ``ordered_at`` (else its own day), an invoice
    issued one of its day. A settlement takes off both; a return or refund the delivered, a void the
    invoiced. Amounts in another currency than ``currency`` are counted in ``mismatched``.
    """

    currency: str
    delivered: Claims = field(default_factory=Claims)
    invoiced: Claims = field(default_factory=Claims)
    mismatched: int = 0

    def begin(self, delivered_minor: float, invoiced_minor: float) -> None:
        """What is open as the book begins, of which it knows no more; NaN where nothing is known.

        Settlements of it are still to come: without it they would eat up the claims made since.
        """
        for claims, open_minor in (
            (self.delivered, delivered_minor),
            (self.invoiced, invoiced_minor),
        ):
            claims.before_minor = max(int(open_minor), 0) if math.isfinite(open_minor) else 0

    def apply(self, line: LogLine) -> None:
        """Take a line; those of no consequence here are ignored."""
        amount = line.amount
        if line.type not in TYPES or amount is None:
            return
        if line.currency != self.currency:
            self.mismatched += 1
            return
        name, own_at = line.counterparty_id, line.occurred_at
        if line.type == "shipment.delivered":
            at = own_at if line.ordered_at is None else min(line.ordered_at, own_at)
            self.delivered.add(name or NO_DEBTOR, at // DAY_MS, amount, line.order_id)
        elif line.type == "invoice.issued":
            self.invoiced.add(name or NO_DEBTOR, own_at // DAY_MS, amount, line.invoice_id)
        elif line.type == "settlement.received":
            self.delivered.take_off(name, amount, line.order_id)
            self.invoiced.take_off(name, amount, None)
        elif line.type in ("shipment.returned", "order.refunded"):
            self.delivered.take_off(name, amount, line.order_id)
        elif line.side != "received":
            self.invoiced.take_off(name, amount, line.invoice_id)


def _add(days: list[tuple[int, int]], day: int, amount: int) -> None:
    at = len(days)
    while at and days[at - 1][0] > day:
        at -= 1
    if at and days[at - 1][0] == day:
        days[at - 1] = (day, days[at - 1][1] + amount)
    else:
        days.insert(at, (day, amount))


TYPES = frozenset(
    {
        "shipment.delivered",
        "invoice.issued",
        "settlement.received",
        "shipment.returned",
        "order.refunded",
        "invoice.voided",
    }
)
"""Types that make claims or take them off."""

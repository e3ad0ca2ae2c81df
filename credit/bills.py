"""Accepted bills of one merchant that are open, by acceptor and maturity."""

from msgspec import Struct, field

from features.layout import DAY_MS
from features.lines import LogLine

BILLS_MAX = 256
"""Bills held. Past it the smallest is forgotten: the capacity errs low."""
ACCEPTORS_MAX = 64
"""Acceptors remembered for a dishonoured bill; past it the one longest ago is forgotten."""


class Bill(Struct, gc=False, frozen=True):
    """One accepted bill; ``due_at`` in epoch milliseconds."""

    acceptor: str
    due_at: int
    amount_minor: int


class Bills(Struct, gc=False):
    """Open bills by ``bill_id``; changed by ``apply`` alone, in log order.

    A bill without id or maturity is not counted as security: it cannot be told apart, or comes due
    at no known time. A bill settled or dishonoured before it was accepted (out of order) stays out.
    """

    currency: str
    bills: dict[str, Bill] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    dishonoured: dict[str, int] = field(default_factory=dict)
    mismatched: int = 0

    def apply(self, line: LogLine) -> None:
        """Take a line of a bill; others are ignored."""
        if line.type == "bill.accepted":
            self._accept(line)
        elif line.type in ("bill.settled", "bill.dishonoured"):
            gone = self.bills.pop(line.bill_id or "", None)
            if gone is None and line.bill_id is not None:
                self.ended.append(line.bill_id)
                del self.ended[:-BILLS_MAX]
            if line.type == "bill.dishonoured":
                self._dishonour(line, gone)

    def open_bills(self, as_of: int) -> tuple[tuple[str, int, int], ...]:
        """(acceptor, whole UTC days to maturity, minor units), by bill."""
        today = as_of // DAY_MS
        return tuple(
            (bill.acceptor, bill.due_at // DAY_MS - today, bill.amount_minor)
            for _, bill in sorted(self.bills.items())
        )

    def broken(self, as_of: int) -> tuple[tuple[str, int], ...]:
        """(acceptor, whole days since it last dishonoured a bill)."""
        return tuple(
            (name, max(as_of - at, 0) // DAY_MS) for name, at in sorted(self.dishonoured.items())
        )

    def _accept(self, line: LogLine) -> None:
        if line.bill_id is None or line.due_at is None or line.amount is None:
            return
        if line.currency != self.currency:
            self.mismatched += 1
            return
        if line.bill_id in self.ended:
            return
        self.bills[line.bill_id] = Bill(line.counterparty_id or "", line.due_at, line.amount)
        if len(self.bills) > BILLS_MAX:
            del self.bills[min(self.bills, key=lambda each: (self.bills[each].amount_minor, each))]

    def _dishonour(self, line: LogLine, bill: Bill | None) -> None:
        acceptor = line.counterparty_id or (bill.acceptor if bill is not None else "")
        latest = max(line.occurred_at, self.dishonoured.pop(acceptor, 0))
        self.dishonoured[acceptor] = latest
        if len(self.dishonoured) > ACCEPTORS_MAX:
            first = min(self.dishonoured, key=lambda each: (self.dishonoured[each], each))
            del self.dishonoured[first]

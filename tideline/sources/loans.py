"""Loans of a digital lender: earlier ones with their repayment, current ones with good or bad."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.errors import ConfigurationError
from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged, spans
from tideline.sources.tables import Rows, load, minor, text_ms

CURRENCY = "NGN"
"""Assumed: the data names none; amounts and dates are those of a Nigerian lender."""
SEGMENT = "digital-loan"
DAY_MS = 86_400_000
DEFAULT_AFTER_MS = 30 * DAY_MS
"""Assumed: how long after the term's end a loan that is not repaid is declared in default."""
NEXT_INSTALMENT_MS = 15 * DAY_MS
"""A first due date so long before the term's end leaves at least one more instalment."""
COLUMNS = ("customerid", "systemloanid", "approveddate", "loanamount", "totaldue", "termdays")
PREVIOUS = (*COLUMNS, "firstduedate", "firstrepaiddate", "closeddate")
CURRENT = (*COLUMNS, "good_bad_flag")


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``loans_previous.parquet`` and ``loans_current.parquet``, told apart by their names.

    An earlier loan gives its disbursal, its dues, its repayments and its settlement; a current one
    its disbursal, the due at the end of its term and its outcome.
    """
    previous = [p for p in paths if "previous" in p.name]
    current = [p for p in paths if p not in previous]
    if not paths or any("current" not in p.name for p in current):
        raise ConfigurationError(
            "loans needs loans_previous.parquet, loans_current.parquet or both"
        )
    tables: list[_Loans] = []
    streams: list[Stream] = []
    for group, columns in ((previous, PREVIOUS), (current, CURRENT)):
        if group:
            tables.append(_Loans(load(group, report, required=columns)))
            streams += tables[-1].current() if columns is CURRENT else tables[-1].previous()
    yield from merged([*_merchants(tables), *streams], report)


class _Loans:
    """Loans of one of the two tables."""

    def __init__(self, rows: Rows) -> None:
        table = rows.table
        self.rows = rows
        self.borrower: list[str] = table["customerid"].to_pylist()
        self.approved = text_ms(table["approveddate"])
        self._ids = table["systemloanid"].to_pylist()
        self._lent = minor(table["loanamount"])
        self._owed = minor(table["totaldue"])
        self._term_end = self.approved + np.asarray(table["termdays"], dtype=np.int64) * DAY_MS

    def previous(self) -> list[Stream]:
        """Disbursal, dues, repayments and settlement.

        A loan whose first due lies well before the term's end has an instalment a month, of which
        only the first date is known: the first is an equal part, what remains falls due at the end
        and comes at the closing.
        """
        table = self.rows.table
        due = text_ms(table["firstduedate"])
        repaid, closed = text_ms(table["firstrepaiddate"]), text_ms(table["closeddate"])
        split = self._term_end - due > NEXT_INSTALMENT_MS
        months = np.rint((self._term_end - self.approved) / (30 * DAY_MS)).astype(np.int64)
        part = np.where(split, self._owed // np.maximum(months, 1), self._owed)
        rest, end = self._owed - part, self._term_end
        more = np.flatnonzero(split)
        every = np.arange(len(due))
        return [
            self._stream("loan.disbursed", "", every, self.approved, self._lent),
            self._stream("repayment.due", "", every, due, part, due),
            self._stream("repayment.due", "-rest", more, end, rest, end),
            self._stream("repayment.received", "", every, repaid, part, due),
            self._stream("repayment.received", "-rest", more, closed, rest, end),
            self._stream("loan.settled", "", every, closed),
        ]

    def current(self) -> list[Stream]:
        """Disbursal, the due at the term's end, and the outcome: good by then, or bad later."""
        bad = np.array(self.rows.table["good_bad_flag"].to_pylist(), dtype=object) == "Bad"
        every, end = np.arange(len(bad)), self._term_end
        return [
            self._stream("loan.disbursed", "", every, self.approved, self._lent),
            self._stream("repayment.due", "", every, end, self._owed, end),
            self._stream("loan.settled", "", np.flatnonzero(~bad), end),
            self._stream("loan.defaulted", "", np.flatnonzero(bad), end + DEFAULT_AFTER_MS),
        ]

    def _stream(
        self,
        kind: str,
        suffix: str,
        place: NDArray[Any],
        times: NDArray[np.int64],
        amounts: NDArray[np.int64] | None = None,
        due: NDArray[np.int64] | None = None,
    ) -> Stream:
        places = place.tolist()
        amount = None if amounts is None else amounts.tolist()
        due_at = None if due is None else due.tolist()

        def build(i: int) -> Event:
            row = places[i]
            event: Event = {
                "type": kind,
                "event_id": f"loans-{self._ids[row]}-{kind}{suffix}",
                "merchant_id": self.borrower[row],
                "loan_id": str(self._ids[row]),
            }
            if amount is not None:
                event |= {"amount": amount[row], "currency": CURRENCY}
            if due_at is not None:
                event["due_at"] = due_at[row]
            return event

        return Stream(times[place], build, self.rows, place)


def _merchants(tables: list[_Loans]) -> list[Stream]:
    """The registration of each borrower, with its first loan of either table."""
    found = [spans(loans.borrower, loans.approved) for loans in tables]
    first: dict[str, tuple[int, int]] = {}
    for number, span in enumerate(found):
        for name, at in zip(span.names, span.first.tolist(), strict=True):
            first[name] = min(first.get(name, (at, number)), (at, number))
    streams = []
    for number, (loans, span) in enumerate(zip(tables, found, strict=True)):
        own = np.array([i for i, n in enumerate(span.names) if first[n][1] == number], np.int64)
        names = [span.names[i] for i in own.tolist()]
        build = _registration(names)
        streams.append(Stream(span.first[own], build, loans.rows, span.place[own]))
    return streams


def _registration(names: list[str]) -> Callable[[int], Event]:
    def build(i: int) -> Event:
        return {
            "type": "merchant.registered",
            "event_id": f"loans-borrower-{names[i]}",
            "merchant_id": names[i],
            "segment": SEGMENT,
            "currency": CURRENCY,
        }

    return build

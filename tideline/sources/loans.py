"""Loans of a digital lender: earlier ones with their repayment, current ones with good or bad."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.errors import ConfigurationError
from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged, minor, spans, text_ms

CURRENCY = "NGN"
"""Assumed: the data names none; amounts and dates are those of a Nigerian lender."""
SEGMENT = "digital-loan"
DAY_MS = 86_400_000


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``loans_previous.parquet`` and ``loans_current.parquet``.

    A loan gives its disbursal, a due date (``firstduedate``, or the term's end), for earlier loans
    the first repayment and the settlement, for current ones the outcome 30 days past the term.
    Rows without an amount or a readable date of approval are skipped.
    """
    previous = [p for p in paths if "previous" in p.name]
    current = [p for p in paths if "current" in p.name]
    if not previous and not current:
        raise ConfigurationError(
            "loans needs loans_previous.parquet, loans_current.parquet or both"
        )
    streams: list[Stream] = []
    borrowers: list[str] = []
    starts: list[NDArray[np.int64]] = []
    for group, is_current in ((previous, False), (current, True)):
        if not group:
            continue
        table = pa.concat_tables([pq.read_table(path) for path in group])
        report.rows_in += len(table)
        approved = text_ms(table["approveddate"].to_pylist())
        known = np.isfinite(np.asarray(table["loanamount"], dtype=np.float64))
        report.skipped["no amount lent"] += int((~known).sum())
        report.skipped["no date of approval"] += int((known & (approved < 0)).sum())
        kept = np.flatnonzero(known & (approved >= 0))
        loans = _Loans(table, approved, kept, is_current=is_current)
        borrowers += [loans.borrower[row] for row in kept.tolist()]
        starts.append(approved[kept])
        streams += loans.streams()
    names, first, _ = spans(borrowers, np.concatenate(starts))

    def merchant(i: int) -> Event:
        return {
            "type": "merchant.registered",
            "event_id": f"loans-borrower-{names[i]}",
            "merchant_id": names[i],
            "segment": SEGMENT,
            "currency": CURRENCY,
        }

    yield from merged("+".join(p.name for p in paths), [Stream(first, merchant), *streams], report)


class _Loans:
    """Columns of one of the two tables."""

    def __init__(
        self, table: pa.Table, approved: NDArray[Any], kept: NDArray[Any], *, is_current: bool
    ) -> None:
        self.borrower: list[str] = table["customerid"].to_pylist()
        self._ids = table["systemloanid"].to_pylist()
        self._lent = minor(table["loanamount"]).tolist()
        self._owed = minor(table["totaldue"]).tolist()
        self._approved = approved
        self._kept = kept
        self._current = is_current
        term = approved + np.asarray(table["termdays"], dtype=np.int64) * DAY_MS
        if is_current:
            self._due = term
            self._bad = [flag == "Bad" for flag in table["good_bad_flag"].to_pylist()]
        else:
            stated = text_ms(table["firstduedate"].to_pylist())
            self._due = np.where(stated >= 0, stated, term)
            self._repaid = text_ms(table["firstrepaiddate"].to_pylist())
            self._closed = text_ms(table["closeddate"].to_pylist())

    def streams(self) -> list[Stream]:
        """The events of these loans."""
        streams = [
            self._stream("loan.disbursed", self._kept, self._approved, self._lent),
            self._stream("repayment.due", self._kept, self._due, self._owed),
        ]
        if self._current:
            bad = np.array(self._bad)[self._kept]
            outcome = self._due + 30 * DAY_MS
            streams.append(self._stream("loan.defaulted", self._kept[bad], outcome, None))
            streams.append(self._stream("loan.settled", self._kept[~bad], outcome, None))
            return streams
        paid = self._kept[self._repaid[self._kept] >= 0]
        closed = self._kept[self._closed[self._kept] >= 0]
        streams.append(self._stream("repayment.received", paid, self._repaid, self._owed))
        streams.append(self._stream("loan.settled", closed, self._closed, None))
        return streams

    def _stream(
        self, kind: str, kept: NDArray[Any], times: NDArray[Any], amounts: list[int] | None
    ) -> Stream:
        rows = kept.tolist()

        def build(i: int) -> Event:
            row = rows[i]
            event: Event = {
                "type": kind,
                "event_id": f"loans-{self._ids[row]}-{kind}",
                "merchant_id": self.borrower[row],
                "loan_id": str(self._ids[row]),
            }
            if amounts is not None:
                event |= {"amount": amounts[row], "currency": CURRENCY}
            if kind.startswith("repayment"):
                event["due_at"] = int(self._due[row])
            return event

        return Stream(times[kept].astype(np.int64), build)

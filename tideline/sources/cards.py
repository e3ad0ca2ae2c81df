"""Six months of bills and payments of card accounts, and whether the next month defaulted.

``SEX``, ``EDUCATION``, ``MARRIAGE`` and ``AGE`` are protected: they are never read.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged, minor

CURRENCY = "TWD"
SEGMENT = "card-account"
DAY_MS = 86_400_000
# The data names April to September 2005; month 6 is the oldest.
MONTHS = [np.datetime64(f"2005-{m:02d}-01", "ms").astype(np.int64) for m in (9, 8, 7, 6, 5, 4)]
OUTCOME_AT = int(np.datetime64("2005-10-31", "ms").astype(np.int64))
COLUMNS = [
    "ID",
    "LIMIT_BAL",
    *[f"BILL_AMT{n}" for n in range(1, 7)],
    *[f"PAY_AMT{n}" for n in range(1, 7)],
    *[f"PAY_{n}" for n in (0, 2, 3, 4, 5, 6)],
    "default.payment.next.month",
]


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``cards_monthly.parquet``.

    The oldest bill is what was drawn (``loan.disbursed``). Each month's bill falls due on the 5th;
    what was paid comes that day, or late by the months of delay that the status states. The
    outcome comes at the end of the following month.
    """
    table = pa.concat_tables([pq.read_table(path, columns=COLUMNS) for path in paths])
    report.rows_in += len(table)
    ids = table["ID"].to_pylist()
    outcome = table["default.payment.next.month"].to_pylist()
    count = len(ids)
    opened = np.full(count, MONTHS[-1])
    streams = [Stream(opened, lambda i: _registered(ids[i]))]
    drawn = minor(table["BILL_AMT6"])
    lent = np.flatnonzero(drawn > 0).tolist()
    streams.append(
        Stream(
            opened[lent],
            lambda i: _money("loan.disbursed", ids[lent[i]], "draw", int(drawn[lent[i]])),
        )
    )
    for place, month in reversed(list(enumerate(MONTHS))):
        streams += _month(table, ids, place, int(month))
    streams.append(
        Stream(
            np.full(count, OUTCOME_AT),
            lambda i: _event("loan.defaulted" if outcome[i] else "loan.settled", ids[i], "outcome"),
        )
    )
    yield from merged("+".join(p.name for p in paths), streams, report)


def _month(table: pa.Table, ids: list[str], place: int, month: int) -> list[Stream]:
    due_at = month + 4 * DAY_MS
    bills = minor(table[f"BILL_AMT{place + 1}"])
    paid = minor(table[f"PAY_AMT{place + 1}"])
    status = np.asarray(table[f"PAY_{(0, 2, 3, 4, 5, 6)[place]}"])
    owed = np.flatnonzero(bills > 0).tolist()
    payers = np.flatnonzero(paid > 0)
    late_ms = np.clip(status[payers], 0, 8) * 30 * DAY_MS
    times = np.minimum(due_at + late_ms, OUTCOME_AT - DAY_MS)
    rows = payers.tolist()

    def due(i: int) -> Event:
        row = owed[i]
        event = _money("repayment.due", ids[row], f"due-{place}", int(bills[row]))
        return {**event, "due_at": due_at}

    def repaid(i: int) -> Event:
        row = rows[i]
        event = _money("repayment.received", ids[row], f"paid-{place}", int(paid[row]))
        return {**event, "due_at": due_at}

    return [Stream(np.full(len(owed), due_at), due), Stream(times, repaid)]


def _registered(account: str) -> Event:
    event = _event("merchant.registered", account, "merchant")
    return {**event, "segment": SEGMENT, "currency": CURRENCY}


def _money(kind: str, account: str, what: str, amount: int) -> Event:
    event = _event(kind, account, what)
    return {**event, "amount": amount, "currency": CURRENCY, "loan_id": f"card-{account}"}


def _event(kind: str, account: str, what: str) -> Event:
    return {"type": kind, "event_id": f"cards-{account}-{what}", "merchant_id": account}

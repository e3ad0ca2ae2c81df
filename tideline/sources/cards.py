"""Six months of bills and payments of card accounts, and whether the next month defaulted.

``SEX``, ``EDUCATION``, ``MARRIAGE`` and ``AGE`` are protected: they are never read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.streams import Event, Stream, merged
from tideline.sources.tables import Rows, load, minor

CURRENCY = "TWD"
SEGMENT = "card-account"
MONTHS = 6
"""April to September 2005; the columns number them backwards, from the latest."""
STATUS_COLUMNS = ("PAY_6", "PAY_5", "PAY_4", "PAY_3", "PAY_2", "PAY_0")
BILL_COLUMNS = tuple(f"BILL_AMT{n}" for n in range(6, 0, -1))
PAID_COLUMNS = tuple(f"PAY_AMT{n}" for n in range(6, 0, -1))
OUTCOME = "default.payment.next.month"
COLUMNS = ("ID", "LIMIT_BAL", *STATUS_COLUMNS, *BILL_COLUMNS, *PAID_COLUMNS, OUTCOME)
DUE_DAY = 5
DAY_MS = 86_400_000
OUTCOME_AT = int(np.datetime64("2005-10-31", "ms").astype(np.int64))


class Step(NamedTuple):
    """One lending event of an account: ``month`` is counted from April 2005, times are epoch ms.

    ``due_at`` is that of the due and of what meets it.
    """

    kind: str
    row: int
    at: int
    month: int
    amount: int
    due_at: int


def read(paths: list[Path], report: AdapterReport) -> Iterator[SourceRecord]:
    """``cards_monthly.parquet``: see ``_account`` for what a month becomes.

    The outcome comes at the end of the month after the last.
    """
    rows = load(paths, report, required=COLUMNS)
    table = rows.table
    accounts = table["ID"].to_pylist()
    limits = minor(table["LIMIT_BAL"]).tolist()
    outcome = table[OUTCOME].to_pylist()
    every = np.arange(len(accounts))

    def merchant(i: int) -> Event:
        event = _event("merchant.registered", accounts[i], "merchant")
        return event | {"segment": SEGMENT, "currency": CURRENCY, "limit_minor": limits[i]}

    def end(i: int) -> Event:
        return _event("loan.defaulted" if outcome[i] else "loan.settled", accounts[i], "outcome")

    streams = [
        Stream(np.full(len(every), _month_ms(0)), merchant, rows, every),
        _steps(rows, accounts),
        Stream(np.full(len(every), OUTCOME_AT), end, rows, every),
    ]
    yield from merged(streams, report)


def _steps(rows: Rows, accounts: list[str]) -> Stream:
    table = rows.table
    bills = np.stack([minor(table[name]) for name in BILL_COLUMNS], axis=1).tolist()
    paid = np.stack([minor(table[name]) for name in PAID_COLUMNS], axis=1).tolist()
    status = np.stack([np.asarray(table[name]) for name in STATUS_COLUMNS], axis=1).tolist()
    steps = [
        step
        for row in range(len(accounts))
        for step in _account(row, bills[row], paid[row], status[row])
    ]

    def build(i: int) -> Event:
        step = steps[i]
        account = accounts[step.row]
        what = f"{step.kind}-{step.month}-{step.due_at // DAY_MS}"
        event = _event(step.kind, account, what) | {"loan_id": f"card-{account}"}
        if step.kind != "repayment.due":
            event |= {"amount": step.amount, "currency": CURRENCY}
        if step.kind != "loan.disbursed":
            event["due_at"] = step.due_at
        return event

    times = np.array([step.at for step in steps], dtype=np.int64)
    return Stream(times, build, rows, np.array([step.row for step in steps], dtype=np.int64))


def _account(row: int, bills: list[int], paid: list[int], status: list[int]) -> Iterator[Step]:
    """The six months of one account.

    What was drawn in a month is its bill, less the bill before, plus what was paid. The data does
    not say what the least payment was, only how many months behind the account is. So a month in
    order with a payment has a due that is met at once; a month behind has one of as many months
    ago, which a payment of this or a later month meets. Dues older than the status allows for are
    met by the payment of the month, and by one of nothing where none is recorded.
    """
    open_dues: dict[int, int] = {}  # month of the instalment -> its due_at
    for month in range(MONTHS):
        at = _due_ms(month)
        drawn = bills[month] + paid[month] - (bills[month - 1] if month else 0)
        if drawn > 0:
            yield Step("loan.disbursed", row, _month_ms(month), month, drawn, 0)
        due = month - max(status[month], 0)
        behind = due < month
        if due not in open_dues and (behind or (paid[month] and not open_dues)):
            # A day per statement: a due that was met is not opened again by a later statement.
            open_dues[due] = _due_ms(due) + (month + 1) * DAY_MS if behind else at
            yield Step("repayment.due", row, at, month, 0, open_dues[due])
        met = sorted(each for each in open_dues if each < due or not behind)
        if paid[month] and not met:
            met = [due]
        for number, each in enumerate(met):
            amount = paid[month] if number == 0 else 0
            yield Step("repayment.received", row, at, month, amount, open_dues.pop(each))


def _month_ms(month: int) -> int:
    start = np.datetime64("2005-04", "M") + month
    return int(start.astype("datetime64[ms]").astype(np.int64))


def _due_ms(month: int) -> int:
    return _month_ms(month) + (DUE_DAY - 1) * DAY_MS


def _event(kind: str, account: str, what: str) -> Event:
    return {"type": kind, "event_id": f"cards-{account}-{what}", "merchant_id": account}

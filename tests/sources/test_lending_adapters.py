"""Adapters of loans and cards: dues and repayments say as much as the data does."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.lending import LendingBook
from features.lines import LogLine
from tests.sources.tables import DAY_MS, day, read
from tideline.sources.cards import BILL_COLUMNS, OUTCOME, PAID_COLUMNS, STATUS_COLUMNS


def shown(events: list[dict[str, Any]]) -> list[tuple[str, str, int | None, str | None]]:
    """Type, day, amount and due day of each event."""
    return [
        (e["type"], day(e), e.get("amount"), day(e, "due_at") if "due_at" in e else None)
        for e in events
    ]


def loans(path: Path, **changes: Any) -> Path:
    """One loan, earlier or current by the name of the file."""
    row: dict[str, Any] = {
        "customerid": "B",
        "systemloanid": 11,
        "approveddate": "2017-01-01 08:00:00.000000",
        "loanamount": 100.0,
        "totaldue": 120.0,
        "termdays": 30,
    }
    if "previous" in path.name:
        row |= {
            "firstduedate": "2017-01-31 00:00:00.000000",
            "firstrepaiddate": "2017-02-02 10:00:00.000000",
            "closeddate": "2017-02-02 10:10:00.000000",
        }
    else:
        row["good_bad_flag"] = "Good"
    row |= changes
    pq.write_table(pa.table({name: [value] for name, value in row.items()}), path)
    return path


def test_an_earlier_loan_is_lent_due_repaid_late_and_settled(tmp_path: Path) -> None:
    events, _ = read([loans(tmp_path / "loans_previous.parquet")], "loans")
    assert shown(events) == [
        ("merchant.registered", "2017-01-01", None, None),
        ("loan.disbursed", "2017-01-01", 10_000, None),
        ("repayment.due", "2017-01-31", 12_000, "2017-01-31"),
        ("repayment.received", "2017-02-02", 12_000, "2017-01-31"),
        ("loan.settled", "2017-02-02", None, None),
    ]


def test_of_a_loan_in_instalments_the_rest_falls_due_at_the_end_of_its_term(
    tmp_path: Path,
) -> None:
    path = loans(
        tmp_path / "loans_previous.parquet", termdays=90, closeddate="2017-03-20 00:00:00.000000"
    )
    events, _ = read([path], "loans")
    assert shown(events)[2:] == [
        ("repayment.due", "2017-01-31", 4_000, "2017-01-31"),
        ("repayment.received", "2017-02-02", 4_000, "2017-01-31"),
        ("repayment.received", "2017-03-20", 8_000, "2017-04-01"),
        ("loan.settled", "2017-03-20", None, None),
        ("repayment.due", "2017-04-01", 8_000, "2017-04-01"),
    ]


def test_a_good_current_loan_is_settled_when_due_and_a_bad_one_defaults_later(
    tmp_path: Path,
) -> None:
    outcomes = {}
    for flag in ("Good", "Bad"):
        path = loans(tmp_path / "loans_current.parquet", good_bad_flag=flag)
        outcomes[flag] = shown(read([path], "loans")[0])[-2:]
    due = ("repayment.due", "2017-01-31", 12_000, "2017-01-31")
    assert outcomes["Good"] == [due, ("loan.settled", "2017-01-31", None, None)]
    assert outcomes["Bad"] == [due, ("loan.defaulted", "2017-03-02", None, None)]


def test_a_borrower_of_both_tables_is_registered_once_with_the_first_loan(tmp_path: Path) -> None:
    paths = [
        loans(tmp_path / "loans_previous.parquet"),
        loans(
            tmp_path / "loans_current.parquet", approveddate="2017-05-01 00:00:00", systemloanid=12
        ),
    ]
    events, report = read(paths, "loans")
    registered = [e for e in events if e["type"] == "merchant.registered"]
    assert [day(e) for e in registered] == ["2017-01-01"]
    assert (report.rows_in, report.events_out) == (2, len(events))


def test_a_loan_that_does_not_say_what_was_lent_is_counted(tmp_path: Path) -> None:
    path = loans(tmp_path / "loans_previous.parquet", loanamount=float("nan"))
    events, report = read([path], "loans")
    assert events == []
    assert report.summary()["rows_skipped"] == {"no loanamount": 1}


def card(
    tmp_path: Path, status: list[int], paid: list[int], bill: int = 1_000
) -> list[dict[str, Any]]:
    """Events of an account with as many months of status and payments, from April."""
    row: dict[str, Any] = {"ID": "U", "LIMIT_BAL": 50_000, OUTCOME: 1}
    row |= dict(zip(STATUS_COLUMNS, status, strict=True))
    row |= dict(zip(PAID_COLUMNS, paid, strict=True))
    row |= dict.fromkeys(BILL_COLUMNS, bill)
    row |= {"SEX": 1, "EDUCATION": 2, "MARRIAGE": 1, "AGE": 40}
    path = tmp_path / "cards_monthly.parquet"
    pq.write_table(pa.table({name: [value] for name, value in row.items()}), path)
    return read([path], "cards")[0]


def book(events: list[dict[str, Any]]) -> LendingBook:
    """What the lending features make of the events before the outcome."""
    found = LendingBook()
    for event in events:
        if event["type"] not in ("merchant.registered", "loan.defaulted"):
            found.apply(
                LogLine(**{k: v for k, v in event.items() if k in LogLine.__struct_fields__})
            )
    return found


def test_a_card_in_order_is_never_late_and_owes_its_bill(tmp_path: Path) -> None:
    events = card(tmp_path, [0] * 6, [100] * 6)
    assert shown(events)[:4] == [
        ("merchant.registered", "2005-04-01", None, None),
        ("loan.disbursed", "2005-04-01", 110_000, None),
        ("repayment.due", "2005-04-05", None, "2005-04-05"),
        ("repayment.received", "2005-04-05", 10_000, "2005-04-05"),
    ]
    assert shown(events)[-1] == ("loan.defaulted", "2005-10-31", None, None)
    found = book(events)
    assert (found.paid_count, found.late_count) == (6, 0)
    assert found.days_past_due(events[-1]["occurred_at"]) == 0
    assert found.exposure_minor == 100_000


def test_a_card_that_falls_behind_without_paying_has_that_due_open(tmp_path: Path) -> None:
    events = card(tmp_path, [0, 0, 0, 0, 1, 2], [100] * 4 + [0, 0])
    found = book(events)
    assert found.late_count == 0
    september = [e for e in events if day(e) == "2005-09-05"]
    assert september == []  # the due of July is open since August
    assert 80 <= found.days_past_due(events[-1]["occurred_at"]) <= 125


def test_a_card_that_pays_late_is_as_late_as_its_status_says(tmp_path: Path) -> None:
    events = card(tmp_path, [0, 0, 0, 0, 0, 2], [100] * 6)
    found = book(events)
    assert (found.paid_count, found.late_count) == (6, 1)
    assert 50 <= found.delays[-1][1] / DAY_MS <= 62
    assert found.days_past_due(events[-1]["occurred_at"]) == 0


def test_arrears_that_the_status_no_longer_names_are_closed(tmp_path: Path) -> None:
    events = card(tmp_path, [0, 0, 1, 2, 0, 0], [100, 100, 0, 0, 0, 100])
    found = book(events)
    assert found.late_count == 1
    assert found.days_past_due(events[-1]["occurred_at"]) == 0
    assert all(not {"SEX", "EDUCATION", "MARRIAGE", "AGE"} & set(e) for e in events)

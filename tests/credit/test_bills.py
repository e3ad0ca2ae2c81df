"""The book of bills follows acceptance, settlement and dishonour, in any order of arrival."""

from itertools import permutations
from typing import Any

from credit.bills import ACCEPTORS_MAX, BILLS_MAX, Bills
from features.lines import LogLine

DAY_MS = 86_400_000


def line(tag: str, bill: str | None = "b1", day: int = 1, **fields: Any) -> LogLine:
    known: dict[str, Any] = {
        "amount": 100,
        "currency": "CNY",
        "due_at": 30 * DAY_MS,
        "counterparty_id": "bank",
        **fields,
    }
    return LogLine(
        type=tag, event_id="e", merchant_id="m", occurred_at=day * DAY_MS, bill_id=bill, **known
    )


def book(*lines: LogLine) -> Bills:
    made = Bills("CNY")
    for each in lines:
        made.apply(each)
    return made


def test_an_accepted_bill_is_open_until_it_is_settled() -> None:
    assert book(line("bill.accepted")).open_bills(10 * DAY_MS) == (("bank", 20, 100),)
    assert book(line("bill.accepted")).open_bills(31 * DAY_MS) == (("bank", -1, 100),)
    assert book(line("bill.accepted"), line("bill.settled")).open_bills(0) == ()


def test_a_settlement_before_its_acceptance_leaves_nothing_open() -> None:
    for order in permutations((line("bill.accepted"), line("bill.settled"))):
        assert book(*order).open_bills(0) == ()


def test_an_acceptor_that_dishonours_is_remembered_with_the_latest_day() -> None:
    made = book(
        line("bill.accepted", counterparty_id="bad"),
        line("bill.dishonoured", day=9, counterparty_id=None),
        line("bill.dishonoured", "b2", day=5, counterparty_id="bad"),
    )
    assert made.broken(12 * DAY_MS) == (("bad", 3),)
    assert made.open_bills(0) == ()


def test_a_bill_without_id_maturity_or_in_another_currency_is_no_security() -> None:
    made = book(
        line("bill.accepted", None),
        line("bill.accepted", due_at=None),
        line("bill.accepted", "b3", currency="USD"),
    )
    assert made.open_bills(0) == () and made.mismatched == 1


def test_books_stay_bounded_and_keep_the_largest_bills() -> None:
    made = book(
        *(line("bill.accepted", f"b{n:04d}", amount=n + 1) for n in range(BILLS_MAX + 10)),
        *(line("bill.settled", f"x{n}") for n in range(BILLS_MAX + 10)),
        *(
            line("bill.dishonoured", f"y{n}", day=n, counterparty_id=f"c{n}")
            for n in range(ACCEPTORS_MAX + 5)
        ),
    )
    assert len(made.bills) == len(made.ended) == BILLS_MAX
    assert "b0000" not in made.bills
    assert len(made.dishonoured) == ACCEPTORS_MAX and "c0" not in made.dishonoured

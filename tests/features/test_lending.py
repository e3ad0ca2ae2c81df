"""The book of one borrower, in small stories (days are counted from the first)."""

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import INDEX, NAMES
from features.layout import NEVER
from features.lending import DUES_MAX, LOANS_MAX, LendingBook
from features.lines import LogLine
from tests.features.build import DAY0, at, line


def book(*lines: LogLine) -> LendingBook:
    found = LendingBook()
    for each in lines:
        found.apply(each)
    return found


def lent(day: float, amount: int = 100, loan: str = "L", **fields: object) -> LogLine:
    return line("loan.disbursed", day, amount=amount, loan_id=loan, **fields)


def owed(day: float, amount: int | None = 50, loan: str | None = "L") -> LogLine:
    money = {} if amount is None else {"amount": amount}
    return line("repayment.due", day, due_at=at(day), loan_id=loan, **money)


def repaid(day: float, amount: int = 50, loan: str | None = "L", **fields: object) -> LogLine:
    return line("repayment.received", day, amount=amount, loan_id=loan, **fields)


def shown(of: LendingBook, day: float, limit: int = 0) -> dict[str, float]:
    vector = np.full(len(NAMES), np.nan)
    of.fill(vector, at(day), limit)
    return {n: vector[i] for n, i in INDEX.items() if vector[i] == vector[i]}


def test_exposure_is_what_is_lent_less_what_is_repaid_and_never_negative() -> None:
    assert book(lent(0), repaid(5)).exposure_minor == 50
    assert book(lent(0), repaid(5, 90), repaid(6, 90)).exposure_minor == 0
    assert shown(book(lent(0), repaid(5)), 6, limit=200)["utilisation"] == 0.25


def test_a_settled_loan_owes_nothing() -> None:
    found = book(lent(0), owed(10), line("loan.settled", 20, loan_id="L"))
    assert found.exposure_minor == 0
    assert found.days_past_due(at(99)) == 0
    assert shown(found, 21)["loans_settled_count"] == 1


def test_days_past_due_count_from_the_oldest_unpaid_due() -> None:
    found = book(lent(0), owed(10), owed(40), repaid(12, 20))
    assert found.days_past_due(at(10.5)) == 0
    assert found.days_past_due(at(11)) == 1
    assert found.days_past_due(at(45)) == 35
    found.apply(repaid(45, 30))
    assert found.days_past_due(at(45)) == 5


def test_repayments_settle_the_due_that_they_name() -> None:
    found = book(lent(0), owed(10), owed(20), repaid(19, 50, due_at=at(20)))
    assert [due.due_at for due in found.dues] == [at(10)]


def test_lateness_is_the_mean_and_the_last_of_the_delays() -> None:
    found = shown(book(lent(0), owed(10), repaid(14), owed(20), repaid(18, due_at=at(20))), 30)
    assert found["repayment_delay_mean_days"] == (4 - 2) / 2
    assert found["repayment_delay_last_days"] == -2
    assert found["repayment_late_share"] == 0.5


def test_an_unpaid_due_counts_as_late_while_it_is_past() -> None:
    assert shown(book(lent(0), owed(10)), 12)["repayment_late_share"] == 1
    assert "repayment_late_share" not in shown(book(lent(0), owed(10)), 10)


def test_a_due_without_amount_is_settled_by_any_repayment_of_its_loan() -> None:
    assert book(lent(0), owed(10, None), repaid(11, 1)).dues == []
    assert len(book(lent(0), owed(10, None), repaid(11, 1, "other")).dues) == 1


def test_a_disbursement_with_due_at_is_enough_for_lateness() -> None:
    found = book(lent(0, due_at=at(30)))
    assert found.days_past_due(at(33)) == 3
    found.apply(repaid(35, 100))
    assert shown(found, 36)["repayment_delay_last_days"] == 5
    closed = book(lent(0, due_at=at(30)), line("loan.settled", 28, loan_id="L"))
    assert shown(closed, 29)["repayment_delay_last_days"] == -2


def test_a_repayment_with_due_at_is_enough_for_lateness() -> None:
    found = book(repaid(33, due_at=at(30)), repaid(34, due_at=at(30)))
    assert shown(found, 40)["repayment_delay_mean_days"] == 3
    assert found.paid_count == 1


def test_instalments_replace_the_due_that_the_disbursement_implied() -> None:
    found = book(lent(0, due_at=at(60)), owed(30), repaid(30), owed(60), repaid(60))
    assert found.dues == []
    assert found.paid_count == 2


def test_a_due_that_is_told_after_its_repayment_stays_settled() -> None:
    found = book(lent(0), repaid(10, due_at=at(10)), owed(10))
    assert found.dues == []
    assert found.paid_count == 1


def test_a_repayment_that_comes_before_its_loan_is_kept_for_it() -> None:
    assert book(repaid(1, 30), lent(0)).exposure_minor == 70


def test_delays_are_capped() -> None:
    found = book(repaid(400, due_at=at(0)), repaid(401, due_at=at(500)))
    assert found.delay_sum_ms == (120 - 30) * 86_400_000


def late(*delays: float) -> LendingBook:
    """Who repaid as many dues, ten days apart, with these delays."""
    return book(*[repaid(10 * n + d, due_at=at(10 * n)) for n, d in enumerate(delays, 1)])


def test_delays_add_up_beyond_the_usual_and_a_day_of_grace() -> None:
    def rise(*delays: float) -> float:
        return shown(late(*delays), 400)["repayment_delay_cusum_days"]

    assert "repayment_delay_cusum_days" not in shown(late(9, 9, 9), 400)
    assert rise(0, 0, 5, 6) == 4 + 5
    assert rise(2, 2, -6, 3) == 2  # who pays ahead again begins anew
    assert rise(0, 0, 0, 100) == 15 - 1  # one forgotten due is no habit
    usual = [2.0] * 4
    assert rise(*usual, *[2.0] * 8) == 0
    assert rise(*usual, *[2.0] * 7, 5) == 2
    assert rise(*[-4.0] * 4, *[0.5] * 8) == 0  # no later than due, though later than usual
    assert rise(*usual[1:], *[2.0] * 7, 5) == 7 * 1 + 4  # three tell no usual


def test_a_repayment_told_late_takes_its_place_among_the_delays() -> None:
    lines = [repaid(10 * n + d, due_at=at(10 * n)) for n, d in ((1, 0), (2, 0), (3, 9), (4, 0))]
    in_order = shown(book(*lines), 50)
    assert shown(book(*lines[:2], lines[3], lines[2]), 50) == in_order
    assert in_order["repayment_delay_cusum_days"] == 7
    assert in_order["repayment_delay_last_days"] == 0


def test_money_of_another_currency_is_not_mixed_in() -> None:
    found = book(lent(0), lent(1, 10**9, "M", currency="USD"))
    assert (found.exposure_minor, found.mismatched) == (100, 1)


def test_checks_fall_on_day_ends_and_move_on() -> None:
    found = book(lent(0), owed(10.5))
    assert found.next_check_ms(at(0)) == at(12)
    assert found.days_past_due(found.next_check_ms(at(0)) - 1) == 1
    checks, as_of = [], at(0)
    while (check := found.next_check_ms(as_of)) != NEVER:
        checks.append(found.days_past_due(check - 1))
        as_of = check - 1
    assert checks == [1, 3, 7, 15, 30, 60, 90]
    assert LendingBook().next_check_ms(at(0)) == NEVER


def test_a_book_stays_bounded_and_the_exposure_right() -> None:
    found = book(*[lent(i, 10, f"L{i}") for i in range(500)], *[owed(500 + i) for i in range(500)])
    assert len(found.loans) <= LOANS_MAX + 1
    assert len(found.dues) == DUES_MAX
    assert found.exposure_minor == 5000
    assert found.dues[0].due_at == at(500)


KINDS = ["loan.disbursed", "repayment.due", "repayment.received", "loan.settled", "loan.defaulted"]
EVENTS = st.builds(
    lambda kind, day, amount, loan, due: line(
        kind,
        day,
        **({"amount": amount} if amount is not None else {}),
        loan_id=loan,
        due_at=None if due is None else at(due),
    ),
    st.sampled_from(KINDS),
    st.integers(0, 200),
    st.sampled_from([None, 0, 1, 50, 10**12]),
    st.sampled_from([None, "a", "b", "c"]),
    st.sampled_from([None, 5, 30, 31, 90]),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(EVENTS, max_size=40))
def test_any_order_of_lines_leaves_a_sane_book(lines: list[LogLine]) -> None:
    found = book(*lines)
    lent_minor = sum(e.amount or 0 for e in lines if e.type == "loan.disbursed")
    assert 0 <= found.exposure_minor <= lent_minor
    assert all((due.amount_minor or 0) >= 0 for due in found.dues)
    assert [due.due_at for due in found.dues] == sorted(due.due_at for due in found.dues)
    assert 0 <= found.late_count <= found.paid_count
    as_of = at(100)
    assert found.next_check_ms(as_of) > as_of + 1
    assert found.days_past_due(as_of) in range(DAY0)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=LendingBook)
    assert again == found


def test_amounts_past_due_and_due_next_are_told_apart_by_the_day() -> None:
    # |-- 10: part paid --|-- 20: no amount --|-- today 30 --|-- 57 --|-- 58: beyond --|
    found = book(lent(0), owed(10), owed(20, None), owed(30, 7), owed(57, 8), owed(58, 9))
    found.apply(repaid(29, 20))
    seen = shown(found, 30.5)
    assert (seen["past_due_minor"], seen["past_due_count"]) == (30, 2)
    assert seen["due_next_28d_minor"] == 15
    assert "past_due_minor" not in shown(book(lent(0)), 30)

"""The book of claims follows parcels, invoices and settlements, and stays within its bounds."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from credit.receivables import AGES_MAX, DEBTORS_MAX, DOCUMENTS_MAX, TYPES, Receivables
from features.lines import LogLine

DAY_MS = 86_400_000
NOON = DAY_MS // 2


def line(tag: str, day: int, amount: int | None = 100, **fields: Any) -> LogLine:
    given_: dict[str, Any] = {"currency": "CNY", **fields}
    return LogLine(
        type=tag,
        event_id="e",
        merchant_id="m",
        occurred_at=day * DAY_MS + NOON,
        amount=amount,
        **given_,
    )


def book(*lines: LogLine) -> Receivables:
    made = Receivables("CNY")
    for each in lines:
        made.apply(each)
    return made


def delivered(made: Receivables, day: int = 10) -> tuple[tuple[str, int, int], ...]:
    return made.delivered.by_age(day * DAY_MS)


def test_a_parcel_delivered_is_a_claim_of_the_day_of_its_order() -> None:
    made = book(
        line("shipment.delivered", 8, counterparty_id="a"),
        line("shipment.delivered", 9, counterparty_id="a", ordered_at=6 * DAY_MS),
        line("shipment.delivered", 9, counterparty_id="a", ordered_at=20 * DAY_MS),
    )
    assert delivered(made) == (("a", 4, 100), ("a", 2, 100), ("a", 1, 100))


def test_a_settlement_takes_off_its_order_and_then_the_oldest() -> None:
    lines = [
        line("shipment.delivered", 1, order_id="o1", counterparty_id="a"),
        line("shipment.delivered", 2, order_id="o2", counterparty_id="a"),
        line("shipment.delivered", 3, order_id="o3", counterparty_id="b"),
    ]
    named = book(*lines, line("settlement.received", 9, order_id="o2", counterparty_id="a"))
    assert delivered(named) == (("a", 9, 100), ("b", 7, 100))
    plain = book(*lines, line("settlement.received", 9, 150))
    assert delivered(plain) == (("a", 8, 50), ("b", 7, 100))
    of_b = book(*lines, line("settlement.received", 9, 500, counterparty_id="b"))
    assert delivered(of_b) == (("a", 9, 100), ("a", 8, 100))


def test_what_was_open_before_the_book_began_is_settled_first() -> None:
    for before, left in ((0.0, 50), (100.0, 150), (float("nan"), 50), (10_000.0, 200)):
        made = Receivables("CNY")
        made.begin(before, before)
        made.apply(line("shipment.delivered", 2, order_id="o2", counterparty_id="a"))
        made.apply(line("invoice.issued", 3, counterparty_id="a", invoice_id="i3"))
        made.apply(line("shipment.delivered", 3, order_id="o3", counterparty_id="b"))
        made.apply(line("invoice.issued", 3, counterparty_id="b", invoice_id="i4"))
        made.apply(line("settlement.received", 4, 150))
        assert sum(amount for _, _, amount in delivered(made)) == left
        assert sum(amount for _, _, amount in made.invoiced.by_age(10 * DAY_MS)) == left
    made = Receivables("CNY")
    made.begin(500.0, 0.0)
    made.apply(line("shipment.delivered", 2, order_id="o2", counterparty_id="a"))
    made.apply(line("settlement.received", 4, order_id="o2", counterparty_id="a"))
    assert delivered(made) == (), "a settlement that names its order meets it"


def test_a_settlement_twice_does_not_take_the_same_document_twice() -> None:
    made = book(
        line("shipment.delivered", 1, order_id="o1", counterparty_id="a"),
        line("settlement.received", 2, order_id="o1", counterparty_id="a"),
        line("shipment.delivered", 3, order_id="o1", counterparty_id="a"),
    )
    assert delivered(made) == ()


def test_returns_and_refunds_take_off_parcels_and_voids_take_off_invoices() -> None:
    made = book(
        line("shipment.delivered", 1, order_id="o1"),
        line("invoice.issued", 1, invoice_id="i1"),
        line("shipment.returned", 2, 30, order_id="o1"),
        line("order.refunded", 2, 30, order_id="o1"),
        line("invoice.voided", 2, 20, invoice_id="i1"),
        line("invoice.voided", 2, 20, invoice_id="i1", side="received"),
    )
    assert delivered(made) == (("", 9, 40),)
    assert made.invoiced.by_age(10 * DAY_MS) == (("", 9, 80),)


def test_an_invoice_is_the_same_sale_seen_again_and_a_settlement_takes_off_both() -> None:
    made = book(
        line("shipment.delivered", 1, counterparty_id="a"),
        line("invoice.issued", 1, counterparty_id="a"),
        line("settlement.received", 2, 60, counterparty_id="a"),
    )
    assert delivered(made) == (("a", 9, 40),)
    assert made.invoiced.by_age(10 * DAY_MS) == (("a", 9, 40),)


def test_another_currency_and_what_has_no_amount_are_no_claims() -> None:
    made = book(
        line("shipment.delivered", 1, currency="USD"),
        line("shipment.delivered", 1, None),
        line("shipment.delivered", 1, 0),
        line("order.paid", 1),
    )
    assert delivered(made) == () and made.mismatched == 1


def test_books_stay_bounded_and_forget_who_owes_least() -> None:
    many = [
        line("shipment.delivered", 1, 10 + n, counterparty_id=f"c{n:03d}", order_id=f"o{n}")
        for n in range(DOCUMENTS_MAX + 50)
    ]
    made = book(*many)
    assert len(made.delivered.debtors) == DEBTORS_MAX
    assert len(made.delivered.documents) == DOCUMENTS_MAX
    assert "c000" not in made.delivered.debtors
    days = book(*(line("shipment.delivered", day, counterparty_id="a") for day in range(400)))
    assert len(days.delivered.debtors["a"].days) == AGES_MAX


lines = st.builds(
    line,
    st.sampled_from(sorted(TYPES)),
    st.integers(0, 40),
    st.integers(0, 1000),
    counterparty_id=st.sampled_from([None, "a", "b"]),
    order_id=st.sampled_from([None, "o1", "o2", "o3"]),
    invoice_id=st.sampled_from([None, "i1", "i2"]),
)


@given(st.lists(lines, max_size=60))
def test_no_claim_is_negative_and_none_exceeds_what_was_claimed(given_: list[LogLine]) -> None:
    made = book(*given_)
    claims = delivered(made, 50)
    assert all(amount > 0 and age >= 0 for _, age, amount in claims)
    claimed = sum(e.amount or 0 for e in given_ if e.type == "shipment.delivered")
    assert sum(amount for *_, amount in claims) <= claimed
    for debtor in made.delivered.debtors.values():
        days = [day for day, _ in debtor.days]
        assert days == sorted(set(days))

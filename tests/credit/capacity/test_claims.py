"""Capacities from claims: by age, by debtor, by acceptor, none above its share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from credit.capacity.amounts import Books, Capacity, Seen
from credit.capacity.claims import concentrated
from credit.capacity.of import capacity_of
from credit.kinds import Acceptor, Debtor
from credit.product import load_product
from detectors.vectors import as_floats
from tests.credit.desk import PRODUCTS, START_MS, merchant

SUPPLY = load_product(PRODUCTS["supply-chain-1"])
BILLS = load_product(PRODUCTS["bill-financing-1"])
VECTOR = as_floats(merchant(10_000))


def supply(books: Books, **changes: object) -> Capacity:
    terms = structs.replace(SUPPLY, capacity=structs.replace(SUPPLY.capacity, **changes))
    return capacity_of(terms, Seen(VECTOR, START_MS, books))


def financed(books: Books, **changes: object) -> Capacity:
    terms = structs.replace(BILLS, capacity=structs.replace(BILLS.capacity, **changes))
    return capacity_of(terms, Seen(VECTOR, START_MS, books))


def test_claims_count_by_their_age() -> None:
    books = Books(delivered=(("a", 0, 100), ("a", 29, 100), ("a", 30, 100), ("a", 90, 100)))
    found = supply(books, debtor_share_max=1.0)
    assert found.lowest == found.middle == pytest.approx(80 + 80 + 60)
    assert found.lowest_basis == 300
    assert found.code == "capacity_receivables"


def test_what_a_debtor_owes_beyond_its_share_is_left_out() -> None:
    books = Books(delivered=(("a", 0, 800), ("b", 0, 100), ("c", 0, 100)))
    assert supply(books).lowest == pytest.approx(0.4 * 800 + 80 + 80)


def test_a_core_enterprise_has_its_own_rate_and_share() -> None:
    books = Books(delivered=(("core", 0, 800), ("b", 0, 200)))
    core = (Debtor(id="core", rate_factor=0.5, share_max=1.0),)
    assert supply(books, core_enterprises=core).lowest == pytest.approx(320 + 160)
    only = supply(books, core_enterprises=core, core_only=True)
    assert only.lowest == pytest.approx(320) and only.lowest_basis == 800


def test_parcels_and_invoices_are_two_views_of_which_one_counts() -> None:
    books = Books(delivered=(("a", 0, 100),), invoiced=(("a", 0, 300),))
    counted = {
        view: supply(books, documents=view, debtor_share_max=1.0).lowest
        for view in ("delivered", "invoiced", "larger")
    }
    assert counted == pytest.approx({"delivered": 80, "invoiced": 240, "larger": 240})


def test_bills_count_by_acceptor_and_maturity() -> None:
    books = Books(bills=(("a", 10, 100), ("b", 366, 100), ("c", -1, 100), ("d", 365, 100)))
    found = financed(books, acceptor_share_max=1.0)
    assert found.lowest == pytest.approx(140) and found.lowest_basis == 200
    rated = financed(books, acceptor_share_max=1.0, acceptors=(Acceptor(id="a", rate=0.9),))
    assert rated.lowest == pytest.approx(160)


def test_an_acceptor_that_dishonoured_a_bill_counts_nothing_for_a_time() -> None:
    books = Books(bills=(("a", 10, 100),), dishonoured=(("a", 365),))
    assert financed(books, acceptor_share_max=1.0).lowest == 0
    assert financed(books, acceptor_share_max=1.0, dishonour_days=364).lowest == pytest.approx(70)


@given(
    st.dictionaries(st.text(max_size=2), st.floats(0, 10**9), max_size=6),
    st.floats(0.01, 1),
)
def test_no_debtor_exceeds_its_share_of_all(amounts: dict[str, float], share: float) -> None:
    total = sum(amounts[name] for name in sorted(amounts))
    found = concentrated(amounts, {}, share)
    assert 0 <= found <= total
    if amounts:
        assert found <= len(amounts) * share * total * (1 + 1e-9) or found == pytest.approx(total)

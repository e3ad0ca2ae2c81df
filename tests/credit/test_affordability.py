"""All known debt stays within what the cash flow can serve."""

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from credit.affordability import affordable_total_minor
from credit.capacity.amounts import Seen
from credit.policy import Affordability
from detectors.vectors import as_floats
from tests.credit.desk import START_MS, merchant

TERMS = Affordability(
    service_share_max=0.5,
    cash_share=0.2,
    line_term_days=280,
    other_term_days=140,
    needs_bureau=False,
)


def total(debt: float, terms: Affordability = TERMS, **features: float) -> int | None:
    vector = as_floats(merchant(10_000, other_debt_minor=debt, **features))
    return affordable_total_minor(terms, Seen(vector, START_MS))


def test_debts_elsewhere_take_their_part_of_the_service() -> None:
    # 1,000,000 x 0.2 x 0.5 = 100,000 every 28 days: 1,000,000 over 280 days.
    assert total(0.0) == 1_000_000
    # 250,000 over 140 days are 50,000 every 28 days.
    assert total(250_000.0) == 500_000
    assert total(10**9) == 0


def test_what_is_not_known_is_no_room() -> None:
    assert total(0.0, turnover_7d_minor=math.nan) is None
    assert total(math.nan) == 1_000_000
    assert total(math.nan, structs.replace(TERMS, needs_bureau=True)) is None


@given(st.floats(0, 10**9), st.floats(0, 10**6))
def test_the_service_of_all_debt_never_exceeds_its_share(debt: float, sales: float) -> None:
    vector = as_floats(merchant(sales, other_debt_minor=debt))
    most = affordable_total_minor(TERMS, Seen(vector, START_MS))
    assert most is not None and most >= 0
    if most:
        service = most / 280 * 28 + debt / 140 * 28
        assert service <= 0.5 * 0.2 * sales * 100 * (1 + 1e-9) + 1

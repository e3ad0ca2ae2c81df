"""Capacities from flows: what is sold, invoiced, settled, paid in, and when."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.capacity.amounts import Capacity, Seen, round_down, round_up
from credit.capacity.of import capacity_of
from credit.product import Product, load_product
from detectors.vectors import as_floats
from tests.credit.desk import PRODUCTS, START_MS, merchant

NAN = math.nan


def of(version: str, at: int = START_MS, **features: float) -> Capacity:
    return capacity_of(product(version), Seen(as_floats(merchant(10_000, **features)), at))


def product(version: str) -> Product:
    return load_product(PRODUCTS[version])


def test_invoices_count_by_the_share_that_was_declared() -> None:
    papers: dict[str, Any] = {
        "invoiced_28d_minor": 1_000_000.0,
        "turnover_92d_minor": 1_000_000.0 * 92 / 28,
        "tax_gap_days": 40.0,
    }
    whole = of("tax-and-invoice-1", **papers, declared_to_invoiced_ratio=1.3)
    assert (whole.lowest, whole.middle) == pytest.approx((1_500_000, 1_500_000))
    half = of("tax-and-invoice-1", **papers, declared_to_invoiced_ratio=0.5)
    assert half.lowest == pytest.approx(750_000)
    assert half.lowest_basis == pytest.approx(1_000_000)


@pytest.mark.parametrize(
    "papers", [{"declared_to_invoiced_ratio": NAN}, {"tax_gap_days": 131.0}, {"tax_gap_days": NAN}]
)
def test_without_a_recent_return_nothing_rises_on_invoices(papers: dict[str, float]) -> None:
    known = {
        "invoiced_28d_minor": 1_000_000.0,
        "turnover_92d_minor": 3_000_000.0,
        "declared_to_invoiced_ratio": 1.0,
        "tax_gap_days": 40.0,
    }
    found = of("tax-and-invoice-1", **{**known, **papers})
    assert found.lowest is None
    assert found.middle is not None


def test_a_seller_counts_without_what_comes_back_and_with_what_is_owed() -> None:
    plain = {"refund_share_28d": 0.0, "dispute_share_28d": NAN}
    kept = of("marketplace-seller-1", **plain, delivered_unsettled_14d_minor=NAN)
    assert kept.lowest == pytest.approx(800_000)
    lossy = of(
        "marketplace-seller-1",
        refund_share_28d=0.2,
        dispute_share_28d=0.05,
        delivered_unsettled_14d_minor=100_000.0,
    )
    assert lossy.lowest == pytest.approx(800_000 * 0.75 + 70_000)
    gone = of("marketplace-seller-1", refund_share_28d=0.9, dispute_share_28d=0.5)
    assert gone.middle is not None and gone.middle >= 0


def test_a_platform_counts_what_it_settled() -> None:
    found = of("platform-embedded-1", settlement_to_sales_28d_ratio=0.6, settlement_usual_ratio=0.9)
    assert found.lowest == pytest.approx(700_000 * 0.6)
    assert found.middle == pytest.approx(700_000 * 0.9)
    fresh = of("platform-embedded-1", settlement_to_sales_28d_ratio=0.6, settlement_usual_ratio=NAN)
    assert fresh.lowest is None and fresh.middle == pytest.approx(700_000 * 0.6)
    blind = of("platform-embedded-1", settlement_to_sales_28d_ratio=NAN, settlement_usual_ratio=NAN)
    assert (blind.lowest, blind.middle) == (None, None)


def test_a_machine_that_stands_still_carries_no_raise_and_half_of_itself() -> None:
    cash = {"inflow_28d_minor": 1_000_000.0}
    runs = of("equipment-leasing-1", **cash, sensor_days_28d=20.0, sensor_silence_days=1.0)
    assert runs.lowest == pytest.approx(1_000_000 * 0.15 * 24)
    idle = of("equipment-leasing-1", **cash, sensor_days_28d=3.0, sensor_silence_days=20.0)
    assert idle.lowest is None
    assert idle.middle == pytest.approx(1_000_000 * 0.15 * 24 / 2)
    dark = of("equipment-leasing-1", **cash, sensor_days_28d=NAN, sensor_silence_days=NAN)
    assert dark.lowest is None and dark.middle == runs.middle


def at(month: int, day: int = 1) -> int:
    return int(datetime(2025, month, day, tzinfo=UTC).timestamp() * 1000)


def test_a_season_swells_before_the_harvest_and_shrinks_after_it() -> None:
    flat = {"turnover_92d_minor": 1_000_000.0 * 92 / 28}
    before = of("rural-seasonal-1", at(9), **flat)
    after = of("rural-seasonal-1", at(12), **flat)
    assert before.middle is not None and after.middle is not None
    assert before.middle > 2 * after.middle
    assert before.code == "capacity_season"


def test_sales_in_the_season_s_own_rhythm_are_one_month_without_season() -> None:
    terms = product("rural-seasonal-1")
    calendar = terms.capacity.calendar  # type: ignore[union-attr]
    flat = dict.fromkeys(calendar, 1.0)
    text = PRODUCTS["rural-seasonal-1"]
    start, stop = text.index("  calendar:"), text.index("  ahead_days")
    even = load_product(
        text[:start]
        + "  calendar: {"
        + ", ".join(f'"{month}": {weight}' for month, weight in flat.items())
        + "}\n"
        + text[stop:]
    )
    found = capacity_of(
        even,
        Seen(as_floats(merchant(10_000, turnover_92d_minor=1_000_000.0 * 92 / 28)), START_MS),
    )
    assert found.lowest == pytest.approx(2_000_000)


def test_green_evidence_lifts_the_capacity_and_a_missing_paper_does_not() -> None:
    proved = of("green-uplift-1", sensor_days_28d=25.0, declared_to_invoiced_ratio=1.0)
    assert proved.lowest == pytest.approx(1_200_000)
    for missing in ({"sensor_days_28d": 5.0}, {"declared_to_invoiced_ratio": NAN}):
        known = {"sensor_days_28d": 25.0, "declared_to_invoiced_ratio": 1.0, **missing}
        assert of("green-uplift-1", **known).lowest == pytest.approx(1_000_000)


@given(st.floats(0, 10**12), st.integers(1, 10**6))
def test_rounding_stays_on_its_side_within_one_unit(amount: float, unit: int) -> None:
    down, up = round_down(amount, unit), round_up(amount, unit)
    assert down % unit == up % unit == 0
    assert down <= amount <= up
    assert amount - down <= unit and up - amount <= unit

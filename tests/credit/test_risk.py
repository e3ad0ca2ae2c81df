"""What share of a capacity each risk gets, and what a line earns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from credit.policy import Stress
from credit.product import Pricing
from credit.risk import annual_margin, earns_enough, risk_multiplier, stress_multiplier
from detectors.assess import Verdict
from schemas.outputs import Band
from tests.credit.desk import POLICY, PORTFOLIO

PRICE = Pricing(annual_rate=0.2, funding_rate=0.05, operating_rate=0.03, loss_given_default=0.5)


def verdict(band: Band, probability: float | None) -> Verdict:
    return Verdict(probability_of_default=probability, anomaly_score=None, band=band, reasons=[])


@pytest.mark.parametrize(
    ("band", "probability", "share"),
    [
        ("A", 0.005, 1.0),
        ("A", 0.02, 0.9),
        ("B", 0.02, 0.8),
        ("C", 0.06, 0.5),
        ("A", 0.5, 0.0),
        ("A", None, 1.0),
        ("insufficient_history", None, None),
    ],
)
def test_the_lower_of_band_and_probability_counts(
    band: Band, probability: float | None, share: float | None
) -> None:
    assert risk_multiplier(PORTFOLIO, verdict(band, probability)) == share


def test_the_margin_is_what_is_left_after_funding_operation_and_losses() -> None:
    assert annual_margin(PRICE, 0.0, 90) == pytest.approx(0.12)
    assert annual_margin(PRICE, 0.1, 365) == pytest.approx(0.12 - 0.05)
    # A tenth within 73 days is 1 - 0.9 ** 5 within a year.
    assert annual_margin(PRICE, 0.1, 73) == pytest.approx(0.12 - 0.5 * 0.40951)
    assert annual_margin(PRICE, 1.0, 30) == pytest.approx(0.12 - 0.5)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 365))
def test_more_risk_never_earns_more(first: float, second: float, days: int) -> None:
    low, high = sorted((first, second))
    assert annual_margin(PRICE, high, days) <= annual_margin(PRICE, low, days)


def test_without_a_probability_no_margin_is_proved() -> None:
    strict = structs.replace(POLICY, minimum_margin=0.0)
    assert earns_enough(POLICY, None, None, 90)
    assert not earns_enough(strict, PRICE, None, 90)
    assert not earns_enough(strict, None, 0.01, 90)
    assert earns_enough(strict, PRICE, 0.001, 90)


def test_stress_is_of_the_portfolio_times_the_segment() -> None:
    policy = structs.replace(POLICY, stress=Stress(portfolio=0.8, segments={"farm": 0.5}))
    assert stress_multiplier(policy, "farm") == pytest.approx(0.4)
    assert stress_multiplier(policy, "retail") == pytest.approx(0.8)
    assert stress_multiplier(POLICY, "retail") == 1.0

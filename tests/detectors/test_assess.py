"""Verdicts: history first, then bands, and reasons in the order in which they matter."""

import math

import pytest
from hypothesis import given

from detectors.anomaly_score import Anomaly
from detectors.assess import REASONS_MAX, assess, band_of
from detectors.default_risk import PRIOR_MODEL
from detectors.reasons import GOOD
from detectors.sentinels import evaluate
from tests.detectors.merchants import any_vector, vector_of
from tests.detectors.rulebook import BOOK

NOW_MS = 1_760_000_000_000


@pytest.mark.parametrize(
    ("probability", "band"),
    [(0.0, "A"), (0.0099, "A"), (0.01, "B"), (0.03, "C"), (0.07, "D"), (0.15, "E"), (1.0, "E")],
)
def test_bands_cut_the_probability(probability: float, band: str) -> None:
    assert band_of(probability) == band


def test_a_healthy_merchant_gets_a_good_band_and_reasons_all_the_same() -> None:
    verdict = assess(vector_of(), PRIOR_MODEL, [], as_of=NOW_MS, currency="CNY")
    assert verdict.band in ("A", "B")
    assert verdict.reasons


def test_an_anomaly_is_told_and_moves_neither_band_nor_reasons() -> None:
    plain = assess(vector_of(), PRIOR_MODEL, [], as_of=NOW_MS)
    anomaly = Anomaly(0.995, ("refund_share_28d",))
    found = assess(vector_of(), PRIOR_MODEL, [], as_of=NOW_MS, anomaly=anomaly)
    assert (found.anomaly_score, found.unusual) == (0.995, ("refund_share_28d",))
    assert (found.band, found.reasons) == (plain.band, plain.reasons)
    assert plain.anomaly_score is None


@pytest.mark.parametrize(
    "changes",
    [
        {"tenure_days": 10},
        {"tenure_days": math.nan},
        {"turnover_usual_28d_minor": math.nan, "sales_count_28d": 2},
    ],
)
def test_a_thin_history_is_a_result_and_not_a_low_risk(changes: dict[str, float]) -> None:
    verdict = assess(vector_of(**changes), PRIOR_MODEL, [], as_of=NOW_MS)
    assert verdict.band == "insufficient_history"
    assert verdict.probability_of_default is None
    assert verdict.anomaly_score is None
    assert verdict.reasons[0].code == "insufficient_history"


def test_rules_still_speak_on_a_thin_history() -> None:
    vector = vector_of(tenure_days=20, overdue_shipments=9, overdue_shipment_share=0.5)
    verdict = assess(vector, PRIOR_MODEL, evaluate(BOOK, vector, "s"), as_of=NOW_MS)
    assert [r.code for r in verdict.reasons] == [
        "insufficient_history",
        "overdue_shipments",
        "overdue_shipment_share",
    ]


def test_lending_history_is_history() -> None:
    lending = {"tenure_days": 5, "repayment_late_share": 0.5, "days_past_due": 2}
    verdict = assess(vector_of(lending), PRIOR_MODEL, [], as_of=NOW_MS)
    assert verdict.probability_of_default is not None


def test_rules_come_before_the_model_and_a_fact_is_stated_once() -> None:
    vector = vector_of(days_past_due=20, silence_days=9)
    verdict = assess(vector, PRIOR_MODEL, evaluate(BOOK, vector, "s"), as_of=NOW_MS)
    assert [r.code for r in verdict.reasons[:2]] == ["days_past_due", "days_silent"]
    assert all(r.contribution == 0 for r in verdict.reasons[:2])
    codes = [r.code.removesuffix(GOOD) for r in verdict.reasons]
    assert len(codes) == len(set(codes))
    rest = [r.contribution for r in verdict.reasons[2:]]
    towards = [c for c in rest if c > 0]
    assert rest[: len(towards)] == towards == sorted(towards, reverse=True)


@given(any_vector)
def test_every_verdict_is_bounded_reasoned_and_repeatable(vector) -> None:
    hits = evaluate(BOOK, vector, "s")
    verdict = assess(vector, PRIOR_MODEL, hits, as_of=NOW_MS)
    assert 1 <= len(verdict.reasons) <= REASONS_MAX
    assert (verdict.probability_of_default is None) == (verdict.band == "insufficient_history")
    if verdict.probability_of_default is not None:
        assert 0 <= verdict.probability_of_default <= 1
    assert verdict == assess(vector.tolist(), PRIOR_MODEL, hits, as_of=NOW_MS)

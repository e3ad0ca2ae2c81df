"""Reasons state the merchant's own numbers as a person writes them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.facts import FACTS
from detectors.reasons import GOOD, format_value, insufficient_history, make_reason, render
from detectors.sentences import SENTENCES
from features.catalogue import CATALOGUE, NAMES
from tests.detectors.merchants import any_vector, vector_of


def test_every_feature_has_a_fact_with_a_code_of_its_own() -> None:
    assert list(FACTS) == list(NAMES)
    assert len({fact.code for fact in FACTS.values()}) == len(FACTS)


@pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)
def test_facts_agree_with_the_catalogue(feature) -> None:
    fact = FACTS[feature.name]
    assert (fact.measure == "money") == feature.money
    if feature.usual is not None:
        assert (fact.usual, fact.usual_scale) == (feature.usual, 1.0)
    assert "{value}" in fact.en and "{value}" in fact.zh
    assert not fact.code.endswith(GOOD)


def test_every_sentence_is_of_a_feature() -> None:
    assert set(SENTENCES) <= set(NAMES)


def test_a_feature_without_a_sentence_is_said_by_its_label() -> None:
    reason = make_reason("turnover_92d_minor", vector_of(turnover_92d_minor=500), currency="CNY")
    assert (reason.code, reason.text) == (
        "turnover_92d_minor",
        "Sales of the last 92 days: 5.00 CNY",
    )
    assert render("turnover_92d_minor", 500.0, None, currency="CNY", language="zh") == (
        "近92天净销售额：5.00 CNY"
    )


def test_a_percentile_says_how_many_peers_lie_below() -> None:
    reason = make_reason("inflow_28d_peer_percentile", vector_of(inflow_28d_peer_percentile=0.25))
    assert reason.text == "Money that came in, 28 days: above 25% of the merchants of its segment"


@pytest.mark.parametrize(
    ("measure", "value", "en", "zh"),
    [
        ("hours", 1.0, "1 hour", "1小时"),
        ("hours", 30.5, "30.5 hours", "30.5小时"),
        ("flag", 1.0, "yes", "是"),
        ("flag", 0.0, "no", "否"),
        ("number", -3.25, "-3.2", "-3.2"),
    ],
)
def test_each_unit_has_its_words(measure, value: float, en: str, zh: str) -> None:
    assert format_value(measure, value) == en
    assert format_value(measure, value, language="zh") == zh


def test_a_reason_states_value_and_usual_in_major_units() -> None:
    vector = vector_of(turnover_28d_minor=123_456, turnover_usual_28d_minor=1_000_000)
    reason = make_reason("turnover_28d_minor", vector, currency="CNY", contribution=0.4)
    assert reason.code == "sales_28d"
    assert reason.text == (
        "Sales of the last 28 days came to 1,234.56 CNY, against a usual 10,000.00 CNY"
    )
    assert (reason.value, reason.usual, reason.contribution) == (123_456.0, 1_000_000.0, 0.4)


def test_the_usual_of_a_week_is_a_quarter_of_that_of_28_days() -> None:
    reason = make_reason("turnover_7d_minor", vector_of(), currency="EUR")
    assert reason.usual == 250_000
    assert reason.text.endswith("against a usual 2,500.00 EUR")


def test_a_fact_that_speaks_for_the_merchant_says_so_in_its_code() -> None:
    assert make_reason("tenure_days", vector_of(), contribution=-0.2).code == "tenure_good"


def test_without_a_usual_the_text_makes_no_comparison() -> None:
    reason = make_reason("refund_share_28d", vector_of(refund_share_usual=math.nan))
    assert reason.usual is None
    assert reason.text == "Refunds took 2.0% of sales in the last 28 days"


@pytest.mark.parametrize(
    ("currency", "shown"),
    [("CNY", "1,234.50 CNY"), ("JPY", "123,450 JPY"), ("KWD", "123.450 KWD"), (None, "1,234.50")],
)
def test_money_has_the_digits_of_its_currency(currency: str | None, shown: str) -> None:
    assert format_value("money", 123_450, currency=currency) == shown


def test_an_amount_is_stated_against_its_usual_and_its_peers() -> None:
    vector = vector_of(turnover_28d_peer_percentile=0.12)
    reason = make_reason("turnover_28d_minor", vector, currency="CNY", contribution=0.4)
    assert (reason.usual, reason.peer_percentile) == (1_000_000, 0.12)
    assert reason.text.endswith(
        ", against a usual 10,000.00 CNY, above 12% of the merchants of its segment"
    )
    chinese = make_reason("turnover_28d_minor", vector, currency="CNY", language="zh").text
    assert chinese.endswith("，通常为10,000.00 CNY，高于同业12%的商户")
    alone = make_reason("turnover_28d_minor", vector_of(), currency="CNY")
    assert alone.peer_percentile is None and "segment" not in alone.text
    assert make_reason("silence_days", vector).peer_percentile is None


def test_days_have_a_singular() -> None:
    assert format_value("days", 1) == "1 day"
    assert format_value("days", 2.5) == "2.5 days"
    assert format_value("days", 1, language="zh") == "1天"


@pytest.mark.parametrize("name", NAMES)
def test_every_text_exists_in_both_languages_from_what_the_reason_carries(name: str) -> None:
    reason = make_reason(name, vector_of(dict.fromkeys(NAMES, 2.0)), currency="CNY")
    said = name, reason.value, reason.usual, reason.peer_percentile
    assert render(*said, currency="CNY") == reason.text
    chinese = render(*said, currency="CNY", language="zh")
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)
    for text in (reason.text, chinese):
        assert "{" not in text and text[-1] not in ".。"


def test_too_short_a_history_says_how_short() -> None:
    assert "3 days" in insufficient_history(3.0).text
    assert insufficient_history(math.nan).value is None


@given(any_vector, st.sampled_from(NAMES))
def test_values_of_reasons_are_finite_or_absent(vector, name: str) -> None:
    reason = make_reason(name, vector, currency="CNY")
    for number in (reason.value, reason.usual):
        assert number is None or math.isfinite(number)
    assert reason.text

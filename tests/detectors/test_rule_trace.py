"""Why a rule fires or does not, test by test."""

import pytest
from hypothesis import given, settings

from detectors.rule_trace import RuleSeen, trace
from detectors.rules import HOUR_MS
from detectors.sentinels import evaluate
from tests.detectors.merchants import any_vector, vector_of
from tests.detectors.rulebook import BOOK, KINDS, ORDINARY, PLANTED

AT = 1_750_000_000_000
LASTED = dict.fromkeys(KINDS, 0)
"""Every condition has been met for ever."""


def seen(kind: str, **changes) -> RuleSeen:
    known = {"met_since": LASTED, **changes}
    vector = known.pop("vector", vector_of(ORDINARY, **PLANTED[kind]))
    segment = known.pop("segment", "retail")
    return next(each for each in trace(BOOK, vector, segment, at=AT, **known) if each.kind == kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_fires_shows_a_level_whose_tests_are_all_met(kind: str) -> None:
    found = seen(kind)
    assert found.verdict == "fires" and found.severity is not None
    assert all(test.met for test in found.evidence)
    level = next(level for level in found.levels if level.met)
    assert all(test.met for test in level.tests)
    for test in level.tests:
        assert test.value is not None and test.bound is not None
        assert test.value >= test.bound if test.op == "ge" else test.value <= test.bound


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_does_not_fire_names_a_test_that_is_not_met(kind: str) -> None:
    found = seen(kind, vector=vector_of(ORDINARY))
    assert found.verdict == "not" and found.severity is None
    for level in found.levels:
        assert [test for test in (*found.evidence, *level.tests) if test.met is False]


def test_an_exception_that_is_met_is_shown_and_keeps_a_rule_from_firing() -> None:
    vector = vector_of(ORDINARY, **{**PLANTED["cash_drain"], "balance_runway_days": 50})
    found = seen("cash_drain", vector=vector)
    assert found.verdict == "not" and found.severity is None
    assert any(level.met for level in found.levels)
    assert [test.met for test in found.unless[0]] == [True]
    assert not all(test.met for test in seen("cash_drain").unless[0])


def test_a_condition_that_has_not_lasted_waits_and_says_until_when() -> None:
    found = seen("sales_slide", met_since={"sales_slide": AT - HOUR_MS})
    assert found.verdict == "waits"
    assert found.met_since == AT - HOUR_MS and found.fires_at == AT + 71 * HOUR_MS
    assert seen("sales_slide", met_since={}).fires_at == AT + 72 * HOUR_MS


def test_the_other_verdicts() -> None:
    vector = vector_of(ORDINARY, **{**PLANTED["sales_collapse"], **PLANTED["sales_silence"]})
    assert seen("sales_collapse", vector=vector).verdict == "yields"
    assert seen("parcels_lost", held=("logistics",)).verdict == "feed_quiet"
    low = vector_of(ORDINARY, lost_share_28d=0.04)
    assert seen("parcels_lost", vector=low, open_kinds={"parcels_lost"}).verdict == "holds"
    assert seen("parcels_lost", vector=low).verdict == "not"


def test_what_is_not_available_is_neither_met_nor_not_met() -> None:
    found = seen("parcels_lost", vector=vector_of({}))
    assert {(test.met, test.value) for test in found.levels[0].tests} == {(None, None)}


@settings(deadline=None)
@given(any_vector)
def test_the_trace_says_what_the_rules_do(vector) -> None:
    traced = trace(BOOK, vector, "retail", at=AT, met_since=LASTED)
    assert [each.kind for each in traced] == list(KINDS)
    fired = {hit.kind: hit.severity for hit in evaluate(BOOK, vector, "retail")}
    assert {each.kind: each.severity for each in traced if each.verdict == "fires"} == fired

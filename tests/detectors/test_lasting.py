"""Conditions that must last, and quiet after an episode closed, in event time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from detectors import episodes
from detectors.alert_terms import AlertTerms
from detectors.episodes import Episode
from detectors.lasting import (
    CURED_KEPT,
    Cooling,
    Cured,
    cooling_after,
    cured_after,
    lasting,
    may_open,
    may_reopen,
)
from detectors.rules import DAY_MS, HOUR_MS, RuleBook
from detectors.sentinels import Hit
from tests.detectors.rulebook import BOOK

SLOW = structs.replace(BOOK.rules[3], kind="slow", persistence_hours=48, cool_down_days=7)
QUICK = structs.replace(BOOK.rules[3], kind="quick", persistence_hours=0, cool_down_days=0)
TWO = RuleBook("two", [SLOW, QUICK])
START = 1_750_000_000_000
TERMS = AlertTerms(reopen_within_days=10)


def hit(kind: str, severity: str = "warning") -> Hit:
    return Hit(kind=kind, severity=severity, reasons=[], feeds=("logistics",))  # type: ignore[arg-type]


def episode(
    kind: str, severity: str = "warning", at: int = START, outcome: str = "false_alarm"
) -> Episode:
    opened = episodes.open_episode("m", kind, severity, [], ["e"], at, TERMS)  # type: ignore[arg-type]
    return episodes.close(opened, outcome, "ann", at)  # type: ignore[arg-type]


def test_a_condition_fires_once_it_has_lasted() -> None:
    since: dict[str, int] = {}
    fired = []
    for hours in (0, 24, 47, 48, 72):
        found, since = lasting(TWO, [hit("slow")], since, START + hours * HOUR_MS, ())
        fired.append(bool(found))
    assert fired == [False, False, False, True, True]
    assert since == {"slow": START}


def test_a_condition_that_was_gone_begins_anew() -> None:
    _, since = lasting(TWO, [hit("slow")], {}, START, ())
    _, since = lasting(TWO, [], since, START + 24 * HOUR_MS, ())
    assert since == {}
    found, since = lasting(TWO, [hit("slow")], since, START + 48 * HOUR_MS, ())
    assert not found and since == {"slow": START + 48 * HOUR_MS}


def test_a_rule_without_persistence_fires_at_once_and_is_not_remembered() -> None:
    found, since = lasting(TWO, [hit("quick")], {}, START, ())
    assert [each.kind for each in found] == ["quick"]
    assert since == {}


def test_a_condition_whose_feed_is_quiet_is_neither_met_nor_gone() -> None:
    _, since = lasting(TWO, [hit("slow")], {}, START, ())
    found, since = lasting(TWO, [], since, START + 24 * HOUR_MS, ("logistics",))
    assert not found and since == {"slow": START}
    assert lasting(TWO, [hit("slow")], since, START + 48 * HOUR_MS, ())[0]
    assert lasting(TWO, [], since, START + 48 * HOUR_MS, ("payments",))[1] == {}


def test_kinds_that_the_book_lacks_are_forgotten() -> None:
    assert lasting(TWO, [], {"retired": START}, START, ("logistics",))[1] == {}


@given(
    st.lists(st.tuples(st.sets(st.sampled_from(["slow", "quick"])), st.integers(-80, 80))),
    st.booleans(),
)
def test_the_memory_is_bounded_and_never_ahead(steps, quiet: bool) -> None:
    since: dict[str, int] = {}
    for kinds, hours in steps:
        at = START + hours * HOUR_MS
        held = ("logistics",) if quiet and not kinds else ()
        _, since = lasting(TWO, [hit(kind) for kind in sorted(kinds)], since, at, held)
        assert set(since) <= {"slow"}
        assert all(began <= at or not kinds for began in since.values())


@pytest.mark.parametrize(
    ("days", "severity", "opens"),
    [(0, "warning", False), (6, "warning", False), (6, "info", False), (6, "critical", True),
     (7, "warning", True)],
)  # fmt: skip
def test_no_other_episode_opens_in_the_cool_down_unless_it_is_worse(
    days: int, severity: str, opens: bool
) -> None:
    cooling = cooling_after(TWO, {}, episode("slow"), START)
    assert cooling == {"slow": Cooling(START + 7 * DAY_MS, "warning")}
    at = START + days * DAY_MS
    assert may_open(cooling, hit("slow", severity), at) == opens
    assert may_open(cooling, hit("quick"), at)


def test_a_cool_down_that_is_over_is_forgotten_and_none_is_kept_where_there_is_none() -> None:
    cooling = {"old": Cooling(START, "warning"), "new": Cooling(START + 1, "warning")}
    assert cooling_after(TWO, cooling, episode("quick"), START) == {"new": cooling["new"]}
    assert cooling_after(TWO, {}, episode("of_another_book"), START) == {}


@pytest.mark.parametrize(("days", "opens"), [(0, True), (10, True), (11, False)])
def test_a_cured_episode_may_open_again_for_so_many_days(days: int, opens: bool) -> None:
    closed = episode("slow", outcome="cured")
    cured = cured_after(TERMS, {}, closed, START)
    again = may_reopen(cured, "slow", START + days * DAY_MS)
    assert again == (closed if opens else None)
    assert may_reopen(cured, "quick", START) is None


@pytest.mark.parametrize("outcome", ["confirmed", "false_alarm", "defaulted"])
def test_no_other_outcome_lets_an_episode_open_again(outcome: str) -> None:
    earlier = {"slow": Cured(START + DAY_MS, episode("slow", outcome="cured"))}
    assert cured_after(TERMS, earlier, episode("slow", outcome=outcome), START) == {}
    never = AlertTerms(reopen_within_days=0)
    assert cured_after(never, {}, episode("slow", outcome="cured"), START) == {}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=80))
def test_cured_episodes_are_remembered_only_for_their_time_and_so_many(steps) -> None:
    cured: dict[str, Cured] = {}
    now = START
    for number, days in steps:
        now += days * DAY_MS
        closed = episode(f"kind_{number}", outcome="cured", at=now)
        cured = cured_after(TERMS, cured, closed, now)
        assert may_reopen(cured, closed.kind, now) == closed
        assert len(cured) <= CURED_KEPT
        assert all(now <= each.until <= now + TERMS.reopen_within_ms for each in cured.values())

"""Cohorts as the monitor keeps them: no order or redelivery matters, one cause is told of once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from detectors.cohorts import PAST_DAYS, WINDOW_DAYS
from streams.monitor.cohorts import (
    DAY_MS,
    KEPT,
    NAME_MAX,
    Cohorts,
    Member,
    Named,
    belongs,
    causes,
    struck,
)

TODAY = 20_000


def line(kind: str, day: int, **fields: str) -> Named:
    """A line of a merchant at noon of a day."""
    return Named(type=kind, occurred_at=day * DAY_MS + DAY_MS // 2, merchant_id="m", **fields)


def ship(day: int, carrier: str) -> Named:
    """A parcel given to a carrier."""
    return line("shipment.dispatched", day, carrier_id=carrier)


def member(*cohorts: str, days: tuple[int, ...] = (), since: int = TODAY - 200) -> Member:
    """A merchant of these cohorts (``DIMENSION:NAME``), struck on these days."""
    names: dict[str, list[str]] = {}
    for each in cohorts:
        dimension, _, name = each.partition(":")
        names.setdefault(dimension, []).append(name)
    found = Member(0, names, dict.fromkeys(names, since), since=since)
    for day in days:
        found = struck(found, f"al_{day}", day * DAY_MS)
    return found


def counted(members: list[Member]) -> Cohorts:
    """Cohorts of these members."""
    cohorts = Cohorts()
    for each in members:
        cohorts.put(None, each)
    return cohorts


def test_a_merchant_belongs_where_its_lines_say() -> None:
    found = Member(0)
    for each in (
        line("merchant.registered", 1, segment="retail", region="north"),
        ship(5, "fast"),
        line("settlement.received", 5, counterparty_id="market"),
        line("bill.accepted", 6, counterparty_id="core"),
        line("order.paid", 6, counterparty_id="a buyer"),
        line("merchant.updated", 7, region="south"),
    ):
        found = belongs(found, each)
    assert set(found.cohorts) == {
        "segment:retail",
        "region:south",
        "carrier:fast",
        "payer:market",
        "core_enterprise:core",
    }
    assert found.since == 5, "a profile may be years old"


def test_the_latest_few_carriers_are_kept_and_one_joins_a_day() -> None:
    found = Member(0)
    for day in range(6):
        found = belongs(found, ship(day, f"c{day}"))
        assert belongs(found, ship(day, "another")) is found
    assert found.names["carrier"] == ["c3", "c4", "c5"]
    assert len(found.names["carrier"]) == KEPT


def test_a_name_too_long_for_an_id_makes_no_cohort() -> None:
    assert belongs(Member(0), ship(1, "x" * (NAME_MAX + 1))) == Member(0)


@given(st.lists(st.integers(0, 300), max_size=30), st.randoms(use_true_random=False))
def test_a_merchant_is_struck_at_most_once_in_a_window(days, pick) -> None:  # type: ignore[no-untyped-def]
    found = Member(0)
    for day in sorted(days):
        found = struck(found, f"al_{day}", day * DAY_MS)
    for day in pick.sample(days, len(days)):
        if day > max(days) - PAST_DAYS:
            assert struck(found, f"al_{day}", day * DAY_MS) is found, "told again"
    apart = [b.day - a.day for a, b in zip(found.strikes, found.strikes[1:], strict=False)]
    assert all(gap >= WINDOW_DAYS for gap in apart)


names = st.sampled_from(["carrier:a", "carrier:b", "region:n", "region:s", "segment:x"])
members = st.lists(
    st.builds(
        lambda cohorts, days: member(*cohorts, days=tuple(sorted(days))),
        st.lists(names, unique=True),
        st.lists(st.integers(TODAY - 120, TODAY), max_size=6),
    ),
    max_size=12,
)


@given(members, members)
def test_counts_follow_the_members_of_now(before, after) -> None:  # type: ignore[no-untyped-def]
    moved = counted(before[: len(after)])
    for number, each in enumerate(after):
        moved.put(before[number] if number < len(before) else None, each)
    fresh = counted(after)
    if after:
        assert moved.judge(TODAY) == fresh.judge(TODAY)


def test_forgetting_old_days_changes_no_later_count() -> None:
    people = [member("carrier:a", days=(TODAY - 130, TODAY - 3)) for _ in range(20)]
    slow, quick = counted(people), counted(people)
    for day in range(TODAY - 100, TODAY):
        slow.judge(day)
    changed = belongs(people[0], ship(TODAY, "b"))
    slow.put(people[0], changed)
    quick.put(people[0], changed)
    assert slow.judge(TODAY) == quick.judge(TODAY)


def crowd(hit: str, share: float, count: int = 400) -> list[Member]:
    """Merchants with a usual share of strikes, and many among those of one cohort today."""
    pick = random.Random(5)
    people = []
    for number in range(count):
        cohorts = (
            f"region:r{number % 4}",
            f"carrier:c{pick.randrange(10)}",
            f"payer:p{pick.randrange(5)}",
        )
        days = [day for day in range(TODAY - 90, TODAY - 7) if pick.random() < 0.002]
        if hit in cohorts and pick.random() < share:
            days.append(TODAY - 2)
        elif pick.random() < 0.02:
            days.append(TODAY - pick.randrange(6))
        people.append(member(*cohorts, days=tuple(days)))
    return people


def test_one_cause_is_told_of_and_not_the_cohorts_that_share_its_merchants() -> None:
    people = crowd("carrier:c3", 0.7)
    findings = counted(people).judge(TODAY)
    told = causes(findings, TODAY, lambda: people)
    assert list(told) == ["carrier:c3"]
    assert told["carrier:c3"].counts.struck > 10 * told["carrier:c3"].expected


def test_a_cohort_that_stands_out_by_anothers_merchants_alone_is_explained_by_it() -> None:
    people = crowd("carrier:c3", 0.9)
    moved = [
        member(*each.cohorts, "core_enterprise:k", days=tuple(s.day for s in each.strikes))
        if "carrier:c3" in each.cohorts
        else each
        for each in people
    ]
    findings = counted(moved).judge(TODAY)
    assert findings["carrier:c3"].stands_out and findings["core_enterprise:k"].stands_out
    assert len(causes(findings, TODAY, lambda: moved)) == 1


def test_two_causes_are_both_told_of() -> None:
    people = crowd("carrier:c3", 0.8) + crowd("region:r1", 0.6)
    told = causes(counted(people).judge(TODAY), TODAY, lambda: people)
    assert set(told) == {"carrier:c3", "region:r1"}


def test_it_calms_when_the_window_has_passed() -> None:
    cohorts = counted(crowd("carrier:c3", 0.7))
    assert not cohorts.judge(TODAY)["carrier:c3"].calm
    assert cohorts.judge(TODAY + WINDOW_DAYS)["carrier:c3"].calm


def test_nothing_is_said_of_an_empty_portfolio() -> None:
    assert Cohorts().judge(TODAY) == {}

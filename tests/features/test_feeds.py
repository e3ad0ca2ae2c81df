"""When a feed is quiet for everyone, and when it is only night.

events  ||||||||||..........................||||||||||
state   healthy    quiet (20 expected)       settling  healthy
"""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.feeds import (
    BUSIEST_MIN,
    FEED_NAMES,
    FEEDS_COUNT,
    HOUR_MS,
    ONE,
    WARM_UP_HOURS,
    FeedHealth,
    advance_to,
    export,
    feed_of,
    fresh,
    health,
    import_,
    note_all,
    quiet_feeds,
)
from features.kinds import KIND_OF
from features.pages import StateFormatError

MONDAY_H = 2896 * 168 + 96
"""An hour number at which a week begins (UTC)."""
DAY, WEEK = 24, 168
Volumes = Sequence[int]


class Partition:
    """Feeds hour by hour: ``hours`` have passed since a Monday."""

    def __init__(self) -> None:
        self.state = fresh()
        self.hours = 0
        self.seen: list[int] = []

    @property
    def now_ms(self) -> int:
        return (MONDAY_H + self.hours) * HOUR_MS

    def note(self, feed: int, volume: int, at_ms: int | None = None) -> None:
        at = self.now_ms if at_ms is None else at_ms
        note_all(self.state, np.full(volume, feed), np.full(volume, at + 7))

    def hour(self, volumes: Volumes) -> None:
        """An hour with so many merchants on each feed, then the watermark passes its end."""
        for feed, volume in enumerate(volumes):
            self.note(feed, volume)
        self.hours += 1
        advance_to(self.state, self.now_ms)
        self.seen.append(quiet_feeds(self.state))

    def run(self, hours: int, volumes: Volumes | Callable[[int], Volumes]) -> "Partition":
        for _ in range(hours):
            self.hour(volumes(self.hours) if callable(volumes) else volumes)
        return self

    def until(self, state: str, volumes: Volumes, feed: int = 0, most: int = 2000) -> int:
        """Hours until the feed is in a state."""
        for hours in range(1, most + 1):
            self.hour(volumes)
            if self.of(feed).state == state:
                return hours
        raise AssertionError(f"not {state} within {most} hours")

    def of(self, feed: int) -> FeedHealth:
        return next(each for each in health(self.state) if each.feed == FEED_NAMES[feed])


def business_hours(volume: int) -> Callable[[int], Volumes]:
    """Weekdays from 8 to 20 at full volume, nothing else."""

    def volumes(hour: int) -> Volumes:
        open_now = 8 <= hour % DAY < 20 and hour % WEEK < 5 * DAY
        return (volume if open_now else 0, volume)

    return volumes


@given(st.lists(st.tuples(*[st.integers(0, 7)] * FEEDS_COUNT), min_size=300, max_size=500))
@settings(max_examples=30, deadline=None)
def test_a_partition_with_less_than_the_least_volume_is_never_quiet(hours) -> None:
    partition = Partition()
    partition.run(len(hours), lambda hour: hours[hour])
    partition.run(300, (0,) * FEEDS_COUNT)
    assert not any(partition.seen)


@given(st.integers(8, 400), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_nights_and_weekends_are_no_outages(volume: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    usual = business_hours(volume)

    def noisy(hour: int) -> Volumes:
        return [int(rng.poisson(v)) for v in usual(hour)]

    partition = Partition().run(6 * WEEK, noisy)
    assert not any(partition.seen)


@given(st.integers(9, 300), st.integers(0, 4), st.integers(7, 40))
@settings(max_examples=25, deadline=None)
def test_an_outage_of_one_feed_is_found_when_twenty_merchants_are_missing(
    volume: int, feed: int, days: int
) -> None:
    healthy = [volume] * FEEDS_COUNT
    partition = Partition().run(days * DAY + 1, healthy)
    assert not any(partition.seen)
    since = partition.now_ms
    healthy[feed] = 0
    assert partition.until("quiet", healthy, feed) == -(-20 // volume)
    assert quiet_feeds(partition.state) == 1 << feed
    assert partition.of(feed).quiet_since == since


def test_an_outage_by_night_is_found_in_the_morning() -> None:
    partition = Partition().run(3 * WEEK + 21, business_hours(30))
    partition.run(11, (0, 30))
    assert quiet_feeds(partition.state) == 0
    assert partition.until("quiet", (0, 30)) == 1
    assert partition.hours % DAY == 9


def test_nothing_is_judged_before_a_week_of_it_is_known() -> None:
    partition = Partition().run(WARM_UP_HOURS - DAY, (100, 100)).run(DAY, (0, 100))
    assert not any(partition.seen)
    assert partition.until("quiet", (0, 100)) == 1


def test_a_stray_event_does_not_hide_an_outage() -> None:
    partition = Partition().run(2 * WEEK, (100, 100))
    assert partition.until("quiet", (4, 100)) == 1
    partition.run(3, (4, 100))
    assert partition.of(0).state == "quiet"


def test_half_of_a_feed_is_no_outage_and_a_slow_decline_neither() -> None:
    partition = Partition().run(3 * WEEK, (400, 100))
    partition.run(WEEK, (200, 100))
    for week in range(12):
        partition.run(WEEK, (int(200 * 0.6**week), 100))
    assert not any(partition.seen)


def test_a_feed_that_is_back_settles_for_as_long_as_it_was_quiet() -> None:
    partition = Partition().run(3 * WEEK, (100, 100)).run(10, (0, 100))
    partition.hour((60, 100))
    assert partition.of(0).state == "settling"
    assert partition.of(0).quiet_since == 0
    assert quiet_feeds(partition.state) == 1
    assert partition.until("healthy", (100, 100)) == 11
    assert quiet_feeds(partition.state) == 0


def test_settling_ends_after_a_week_however_long_the_outage() -> None:
    partition = Partition().run(3 * WEEK, (100, 100)).run(20 * DAY, (0, 100))
    partition.hour((100, 100))
    assert partition.until("healthy", (100, 100)) == 7 * DAY


def test_settling_ends_when_late_events_fill_the_hole() -> None:
    partition = Partition().run(3 * WEEK, (100, 100))
    start = partition.now_ms
    partition.run(10, (0, 100)).hour((100, 100))
    for hour in range(4):
        partition.note(0, 100, start + hour * HOUR_MS)
    partition.hour((100, 100))
    assert partition.of(0).state == "settling"
    partition.note(0, 100, start + 4 * HOUR_MS)
    partition.hour((100, 100))
    assert partition.of(0).state == "healthy"


def test_a_backlog_that_comes_first_brings_the_feed_back_and_fills_its_hole() -> None:
    partition = Partition().run(3 * WEEK, (100, 100))
    start = partition.now_ms
    partition.run(10, (0, 100))
    for hour in range(10):
        partition.note(0, 100, start + hour * HOUR_MS)
    partition.hour((0, 100))
    assert partition.of(0).state == "settling"
    partition.hour((100, 100))
    assert partition.of(0).state == "healthy"
    partition.run(2 * WEEK, (100, 100))
    assert partition.of(0).expected == 100


def test_between_a_trickle_and_half_an_outage_goes_on() -> None:
    partition = Partition().run(3 * WEEK, business_hours(100)).run(12, (0, 100))
    assert partition.of(0).state == "quiet"

    def trickle(hour: int) -> Volumes:
        return (12 if 8 <= hour % DAY < 20 else 3, 100)

    partition.run(4 * DAY, trickle)
    assert partition.of(0).state == "quiet"
    partition.run(9, (0, 100)).hour((50, 100))
    assert partition.of(0).state == "settling"


def test_a_feed_that_stays_smaller_is_back_after_a_day_of_a_fifth() -> None:
    partition = Partition().run(3 * WEEK, (100, 100)).run(DAY, (0, 100))
    partition.run(DAY - 1, (25, 100))
    assert partition.of(0).state == "quiet"
    partition.hour((25, 100))
    assert partition.of(0).state == "settling"


def test_what_is_left_of_a_feed_becomes_its_usual() -> None:
    partition = Partition().run(3 * WEEK, (100, 100)).run(DAY, (0, 100))
    partition.run(DAY, (10, 100))
    assert partition.of(0).state == "quiet"
    assert partition.until("settling", (10, 100)) < 4 * WEEK


def test_a_feed_that_never_comes_back_stays_quiet() -> None:
    partition = Partition().run(4 * WEEK, (100, 100)).run(20 * WEEK, (0, 100))
    assert partition.of(0).state == "quiet"
    assert partition.of(0).expected == 50  # learned once, in the first week


def test_a_new_closing_day_becomes_usual() -> None:
    partition = Partition().run(4 * WEEK, (50, 50))

    def closed_on_sundays(hour: int) -> Volumes:
        return (0 if hour % WEEK >= 6 * DAY else 50, 50)

    partition.run(8 * WEEK, closed_on_sundays)
    partition.seen.clear()
    partition.run(4 * WEEK, closed_on_sundays)
    assert not any(partition.seen)


def test_the_first_of_a_month_sets_no_usual() -> None:
    def volumes(hour: int) -> Volumes:
        return (5000 if hour in (3 * DAY, 33 * DAY, 63 * DAY) else 10, 10)

    assert not any(Partition().run(13 * WEEK, volumes).seen)


def test_a_feed_that_comes_by_night_is_late_only_when_the_night_passes_without_it() -> None:
    partition = Partition()
    for _ in range(21):
        for hour in range(DAY):
            if hour == 2:
                partition.note(3, 200, partition.now_ms - 20 * HOUR_MS)
            partition.hour((50,))
    assert not any(partition.seen)
    partition.run(2, (50,))
    assert partition.until("quiet", (50,), feed=3) == 1


def test_an_outage_of_all_feeds_is_found_by_the_ticks_of_the_clock() -> None:
    partition = Partition().run(2 * WEEK, (50, 30, 20, 60, 9))
    partition.run(3, ())
    assert quiet_feeds(partition.state) == 31


@given(st.integers(8, 27 * DAY), st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_a_hole_of_a_backfill_reads_as_an_outage_of_all_feeds(hours: int, stride: int) -> None:
    partition = Partition().run(3 * WEEK, (50, 50))
    partition.hours += hours  # no event, no tick: the clock jumps by steps or at once
    at = partition.now_ms - hours * HOUR_MS
    while at < partition.now_ms:
        at = min(at + stride * HOUR_MS, partition.now_ms)
        advance_to(partition.state, at)
    assert quiet_feeds(partition.state) == 3, "before anything falls due at its end"
    partition.hour((50, 50))
    assert quiet_feeds(partition.state) == 3
    settled = partition.until("healthy", (50, 50))
    assert settled == min(hours + 1, 7 * DAY)
    assert partition.of(1).state == "healthy"


def test_a_jump_of_decades_is_taken_in_a_moment_and_forgets_nothing() -> None:
    partition = Partition().run(3 * WEEK, (50, 50))
    partition.hours += 30 * 365 * DAY
    advance_to(partition.state, partition.now_ms)
    assert quiet_feeds(partition.state) == 3
    partition.hour((50, 50))
    assert partition.of(0).state == "settling"
    assert partition.of(0).expected >= 25


events = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-30 * HOUR_MS, 40 * HOUR_MS)), max_size=40
)


@given(st.lists(st.tuples(events, st.integers(0, 5)), max_size=8), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_events_within_an_hour_does_not_matter(steps, random) -> None:
    one, other = Partition().run(9 * DAY, (30, 30, 30)), Partition().run(9 * DAY, (30, 30, 30))
    now = one.now_ms
    for happened, hours in steps:
        shuffled = list(happened)
        random.shuffle(shuffled)
        for partition, sequence in ((one, happened), (other, shuffled)):
            for feed, off in sequence:
                note_all(partition.state, np.array([feed]), np.array([now + off]))
        now += hours * HOUR_MS
        advance_to(one.state, now)
        advance_to(other.state, now)
        assert export(one.state) == export(other.state)


@given(st.lists(st.tuples(*[st.sampled_from([0, 3, 50])] * FEEDS_COUNT), min_size=2, max_size=60))
@settings(max_examples=30, deadline=None)
def test_a_restored_state_goes_on_as_if_nothing_had_happened(hours) -> None:
    one = Partition().run(10 * DAY, (40,) * FEEDS_COUNT)
    for volumes in hours[: len(hours) // 2]:
        one.hour(volumes)
    one.note(0, 3)
    other = Partition()
    other.state, other.hours = import_(export(one.state)), one.hours
    for volumes in hours[len(hours) // 2 :]:
        one.hour(volumes)
        other.hour(volumes)
    assert export(one.state) == export(other.state)
    assert health(one.state) == health(other.state)


def test_damaged_state_is_refused() -> None:
    raw = export(fresh())
    for damaged in (raw[:-1], b"x" + raw[1:], b""):
        with pytest.raises(StateFormatError, match="replay the log"):
            import_(damaged)


def test_health_shows_freshness_and_volume_of_feeds_that_were_ever_heard_of() -> None:
    partition = Partition()
    assert health(partition.state) == ()
    partition.run(3 * WEEK, (0, 40)).hour((0, 30))
    (found,) = health(partition.state)
    assert found == FeedHealth(
        feed="logistics",
        state="healthy",
        quiet_since=0,
        last_event_at=partition.now_ms - HOUR_MS + 7,
        seen=30,
        expected=40.0,
    )
    assert BUSIEST_MIN == 8 * ONE


def test_every_kind_of_event_belongs_to_the_feed_of_its_topic() -> None:
    from schemas.events import BY_TAG

    feeds = {"merchant." + name: code for code, name in enumerate(FEED_NAMES)}
    feeds["lending.events"] = FEED_NAMES.index("lending")
    for tag, struct in BY_TAG.items():
        if tag in KIND_OF:
            assert feed_of(KIND_OF[tag]) == feeds.get(struct.topic, -1), tag

"""Freshness of the feeds: counted once by position, in event time, live silence noticed."""

from hypothesis import given
from hypothesis import strategies as st

from streams.monitor.feeds import (
    LIVE_DISTANCE_MS,
    MINUTE_MS,
    WINDOW_MINUTES,
    Freshness,
    Line,
    PartitionFeeds,
    clock_ms,
    feed_of,
    freshness,
)

NOW = 2_000_000 * MINUTE_MS
HOUR_MS = 3_600_000
EVER = 2**60


def paid(at: int) -> Line:
    return Line("order.paid", at)


def tick(at: int) -> Line:
    return Line("clock.tick", at)


def taken(*records: list[Line], recorded_at_ms: int = EVER) -> PartitionFeeds:
    """A partition after these records, at positions 0, 1, 2 …"""
    own = PartitionFeeds()
    for offset, lines in enumerate(records):
        own.take(offset, recorded_at_ms, lines)
    return own


def seen(*partitions: PartitionFeeds) -> dict[str, Freshness]:
    """The feeds as of the latest clock."""
    return freshness(partitions, clock_ms(partitions))


def test_each_event_type_has_its_feed_and_what_nobody_expects_to_flow_has_none() -> None:
    assert feed_of("order.paid") == "merchant.transactions"
    assert feed_of("loan.defaulted") == "lending.events"
    assert feed_of("clock.tick") is None
    assert feed_of("alert.acknowledge") is None
    assert feed_of("nonsense") is None


@given(
    st.lists(st.lists(st.integers(0, 3 * HOUR_MS).map(paid), max_size=5), max_size=8),
    st.lists(st.integers(0, 7), max_size=4),
)
def test_records_that_are_delivered_again_are_not_counted_again(records, crashes) -> None:  # type: ignore[no-untyped-def]
    own = PartitionFeeds()
    for offset, lines in enumerate(records):
        own.take(offset, EVER, lines)
        for back in crashes:
            if back <= offset:
                for again in range(back, offset + 1):
                    assert not own.take(again, EVER, records[again])
    assert own == taken(*records)


def test_a_feed_has_its_latest_event_its_rate_and_how_far_it_is_behind() -> None:
    one = taken([paid(NOW - 61 * MINUTE_MS), paid(NOW), paid(NOW - 1)])
    other = taken([Line("shipment.lost", NOW - 20 * MINUTE_MS), paid(NOW - 30 * MINUTE_MS)])
    found = seen(one, other)
    assert list(found) == ["merchant.logistics", "merchant.transactions"]
    assert found["merchant.transactions"].last_event_at == NOW
    assert found["merchant.transactions"].staleness_ms == 0
    assert found["merchant.transactions"].events_per_minute == 3 / WINDOW_MINUTES
    assert found["merchant.logistics"].staleness_ms == 20 * MINUTE_MS


def test_late_events_count_where_they_belong_and_move_nothing_back() -> None:
    own = taken([paid(NOW)], [paid(NOW - 30 * MINUTE_MS), paid(NOW - 90 * MINUTE_MS)])
    found = seen(own)["merchant.transactions"]
    assert found.last_event_at == NOW
    assert found.events_per_minute == 2 / WINDOW_MINUTES


def test_minutes_that_left_the_window_are_dropped() -> None:
    own = taken(*([paid(NOW + minute * MINUTE_MS)] for minute in range(500)))
    assert len(own.feeds["merchant.transactions"].events_by_minute) == WINDOW_MINUTES


def test_live_clock_ticks_show_silence_and_a_backfill_does_not() -> None:
    live = taken([paid(NOW)], [tick(NOW + HOUR_MS)], [tick(NOW + 2 * HOUR_MS)])
    found = seen(live)["merchant.transactions"]
    assert found.last_event_at == NOW
    assert found.staleness_ms == 2 * HOUR_MS
    assert found.events_per_minute == 0
    backfill = taken([paid(NOW)], [tick(NOW + LIVE_DISTANCE_MS + 1)])
    assert seen(backfill)["merchant.transactions"].staleness_ms == 0
    assert clock_ms([taken([tick(NOW)])]) == 0, "no event yet"


def test_a_clock_that_runs_ahead_makes_no_feed_fresher_than_now() -> None:
    own = taken([paid(NOW + 20 * HOUR_MS)], recorded_at_ms=NOW)
    assert seen(own)["merchant.transactions"].last_event_at == NOW


def test_records_without_events_need_not_be_stored() -> None:
    own = taken([paid(NOW)])
    assert not own.take(1, EVER, [tick(NOW + 1), Line("policy.activated", NOW)])
    assert own.take(2, EVER, [paid(NOW)])


def test_nothing_is_shown_before_the_first_event() -> None:
    assert seen() == {}
    assert seen(PartitionFeeds()) == {}

"""What the monitors keep: replaced by identity, so that a redelivery changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from streams.monitor.portfolio import (
    HOUR_MS,
    Episode,
    Exposure,
    advance_feed,
    events_per_minute,
    exposure_by_segment,
    feed_of,
    newer_episode,
    newer_exposure,
    open_by_segment,
    opened_in_window,
)

exposures = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.builds(
            Exposure,
            segment=st.sampled_from(["shop", "farm"]),
            currency=st.just("CNY"),
            exposure_minor=st.integers(0, 1000),
            as_of=st.integers(0, 50),
        ),
    ),
    unique_by=lambda item: (item[0], item[1].as_of),
    max_size=30,
)


def hold(found: list[tuple[str, Exposure]]) -> dict[str, Exposure]:
    """The table after these updates."""
    table: dict[str, Exposure] = {}
    for merchant, each in found:
        table[merchant] = newer_exposure(table.get(merchant), each)
    return table


@given(exposures, st.randoms(use_true_random=False))
def test_exposure_does_not_depend_on_redelivery_or_order(found, random) -> None:  # type: ignore[no-untyped-def]
    again = found + random.choices(found, k=len(found)) if found else []
    random.shuffle(again)
    assert hold(again) == hold(found)
    latest = {m: max((e for n, e in found if n == m), key=lambda e: e.as_of) for m, _ in found}
    total = sum(e.exposure_minor for e in latest.values())
    assert sum(exposure_by_segment(hold(found).values()).values()) == total


def episode(version: int, state: str = "open", opened_at: int = 0, severity: str = "warning"):
    """One state of an episode."""
    return Episode("shop", "sales_collapse", severity, state, version, opened_at)


def test_the_highest_version_of_an_episode_holds_whatever_comes_last() -> None:
    closed = episode(3, "closed")
    assert newer_episode(closed, episode(2)) == closed
    assert newer_episode(episode(2), closed) == closed
    assert open_by_segment([closed, episode(1), episode(2, "snoozed", severity="critical")]) == {
        ("shop", "sales_collapse", "warning"): 1,
        ("shop", "sales_collapse", "critical"): 1,
    }


def test_the_window_holds_the_last_day_of_event_time() -> None:
    now = 100 * HOUR_MS
    opened = [now - 25 * HOUR_MS, now - 24 * HOUR_MS, now - 24 * HOUR_MS + 1, now, now + 1]
    found = opened_in_window([episode(1, opened_at=at) for at in opened], now)
    assert found == {("shop", "sales_collapse"): 2}


def test_a_feed_remembers_its_latest_event_and_a_day_of_hours() -> None:
    feed = advance_feed(None, [HOUR_MS * hour for hour in range(30)])
    assert feed.last_event_at == 29 * HOUR_MS
    assert sorted(feed.hours) == list(range(6, 30))
    late = advance_feed(feed, [10 * HOUR_MS])
    assert late.last_event_at == feed.last_event_at
    assert late.hours[10] == 2
    assert events_per_minute(advance_feed(None, [0] * 120)) == 2.0


def test_each_event_type_has_its_feed_and_control_lines_have_none() -> None:
    assert feed_of("order.paid") == "merchant.transactions"
    assert feed_of("loan.defaulted") == "lending.events"
    assert feed_of("clock.tick") is None
    assert feed_of("nonsense") is None

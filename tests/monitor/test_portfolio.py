"""What the monitors hold of the portfolio: a redelivery changes nothing, sums equal the states."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.monitor.portfolio import (
    MINUTE_MS,
    WINDOW_MS,
    Episode,
    Exposure,
    Portfolio,
    newer_episode,
    newer_exposure,
)

NOW = 2_000_000 * MINUTE_MS

exposures = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.builds(
            Exposure,
            segment=st.sampled_from(["shop", "farm"]),
            currency=st.sampled_from(["CNY", "EUR"]),
            exposure_minor=st.integers(0, 1000),
            as_of=st.integers(0, 50),
            partition=st.just(0),
        ),
    ),
    unique_by=lambda item: (item[0], item[1].as_of),
    max_size=30,
)


def hold(found: list[tuple[str, Exposure]]) -> tuple[dict[str, Exposure], Portfolio]:
    """The table and the sums after these updates, as the monitor keeps them."""
    table: dict[str, Exposure] = {}
    portfolio = Portfolio()
    for merchant, each in found:
        known = table.get(merchant)
        if newer_exposure(known, each) is each:
            portfolio.put_exposure(known, each)
            table[merchant] = each
    return table, portfolio


@given(exposures, st.randoms(use_true_random=False))
def test_exposure_does_not_depend_on_redelivery_or_order(found, random) -> None:  # type: ignore[no-untyped-def]
    again = found + random.choices(found, k=len(found)) if found else []
    random.shuffle(again)
    latest = {m: max((e for n, e in found if n == m), key=lambda e: e.as_of) for m, _ in found}
    sums: Counter[tuple[str, str]] = Counter()
    for each in latest.values():
        sums[each.segment, each.currency] += each.exposure_minor
    table, portfolio = hold(again)
    assert table == latest
    assert portfolio.exposure_minor() == dict(sums)


def test_a_merchant_that_moves_leaves_no_empty_segment_behind() -> None:
    shop = Exposure("shop", "CNY", 0, 1, 0)
    _, portfolio = hold([("a", shop)])
    assert portfolio.exposure_minor() == {("shop", "CNY"): 0}
    portfolio.put_exposure(shop, Exposure("farm", "CNY", 7, 2, 0))
    assert portfolio.exposure_minor() == {("farm", "CNY"): 7}


def test_an_exposure_that_still_holds_need_not_be_stored_again() -> None:
    known = Exposure("shop", "CNY", 5, 1, 0)
    assert not Exposure("shop", "CNY", 5, 2, 0).differs(known)
    assert Exposure("shop", "CNY", 6, 2, 0).differs(known)
    assert Exposure("shop", "EUR", 5, 2, 0).differs(known)
    assert Exposure("farm", "CNY", 5, 2, 0).differs(known)
    assert known.differs(None)


def episode(
    version: int = 1, state: str = "open", opened_at: int = NOW, severity: str = "warning"
) -> Episode:
    """One state of an episode."""
    return Episode("shop", "sales_collapse", severity, state, version, opened_at, 3)


def test_the_highest_version_of_an_episode_holds_whatever_comes_last() -> None:
    closed = episode(3, "closed")
    assert newer_episode(closed, episode(2)) is closed
    assert newer_episode(episode(2), closed) is closed


states = st.lists(
    st.builds(
        episode,
        version=st.integers(1, 6),
        state=st.sampled_from(["open", "assigned", "snoozed", "closed"]),
        severity=st.sampled_from(["warning", "critical"]),
    ),
    min_size=1,
    max_size=20,
)


@given(st.dictionaries(st.sampled_from("xyz"), states))
def test_alert_counts_are_those_of_the_states_that_hold(found) -> None:  # type: ignore[no-untyped-def]
    portfolio = Portfolio()
    held: dict[str, Episode] = {}
    for alert_id, versions in found.items():
        for each in versions:
            if newer_episode(held.get(alert_id), each) is each:
                portfolio.put_episode(alert_id, held.get(alert_id), each)
                held[alert_id] = each
    still_open = [e for e in held.values() if e.state != "closed"]
    assert portfolio.open_alerts() == dict(
        Counter((e.segment, e.kind, e.severity) for e in still_open)
    )
    assert sum(portfolio.opened_in_window(NOW).values()) == len(held)


def test_the_window_holds_the_last_1440_minutes_of_event_time() -> None:
    #  now - 25 h   now - 24 h   one minute less        now   one minute ahead
    #      |            |              [-----------------]          |
    opened = [
        NOW - WINDOW_MS - 60 * MINUTE_MS,
        NOW - WINDOW_MS,
        NOW - WINDOW_MS + MINUTE_MS,
        NOW,
        NOW + MINUTE_MS,
    ]
    portfolio = Portfolio()
    for number, at in enumerate(opened):
        portfolio.put_episode(str(number), None, episode(opened_at=at))
    assert portfolio.latest_ms == NOW + MINUTE_MS
    assert portfolio.opened_in_window(NOW) == {("shop", "sales_collapse"): 2}


def test_only_closed_episodes_that_left_the_window_are_forgotten() -> None:
    portfolio = Portfolio()
    old = NOW - WINDOW_MS
    held = {
        "open-old": episode(opened_at=old),
        "closed-old": episode(2, "closed", opened_at=old),
        "closed-new": episode(2, "closed", opened_at=old + 1),
    }
    for alert_id, each in held.items():
        portfolio.put_episode(alert_id, None, each)
    before = portfolio.opened_in_window(NOW)
    assert portfolio.pop_forgettable(0, NOW) is None, "another partition's"
    assert portfolio.pop_forgettable(3, NOW) == "closed-old"
    portfolio.forget(held["closed-old"])
    assert portfolio.pop_forgettable(3, NOW) is None
    assert portfolio.opened_in_window(NOW) == before
    assert portfolio.open_alerts() == {("shop", "sales_collapse", "warning"): 1}

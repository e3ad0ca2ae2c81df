"""One time axis: buckets, steps, episodes, and the JSON route against plain arithmetic."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import series
from desk.series_queries import DAY_MS, DAYS, POINTS_MAX, Window, window
from tests.desk.conftest import Store
from tests.desk.merchant_log import Knock, Log, as_person, event, line_change, log
from tests.sinks.outputs import START_MS, alert, assessment

__all__ = ["as_person", "log"]

FIRST_DAY = START_MS // DAY_MS


@given(
    first=st.integers(0, 80_000),
    length=st.integers(1, 60_000),
    days=st.sampled_from(list(DAYS.values())),
)
def test_a_window_is_covered_by_few_buckets(first: int, length: int, days: int | None) -> None:
    last = first + length - 1
    of = window({"first_day": first, "last_day": last}, days)
    assert of.buckets <= POINTS_MAX
    assert of.last == last
    assert of.first == (first if days is None else max(last - days + 1, 0))
    reach = of.starts_ms[-1] + of.width_days * DAY_MS
    assert of.starts_ms[-1] < of.until_ms <= reach, "the last bucket holds the last day"
    if of.last - of.first < 180:
        assert of.width_days == 1


def change(day: int, line_id: str, version: int, before: int, after: int) -> dict[str, object]:
    return {
        "line_id": line_id,
        "product": "p",
        "action": "increase",
        "previous_limit_minor": before,
        "new_limit_minor": after,
        "version": version,
        "decided_ms": day * DAY_MS + 5,
    }


def test_limits_of_all_lines_are_steps_and_begin_with_what_held_before() -> None:
    # day 5       10         12          20
    #  a: 100 ───────────────► 300
    #  b:          0 ► 50
    of = Window(8, 20, 1)
    changes = [change(12, "a", 2, 100, 300), change(10, "b", 1, 0, 50), change(5, "a", 1, 0, 100)]
    assessed = [{"as_of_ms": 11 * DAY_MS, "owed_minor": 40}]
    made = series.line(of, changes, assessed, owed_before=30)
    assert made["at_ms"] == [
        8 * DAY_MS,
        10 * DAY_MS + 5,
        11 * DAY_MS,
        12 * DAY_MS + 5,
        21 * DAY_MS,
    ]
    assert made["limit_minor"] == [100, 150, 150, 350, 350]
    assert made["drawn_minor"] == [30, 30, 40, 40, 40]
    assert [move["new_minor"] for move in series.moves(of, changes)] == [50, 300]


def test_nothing_known_gives_no_steps() -> None:
    assert series.line(Window(8, 20, 1), [], [])["at_ms"] == []


def state(version: int, name: str, day: int, severity: str = "warning") -> dict[str, object]:
    return {
        "alert_id": "a",
        "kind": "k",
        "severity": severity,
        "state": name,
        "version": version,
        "opened_ms": 10 * DAY_MS,
        "updated_ms": day * DAY_MS,
    }


def test_an_episode_that_was_opened_again_gives_a_span_for_each_time() -> None:
    states = [
        state(1, "open", 10),
        state(2, "acknowledged", 11, "critical"),
        state(3, "closed", 12, "info"),
        state(4, "open", 15),
    ]
    random.Random(1).shuffle(states)
    spans = series.episodes(Window(0, 30, 1), states)
    assert [(s["from_ms"], s["until_ms"], s["severity"]) for s in spans] == [
        (10 * DAY_MS, 12 * DAY_MS, "critical"),
        (15 * DAY_MS, None, "warning"),
    ]
    assert [s["from_ms"] for s in series.episodes(Window(13, 30, 1), states)] == [15 * DAY_MS]
    assert series.episodes(Window(0, 9, 1), states) == []


def test_the_route_gives_what_the_events_add_up_to(
    as_person: Knock, store: Store, log: Log
) -> None:
    choice = random.Random(7)
    kinds = {
        "order.paid": "orders_minor",
        "settlement.received": "inflow_minor",
        "account.debited": "outflow_minor",
        "loan.disbursed": "disbursed_minor",
        "repayment.due": "due_minor",
        "repayment.received": "repaid_minor",
    }
    events, sums = [], {name: [0] * 30 for name in kinds.values()}
    for n in range(300):
        day, kind, amount = choice.randrange(40), choice.choice(list(kinds)), choice.randrange(999)
        events.append(event(day, kind, event_id=f"x{n}", amount=amount, currency="CNY"))
        if day >= 10:
            sums[kinds[kind]][day - 10] += amount
    events.append(event(39, "order.paid", event_id="usd", amount=77, currency="USD"))
    events += [event(39, "shipment.dispatched", event_id=f"s{n}") for n in range(3)]
    log(*events)
    store(
        assessment(0, merchant_id="m", as_of=START_MS + 38 * DAY_MS, probability_of_default=0.25),
        assessment(
            1,
            merchant_id="m",
            as_of=START_MS + 38 * DAY_MS + 5,
            band="E",
            probability_of_default=0.5,
            exposure_minor=900,
        ),
        line_change(1, "open", 0, 600_000),
        alert(12, merchant_id="m"),
        alert(12, merchant_id="other"),
    )
    data = as_person("vera").get("/merchants/m/series?range=30d").json()
    assert data["currency"] == "CNY" and data["currencies"] == ["CNY", "USD"]
    assert data["bucket_days"] == 1 and len(data["buckets_ms"]) == 30
    assert data["buckets_ms"][0] == (FIRST_DAY + 10) * DAY_MS
    for name, values in sums.items():
        assert data["flows"][name] == values, name
    assert data["flows"]["shipments"][29] == 3
    assert sum(data["flows"]["orders"]) == sum(
        each["type"] == "order.paid" and each["occurred_at"] >= data["from_ms"] for each in events
    )
    assert data["risk"]["probability"][28:] == [0.5, None]
    assert data["risk"]["band"][28] == "E"
    assert data["line"]["limit_minor"][0] is None, "the line opens within the first day"
    assert set(data["line"]["limit_minor"][1:]) == {600_000}
    assert data["line"]["drawn_minor"][-1] == 900
    assert [(a["label"], a["until_ms"]) for a in data["alerts"]] == [("Sales have collapsed", None)]
    usd = as_person("vera").get("/merchants/m/series?range=30d&currency=USD").json()
    assert usd["flows"]["orders_minor"][29] == 77 and usd["line"]["at_ms"] == []


def test_a_long_history_is_downsampled(as_person: Knock, log: Log) -> None:
    log(*(event(30 * n, "order.paid", amount=1, currency="CNY") for n in range(100)))
    client = as_person("vera")
    for name in DAYS:
        data = client.get(f"/merchants/m/series?range={name}").json()
        assert len(data["buckets_ms"]) <= POINTS_MAX
    assert data["bucket_days"] == 28
    assert sum(data["flows"]["orders"]) == 100


@pytest.mark.parametrize("query", ["range=2d", "range=%27%20OR%201", "range="])
def test_an_unknown_range_is_refused(as_person: Knock, log: Log, query: str) -> None:
    log(event(1, "order.paid", amount=1, currency="CNY"))
    answer = as_person("vera").get(f"/merchants/m/series?{query}")
    assert answer.status_code == 400 and "30d, 90d, 1y, all" in answer.json()["error"]


def test_a_merchant_of_whom_nothing_is_stored_has_no_series(as_person: Knock) -> None:
    assert as_person("vera").get("/merchants/nobody/series").status_code == 404

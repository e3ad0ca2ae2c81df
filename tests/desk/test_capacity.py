"""The queue: ranked by money at risk × probability × urgency, cut at the desk's hours."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk import capacity
from desk.capacity import CapacityError, LeftOut, rank
from schemas import topics
from schemas.codec import encode
from schemas.outputs import Alert
from sinks.embedded import EmbeddedEngine
from sinks.rows import TABLES, Record, sort_records
from tests.sinks.outputs import START_MS, alert

HOUR_MS = 3_600_000
NOW_MS = START_MS + 400 * 24 * HOUR_MS
RATES = {"CNY": 1.0, "USD": 7.13, "JPY": 0.047, "KWD": 23.2}
COLUMNS = (
    "alert_id, kind, severity, state, currency, exposure_minor, headroom_minor,"
    " probability_of_default, toUnixTimestamp64Milli(opened_at) AS opened_ms,"
    " toUnixTimestamp64Milli(snoozed_until) AS snoozed_until_ms,"
    " toUnixTimestamp64Milli(acknowledge_by) AS acknowledge_by_ms,"
    " toUnixTimestamp64Milli(close_by) AS close_by_ms,"
    " toUnixTimestamp64Milli(acknowledged_at) AS acknowledged_ms"
)


def waiting(name: str, **over: Any) -> dict[str, Any]:
    """A row of the queue, 1,000 yuan owed."""
    return {
        "alert_id": name,
        "kind": "sales_silence",
        "severity": "warning",
        "state": "open",
        "currency": "CNY",
        "exposure_minor": 100_000,
        "headroom_minor": 0,
        "probability_of_default": 0.1,
        "opened_ms": NOW_MS - HOUR_MS,
        "snoozed_until_ms": None,
        "acknowledge_by_ms": NOW_MS + 100 * HOUR_MS,
        "close_by_ms": NOW_MS + 200 * HOUR_MS,
        "acknowledged_ms": None,
        **over,
    }


def order(*rows: dict[str, Any], hours: float = 100, **minutes: int) -> list[str]:
    ranked = rank(rows, hours, minutes, rates=RATES, now_ms=NOW_MS)
    return [each.row["alert_id"] for each in ranked.fits]


def score(**over: Any) -> float:
    (only,) = rank([waiting("a", **over)], 1, {}, rates=RATES, now_ms=NOW_MS).fits
    return only.score


def test_the_score_is_money_times_probability_times_urgency() -> None:
    assert score() == pytest.approx(1000 * 0.1 * 2)
    assert score(severity="critical") == pytest.approx(1000 * 0.1 * 4)
    assert score(severity="info") == pytest.approx(1000 * 0.1 * 1)
    assert score(headroom_minor=50_000) == pytest.approx((1000 + 500 * 0.4) * 0.1 * 2)
    assert score(probability_of_default=None) == pytest.approx(1000 * 0.05 * 2)


@pytest.mark.parametrize(
    ("hours_left", "nearness"),
    [(200, 1.0), (72, 1.0), (36, 1.5), (0, 2.0), (-36, 2.5), (-72, 3.0), (-500, 3.0)],
)
def test_urgency_rises_as_the_deadline_nears_and_passes(hours_left: int, nearness: float) -> None:
    by = NOW_MS + hours_left * HOUR_MS
    assert score(acknowledge_by_ms=by) == pytest.approx(200 * nearness)
    assert score(acknowledged_ms=NOW_MS - 1, close_by_ms=by) == pytest.approx(200 * nearness)
    assert score(acknowledged_ms=NOW_MS - 1, acknowledge_by_ms=by) == pytest.approx(200)


def test_an_alert_of_before_there_were_deadlines_has_no_nearness() -> None:
    assert score(acknowledge_by_ms=None, close_by_ms=None) == pytest.approx(200)


def test_money_is_compared_in_one_currency() -> None:
    rows = (
        waiting("yen", currency="JPY", exposure_minor=30_000),
        waiting("yuan", exposure_minor=120_000),
        waiting("dollars", currency="USD", exposure_minor=20_000),
        waiting("dinars", currency="KWD", exposure_minor=100_000),
    )
    assert order(*rows) == ["dinars", "dollars", "yen", "yuan"]


def test_money_without_a_rate_weighs_nothing_and_is_counted() -> None:
    rows = [waiting("b", currency="EUR"), waiting("a", exposure_minor=1), waiting("c")]
    ranked = rank(rows, 9, {}, rates=RATES, now_ms=NOW_MS)
    assert [each.row["alert_id"] for each in ranked.fits] == ["c", "a", "b"]
    assert ranked.unrated == {"EUR": 1}


def test_the_queue_is_cut_at_the_hours_and_what_is_left_out_is_counted_with_its_money() -> None:
    rows = [waiting(f"a{n}", exposure_minor=100_000 * (9 - n)) for n in range(9)]
    rows.append(waiting("z", severity="critical", exposure_minor=100))
    ranked = rank(rows, 1.5, {}, rates=RATES, now_ms=NOW_MS)
    assert [each.row["alert_id"] for each in ranked.fits] == [f"a{n}" for n in range(6)]
    assert ranked.minutes == 90
    assert ranked.left_out == {
        "critical": LeftOut(1, 1.0),
        "warning": LeftOut(3, 6000.0),
        "info": LeftOut(0, 0.0),
    }


def test_kinds_take_the_minutes_that_are_stated() -> None:
    rows = [waiting("a", kind="slow", exposure_minor=900_000), waiting("b"), waiting("c")]
    assert order(*rows, hours=1, slow=45) == ["a", "b"]
    assert order(*rows, hours=1, slow=46) == ["a"]
    assert order(*rows, hours=0.7, slow=45) == [], "what comes first is not passed over"


def test_what_is_snoozed_or_closed_takes_no_hours() -> None:
    rows = [
        waiting("asleep", state="snoozed", snoozed_until_ms=NOW_MS + 1),
        waiting("awake", state="snoozed", snoozed_until_ms=NOW_MS),
        waiting("closed", state="closed"),
    ]
    ranked = rank(rows, 9, {}, rates=RATES, now_ms=NOW_MS)
    assert [each.row["alert_id"] for each in ranked.fits] == ["awake"]
    assert ranked.snoozed == 1


def test_ties_go_by_severity_then_age_then_id() -> None:
    nothing = {"exposure_minor": 0}
    rows = (
        waiting("d", **nothing),
        waiting("c", **nothing),
        waiting("b", **nothing, opened_ms=NOW_MS - 2 * HOUR_MS),
        waiting("a", **nothing, severity="info"),
        waiting("e", **nothing, severity="critical"),
    )
    assert order(*rows) == order(*reversed(rows)) == ["e", "b", "c", "d", "a"]


@pytest.mark.parametrize(
    ("hours", "minutes", "rates", "said"),
    [
        (-1, {}, RATES, "hours is -1"),
        (float("nan"), {}, RATES, "hours is nan"),
        (1, {"slow": 0}, RATES, "minutes of slow is 0"),
        (1, {}, {"CNY": 0.0}, "the rate of CNY is 0.0"),
        (1, {}, {"CNY": float("inf")}, "the rate of CNY is inf"),
        (1, {}, {"RMB": 1.0}, "'RMB' is of no currency"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    hours: float, minutes: dict[str, int], rates: dict[str, float], said: str
) -> None:
    with pytest.raises(CapacityError, match=said):
        rank([], hours, minutes, rates=rates, now_ms=NOW_MS)


def store(engine: EmbeddedEngine, alerts: list[Alert]) -> None:
    table = TABLES[topics.ALERTS]
    records = [Record(topics.ALERTS, 0, n, 1, b"m", encode(each)) for n, each in enumerate(alerts)]
    engine.insert(table.name, table.columns, sort_records(table, records).rows, token="t")


_MS = st.integers(NOW_MS - 300 * HOUR_MS, NOW_MS + 300 * HOUR_MS)
_FIELDS = st.fixed_dictionaries(
    {
        "severity": st.sampled_from(["critical", "warning", "info"]),
        "state": st.sampled_from(["open", "assigned", "acknowledged", "snoozed", "closed"]),
        "currency": st.sampled_from(["CNY", "USD", "JPY", "KWD", "EUR", "XXX"]),
        "exposure_minor": st.integers(0, 2**55) | st.sampled_from([0, 100_000]),
        "headroom_minor": st.integers(0, 2**55) | st.just(0),
        "probability_of_default": st.none() | st.floats(0, 1) | st.just(0.1),
        "opened_at": _MS,
        "snoozed_until": st.none() | _MS,
        "acknowledge_by": st.none() | _MS,
        "close_by": st.none() | _MS,
        "acknowledged_at": st.none() | _MS,
    }
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_FIELDS, max_size=60), st.integers(0, 1), st.floats(0, 20))
def test_clickhouse_gives_the_same_order_scores_and_money(
    engine: EmbeddedEngine, fields: list[dict[str, Any]], rated: int, hours: float
) -> None:
    rates = RATES if rated else {}
    for table in ("alerts", "alerts_latest"):
        engine.execute(f"TRUNCATE TABLE {table}")
    alerts = [alert(n, alert_id=f"al-{n}", **each) for n, each in enumerate(fields)]
    if alerts:
        store(engine, alerts)
    rows = engine.query(f"SELECT {COLUMNS} FROM alerts_current")
    assert len(rows) == len(alerts)
    ranked = rank(rows, 1e6, {}, rates=rates, now_ms=NOW_MS)
    found = engine.query(
        f"SELECT alert_id, {capacity.SCORE} AS score, {capacity.MONEY} AS money"
        f" FROM alerts_current WHERE {capacity.WORKABLE} ORDER BY {capacity.ORDER_BY}",
        capacity.parameters(rates, NOW_MS),
    )
    assert [(row["alert_id"], row["score"], row["money"]) for row in found] == [
        (each.row["alert_id"], each.score, each.money) for each in ranked.fits
    ]
    cut = rank(rows, hours, {}, rates=rates, now_ms=NOW_MS)
    assert cut.fits == ranked.fits[: len(cut.fits)]
    assert len(cut.fits) + sum(each.alerts for each in cut.left_out.values()) == len(ranked.fits)

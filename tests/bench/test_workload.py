"""The workload: steady, seeded, and of the size asked for."""

from collections import Counter

import msgspec
import pytest

from bench.generator import LEAD_IN_S, MARK, prepare, value
from bench.growth import trade
from bench.inprocess import input_records, run_intake
from bench.latency import by_second, note
from bench.workload import DAY_MS, HOUR_MS, START_MS, events, first_events
from schemas import topics
from schemas.events import BY_TAG


def test_the_same_seed_gives_the_same_events() -> None:
    assert events(2_000, 50, seed=3) == events(2_000, 50, seed=3)
    assert events(2_000, 50, seed=3) != events(2_000, 50, seed=4)


@pytest.mark.parametrize("span_ms", [30_000, HOUR_MS, DAY_MS])
def test_events_lie_in_their_window_in_order_with_identifiers_of_their_own(span_ms: int) -> None:
    found = [msgspec.json.decode(raw) for _, _, raw in events(3_000, 40, 1, span_ms=span_ms)]
    times = [event["occurred_at"] for event in found]
    assert len(found) == 3_000
    assert times == sorted(times)
    assert times[0] >= START_MS
    assert times[-1] < START_MS + span_ms
    assert len({event["event_id"] for event in found}) == 3_000


def test_trade_is_steady_as_many_parcels_arrive_as_orders_are_paid() -> None:
    for span_ms in (HOUR_MS, DAY_MS):
        types = Counter(
            msgspec.json.decode(raw)["type"]
            for _, _, raw in events(20_000, 100, 1, span_ms=span_ms)
        )
        steps = [
            types[name]
            for name in (
                "order.paid",
                "shipment.dispatched",
                "shipment.delivered",
                "settlement.received",
            )
        ]
        assert max(steps) < 1.1 * min(steps)
        assert 0.86 < sum(steps) / 20_000 < 0.90


def test_every_event_is_one_that_intake_takes_from_its_topic() -> None:
    batch = [*events(1_000, 20, seed=1), *first_events(20, START_MS), *trade(20, 500)]
    outputs = run_intake(input_records(batch)).outputs
    assert {output.topic for output in outputs} == {topics.EVENTS}
    lines = [line for output in outputs for line in (output.value or b"").splitlines()]
    assert len(lines) == len(batch)


def test_growth_begins_with_every_merchant_and_stays_within_an_hour() -> None:
    first, later = list(first_events(300, START_MS)), list(trade(300, 700))
    assert len({key for _, key, _ in first}) == len(first) == 300
    assert len(later) == 700
    times = [msgspec.json.decode(raw)["occurred_at"] for _, _, raw in first + later]
    assert times == sorted(times)
    assert times[-1] - times[0] <= HOUR_MS + 60_000
    assert times[0] // DAY_MS == times[-1] // DAY_MS


def test_a_live_event_says_when_it_was_sent() -> None:
    rate, seconds, now_ns = 1_000, LEAD_IN_S + 1, 1_767_225_600_123_456_789
    work = prepare(rate * seconds, 500, rate, seconds, now_ns // 1_000_000)
    found = [msgspec.json.decode(value(piece, now_ns)) for piece in work]
    assert len(found) == rate * seconds
    assert {event["occurred_at"] for event in found} == {now_ns // 1_000_000}
    for piece, event in zip(work, found, strict=True):
        assert BY_TAG[event["type"]].topic == piece.topic
        assert event["merchant_id"].encode() == piece.key
    marked = [event for event in found if event["event_id"].startswith(MARK)]
    assert marked
    assert {int(event["event_id"].rpartition("-")[2]) for event in marked} == {now_ns}
    assert not any(e["event_id"].startswith(MARK) for e in found[: LEAD_IN_S * rate])


def test_a_delay_is_noted_once_and_only_for_marked_causes() -> None:
    delays: dict[str, float] = {}
    note(delays, {"causes": ["b1-1", f"{MARK}7-1000000"]}, 3_500_000)
    note(delays, {"evidence": [f"{MARK}7-1000000"]}, 9_000_000)
    note(delays, {"causes": ["lead-in-3-1000000"]}, 9_000_000)
    note(delays, {"causes": []}, 9_000_000)
    assert delays == {f"{MARK}7-1000000": 2.5}
    later = {f"{MARK}8-2000000000": 7.0, f"{MARK}9-2000000001": 4.0}
    assert by_second({**delays, **later}) == [2.5, 7.0]

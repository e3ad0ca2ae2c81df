"""The partition's one clock, and what it makes due.

----[ watermark ]--lateness--[ high ]--step--|  beyond: a jump
"""

import msgspec

from features.engine import Due, EngineConfig, FeatureEngine, Trigger
from features.layout import DAY_MS
from features.lines import LogLine
from tests.features.build import SMALL, at, line, probe, scanned

HOUR = 1 / 24
LATENESS_MS = SMALL.lateness_ms


def run(*lines: LogLine, config: EngineConfig = SMALL) -> tuple[FeatureEngine, list[Due]]:
    engine = FeatureEngine(config)
    return engine, list(engine.run(scanned(lines)))


def paid(day: float, merchant: str = "m") -> LogLine:
    return line("order.paid", day, merchant, amount=1)


def tick(day: float) -> LogLine:
    return line("clock.tick", day, "*")


def timers(dues: list[Due]) -> list[tuple[int, int, float]]:
    """Slot, trigger and day at whose end each timer came due."""
    return [
        (d.slot, d.trigger, (d.as_of + 1) / DAY_MS - at(0) / DAY_MS) for d in dues if d.line < 0
    ]


def test_the_watermark_trails_the_latest_event_and_never_goes_back() -> None:
    engine, _ = run(paid(1, "a"), paid(1.5, "b"), paid(0.2, "a"))
    assert engine.high == at(1.5)
    assert engine.watermark == at(1.5) - LATENESS_MS


def test_before_the_first_event_the_clock_stands_at_zero() -> None:
    engine, _ = run(line("merchant.registered", 5), tick(5))
    assert (engine.high, engine.watermark) == (0, 0)


def test_one_wrong_clock_ages_nobody() -> None:
    wrong = [paid(400 + d, "wrong") for d in range(20)]
    steady = [paid(1 + d / 100, f"m{d % 3}") for d in range(21)]
    mixed = [steady[0]]
    for other, each in zip(steady[1:], wrong, strict=True):
        mixed += [other, each]
    engine, dues = run(*mixed)
    assert engine.high == at(1.2)
    assert timers(dues) == []


def test_a_jump_counts_once_another_merchant_confirms_it() -> None:
    engine, _ = run(paid(1, "a"), paid(1, "b"), paid(11, "a"))
    assert engine.high == at(1)
    list(engine.run(scanned([paid(11.5, "b")])))
    assert engine.high == at(11.5)


def test_two_wrong_clocks_agree_only_as_far_as_the_lesser_one() -> None:
    engine, _ = run(paid(1, "a"), paid(1, "b"), paid(300, "a"), paid(20, "b"))
    assert engine.high == at(20)
    list(engine.run(scanned([paid(20.1, "c")])))
    assert engine.high == at(20.1)


def test_a_merchant_alone_in_a_jump_moves_time_by_a_step_an_event() -> None:
    engine, _ = run(paid(1, "a"), paid(1, "b"), *[paid(50 + d, "a") for d in range(4)])
    assert engine.high == at(4)


def test_a_single_merchant_has_nobody_to_confirm_its_pause() -> None:
    engine, _ = run(paid(0), paid(40))
    assert engine.high == at(40)


def test_profiles_commands_and_controls_do_not_move_the_clock() -> None:
    engine, dues = run(
        paid(1, "a"),
        line("merchant.updated", 1.9, "a"),
        line("merchant.freeze", 1.9, "a"),
        line("model.activated", 1.9, "*"),
    )
    assert engine.high == at(1)
    assert [d.trigger for d in dues] == [Trigger.PROFILE, Trigger.COMMAND, Trigger.CONTROL]
    assert [d.slot for d in dues] == [0, 0, -1]


def test_a_tick_moves_a_live_feed_and_never_a_backfill() -> None:
    engine, _ = run(paid(1), tick(1 + HOUR / 2), tick(1 + HOUR))
    assert engine.high == at(1 + HOUR)
    list(engine.run(scanned([tick(300)])))
    assert engine.high == at(1 + HOUR)


def test_as_of_follows_the_event_but_not_a_wrong_clock() -> None:
    _, dues = run(paid(1, "a"), paid(1, "b"), probe(1.2, "a"), probe(300, "b"), probe(0, "a"))
    watermark = at(1.2) - LATENESS_MS
    assert [d.as_of for d in dues] == [at(1.2), at(2.2), watermark]


def test_a_day_is_closed_when_the_watermark_passes_its_end() -> None:
    _, dues = run(paid(0.5, "a"), paid(0.6, "b"), paid(1, "c"), paid(1 + HOUR, "c"))
    assert timers(dues) == [(0, Trigger.BUCKET_CLOSE, 1.0), (1, Trigger.BUCKET_CLOSE, 1.0)]


def test_a_merchant_busy_past_midnight_still_has_its_day_closed() -> None:
    lines = [paid(d / 48) for d in range(1, 48 * 4)]
    _, dues = run(*lines)
    assert timers(dues) == [(0, Trigger.BUCKET_CLOSE, float(d)) for d in (1, 2, 3)]


def test_a_silent_merchant_is_checked_less_and_less_and_then_let_be() -> None:
    quiet, busy = paid(0.5, "quiet"), [paid(0.5 + d, f"b{d % 2}") for d in range(120)]
    _, dues = run(quiet, *busy)
    mine = [t for t in timers(dues) if t[0] == 0]
    assert mine[0] == (0, Trigger.BUCKET_CLOSE, 1.0)
    assert [end for _, _, end in mine[1:]] == [2, 3, 5, 9, 17, 33, 65]
    assert {trigger for _, trigger, _ in mine[1:]} == {Trigger.IDLE_CHECK}


def test_timers_come_by_time_and_then_by_merchant_and_before_their_line() -> None:
    lines = [paid(0.5, "a"), paid(0.5, "b"), paid(1.2, "b"), paid(2.2, "c"), probe(3, "c")]
    _, dues = run(*lines)
    found = timers(dues)
    assert found == sorted(found, key=lambda t: (t[2], t[0]))
    assert dues[-1].line == 4


def test_a_merchant_whose_events_are_always_late_is_still_looked_at() -> None:
    busy = [paid(d / 2, f"b{d % 2}") for d in range(20)]
    tail = [paid(10 + d / 2, f"b{d % 2}") for d in range(8)]
    _, dues = run(*busy, paid(4, "late"), *tail)
    assert [t for t in timers(dues) if t[0] == 2] == [(2, Trigger.IDLE_CHECK, 13)]


def test_a_lending_deadline_fires_once_and_can_be_moved() -> None:
    engine, _ = run(paid(0.5, "a"), paid(0.5, "b"))
    engine.set_lending_deadline(0, at(3))
    engine.set_lending_deadline(0, at(4))
    dues = list(engine.run(scanned([paid(0.5 + d, "b") for d in range(8)])))
    mine = [end for slot, _, end in timers(dues) if slot == 0]
    assert mine == [1, 2, 3, 4, 5]  # 4 is the lending check, the others day close and idle


def test_a_deadline_set_into_the_past_waits_for_the_next_day_instead_of_looping() -> None:
    engine, _ = run(paid(0.5, "a"), paid(0.5, "b"))
    engine.set_lending_deadline(0, at(1))
    seen = []
    for due in engine.run(scanned([paid(0.5 + d, "b") for d in range(5)])):
        seen.append(due.as_of)
        if due.slot == 0:
            engine.set_lending_deadline(0, at(1))
    assert seen == sorted(seen)
    assert len(seen) < 20


def test_an_event_that_matters_is_due_at_most_once_an_hour() -> None:
    refunds = [line("order.refunded", 1 + m / 1440, amount=1) for m in (0, 30, 59, 60, 61)]
    _, dues = run(*refunds)
    assert [d.line for d in dues] == [0, 3]
    assert {d.trigger for d in dues} == {Trigger.EVENT}


def test_commands_are_deduplicated_and_controls_are_not() -> None:
    freeze = line("merchant.freeze", 1)
    pause = line("automation.pause", 1, "*")
    activated = line("policy.activated", 1, "*")
    engine, dues = run(paid(1), freeze, freeze, pause, pause, activated, activated)
    assert len(dues) == 4
    assert engine.counters["duplicates"] == 2


def test_a_configuration_that_makes_no_sense_is_refused() -> None:
    for wrong in ({"dedup_events": 0}, {"lateness_ms": -1}, {"close_hours": 5}):
        try:
            EngineConfig(**wrong)
        except ValueError as error:
            assert next(iter(wrong)) in str(error)
        else:
            raise AssertionError(wrong)
    assert msgspec.structs.asdict(EngineConfig())["step_ms"] == DAY_MS


def busy(last: int, merchant: str = "m") -> list[LogLine]:
    """A sale at noon of each day."""
    return [paid(d + 0.5, merchant) for d in range(last + 1)]


def test_a_bucket_shorter_than_a_day_closes_when_it_ends() -> None:
    config = EngineConfig(dedup_events=64, close_hours=6)
    _, dues = run(paid(0.1), paid(0.6), paid(0.7), paid(2), config=config)
    assert timers(dues) == [
        (0, Trigger.BUCKET_CLOSE, 0.25),
        (0, Trigger.BUCKET_CLOSE, 0.75),
        (0, Trigger.IDLE_CHECK, 1.75),
    ]


def test_the_silence_of_a_busy_merchant_is_looked_at_within_the_day() -> None:
    others = [paid(25 + d / 10, f"b{d % 2}") for d in range(40)]
    _, dues = run(*busy(24), *others)
    mine = [t for t in timers(dues) if t[0] == 0 and t[1] != Trigger.BUCKET_CLOSE]
    assert [(trigger, round(day * 24, 6)) for _, trigger, day in mine] == [
        (Trigger.SILENCE_CHECK, 24 * 24 + 12 + 1 + 24),
        (Trigger.IDLE_CHECK, 26 * 24),
        (Trigger.SILENCE_CHECK, 24 * 24 + 12 + 1 + 48),
        (Trigger.IDLE_CHECK, 27 * 24),
    ]


def test_the_silence_of_a_merchant_that_is_seldom_busy_is_not() -> None:
    others = [paid(20 + d / 10, f"b{d % 2}") for d in range(40)]
    _, dues = run(*busy(18), *others)
    assert Trigger.SILENCE_CHECK not in {trigger for slot, trigger, _ in timers(dues) if slot == 0}


def test_a_busy_merchant_that_goes_on_is_not_called_silent() -> None:
    """Its next sale comes before the check that the last one had set."""
    _, dues = run(*[paid(d * 0.9 + 0.5) for d in range(60)])
    assert {trigger for _, trigger, _ in timers(dues)} == {Trigger.BUCKET_CLOSE}


def test_a_promise_that_is_not_kept_is_looked_at_when_its_day_is_over() -> None:
    promised = [
        line("order.paid", 0.5, amount=1, promised_at=at(3)),
        line("order.paid", 0.5, amount=1, promised_at=at(5)),
        line("order.paid", 0.5, amount=1, promised_at=at(6)),
    ]
    kept = line("shipment.delivered", 1.5, promised_at=at(5))
    others = [paid(1 + d / 4, f"b{d % 2}") for d in range(40)]
    _, dues = run(*promised, *others[:3], kept, *others[3:])
    mine = [t for t in timers(dues) if t[0] == 0]
    assert mine == [
        (0, Trigger.BUCKET_CLOSE, 1),
        (0, Trigger.BUCKET_CLOSE, 2),
        (0, Trigger.IDLE_CHECK, 3),
        (0, Trigger.OVERDUE_CHECK, 4),
        (0, Trigger.IDLE_CHECK, 6),
        (0, Trigger.OVERDUE_CHECK, 7),
        (0, Trigger.IDLE_CHECK, 10),
    ]


def test_a_burst_of_sales_makes_its_merchant_due_once() -> None:
    sales = [paid(30 + minute / 1440) for minute in range(45)]
    _, dues = run(*busy(29), *sales)
    assert [d.line for d in dues if d.line >= 0] == [30 + 19]
    # 4 sales a day before: 6 days of them are 24 sales
    often = [paid(d + h) for d in range(30) for h in (0.4, 0.5, 0.6, 0.7)]
    _, dues = run(*often, *[paid(30 + minute / 1440) for minute in range(45)])
    assert [d.line for d in dues if d.line >= 0] == [120 + 23]


def test_a_case_in_which_the_merchant_is_not_accused_is_no_trigger() -> None:
    _, dues = run(line("court.case", 1, role="plaintiff"), line("court.case", 1))
    assert [d.line for d in dues] == [1]


def test_a_late_event_of_a_closed_day_brings_the_next_check_forward_and_no_close() -> None:
    """Its promise is open for a day that has yet to end."""
    others = [paid(1 + d / 4, f"b{d % 2}") for d in range(40)]
    late = line("order.paid", 0.4, "m", amount=1, promised_at=at(6))
    _, dues = run(paid(0.5), *others[:16], late, *others[16:])
    mine = [(trigger, day) for slot, trigger, day in timers(dues) if slot == 0 and day > 4]
    assert mine == [
        (Trigger.IDLE_CHECK, 5),
        (Trigger.OVERDUE_CHECK, 7),
        (Trigger.IDLE_CHECK, 9),
    ]

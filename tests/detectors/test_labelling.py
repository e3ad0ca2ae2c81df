"""From outcomes to labels: once each, ripe, thinned where they weigh less, in bounded portions."""

import numpy as np
import pytest

from detectors import labelling, ripening
from detectors.labelling import GOOD_WAITS_MS, STEP_MAX, Counters, Labelling
from detectors.labels import DAY_MS
from detectors.quarantine import HELD_MAX
from detectors.snapshots import Snapshot, pack
from features.catalogue import NAMES

SNAPSHOT = Snapshot(0, pack(np.zeros(len(NAMES))))


def labels() -> Labelling:
    return Labelling(Counters())


def say(of: Labelling, merchant: str, outcome: str, loan: str | None, day: int) -> None:
    of.take(
        merchant,
        outcome,
        loan,
        at=day * DAY_MS,
        exposure_minor=1,
        snapshots=[SNAPSHOT],
    )


def learnt(of: Labelling, day: int) -> list[tuple[str, str, bool]]:
    """All that is due by a day: merchant, outcome, and whether it judges."""
    found = []
    while True:
        of.ripen(day * DAY_MS)
        some = of.ready()
        if not some:
            return found
        assert len(some) <= STEP_MAX
        found += [(case.merchant_id, case.outcome, judges) for _, case, judges in some]


def test_a_bad_outcome_is_learnt_at_once_and_a_good_one_when_it_is_ripe() -> None:
    of = labels()
    say(of, "a", "settled", "1", 10)
    say(of, "b", "late_30", "2", 10)
    assert learnt(of, 39) == [("b", "late_30", True)]
    assert learnt(of, 40) == [("a", "settled", True)]
    assert of.counters.outcomes == {"settled": 1, "late_30": 1}


def test_late_and_then_in_default_counts_once_and_so_does_a_label_that_comes_twice() -> None:
    of = labels()
    for day, outcome in enumerate(("late_30", "defaulted", "settled", "defaulted")):
        say(of, "a", outcome, "1", day)
    assert learnt(of, 99) == [("a", "late_30", True)]
    assert of.counters.labels_repeated == 3


def test_a_settled_loan_that_defaults_meanwhile_is_learnt_as_bad_alone() -> None:
    of = labels()
    say(of, "a", "settled", "1", 0)
    say(of, "a", "defaulted", "1", 12)
    assert learnt(of, 99) == [("a", "defaulted", True)]
    assert of.counters.labels_superseded == 1


def test_verdicts_wait_teach_one_in_four_of_each_class_and_judge_nothing() -> None:
    of = labels()
    for number in range(40):
        say(of, f"c{number}", "verdict_confirmed", f"al{number}", 0)
        say(of, f"f{number}", "verdict_false_alarm", f"fa{number}", 0)
    assert learnt(of, 29) == []
    found = learnt(of, 30)
    assert [outcome for _, outcome, _ in found].count("verdict_confirmed") == 10
    assert [outcome for _, outcome, _ in found].count("verdict_false_alarm") == 10
    assert not any(judges for *_, judges in found)
    assert of.counters.labels_thinned == 60


def test_a_verdict_is_dropped_where_a_loan_has_the_answer() -> None:
    of = labels()
    for number in range(8):
        say(of, f"m{number}", "verdict_confirmed", f"al{number}", 0)
    for number in range(4):
        say(of, f"m{number}", "settled", f"l{number}", 3)
    found = learnt(of, 60)
    assert of.counters.labels_superseded == 4
    assert [outcome for _, outcome, _ in found].count("verdict_confirmed") == 1


def test_a_verdict_of_default_is_a_bad_label_and_cured_is_none() -> None:
    of = labels()
    say(of, "a", "verdict_defaulted", "al1", 0)
    say(of, "b", "verdict_cured", "al2", 0)
    say(of, "a", "defaulted", "1", 20)
    assert learnt(of, 99) == [("a", "verdict_defaulted", True)]
    assert of.counters.outcomes["verdict_cured"] == 1


def test_an_outcome_without_a_snapshot_teaches_nothing_and_is_counted() -> None:
    of = labels()
    of.take("a", "defaulted", "1", at=0, exposure_minor=1, snapshots=[])
    assert learnt(of, 99) == [] and of.counters.outcomes_without_history == 1


def test_a_day_with_a_hundred_times_the_usual_labels_is_learnt_in_portions() -> None:
    of = labels()
    day, usual = 200, 10
    for number in range(usual * 100):
        say(of, f"m{number}", "settled", f"l{number}", day)
    steps = 0
    of.ripen(day * DAY_MS + GOOD_WAITS_MS)
    while some := of.ready():
        assert len(some) <= STEP_MAX
        steps += 1
        of.ripen(day * DAY_MS + GOOD_WAITS_MS)
    assert steps == usual * 100 / STEP_MAX
    assert of.counters.labels_ripening == 0


def test_a_storm_beyond_all_bounds_is_given_up_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ripening, "WAITING_MAX", 100)
    of = labels()
    for number in range(1_000):
        say(of, f"m{number}", "settled", f"l{number}", 0)
    assert of.counters.labels_ripening == 100
    assert of.counters.labels_given_up == 900


def test_a_burst_released_by_the_quarantine_is_learnt_in_portions_too() -> None:
    of = labels()
    for number in range(400):
        say(of, f"g{number}", "settled", f"l{number}", number // 10)
    assert len(learnt(of, 75)) == 400
    for number in range(300):
        say(of, f"b{number}", "defaulted", f"x{number}", 80)
        of.ready()
    assert of.counters.labels_held > 200
    say(of, "last", "defaulted", "y", 80 + 28)  # it has lasted: a drift, and true
    assert of.counters.labels_held == 0
    found = learnt(of, 80 + 28)
    assert len(found) > 200 and found[-1][0] == "last"


@pytest.mark.parametrize("every", [1, 7, 50])
def test_a_restored_one_goes_on_as_if_never_stopped(every: int) -> None:
    outcomes = [*labelling.TEACHINGS, "verdict_cured"]
    whole, one = labels(), labels()
    stored: dict[bytes, bytes | None] = {}
    found: list[object] = []
    expected: list[object] = []
    for number in range(300):
        outcome = outcomes[number * 5 % len(outcomes)]
        loan = None if number % 11 == 0 else f"l{number // 2}"
        for each, result in ((whole, expected), (one, found)):
            each.ripen(number * DAY_MS)
            say(each, f"m{number % 60}", outcome, loan, number)
            result += [(case, judges) for _, case, judges in each.ready()]
        if number % every == 0:
            stored |= dict(one.dirty())
            counters, one = one.counters, labels()
            one.counters = counters
            for key, raw in stored.items():
                assert raw is None or one.restore(key, raw)
    assert found == expected and len(found) > 100
    assert one.counters == whole.counters


def test_no_item_of_state_outgrows_a_record_however_many_labels_are_held() -> None:
    of = labels()
    full = Snapshot(0, pack(np.ones(len(NAMES))))
    for number in range(200):
        say(of, f"g{number}", "settled", f"l{number}", 0)
    learnt(of, 30)
    for number in range(HELD_MAX + 500):
        of.take(
            f"b{number % 50}",
            "defaulted",
            f"x{number}",
            at=31 * DAY_MS,
            exposure_minor=1,
            snapshots=[full],
        )
        of.ready()
    assert of.counters.labels_held == HELD_MAX
    assert max(len(raw or b"") for _, raw in of.dirty()) < 8 << 20

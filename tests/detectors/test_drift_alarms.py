"""Adaptive windows: what they find, what they leave alone, and a restore that goes on."""

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.drift_alarms import (
    KEPT,
    LOSS_MAX,
    PAUSE_LABELS,
    VALUES_MAX,
    Alarm,
    DriftAlarms,
)

Label = tuple[float, bool]


def labels(count: int, seed: int, log_odds: float = 0.0, share: float = 0.15) -> list[Label]:
    """Forecasts of about ``share``, and outcomes whose log-odds are higher by ``log_odds``."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        said = math.log(share / (1 - share)) + rng.gauss(0, 1)
        came = 1 / (1 + math.exp(-said - log_odds))
        found.append((1 / (1 + math.exp(-said)), rng.random() < came))
    return found


def note(alarms: DriftAlarms, some: list[Label], at: int = 0) -> list[Alarm]:
    found = [alarms.note_label(*label, at + number) for number, label in enumerate(some)]
    return [alarm for alarm in found if alarm is not None]


def scores(alarms: DriftAlarms, mean: float, count: int, seed: int) -> list[Alarm]:
    rng = random.Random(seed)
    drawn = (rng.betavariate(mean * 10, (1 - mean) * 10) for _ in range(count))
    found = [alarms.note_score(value, number) for number, value in enumerate(drawn)]
    return [alarm for alarm in found if alarm is not None]


@pytest.mark.parametrize("seed", range(3))
def test_a_champion_that_stays_as_good_raises_no_alarm(seed: int) -> None:
    assert note(DriftAlarms(), labels(3_000, seed)) == []


def test_an_error_that_rises_is_found_with_its_time_and_pauses_for_labels() -> None:
    alarms = DriftAlarms()
    note(alarms, labels(1_000, 1))
    assert alarms.pause_labels == 0
    (alarm,) = note(alarms, labels(600, 2, log_odds=1.5), at=5_000)
    assert (alarm.signal, alarm.direction) == ("error", "up")
    assert 5_000 < alarm.found_at < 5_600
    assert alarm.after > alarm.before + 0.1
    assert alarm.observations <= 1_600
    assert alarms.pause_labels == max(PAUSE_LABELS - (5_599 - alarm.found_at), 0)
    assert (alarms.count("error", "up"), alarms.count("error", "down")) == (1, 0)
    note(alarms, labels(PAUSE_LABELS, 3, log_odds=1.5))
    assert alarms.pause_labels == 0


def test_an_error_that_falls_is_found_and_pauses_nothing() -> None:
    alarms = DriftAlarms()
    note(alarms, labels(1_000, 1, log_odds=2.0))
    found = note(alarms, [(0.02, False)] * 400)
    assert found and {alarm.direction for alarm in found} == {"down"}
    assert alarms.pause_labels == 0


def test_a_pause_lasts_for_a_count_of_labels_after_its_alarm() -> None:
    alarms = DriftAlarms()
    note(alarms, [(0.1, False)] * 500)
    while not alarms.pause_labels:
        alarms.note_label(0.1, True, 0)
    assert alarms.pause_labels == PAUSE_LABELS
    note(alarms, [(0.1, False)] * (PAUSE_LABELS - 1))
    assert alarms.pause_labels == 1
    alarms.note_label(0.1, False, 0)
    assert alarms.pause_labels == 0


def test_a_mean_probability_that_rises_is_found_and_stated_as_a_probability() -> None:
    alarms = DriftAlarms()
    assert scores(alarms, 0.05, 1_500, 1) == []
    (alarm, *_) = scores(alarms, 0.1, 600, 2)
    assert (alarm.signal, alarm.direction) == ("score", "up")
    assert alarm.before == pytest.approx(0.05, abs=0.01)
    assert alarm.before + 0.01 < alarm.after < 0.12, "some values of before are in the later part"
    assert alarms.pause_labels == 0


def test_one_absurd_forecast_counts_for_no_more_than_the_bound() -> None:
    alarms = DriftAlarms()
    note(alarms, [(0.1, False)] * 200)
    alarms.note_label(0.0, True, 0)
    assert max(msgspec.msgpack.decode(alarms.snapshot())["error"]) == LOSS_MAX
    assert note(alarms, [(0.1, False)] * 200) == []


def test_scores_of_a_new_champion_are_compared_with_its_own_and_the_error_goes_on() -> None:
    alarms = DriftAlarms()
    note(alarms, labels(1_000, 1))
    scores(alarms, 0.05, 1_000, 1)
    alarms.new_champion()
    assert scores(alarms, 0.2, 500, 2) == []
    assert note(alarms, labels(500, 2, log_odds=1.5))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 50),
    shift=st.sampled_from([0.0, 1.5, -2.0]),
    cut=st.integers(1, 1_400),
)
def test_a_restored_window_goes_on_as_if_never_stopped(seed: int, shift: float, cut: int) -> None:
    some = labels(700, seed) + labels(700, seed + 1, log_odds=shift)
    whole, one = DriftAlarms(), DriftAlarms()
    expected = note(whole, some)
    found = note(one, some[:cut])
    one = DriftAlarms.restore(one.snapshot())
    found += note(one, some[cut:], at=cut)
    assert found == expected
    assert one.snapshot() == whole.snapshot()


def test_a_full_window_goes_on_with_its_latest_half_restored_or_not() -> None:
    some = labels(2 * VALUES_MAX + 77, 4)
    whole, one = DriftAlarms(), DriftAlarms()
    assert note(whole, some) == []
    note(one, some[: VALUES_MAX + 3])
    one = DriftAlarms.restore(one.snapshot())
    note(one, some[VALUES_MAX + 3 :])
    assert one.snapshot() == whole.snapshot()
    assert len(msgspec.msgpack.decode(one.snapshot())["error"]) < VALUES_MAX
    assert note(one, labels(500, 5, log_odds=1.5)), "it still rings"


def test_the_latest_alarms_are_remembered_and_all_are_counted() -> None:
    alarms = DriftAlarms()
    for turn in range(KEPT + 5):
        note(alarms, [(0.1, False)] * 100 + [(0.1, True)] * 60, at=turn)
    assert len(alarms.alarms) == KEPT
    assert alarms.count("error", "up") + alarms.count("error", "down") > KEPT


def test_a_value_that_is_not_finite_is_refused_and_spoils_nothing() -> None:
    alarms = DriftAlarms()
    alarms.note_score(0.1, 0)
    before = alarms.snapshot()
    with pytest.raises(ValueError, match="not finite"):
        alarms.note_score(math.nan, 1)
    assert alarms.snapshot() == before


def test_it_tells_whether_it_differs_from_the_last_snapshot() -> None:
    alarms = DriftAlarms()
    assert not alarms.changed
    alarms.note_score(0.1, 0)
    assert alarms.changed
    alarms.snapshot()
    assert not alarms.changed

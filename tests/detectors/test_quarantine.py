"""A burst of strange labels waits; a lasting change is learnt after all."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.quarantine import HISTORY_MIN, LASTING_MS, WINDOW, Held, Quarantine

HOUR_MS = 3_600_000


def labels(count: int, share: float, start: int, *, seed: int = 1) -> list[Held]:
    rnd = random.Random(seed)
    return [
        Held(start + i * HOUR_MS, rnd.random() < share, str(start + i).encode())
        for i in range(count)
    ]


def through(quarantine: Quarantine, some: list[Held]) -> list[Held]:
    return [ready for label in some for ready in quarantine.take(label)]


def test_usual_labels_pass_at_once_and_in_order() -> None:
    quarantine, some = Quarantine(), labels(2_000, 0.1, 0)
    for label in some:
        assert quarantine.take(label) == [label]
    assert not quarantine.holding and quarantine.dropped == 0


def test_a_poisoned_burst_is_not_learnt() -> None:
    quarantine = Quarantine()
    through(quarantine, labels(1_000, 0.05, 0))
    burst = labels(200, 1.0, 1_000 * HOUR_MS)
    before = through(quarantine, burst)
    assert len(before) < WINDOW // 2 and quarantine.holding, "all but the first few wait"
    after = labels(2 * WINDOW, 0.05, 1_200 * HOUR_MS, seed=3)
    learnt = through(quarantine, after)
    assert not quarantine.holding
    assert len(set(burst) & set(learnt)) < 5, "at most as many as do not show among the usual"
    assert len(learnt) >= WINDOW and learnt[-1] == after[-1]
    assert quarantine.dropped == len(burst) + len(after) - len(before) - len(learnt)


def test_a_change_that_lasts_is_learnt_whole() -> None:
    quarantine = Quarantine()
    through(quarantine, labels(1_000, 0.05, 0))
    crisis = labels(800, 0.5, 1_000 * HOUR_MS, seed=2)
    learnt = through(quarantine, crisis)
    assert learnt[-1].at >= crisis[0].at + LASTING_MS
    assert learnt == [label for label in crisis if label in set(learnt)], "in order"
    assert quarantine.dropped == 0


def test_nothing_is_unusual_without_a_history() -> None:
    quarantine = Quarantine()
    assert len(through(quarantine, labels(HISTORY_MIN, 1.0, 0))) == HISTORY_MIN


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.sampled_from([0.0, 0.05, 0.5, 1.0])), max_size=12),
    st.integers(0, 600),
)
def test_each_label_is_learnt_once_held_or_counted_and_restore_changes_nothing(
    phases: list[tuple[int, float]], stop: int
) -> None:
    some: list[Held] = []
    for number, (count, share) in enumerate(phases):
        some += labels(count, share, len(some) * HOUR_MS, seed=number)
    one, other = Quarantine(), Quarantine()
    learnt = through(one, some)
    again = through(other, some[:stop])
    other = msgspec.msgpack.decode(msgspec.msgpack.encode(other), type=Quarantine)
    assert again + through(other, some[stop:]) == learnt
    assert other == one
    assert len(set(learnt)) == len(learnt) == one.learnt
    assert len(learnt) + len(one.held) + one.dropped == len(some)

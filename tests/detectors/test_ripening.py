"""Waiting labels: the oldest first, bounded, and each an item of state of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import ripening
from detectors.quarantine import Held
from detectors.ripening import Ripening

steps = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.booleans()), max_size=60)


@given(steps)
def test_a_restored_queue_gives_the_same_as_one_never_stopped(
    some: list[tuple[int, int, bool]],
) -> None:
    whole, one = Ripening(), Ripening()
    stored: dict[bytes, bytes | None] = {}
    for number, (at, most, stopped) in enumerate(some):
        label = Held(at, bool(at % 2), b"%d" % number)
        whole.put(label)
        one.put(label)
        if stopped:
            stored |= dict(one.dirty())
            one = Ripening()
            for key, raw in stored.items():
                if raw is not None:
                    one.restore(key, raw)
        assert one.take(10, most) == whole.take(10, most)
    assert one.take(99, 99) == whole.take(99, 99)
    assert len(one) == 0


@given(st.lists(st.integers(0, 5), max_size=30))
def test_labels_come_by_time_and_equal_ones_as_they_arrived(times: list[int]) -> None:
    queue = Ripening()
    labels = [Held(at, False, b"%d" % i) for i, at in enumerate(times)]
    for label in labels:
        queue.put(label)
    assert queue.take(5, 99) == sorted(labels, key=lambda label: label.at)


def test_one_that_comes_and_goes_between_two_commits_is_never_written() -> None:
    queue = Ripening()
    queue.put(Held(1, False, b""))
    assert queue.take(0, 9) == []
    queue.take(1, 9)
    assert queue.dirty() == []
    queue.put(Held(1, False, b""))
    ((key, raw),) = queue.dirty()
    assert raw is not None
    queue.take(1, 9)
    assert queue.dirty() == [(key, None)]


def test_beyond_the_bound_a_label_finds_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ripening, "WAITING_MAX", 3)
    queue = Ripening()
    assert [queue.put(Held(i, False, b"")) for i in range(5)] == [True] * 3 + [False] * 2
    assert len(queue) == 3

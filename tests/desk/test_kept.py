"""Answers that are kept: made once while they are fresh, by key, and bounded in number."""

import threading

from desk.kept import KEPT_MAX, Kept


class Clock:
    def __init__(self) -> None:
        self.now_ms = 0
        self.made = 0

    def __call__(self) -> int:
        return self.now_ms

    def make(self) -> int:
        self.made += 1
        return self.made


def test_a_value_is_made_again_only_when_it_is_too_old() -> None:
    clock = Clock()
    kept: Kept[int] = Kept(1_000, clock)
    assert [kept.get("a", clock.make), kept.get("a", clock.make)] == [1, 1]
    clock.now_ms = 999
    assert kept.get("a", clock.make) == 1
    clock.now_ms = 1_000
    assert kept.get("a", clock.make) == 2
    assert kept.get("b", clock.make) == 3


def test_a_clock_that_went_back_keeps_nothing_for_ever() -> None:
    clock = Clock()
    clock.now_ms = 5_000
    kept: Kept[int] = Kept(1_000, clock)
    kept.get("a", clock.make)
    clock.now_ms = 100
    assert kept.get("a", clock.make) == 2


def test_the_oldest_gives_way_when_there_are_too_many() -> None:
    clock = Clock()
    kept: Kept[int] = Kept(1_000, clock)
    for number in range(KEPT_MAX + 1):
        kept.get(number, clock.make)
    assert kept.get(1, clock.make) == 2
    assert kept.get(0, clock.make) == KEPT_MAX + 2


def test_many_that_ask_at_once_make_it_once() -> None:
    clock = Clock()
    kept: Kept[int] = Kept(1_000, clock)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(kept.get("a", clock.make))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8

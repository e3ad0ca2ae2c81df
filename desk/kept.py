"""Answers that cost much to make, kept for a while."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KEPT_MAX = 64

V = TypeVar("V")


class Kept(Generic[V]):
    """Values by key for ``for_ms`` of a clock; made once however many ask. Safe between threads."""

    def __init__(self, for_ms: int, clock_ms: Callable[[], int]) -> None:
        self._for_ms = for_ms
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[int, V]] = {}

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key, made by ``make`` where there is none or it is too old."""
        with self._lock:
            now = self._clock_ms()
            held = self._kept.get(key)
            if held is not None and 0 <= now - held[0] < self._for_ms:
                return held[1]
            value = make()
            self._kept.pop(key, None)
            if len(self._kept) >= KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = now, value
            return value

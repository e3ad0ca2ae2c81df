"""How often somebody may ask: token buckets, bounded in memory."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

KEYS_MAX = 10_000
_SWEEP_S = 1.0
_OTHERS = ""
"""The key that those share who came when there was no room for a bucket of their own."""


class Rate(NamedTuple):
    """``burst`` requests at once, then ``per_s`` a second."""

    burst: int
    per_s: float


class Limits(NamedTuple):
    """The rates of one desk."""

    logins_by_name: Rate = Rate(10, 1 / 30)
    logins_by_address: Rate = Rate(30, 1 / 6)
    api_by_token: Rate = Rate(200, 20.0)
    changes_by_viewer: Rate = Rate(60, 2.0)


class Buckets:
    """One bucket for each key, of which the first ``KEYS_MAX`` have their own.

    A bucket that is full again says nothing and is dropped. None is dropped to make room for
    another: who floods with new keys would empty its own record by that. ``clock`` is in seconds.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._swept_at = clock()

    def take(self, key: str) -> float:
        """Take one request of ``key``: 0 where it may pass, else the seconds until one may."""
        now = self._clock()
        with self._lock:
            key = self._place(key, now)
            left = self._left(key, now)
            if left < 1:
                return (1 - left) / self._rate.per_s
            self._buckets[key] = (left - 1, now)
            return 0.0

    def _left(self, key: str, now: float) -> float:
        left, at = self._buckets.get(key, (float(self._rate.burst), now))
        return min(self._rate.burst, left + (now - at) * self._rate.per_s)

    def _place(self, key: str, now: float) -> str:
        """The key whose bucket counts."""
        if key in self._buckets or len(self._buckets) < KEYS_MAX:
            return key
        if now - self._swept_at >= _SWEEP_S:
            self._swept_at = now
            full = [k for k in self._buckets if self._left(k, now) >= self._rate.burst]
            for each in full:
                del self._buckets[each]
        return key if len(self._buckets) < KEYS_MAX else _OTHERS

"""Who may see one merchant's personal data for a while: granted for a reason that is written down.

A grant belongs to one session and one merchant. It is kept here alone, so that a restart of the
desk ends all of them.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

GRANT_S = 15 * 60
GRANTS_MAX = 10_000
REASON_CHARACTERS_MIN = 10
REASON_CHARACTERS_MAX = 500


class Grant(NamedTuple):
    """A reason that was stated, and until when it holds (seconds of the desk's clock)."""

    reason: str
    ends_at: float


class Grants:
    """The grants of one desk. Safe to share between threads. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._grants: dict[tuple[str, str], Grant] = {}

    def give(self, session_id: str, merchant_id: str, reason: str) -> Grant:
        """Let a session see a merchant's data for 15 minutes from now."""
        now = self._clock()
        grant = Grant(reason, now + GRANT_S)
        key = (session_id, merchant_id)
        with self._lock:
            self._grants.pop(key, None)
            if len(self._grants) >= GRANTS_MAX:
                self._grants = {k: g for k, g in self._grants.items() if now < g.ends_at}
            if len(self._grants) >= GRANTS_MAX:
                self._grants.pop(next(iter(self._grants)))
            self._grants[key] = grant
        return grant

    def of(self, session_id: str, merchant_id: str) -> Grant | None:
        """The grant that holds now, if one does."""
        key = (session_id, merchant_id)
        with self._lock:
            grant = self._grants.get(key)
            if grant is not None and self._clock() >= grant.ends_at:
                del self._grants[key]
                return None
            return grant

    def end(self, session_id: str, merchant_id: str) -> None:
        """Mask a merchant's data again."""
        with self._lock:
            self._grants.pop((session_id, merchant_id), None)

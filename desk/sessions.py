"""Sessions of browsers: a cookie that says nothing, with the digest of it kept here."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from desk.identity import Viewer

SESSION_S = 12 * 3600
IDLE_S = 2 * 3600
SESSIONS_MAX = 10_000


class Session(NamedTuple):
    """One browser that is logged in. ``csrf`` goes into every form and request that changes.

    ``stamp`` is that of the person's entry in the users file at the login, and empty for whoever
    came by the printed address. ``session_id`` names the session and opens nothing.
    """

    viewer: Viewer
    csrf: str
    ends_at: float
    idle_at: float
    stamp: str
    session_id: str


class Sessions:
    """Sessions of this process; they end after 12 hours, or 2 without a request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(self, viewer: Viewer, stamp: str = "") -> str:
        """A new session's cookie."""
        cookie = secrets.token_urlsafe(32)
        now, key = self._clock(), _digest(cookie)
        session = Session(
            viewer, secrets.token_urlsafe(32), now + SESSION_S, now + IDLE_S, stamp, key
        )
        with self._lock:
            if len(self._sessions) >= SESSIONS_MAX:
                self._sessions = {k: s for k, s in self._sessions.items() if _lives(s, now)}
            if len(self._sessions) >= SESSIONS_MAX:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[key] = session
        return cookie

    def of(self, cookie: str | None) -> Session | None:
        """The session of a cookie, which this prolongs; None where there is none or it ended."""
        if not cookie:
            return None
        key, now = _digest(cookie), self._clock()
        with self._lock:
            session = self._sessions.get(key)
            if session is None or not _lives(session, now):
                self._sessions.pop(key, None)
                return None
            prolonged = session._replace(idle_at=now + IDLE_S)
            self._sessions[key] = prolonged
            return prolonged

    def lives(self, session_id: str) -> bool:
        """Whether a session goes on; asking does not prolong it."""
        with self._lock:
            session = self._sessions.get(session_id)
            return session is not None and _lives(session, self._clock())

    def end(self, cookie: str | None) -> None:
        """Log out."""
        if cookie:
            with self._lock:
                self._sessions.pop(_digest(cookie), None)


class OneTimeToken:
    """The token of the address that the desk prints at its start: it opens one session.

    None is for a desk that prints none.
    """

    def __init__(self, token: str | None) -> None:
        if token is not None and len(token) < 16:
            raise ValueError("the login token needs at least 16 characters")
        self._token = token
        self._lock = threading.Lock()

    def spend(self, token: str) -> bool:
        """Whether it is the token; true once."""
        with self._lock:
            held = self._token
            if held is None or not hmac.compare_digest(_digest(token), _digest(held)):
                return False
            self._token = None
            return True


def _lives(session: Session, now: float) -> bool:
    return now < session.ends_at and now < session.idle_at


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()

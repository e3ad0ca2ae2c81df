"""Who is let in, as whom, and how often: users, tokens, sessions and rates of one desk."""

import time
from collections.abc import Callable
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from desk.hosts import LOOPBACK, name_of
from desk.identity import Viewer
from desk.rate import Buckets, Limits
from desk.sessions import Session, Sessions
from desk.users import NOBODY, Users
from desk.users_file import UsersFile

COOKIE = "tideline_desk"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Browsers take a cookie of this name over TLS only, for this host and all its paths."""


class Rules(NamedTuple):
    """How a desk is reached. ``hosts`` are the names it answers to (see ``desk.hosts``).

    ``users`` is None where there is no users file. ``secure_cookies`` is for a desk behind a proxy
    that speaks TLS; over TLS itself cookies are secure in any case.
    """

    users: UsersFile | None = None
    hosts: frozenset[str] = LOOPBACK
    secure_cookies: bool = False
    limits: Limits = Limits()


class Admission:
    """Lets people in. ``clock`` is monotonic seconds, ``wall_clock`` epoch seconds."""

    def __init__(
        self,
        rules: Rules,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._wall_clock = wall_clock
        self.sessions = Sessions(clock)
        self.logins_by_name = Buckets(rules.limits.logins_by_name, clock)
        self.logins_by_address = Buckets(rules.limits.logins_by_address, clock)
        self.api_by_token = Buckets(rules.limits.api_by_token, clock)
        self.changes_by_viewer = Buckets(rules.limits.changes_by_viewer, clock)

    @property
    def has_users(self) -> bool:
        """Whether people log in with names and passwords."""
        return self._rules.users is not None

    def users(self) -> Users:
        """People and tokens as of now."""
        return self._rules.users.now() if self._rules.users else NOBODY

    async def look_at_users(self) -> None:
        """See to it that ``users`` is of the last second, on a thread where there is work."""
        file = self._rules.users
        if file is not None and file.is_due():
            await run_in_threadpool(file.look)

    def answers_to(self, host: str) -> bool:
        """Whether a ``Host`` header names this desk."""
        name = name_of(host)
        return name is not None and name in self._rules.hosts

    def is_secure(self, scheme: str) -> bool:
        """Whether cookies of a request that came by ``scheme`` are for TLS only."""
        return scheme == "https" or self._rules.secure_cookies

    def cookie_name(self, scheme: str) -> str:
        """The name of the session's cookie."""
        return SECURE_COOKIE if self.is_secure(scheme) else COOKIE

    def session_of(self, cookie: str | None) -> Session | None:
        """The session of a cookie, with the viewer as the users file has that person now.

        It ends for whoever was removed, or has another password since.
        """
        session = self.sessions.of(cookie)
        if session is None:
            return None
        viewer = self._viewer_now(session)
        if viewer is None:
            self.sessions.end(cookie)
            return None
        return session._replace(viewer=viewer)

    def goes_on(self, session: Session) -> bool:
        """Whether what was begun in a session may be finished: a stream asks before each part."""
        return self.sessions.lives(session.session_id) and self._viewer_now(session) is not None

    def by_token(self, token: str) -> Viewer | None:
        """The viewer of an API token; None for one that is unknown or has expired."""
        return self.users().by_token(token, self._wall_clock())

    def _viewer_now(self, session: Session) -> Viewer | None:
        if not session.stamp:
            return session.viewer  # of the printed address, which no file knows
        person = self.users().person(session.viewer.name)
        return person.viewer if person and person.stamp == session.stamp else None

"""Who may read the desk: a one-time token in the address, then a cookie; and safe headers."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "tideline_desk"
SESSION_S = 12 * 3600
OPEN_PATHS = frozenset({"/healthz", "/login"})

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Sessions:
    """Sessions of this process. Only a digest of a cookie is kept."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        if len(token) < 16:
            raise ValueError("the login token needs at least 16 characters")
        self._token: str | None = token
        self._clock = clock
        self._ends_at: dict[str, float] = {}

    def log_in(self, token: str) -> str | None:
        """A new session's cookie for the token, which is spent by that; else None."""
        if self._token is None or not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        self._token = None
        cookie = secrets.token_urlsafe(32)
        self._ends_at[_digest(cookie)] = self._clock() + SESSION_S
        return cookie

    def holds(self, cookie: str | None) -> bool:
        """Whether a cookie belongs to a session that has not ended."""
        if not cookie:
            return False
        return self._clock() < self._ends_at.get(_digest(cookie), 0.0)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def log_in(request: Request, sessions: Sessions, refuse: Callable[[], Response]) -> Response:
    """Exchange the token of the address for a cookie, and drop it from the address."""
    if sessions.holds(request.cookies.get(COOKIE)):
        return RedirectResponse("/", 303)
    cookie = sessions.log_in(request.query_params.get("token", ""))
    if cookie is None:
        return refuse()
    response = RedirectResponse("/", 303)
    response.set_cookie(COOKIE, cookie, max_age=SESSION_S, httponly=True, samesite="strict")
    return response


class Guard:
    """ASGI middleware: safe headers on every answer, and no page without a session."""

    def __init__(
        self, app: ASGIApp, sessions: Sessions, refuse: Callable[[Request], Response]
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        request = Request(scope)
        if scope["path"] in OPEN_PATHS or self._sessions.holds(request.cookies.get(COOKIE)):
            await self._app(scope, receive, guarded)
        else:
            await self._refuse(request)(scope, receive, guarded)

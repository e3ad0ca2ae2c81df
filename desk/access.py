"""ASGI middleware before every route: who asks, whether a change is meant, and safe headers."""

import hmac
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.forms import BODY_BYTES_MAX, InvalidForm, fields_of
from desk.identity import Viewer
from desk.sessions import Sessions

COOKIE = "tideline_desk"
OPEN_PATHS = frozenset({"/healthz", "/login"})
"""What answers without a login."""
OPEN_FILES = ("/static/desk.css", "/static/icon.svg")
"""What the page of the login shows."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API = "/api/"

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}

ByToken = Callable[[str], Viewer | None]
"""The viewer of an API token, None for one that is unknown."""
Refuse = Callable[[Request, int], Response]


class Guard:
    """Lets nobody in who is not known, and nothing change that was not asked for here.

    A request that changes something needs, with a session, the session's ``csrf`` token in the form
    or in ``x-csrf-token``, and an ``Origin`` that is this desk where there is one. An API token in
    ``Authorization: Bearer`` cannot be sent by another site, so it needs neither.
    """

    def __init__(
        self, app: ASGIApp, *, sessions: Sessions, by_token: ByToken, refuse: Refuse
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._by_token = by_token
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

        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        request = Request(scope, receive)
        refused = self._identify(request, state)
        if refused is None and request.method not in SAFE_METHODS:
            refused, receive = await self._read(request, state)
        if refused is not None:
            answer = await run_in_threadpool(self._refuse, request, refused)
            await answer(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _identify(self, request: Request, state: MutableMapping[str, Any]) -> int | None:
        """Find who asks; the status of a refusal, None where the request may go on."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        session = self._sessions.of(request.cookies.get(COOKIE))
        if scheme.lower() == "bearer" and request.url.path.startswith(API):
            viewer = self._by_token(token.strip())
            if viewer is not None:
                state["viewer"] = viewer
                return None
            return 401
        if session is not None:
            state["viewer"] = session.viewer
            state["csrf"] = session.csrf
            return None
        path = request.url.path
        return None if path in OPEN_PATHS or path in OPEN_FILES else 401

    async def _read(
        self, request: Request, state: MutableMapping[str, Any]
    ) -> tuple[int | None, Receive]:
        """Read the body of a request that changes something, and check that it is meant."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return 413, request.receive
        state["body"] = body
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        state["form"] = {}
        if kind == "application/x-www-form-urlencoded":
            try:
                state["form"] = fields_of(body)
            except InvalidForm:
                return 400, request.receive
        return (None if self._is_meant(request, state) else 403), _replay(body)

    @staticmethod
    def _is_meant(request: Request, state: MutableMapping[str, Any]) -> bool:
        viewer: Viewer | None = state.get("viewer")
        if viewer is not None and viewer.via == "token":
            return True
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            return False
        if viewer is None:  # the login, which needs a secret of its own
            return True
        given = request.headers.get("x-csrf-token") or state["form"].get("csrf", "")
        return hmac.compare_digest(given.encode(), str(state["csrf"]).encode())


def _replay(body: bytes) -> Receive:
    """A ``receive`` that gives a body that was read already."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive

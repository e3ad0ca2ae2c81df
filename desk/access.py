"""ASGI middleware before every route: who asks, whether a change is meant, and safe headers."""

import hmac
import logging
import math
from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.admission import COOKIE, Admission
from desk.forms import BODY_BYTES_MAX, InvalidForm, fields_of
from desk.identity import Viewer
from desk.sessions import Session

__all__ = ["API", "COOKIE", "HEADERS", "Guard"]

log = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/healthz", "/login"})
"""What answers without a login."""
OPEN_FILES = ("/static/desk.css", "/static/icon.svg")
"""What the page of the login shows."""
ANY_HOST = "/healthz"
"""What answers under any name: probes call by address, and it says nothing."""
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

HSTS = "max-age=31536000"

Refuse = Callable[[Request, int], Response]


class _Refused(NamedTuple):
    status: int
    retry_after_s: float = 0.0


class Guard:
    """Lets nobody in who is not known, and nothing change that was not asked for here.

    A request that changes something needs, with a session, the session's ``csrf`` token in the form
    or in ``x-csrf-token``, and an ``Origin`` that is this desk where there is one. An API token in
    ``Authorization: Bearer`` cannot be sent by another site, so it needs neither. Whatever breaks
    behind it is answered with the same headers as everything else.
    """

    def __init__(self, app: ASGIApp, *, admission: Admission, refuse: Refuse) -> None:
        self._app = app
        self._admission = admission
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        answer = _Answer(self._admission, scope, send)
        request = Request(scope, receive)
        await self._admission.look_at_users()
        refused = self._identify(request, state, answer)
        if refused is None and request.method not in SAFE_METHODS:
            refused, receive = await self._read(request, state)
        if refused is not None:
            await self._tell(request, refused, receive, answer)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            log.exception("desk_request_failed", extra={"path": scope["path"]})
            if not answer.begun:
                await self._tell(request, _Refused(500), receive, answer)

    async def _tell(
        self, request: Request, refused: _Refused, receive: Receive, answer: "_Answer"
    ) -> None:
        told = await run_in_threadpool(self._refuse, request, refused.status)
        if refused.retry_after_s:
            told.headers["retry-after"] = str(math.ceil(refused.retry_after_s))
        if refused.status == 401 and "hx-request" in request.headers:
            told.headers["hx-redirect"] = "/login"
        await told(request.scope, receive, answer.send)

    def _identify(
        self, request: Request, state: MutableMapping[str, Any], answer: "_Answer"
    ) -> _Refused | None:
        """Find who asks; None where the request may go on.

        The path is that of the request line: the one in ``request.url`` is put together with the
        header ``Host``, which the asking side writes.
        """
        path: str = request.scope["path"]
        if not self._admission.answers_to(request.headers.get("host", "")) and path != ANY_HOST:
            return _Refused(421)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and path.startswith(API):
            viewer = self._admission.by_token(token.strip())
            if viewer is None:
                return _Refused(401)
            state["viewer"] = viewer
            wait_s = self._admission.api_by_token.take(viewer.name)
            return _Refused(429, wait_s) if wait_s else None
        cookie = request.cookies.get(self._admission.cookie_name(request.scope["scheme"]))
        session = self._admission.session_of(cookie)
        if session is not None:
            state["viewer"] = session.viewer
            state["csrf"] = session.csrf
            state["session"] = session
            state["session_id"] = session.session_id
            answer.session = session
            return None
        return None if path in OPEN_PATHS or path in OPEN_FILES else _Refused(401)

    async def _read(
        self, request: Request, state: MutableMapping[str, Any]
    ) -> tuple[_Refused | None, Receive]:
        """Read the body of a request that changes something, and check that it is meant."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return _Refused(413), request.receive
        state["body"] = body
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        state["form"] = {}
        if kind == "application/x-www-form-urlencoded":
            try:
                state["form"] = fields_of(body)
            except InvalidForm:
                return _Refused(400), request.receive
        if not _is_meant(request, state):
            return _Refused(403), _replay(body)
        viewer: Viewer | None = state.get("viewer")
        wait_s = self._admission.changes_by_viewer.take(viewer.name) if viewer else 0.0
        return (_Refused(429, wait_s) if wait_s else None), _replay(body)


class _Answer:
    """The answer to one request, on its way out: with safe headers, and as long as the session."""

    def __init__(self, admission: Admission, scope: Scope, send: Send) -> None:
        self._admission = admission
        self._secure = admission.is_secure(scope["scheme"])
        self._send = send
        self.session: Session | None = None
        self.begun = False
        self._ended = False

    async def send(self, message: Message) -> None:
        """Send one part. A stream is cut where the session has ended since."""
        if self._ended:
            return
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if self._secure:
                headers["strict-transport-security"] = HSTS
        elif message.get("more_body") and not await self._goes_on():
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _goes_on(self) -> bool:
        await self._admission.look_at_users()
        return self.session is None or self._admission.goes_on(self.session)


def _is_meant(request: Request, state: MutableMapping[str, Any]) -> bool:
    """Whether a request that changes something was made by a page of this desk, or by a token."""
    viewer: Viewer | None = state.get("viewer")
    if viewer is not None and viewer.via == "token":
        return True
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    if viewer is None:  # the login, which needs a secret of its own
        return True
    given = request.headers.get("x-csrf-token") or state["form"].get("csrf", "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), str(state["csrf"]).encode())


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

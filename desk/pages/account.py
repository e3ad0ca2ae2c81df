"""Logging in and out, and how the desk is shown to oneself."""

import math
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk import i18n
from desk.access import API
from desk.admission import Admission
from desk.forms import local_path, posted
from desk.identity import Viewer
from desk.services import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Desk
from desk.sessions import SESSION_S, OneTimeToken

YEAR_S = 365 * 86_400
NAME_CHARACTERS_MAX = 128
STRANGER = "unknown"
"""Who audit entries name for a name that no person has: it may be a password in the wrong field."""


def routes(desk: Desk, admission: Admission, token: OneTimeToken, owner: Viewer) -> list[Route]:
    """``/login``, ``/logout``, ``/preferences``. ``owner`` is who holds the printed address."""
    return [
        desk.route("/login", lambda r: _open_login(desk, admission, token, owner, r), None),
        desk.route("/login", lambda r: _log_in(desk, admission, r), None, methods=("POST",)),
        desk.route("/logout", lambda r: _log_out(desk, admission, r), None, methods=("POST",)),
        desk.route("/preferences", _preferences, None, methods=("POST",)),
    ]


def refusal(desk: Desk, admission: Admission) -> Callable[[Request, int], Response]:
    """How a request is turned away: whoever is not logged in gets the form for that."""

    def refuse(request: Request, status: int) -> Response:
        path: str = request.scope["path"]
        if status != 401 or not admission.has_users or path.startswith(API):
            return desk.problem(request, status)
        return _form(desk, request, 401, back=path if request.method == "GET" else "/")

    return refuse


def _form(
    desk: Desk, request: Request, status: int, *, back: str, fault: str | None = None
) -> Response:
    return desk.page(request, "login.html", status, back=local_path(back), fault=fault)


def _open_login(
    desk: Desk, admission: Admission, token: OneTimeToken, owner: Viewer, request: Request
) -> Response:
    """Show the form; or exchange the token of the address for a cookie, and drop it from there."""
    if getattr(request.state, "viewer", None) is not None:
        return RedirectResponse("/", 303)
    given = request.query_params.get("token")
    if given is None and admission.has_users:
        return _form(desk, request, 200, back="/")
    wait_s = admission.logins_by_address.take(_address(request))
    if wait_s:
        return _too_often(desk, request, wait_s)
    if not token.spend(given or ""):
        return refusal(desk, admission)(request, 401)
    desk.commands.audit(owner, "login", "/login", detail="one-time address")
    return with_session(admission, RedirectResponse("/", 303), request, owner)


def _log_in(desk: Desk, admission: Admission, request: Request) -> Response:
    """Exchange name and password for a cookie."""
    if not admission.has_users:
        return desk.problem(request, 404)
    form = posted(request)
    name, back = form.get("name", "").strip()[:NAME_CHARACTERS_MAX], form.get("back", "/")
    address = _address(request)
    # The name's own is asked only where the address may go on: one address cannot lock others out.
    wait_s = admission.logins_by_address.take(address) or admission.logins_by_name.take(name)
    if wait_s:
        return _too_often(desk, request, wait_s)
    users = admission.users()
    person = users.authenticated(name, form.get("password", ""))
    if person is None:
        tried = name if users.person(name) else STRANGER
        desk.commands.audit_unknown(tried, "login_failed", "/login", detail=f"from {address}")
        fault = "Name or password is wrong."
        return _form(desk, request, 401, back=back, fault=fault)
    desk.commands.audit(person.viewer, "login", "/login", detail=f"password, from {address}")
    answer = RedirectResponse(local_path(back), 303)
    return with_session(admission, answer, request, person.viewer, person.stamp)


def with_session(
    admission: Admission, answer: Response, request: Request, viewer: Viewer, stamp: str = ""
) -> Response:
    """The answer with the cookie of a new session; that of the request, if any, ends."""
    scheme: str = request.scope["scheme"]
    name = admission.cookie_name(scheme)
    admission.sessions.end(request.cookies.get(name))
    answer.set_cookie(
        name,
        admission.sessions.begin(viewer, stamp),
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=admission.is_secure(scheme),
    )
    return answer


def _log_out(desk: Desk, admission: Admission, request: Request) -> Response:
    scheme: str = request.scope["scheme"]
    name = admission.cookie_name(scheme)
    admission.sessions.end(request.cookies.get(name))
    desk.commands.audit(desk.viewer(request), "logout", "/logout")
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(name, httponly=True, samesite="strict", secure=admission.is_secure(scheme))
    return answer


def _too_often(desk: Desk, request: Request, wait_s: float) -> Response:
    answer = desk.problem(request, 429)
    answer.headers["retry-after"] = str(math.ceil(wait_s))
    return answer


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _preferences(request: Request) -> Response:
    """Keep a language or a theme, and show the page again that asked for it."""
    form = posted(request)
    answer = RedirectResponse(local_path(form.get("back", "/")), 303)
    if form.get("language") in i18n.LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, form["language"], YEAR_S, samesite="strict")
    if form.get("theme") in THEMES:
        answer.set_cookie(THEME_COOKIE, form["theme"], YEAR_S, samesite="strict")
    return answer

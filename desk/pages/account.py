"""Logging in and out, and how the desk is shown to oneself."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk import i18n
from desk.access import COOKIE
from desk.forms import posted
from desk.identity import Viewer
from desk.services import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Desk
from desk.sessions import SESSION_S, OneTimeToken, Sessions

YEAR_S = 365 * 86_400


def routes(desk: Desk, sessions: Sessions, token: OneTimeToken, owner: Viewer) -> list[Route]:
    """``/login``, ``/logout``, ``/preferences``. ``owner`` is who holds the printed address."""
    return [
        desk.route("/login", lambda r: _log_in(desk, sessions, token, owner, r), None),
        desk.route("/logout", lambda r: _log_out(desk, sessions, r), None, methods=("POST",)),
        desk.route("/preferences", _preferences, None, methods=("POST",)),
    ]


def _log_in(
    desk: Desk, sessions: Sessions, token: OneTimeToken, owner: Viewer, request: Request
) -> Response:
    """Exchange the token of the address for a cookie, and drop it from the address."""
    if getattr(request.state, "viewer", None) is not None:
        return RedirectResponse("/", 303)
    if not token.spend(request.query_params.get("token", "")):
        return desk.problem(request, 401)
    desk.commands.audit(owner, "login", "/login", detail="one-time address")
    return with_session(RedirectResponse("/", 303), sessions.begin(owner), request)


def with_session(answer: Response, cookie: str, request: Request) -> Response:
    """The answer with the session's cookie, which goes over TLS only where the desk has it."""
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _log_out(desk: Desk, sessions: Sessions, request: Request) -> Response:
    sessions.end(request.cookies.get(COOKIE))
    desk.commands.audit(desk.viewer(request), "logout", "/logout")
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def _preferences(request: Request) -> Response:
    """Keep a language or a theme, and show the page again that asked for it."""
    form = posted(request)
    back = form.get("back", "/")
    answer = RedirectResponse(back if back.startswith("/") and back[1:2] != "/" else "/", 303)
    if form.get("language") in i18n.LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, form["language"], YEAR_S, samesite="strict")
    if form.get("theme") in THEMES:
        answer.set_cookie(THEME_COOKIE, form["theme"], YEAR_S, samesite="strict")
    return answer

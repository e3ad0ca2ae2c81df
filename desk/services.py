"""What every page shares: the store, the viewer, the language, templates, commands."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from desk import i18n, present
from desk.alerting import Kinds, kind_text
from desk.api.problems import ADVICE, is_api, problem_answer
from desk.commanding import Commanding
from desk.identity import Permission, Viewer
from desk.live import Live
from desk.navigation import navigation
from desk.ports import Engine
from desk.present import Labels
from desk.preview import Previewer, no_previewer
from desk.scope import Scope, scope_of
from desk.unmasking import Grants

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
LANGUAGE_COOKIE = "tideline_language"
THEME_COOKIE = "tideline_theme"
THEMES = ("system", "light", "dark")
DAY_MS = 86_400_000

Handler = Callable[[Request], Response]


class Desk:
    """The services of one desk. Handlers run on threads, so everything here is safe to share."""

    def __init__(
        self,
        engine: Engine,
        commands: Commanding,
        *,
        labels: Labels,
        kinds: Kinds,
        previewer: Previewer = no_previewer,
        clock: Callable[[], float],
    ) -> None:
        self.engine = engine
        self.commands = commands
        self.labels = labels
        self.previewer = previewer
        self.grants = Grants(clock)
        self.kinds = kinds
        self._clock = clock
        self.live = Live(engine, self.now_ms)
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "money": present.money,
            "share": present.share,
            "number": present.number,
            "measure": present.measure,
            "moment": present.moment,
            "iso": present.iso,
            "words": present.words,
            "movement": present.movement,
            "path": lambda text: quote(text, safe=""),
        }

    # --- the request -------------------------------------------------------------------------

    def viewer(self, request: Request) -> Viewer:
        """Who asks; ``desk.access.Guard`` has let that person in."""
        viewer: Viewer = request.state.viewer
        return viewer

    def scope(self, request: Request) -> Scope:
        """Which merchants this request may see. Every query of merchants' data takes it."""
        return scope_of(self.viewer(request))

    def may_see_unmasked(self, request: Request, merchant_id: str) -> bool:
        """Whether this request may show a merchant's personal data, which ``/unmask`` grants.

        Each look is written to the audit log before this returns true, once a request. An API
        token never sees them. Raises ``desk.outbox.OutboxUnavailable``.
        """
        session_id: str | None = getattr(request.state, "session_id", None)
        viewer = self.viewer(request)
        if session_id is None or not viewer.may("unmask"):
            return False
        grant = self.grants.of(session_id, merchant_id)
        if grant is None:
            return False
        looked: set[str] = getattr(request.state, "looked", set())
        if merchant_id not in looked:
            path = request.scope["path"]
            self.commands.audit(
                viewer, "unmask", merchant_id, reason=grant.reason, detail=f"look {path}"
            )
            request.state.looked = looked | {merchant_id}
        return True

    def language(self, request: Request) -> i18n.Language:
        """The language of this request."""
        header = request.headers.get("accept-language", "")
        return i18n.chosen(request.cookies.get(LANGUAGE_COOKIE), header)

    def kind_text(self, request: Request, kind: str) -> str:
        """The name of a kind of alert in the language of this request."""
        language = self.language(request)
        return kind_text(kind, self.kinds, language, i18n.translator(language))

    # --- time --------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Wall clock, epoch milliseconds."""
        return int(self._clock() * 1000)

    def event_time_ms(self) -> int:
        """The event time at which a command given now shall count.

        Now, while the feeds are live. Where what is stored ends more than a day from now, as in a
        backfill or a replay of old years, it is the latest event time stored: a command of today
        in a log of old years would age every merchant that it is about.
        """
        rows = self.engine.query("SELECT toUnixTimestamp64Milli(max(as_of)) AS ms FROM assessments")
        now, stored = self.now_ms(), int(rows[0]["ms"]) if rows else 0
        return stored if stored > 0 and abs(now - stored) > DAY_MS else now

    # --- answers -----------------------------------------------------------------------------

    def render(self, request: Request, template: str, **values: Any) -> str:
        """A template as text. It finds ``t``, ``viewer``, ``csrf``, ``made_ms`` and ``values``."""
        language = self.language(request)
        t = i18n.translator(language)
        theme = request.cookies.get(THEME_COOKIE, "")
        return self._templates.get_template(template).render(
            t=t,
            kind=lambda code: kind_text(code, self.kinds, language, t),
            language=language,
            language_tag=i18n.TAGS[language],
            languages=i18n.NAMES,
            theme=theme if theme in THEMES else "system",
            viewer=getattr(request.state, "viewer", None),
            navigation=navigation,
            csrf=getattr(request.state, "csrf", ""),
            path_now=request.scope["path"],
            address_now=_address(request),
            made_ms=self.now_ms(),
            **values,
        )

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A template as an answer."""
        return HTMLResponse(self.render(request, template, **values), status)

    def problem(self, request: Request, status: int, detail: str | None = None) -> Response:
        """A page that says what is wrong and what to do; ``detail`` is English text.

        The API gets problem details in JSON instead.
        """
        title, advice = PROBLEMS.get(status, PROBLEMS[500])
        if is_api(request):
            return problem_answer(request, status, detail or ADVICE.get(status, advice))
        return self.page(
            request, "problem.html", status, problem=title, advice=advice, detail=detail
        )

    def route(
        self,
        path: str,
        handler: Handler,
        permission: Permission | None = "read",
        *,
        methods: tuple[str, ...] = ("GET",),
    ) -> Route:
        """A route for those who have ``permission``; others get 403, which is audited.

        None is for what everybody who is logged in may do, and for the login itself.
        """

        def guarded(request: Request) -> Response:
            viewer: Viewer | None = getattr(request.state, "viewer", None)
            if permission is not None and (viewer is None or not viewer.may(permission)):
                if viewer is not None:
                    self.commands.audit(viewer, "denied", request.scope["path"], detail=permission)
                return self.problem(request, 403)
            return handler(request)

        guarded.__name__ = getattr(handler, "__name__", "handler")
        guarded.permission = permission  # type: ignore[attr-defined] # for whoever lists the routes
        return Route(path, guarded, methods=list(methods))


def _address(request: Request) -> str:
    """The page's own address with its query, to come back to; the queue after a form."""
    # Not of request.url: that is put together with the header Host, which may be anything.
    if request.method != "GET":
        return "/"
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("That cannot be done", "Something in the request is missing or wrong."),
    401: (
        "Please log in",
        "Open the address that the desk printed when it started. It works once; "
        "start the desk again for a new one.",
    ),
    403: ("Not allowed", "Your role does not allow this, or the merchant is not yours to see."),
    404: ("Nothing here", "There is no such page, or nothing is stored of this merchant."),
    405: ("Not allowed", "The desk takes no such request here."),
    409: ("Too late", "Somebody or something else was faster; nothing was sent."),
    413: ("Too large", "The request is larger than the desk takes."),
    421: (
        "Not under this name",
        "The desk does not answer to the host name in the address. Its operator can add it to "
        "TIDELINE_DESK__ALLOWED_HOSTS.",
    ),
    429: ("Too many requests", "Please wait a minute and try again."),
    500: ("Something went wrong", "Please try again; the cause is in the desk's log."),
    503: (
        "The store does not answer",
        "The desk cannot read or send right now. Nothing is lost: Kafka keeps what is not stored "
        "yet. Please try again in a moment.",
    ),
}
"""Title and advice by HTTP status; both are keys of the messages."""

"""The desk as a web application: what to look at first, why, and what was done."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from desk.access import Guard
from desk.admission import Admission, Rules
from desk.alerting import Kinds
from desk.api import routes as api
from desk.commanding import Commanding, InvalidCommand, NotAllowed
from desk.forms import InvalidForm
from desk.identity import Viewer
from desk.pages import (
    account,
    alert,
    audit,
    limits,
    live,
    merchant,
    merchants,
    models,
    policy,
    portfolio,
    queue,
    scorecard,
    system,
    unmask,
)
from desk.policy_books import PolicyBook, WithoutBook
from desk.ports import Engine, Outbox
from desk.present import Labels
from desk.preview import Previewer, no_previewer
from desk.queue_view import Workday
from desk.services import HERE, Desk
from desk.sessions import OneTimeToken
from ops.errors import TidelineError

log = logging.getLogger(__name__)

THREADS = 256

OWNER = Viewer("desk", "approver")
"""Who holds the address that the desk prints at its start."""
LOCAL = Rules()
"""A desk on its own machine that knows nobody but the owner."""


def create_app(
    engine: Engine,
    outbox: Outbox,
    *,
    token: str | None,
    rules: Rules = LOCAL,
    labels: Labels | None = None,
    kinds: Kinds | None = None,
    workday: Workday | None = None,
    previewer: Previewer = no_previewer,
    book: PolicyBook | None = None,
    backtests_folder: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The desk over what ``engine`` holds; what people ask for goes to ``outbox``.

    ``token`` opens the first session at ``/login?token=…`` and is spent by that; None opens none.
    ``rules`` say who else may come in. ``labels`` says how features are shown; one that it lacks is
    shown by its name. ``kinds`` says the same of kinds of alert, ``workday`` what the queue is cut
    at; ``previewer`` tells what a command would do, ``book`` reads and checks policies, and
    ``backtests_folder`` has summaries of backtests. ``clock`` is wall-clock seconds. Before the
    server waits for open connections, ``app.state.live.close()`` ends those of viewers who follow.
    """
    commands = Commanding(outbox, lambda: int(clock() * 1000))
    desk = Desk(
        engine,
        commands,
        labels=labels or {},
        kinds=kinds or {},
        previewer=previewer,
        clock=clock,
    )
    admission = Admission(rules, wall_clock=clock)
    one_time = OneTimeToken(token)
    app = Starlette(
        lifespan=_with_threads,
        routes=[
            *queue.routes(desk, workday or Workday()),
            *alert.routes(desk),
            *live.routes(desk, lambda request: admission.goes_on(request.state.session)),
            *merchants.routes(desk),
            *merchant.routes(desk),
            *portfolio.routes(desk),
            *limits.routes(desk, book or WithoutBook()),
            *policy.routes(desk, book or WithoutBook(), backtests_folder),
            *models.routes(desk),
            *scorecard.routes(desk),
            *system.routes(desk),
            *audit.routes(desk),
            *unmask.routes(desk),
            *api.routes(desk),
            *account.routes(desk, admission, one_time, OWNER),
            Route("/healthz", lambda _request: PlainTextResponse("ok\n")),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[
            Middleware(Guard, admission=admission, refuse=account.refusal(desk, admission))
        ],
        exception_handlers=_handlers(desk),
    )
    app.state.live = desk.live
    return app


@asynccontextmanager
async def _with_threads(_app: Starlette) -> AsyncIterator[None]:
    """Threads enough for all viewers: most of those that ask at once wait for one answer."""
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _handlers(desk: Desk) -> dict[type[Exception], Callable[[Request, Exception], Response]]:
    """What people see of errors: their own with the remedy, ours in the log only."""

    def told(status: int) -> Callable[[Request, Exception], Response]:
        return lambda request, error: desk.problem(request, status, str(error))

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = desk.problem(request, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    def unavailable(request: Request, error: Exception) -> Response:
        log.warning("desk_cannot_answer", extra={"error": str(error)})
        return desk.problem(request, 503)

    return {
        InvalidForm: told(400),
        InvalidCommand: told(400),
        NotAllowed: told(403),
        HTTPException: http,
        TidelineError: unavailable,
    }

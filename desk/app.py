"""The desk as a web application: what to look at first, why, and what was done."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from desk import models, present, queries
from desk.access import Guard, Sessions, log_in
from desk.present import Labels
from desk.queries import Engine
from ops.errors import TidelineError

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
REFRESH_S = 10
SEVERITIES = ("critical", "warning", "info")


def create_app(
    engine: Engine,
    *,
    token: str,
    labels: Labels | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The desk over what ``engine`` holds.

    ``token`` opens the first session at ``/login?token=…`` and is spent by that. ``labels`` says
    how features are shown; one that it lacks is shown by its name. ``clock`` is wall-clock seconds
    for the time a page was made. It only reads ClickHouse.
    """
    pages = _Pages(engine, labels or {}, clock)
    sessions = Sessions(token)

    def login(request: Request) -> Response:
        return log_in(request, sessions, lambda: pages.problem(request, 401))

    return Starlette(
        routes=[
            Route("/", pages.queue),
            Route("/merchants/{merchant_id:path}", pages.merchant),
            Route("/models", pages.models),
            Route("/login", login),
            Route("/healthz", lambda _request: PlainTextResponse("ok\n")),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[
            Middleware(Guard, sessions=sessions, refuse=lambda request: pages.problem(request, 401))
        ],
        exception_handlers={
            HTTPException: pages.on_http_error,  # type: ignore[dict-item]
            TidelineError: pages.on_store_error,  # type: ignore[dict-item]
        },
    )


_PROBLEMS = {
    401: (
        "Please log in",
        "Open the address that the desk printed when it started. It works once; "
        "start the desk again for a new one.",
    ),
    404: ("Nothing here", "There is no such page, or nothing is stored of this merchant."),
    405: ("Not allowed", "The desk only shows; it takes no such request."),
    503: (
        "ClickHouse does not answer",
        "The desk cannot read right now. Nothing is lost: Kafka keeps what is not stored yet. "
        "This page tries again by itself.",
    ),
}


class _Pages:
    """The pages. Handlers are plain functions, which Starlette runs on threads."""

    def __init__(self, engine: Engine, labels: Labels, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._labels = labels
        self._clock = clock
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
            "promoted_for": models.promoted_for,
            "path": lambda text: quote(text, safe=""),
        }

    def queue(self, request: Request) -> Response:
        """Open alerts by rank, and the latest limit changes."""
        alerts = queries.open_alerts(self._engine)
        counts = queries.open_counts(self._engine)
        refresh = request.query_params.get("refresh") != "off"
        return self._page(
            "queue.html",
            refresh_s=REFRESH_S if refresh else None,
            alerts=[self._explained(row) for row in alerts],
            counts=[(severity, counts.get(severity, 0)) for severity in SEVERITIES],
            open_total=sum(counts.values()),
            changes=[self._explained(row) for row in queries.latest_changes(self._engine)],
            totals=queries.totals(self._engine),
        )

    def merchant(self, request: Request) -> Response:
        """Everything stored of one merchant."""
        merchant_id: str = request.path_params["merchant_id"]
        history = queries.merchant_assessments(self._engine, merchant_id)
        alerts = queries.merchant_alerts(self._engine, merchant_id)
        changes = queries.merchant_changes(self._engine, merchant_id)
        if not (history or alerts or changes):
            return self.problem(request, 404)
        alerts.sort(key=lambda row: (row["state"] == "closed", -row["updated_ms"]))
        latest = history[0] if history else None
        return self._page(
            "merchant.html",
            refresh_s=None,
            merchant_id=merchant_id,
            latest=self._explained(latest) if latest else None,
            families=present.features(latest, self._labels, latest["currency"]) if latest else [],
            available=present.available(latest, self._labels) if latest else 0,
            known=len(self._labels),
            unusual=present.unusual(latest, self._labels) if latest else [],
            history=history,
            alerts=[self._explained(row) for row in alerts],
            changes=[self._explained(row) for row in changes],
            lines=queries.current_lines(changes),
        )

    def models(self, _request: Request) -> Response:
        """Champion, challengers and floors, drift, labels, and the versions published."""
        report = models.latest_report(self._engine)
        versions = models.versions(self._engine) if report else []
        drift = models.drift_rows(report, self._labels) if report else []
        return self._page(
            "models.html",
            refresh_s=None,
            report=report,
            champion=models.standing_of(report, "champion") if report else None,
            floor=models.standing_of(report, "floor") if report else None,
            pauses=models.PAUSES,
            using=models.in_use(versions),
            drift=drift,
            moved=[row for row in drift if row["level"] != "none"],
            still=[row for row in drift if row["level"] == "none"],
            alarms=models.alarm_rows(report) if report else [],
            versions=versions,
        )

    def problem(self, _request: Request, status: int) -> Response:
        """A page that says what is wrong and what to do."""
        title, advice = _PROBLEMS.get(status, ("Something went wrong", "Please try again."))
        refresh_s = REFRESH_S if status == 503 else None
        return self._page("problem.html", status, refresh_s=refresh_s, problem=title, advice=advice)

    def on_http_error(self, request: Request, error: HTTPException) -> Response:
        """Answer what Starlette raises, such as a page that does not exist."""
        return self.problem(request, error.status_code)

    def on_store_error(self, request: Request, error: TidelineError) -> Response:
        """Answer while the store cannot be read; the cause goes to the log only."""
        log.warning("desk_cannot_read", extra={"error": str(error)})
        return self.problem(request, 503)

    def _explained(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "reasons": present.reasons(row, self._labels, row["currency"])}

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        made_ms = int(self._clock() * 1000)
        text = self._templates.get_template(template).render(made_ms=made_ms, **values)
        return HTMLResponse(text, status)

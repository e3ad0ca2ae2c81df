"""Champion, challengers and floors, drift, labels, the versions published, and the roll-back."""

import secrets

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk import models
from desk.forms import needed, posted
from desk.services import Desk
from schemas.events import GLOBAL_MERCHANT


def routes(desk: Desk) -> list[Route]:
    """``/models`` and ``/models/rollback``."""
    return [
        desk.route("/models", lambda request: _models(desk, request)),
        desk.route(
            "/models/rollback",
            lambda request: _roll_back(desk, request),
            "roll_back_model",
            methods=("POST",),
        ),
    ]


def _models(desk: Desk, request: Request) -> Response:
    report = models.latest_report(desk.engine)
    versions = models.versions(desk.engine) if report else []
    drift = models.drift_rows(report, desk.labels) if report else []
    return desk.page(
        request,
        "models.html",
        report=report,
        champion=models.standing_of(report, "champion") if report else None,
        floor=models.standing_of(report, "floor") if report else None,
        pauses=models.PAUSES,
        promoted_for=models.promoted_for,
        using=models.in_use(versions),
        drift=drift,
        moved=[row for row in drift if row["level"] != "none"],
        still=[row for row in drift if row["level"] == "none"],
        alarms=models.alarm_rows(report) if report else [],
        versions=versions,
        may_roll_back=desk.viewer(request).may("roll_back_model"),
        request_id=secrets.token_urlsafe(12),
        sent="sent" in request.query_params,
    )


def _roll_back(desk: Desk, request: Request) -> Response:
    form = posted(request)
    desk.commands.send(
        desk.viewer(request),
        "model.rollback",
        GLOBAL_MERCHANT,
        {"version": needed(form, "version"), "reason": needed(form, "reason")},
        request_id=needed(form, "request_id"),
        occurred_at=desk.event_time_ms(),
    )
    return RedirectResponse("/models?sent", 303)

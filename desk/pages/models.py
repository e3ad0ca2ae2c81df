"""Champion, challengers and floors, drift, labels, and the versions published."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import models
from desk.services import Desk


def routes(desk: Desk) -> list[Route]:
    """``/models``."""
    return [desk.route("/models", lambda request: _models(desk, request))]


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
    )

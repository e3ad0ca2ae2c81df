"""The queue: open alerts by rank, and the latest limit changes."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import present, queries
from desk.services import Desk

REFRESH_S = 10
SEVERITIES = ("critical", "warning", "info")


def routes(desk: Desk) -> list[Route]:
    """``/``."""
    return [desk.route("/", lambda request: _queue(desk, request))]


def _queue(desk: Desk, request: Request) -> Response:
    scope = desk.scope(request)
    counts = queries.open_counts(desk.engine, scope)
    refresh = request.query_params.get("refresh") != "off"

    def explained(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "reasons": present.reasons(row, desk.labels, row["currency"])}

    return desk.page(
        request,
        "queue.html",
        refresh_s=REFRESH_S if refresh else None,
        alerts=[explained(row) for row in queries.open_alerts(desk.engine, scope)],
        counts=[(severity, counts.get(severity, 0)) for severity in SEVERITIES],
        open_total=sum(counts.values()),
        changes=[explained(row) for row in queries.latest_changes(desk.engine, scope)],
        totals=queries.totals(desk.engine),
    )

"""One merchant: everything stored of it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import present, queries
from desk.services import Desk


def routes(desk: Desk) -> list[Route]:
    """``/merchants/{merchant_id}``."""
    return [desk.route("/merchants/{merchant_id:path}", lambda request: _merchant(desk, request))]


def _merchant(desk: Desk, request: Request) -> Response:
    merchant_id: str = request.path_params["merchant_id"]
    scope, engine = desk.scope(request), desk.engine
    history = queries.merchant_assessments(engine, scope, merchant_id)
    alerts = queries.merchant_alerts(engine, scope, merchant_id)
    changes = queries.merchant_changes(engine, scope, merchant_id)
    if not (history or alerts or changes):
        return desk.problem(request, 404)
    alerts.sort(key=lambda row: (row["state"] == "closed", -row["updated_ms"]))
    latest = history[0] if history else None

    def explained(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "reasons": present.reasons(row, desk.labels, row["currency"])}

    return desk.page(
        request,
        "merchant.html",
        merchant_id=merchant_id,
        latest=explained(latest) if latest else None,
        families=present.features(latest, desk.labels, latest["currency"]) if latest else [],
        available=present.available(latest, desk.labels) if latest else 0,
        known=len(desk.labels),
        unusual=present.unusual(latest, desk.labels) if latest else [],
        history=history,
        alerts=[explained(row) for row in alerts],
        changes=[explained(row) for row in changes],
        lines=queries.current_lines(changes),
    )

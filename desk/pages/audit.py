"""The audit log: who did what, when and why."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import audit_queries
from desk.services import Desk

FOREVER_MS = 2**53


def routes(desk: Desk) -> list[Route]:
    """``/audit``."""
    return [desk.route("/audit", lambda request: _audit(desk, request), "read_audit")]


def _audit(desk: Desk, request: Request) -> Response:
    asked = request.query_params
    source = "log" if asked.get("source") == "log" else "desk"
    before = asked.get("before", "")
    filters = {name: asked.get(name, "")[:200] for name in ("actor", "action", "subject")}
    rows = audit_queries.entries(
        desk.engine,
        source,
        **filters,
        before_ms=int(before) if before.isdecimal() and len(before) < 16 else FOREVER_MS,
    )
    shown = rows[: audit_queries.PAGE_ROWS]
    older = None
    if len(rows) > len(shown):
        older = "/audit?" + urlencode({"source": source, **filters, "before": shown[-1]["at_ms"]})
    actors, actions = audit_queries.names(desk.engine, source)
    return desk.page(
        request,
        "audit.html",
        source=source,
        filters=filters,
        actors=actors,
        actions=actions,
        rows=shown,
        older=older,
    )

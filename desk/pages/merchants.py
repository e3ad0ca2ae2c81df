"""Merchants by the beginning of their id; without one, those that owe most."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk import merchant_queries
from desk.merchant_queries import FOUND_MAX
from desk.services import Desk

PREFIX_MAX = 128


def routes(desk: Desk) -> list[Route]:
    """``/merchants``."""
    return [desk.route("/merchants", lambda request: _merchants(desk, request))]


def _merchants(desk: Desk, request: Request) -> Response:
    prefix = request.query_params.get("q", "").strip()[:PREFIX_MAX]
    rows = merchant_queries.found(desk.engine, desk.scope(request), prefix)
    if prefix and len(rows) == 1 and rows[0]["merchant_id"] == prefix:
        return RedirectResponse(f"/merchants/{quote(prefix, safe='')}", 303)
    return desk.page(
        request,
        "merchants.html",
        q=prefix,
        rows=rows[:FOUND_MAX],
        more=len(rows) > FOUND_MAX,
        most=FOUND_MAX,
    )

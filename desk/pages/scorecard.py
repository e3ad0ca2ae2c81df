"""The scorecard of the desk itself: lead time, recall, money, verdicts, and how soon it answers."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import scorecard_queries as queries
from desk.services import DAY_MS, Desk

WINDOWS_DAYS = (30, 90, 365)
DEFAULT_DAYS = 365


def routes(desk: Desk) -> list[Route]:
    """``/scorecard``."""
    return [desk.route("/scorecard", lambda request: _scorecard(desk, request))]


def _scorecard(desk: Desk, request: Request) -> Response:
    asked = request.query_params.get("days", "")
    days = next((d for d in WINDOWS_DAYS if str(d) == asked), DEFAULT_DAYS)
    until = queries.latest_ms(desk.engine)
    since = 0 if until is None else max(until - days * DAY_MS, 0)
    scope = desk.scope(request)
    weeks = queries.weeks(desk.engine, scope, since)
    return desk.page(
        request,
        "scorecard.html",
        days=days,
        windows=WINDOWS_DAYS,
        until_ms=until,
        found_days=queries.FOUND_DAYS,
        found=queries.found(desk.engine, scope, since),
        verdicts=queries.verdicts(desk.engine, scope, since),
        answers=queries.answers(desk.engine, scope, since),
        weeks=weeks,
        most=max((max(row["opened"], row["closed"]) for row in weeks), default=0),
    )

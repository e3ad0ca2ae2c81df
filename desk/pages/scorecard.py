"""The scorecard of the desk itself: lead time, recall, money, verdicts, and how soon it answers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import scorecard_queries as queries
from desk.kept import Kept
from desk.scope import Scope
from desk.services import DAY_MS, Desk

WINDOWS_DAYS = (30, 90, 365)
DEFAULT_DAYS = 365


KEPT_MS = 60_000
"""For how long the figures are kept, by scope and window; the page says as of when they are."""


def routes(desk: Desk) -> list[Route]:
    """``/scorecard``."""
    kept: Kept[dict[str, Any]] = Kept(KEPT_MS, desk.now_ms)
    return [desk.route("/scorecard", lambda request: _scorecard(desk, kept, request))]


def _scorecard(desk: Desk, kept: Kept[dict[str, Any]], request: Request) -> Response:
    asked = request.query_params.get("days", "")
    days = next((d for d in WINDOWS_DAYS if str(d) == asked), DEFAULT_DAYS)
    scope = desk.scope(request)
    # A desk that is filling up looks again whenever there is twice as much.
    key = scope, days, desk.live.stored().assessments.bit_length()
    return desk.page(
        request,
        "scorecard.html",
        days=days,
        windows=WINDOWS_DAYS,
        found_days=queries.FOUND_DAYS,
        **kept.get(key, lambda: _figures(desk, scope, days)),
    )


def _figures(desk: Desk, scope: Scope, days: int) -> dict[str, Any]:
    until = queries.latest_ms(desk.engine)
    since = 0 if until is None else max(until - days * DAY_MS, 0)
    weeks = queries.weeks(desk.engine, scope, since)
    return {
        "until_ms": until,
        "found": queries.found(desk.engine, scope, since),
        "verdicts": queries.verdicts(desk.engine, scope, since),
        "answers": queries.answers(desk.engine, scope, since),
        "weeks": weeks,
        "most": max((max(row["opened"], row["closed"]) for row in weeks), default=0),
    }

"""Feeds and system health: is what the desk shows whole and of now."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk import system_queries
from desk.ports import Row
from desk.services import Desk

QUIET_SHARE = 0.2
"""A feed with less than this share of a usual day is quiet."""
STALE_MS = 60_000
USUAL_EVENTS_MIN = 20
"""Below this many events of a usual day nothing is said of a quiet one: chance alone makes some."""


def routes(desk: Desk) -> list[Route]:
    """``/system``."""
    return [desk.route("/system", lambda request: _system(desk, request))]


def _system(desk: Desk, request: Request) -> Response:
    feeds = system_queries.feeds(desk.engine)
    latest = max((row["latest_ms"] for row in feeds if row["latest_ms"]), default=None)
    bounded = desk.viewer(request).funders is not None
    return desk.page(
        request,
        "system.html",
        feeds=[] if bounded else [feed_state(row, latest) for row in feeds],
        latest_ms=latest,
        stored=[] if bounded else system_queries.stored(desk.engine),
        refused=[] if bounded else system_queries.refused(desk.engine),
        in_force=system_queries.in_force(desk.engine),
        automation=system_queries.automation(desk.engine),
        stamps=system_queries.stamps(desk.engine),
        bounded=bounded,
        stale_ms=STALE_MS,
    )


def feed_state(row: Row, latest_ms: int | None) -> dict[str, Any]:
    """The feed with its ``state``: ``flowing``, ``quiet``, ``silent`` or ``never``.

    Silent is no event in the last day of the log, quiet fewer than a fifth of a usual day's.
    """
    if row["latest_ms"] is None or latest_ms is None:
        return {**row, "state": "never"}
    usual = float(row["usual_day"])
    if usual < USUAL_EVENTS_MIN:
        state = "flowing" if row["last_day"] else "quiet"
    elif not row["last_day"]:
        state = "silent"
    else:
        state = "quiet" if row["last_day"] < QUIET_SHARE * usual else "flowing"
    return {**row, "state": state}

"""What is stored, told as it happens: server-sent events."""

import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from desk.services import Desk
from ops.errors import TidelineError

log = logging.getLogger(__name__)


def routes(desk: Desk, may_go_on: Callable[[Request], bool]) -> list[Route]:
    """``/live``. ``may_go_on`` says whether the session of a request still lives."""
    return [desk.route("/live", lambda request: _live(desk, may_go_on, request))]


def _live(desk: Desk, may_go_on: Callable[[Request], bool], request: Request) -> Response:
    if desk.live.is_full:
        return PlainTextResponse("too many viewers\n", 503, {"retry-after": "30"})
    try:
        desk.live.stored()
    except TidelineError as error:  # the viewer hears of it in the stream
        log.debug("desk_store_silent", extra={"error": str(error)})
    return StreamingResponse(
        desk.live.follow(lambda: may_go_on(request)),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )

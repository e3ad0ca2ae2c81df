"""What is stored, told as it happens: server-sent events."""

import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from desk.services import Desk
from ops.errors import TidelineError

log = logging.getLogger(__name__)


def routes(desk: Desk, lives: Callable[[str], bool]) -> list[Route]:
    """``/live``. ``lives`` says whether a session, by its id, goes on."""
    return [desk.route("/live", lambda request: _live(desk, lives, request))]


def _live(desk: Desk, lives: Callable[[str], bool], request: Request) -> Response:
    if desk.live.is_full:
        return PlainTextResponse("too many viewers\n", 503, {"retry-after": "30"})
    session_id: str = request.state.session_id
    try:
        desk.live.stored()
    except TidelineError as error:  # the viewer hears of it in the stream
        log.debug("desk_store_silent", extra={"error": str(error)})
    return StreamingResponse(
        desk.live.follow(lambda: lives(session_id)),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )

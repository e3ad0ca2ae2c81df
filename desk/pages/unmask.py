"""Seeing one merchant's personal data for a while, for a stated reason."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from desk.forms import InvalidForm, local_path, needed, posted
from desk.ports import Engine
from desk.scope import Scope
from desk.services import Desk
from desk.unmasking import GRANT_S, REASON_CHARACTERS_MAX, REASON_CHARACTERS_MIN


def routes(desk: Desk) -> list[Route]:
    """``/unmask`` and ``/mask``, with ``merchant_id``, ``back`` and for the first a ``reason``."""
    return [
        desk.route("/unmask", lambda r: _unmask(desk, r), "unmask", methods=("POST",)),
        desk.route("/mask", lambda r: _mask(desk, r), "unmask", methods=("POST",)),
    ]


def _unmask(desk: Desk, request: Request) -> Response:
    """Grant a look, which is written down before anything is shown."""
    form = posted(request)
    merchant_id, reason = needed(form, "merchant_id"), " ".join(needed(form, "reason").split())
    if not REASON_CHARACTERS_MIN <= len(reason) <= REASON_CHARACTERS_MAX:
        raise InvalidForm(
            f"`reason` has {len(reason)} characters, not {REASON_CHARACTERS_MIN} to"
            f" {REASON_CHARACTERS_MAX}; say what the data is needed for"
        )
    if not _is_known(desk.engine, desk.scope(request), merchant_id):
        return desk.problem(request, 404)
    desk.commands.audit(
        desk.viewer(request),
        "unmask",
        merchant_id,
        reason=reason,
        detail=f"granted for {GRANT_S // 60} minutes",
    )
    desk.grants.give(request.state.session_id, merchant_id, reason)
    return _back(form.get("back", ""), merchant_id)


def _mask(desk: Desk, request: Request) -> Response:
    """End a grant before its time."""
    form = posted(request)
    merchant_id = needed(form, "merchant_id")
    desk.grants.end(request.state.session_id, merchant_id)
    return _back(form.get("back", ""), merchant_id)


def _back(back: str, merchant_id: str) -> Response:
    return RedirectResponse(local_path(back, f"/merchants/{quote(merchant_id, safe='')}"), 303)


def _is_known(engine: Engine, scope: Scope, merchant_id: str) -> bool:
    """Whether something is stored of a merchant that the viewer may see."""
    for table in ("limit_changes", "assessments", "alerts", "events"):
        rows = engine.query(
            f"SELECT 1 AS found FROM {table}"  # noqa: S608 - constants
            f" WHERE merchant_id = {{merchant_id:String}} AND {scope.where()} LIMIT 1",
            {"merchant_id": merchant_id, **scope.params},
        )
        if rows:
            return True
    return False

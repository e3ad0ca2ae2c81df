"""The operation of the API that changes something: a command of the desk."""

from typing import Any

import msgspec
from starlette.requests import Request

from desk.api.endpoint import Endpoint, Missing, NoQuery
from desk.api.queries import merchant_exists
from desk.api.types import Accepted
from desk.commanding import GLOBAL_TYPES, NEEDS, InvalidCommand
from desk.services import Desk
from schemas.events import BY_TAG, GLOBAL_MERCHANT

KEY_HEADER = "Idempotency-Key"
KEY_TEXT = (
    "Any text of 1 to 200 characters that is new for each intent. A repeat with the same key is "
    "the same command; the first one counts."
)
_KEY_MAX = 200
SET_BY_THE_DESK = ("event_id", "occurred_at", "actor")
"""Fields of a command that come from the request, the clock and the login."""


def _send(desk: Desk, request: Request, _query: NoQuery) -> Accepted:
    key = request.headers.get(KEY_HEADER, "").strip()
    if not 1 <= len(key) <= _KEY_MAX:
        raise InvalidCommand(f"the header `{KEY_HEADER}` needs 1 to {_KEY_MAX} characters")
    kind, merchant_id, fields = _read(request.state.body)
    if merchant_id != GLOBAL_MERCHANT and not merchant_exists(
        desk.engine, desk.scope(request), merchant_id
    ):
        raise Missing(f"nothing is stored of merchant {merchant_id!r}, or it is not yours to see")
    occurred_at = desk.event_time_ms()
    event_id = desk.commands.send(
        desk.viewer(request),
        kind,
        merchant_id,
        fields,
        request_id=key,
        occurred_at=occurred_at,
    )
    return Accepted(event_id=event_id, type=kind, merchant_id=merchant_id, occurred_at=occurred_at)


def _read(body: bytes) -> tuple[str, str, dict[str, str | int | None]]:
    """Type, merchant and further fields of a command. Raises ``InvalidCommand``."""
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidCommand(f"the body is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise InvalidCommand("the body is no JSON object; give one with `type` and its fields")
    for name, value in given.items():
        if name in SET_BY_THE_DESK:
            raise InvalidCommand(f"`{name}` is set by the desk; leave it out")
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise InvalidCommand(f"`{name}` is neither a text nor a whole number")
    kind = given.pop("type", None)
    if kind not in NEEDS:
        raise InvalidCommand(f"`type` is {kind!r}; choose from {', '.join(sorted(NEEDS))}")
    merchant_id = given.pop("merchant_id", GLOBAL_MERCHANT if kind in GLOBAL_TYPES else None)
    if not isinstance(merchant_id, str) or not merchant_id:
        raise InvalidCommand("`merchant_id` is missing or no text")
    return str(kind), merchant_id, given


def command_schemas(prefix: str) -> dict[str, Any]:
    """JSON Schemas by name of what the operation takes, one for each type of command."""
    structs = [BY_TAG[kind] for kind in NEEDS]
    _, found = msgspec.json.schema_components(structs, ref_template=prefix + "{name}")
    for kind, struct in zip(NEEDS, structs, strict=True):
        schema = found[struct.__name__]
        for name in SET_BY_THE_DESK:
            schema["properties"].pop(name, None)
        left_out = {*SET_BY_THE_DESK, *(("merchant_id",) if kind in GLOBAL_TYPES else ())}
        schema["required"] = [n for n in schema["required"] if n not in left_out]
        schema["additionalProperties"] = False
    return found


_NAMES = [BY_TAG[kind].__name__ for kind in NEEDS]

COMMANDS: tuple[Endpoint, ...] = (
    Endpoint(
        "/commands",
        _send,
        Accepted,
        "Send a command; each type needs the permission that it has at the desk",
        permission=None,
        method="POST",
        status=202,
        headers=((KEY_HEADER, True, KEY_TEXT),),
        body={"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in _NAMES]},
    ),
)
"""Every operation that changes something."""

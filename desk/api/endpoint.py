"""One operation of the API: what it takes, what it gives, and how it becomes a route."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.api.problems import PREFIX
from desk.forms import InvalidForm
from desk.identity import Permission
from desk.services import Desk

ROOT = f"{PREFIX}v1"


class NoQuery(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """No query parameters."""


class Missing(Exception):
    """Nothing is stored by this name, or it is not the viewer's to see; the text says what."""


class Endpoint(NamedTuple):
    """An operation. ``path`` is below ``ROOT``; its parameters take any characters.

    ``handle(desk, request, query)`` gives an ``answer``; ``query`` is the struct of the query
    parameters. ``headers`` are the request headers that it looks at, with what they are for.
    ``body`` is the JSON Schema of what it takes, None for nothing.
    """

    path: str
    handle: Callable[[Desk, Request, Any], Struct]
    answer: type[Struct]
    summary: str
    query: type[Struct] = NoQuery
    permission: Permission | None = "read"
    method: str = "GET"
    status: int = 200
    headers: tuple[tuple[str, bool, str], ...] = ()
    body: dict[str, Any] | None = None


def route_of(desk: Desk, endpoint: Endpoint) -> Route:
    """The route of an endpoint."""
    # msgspec prepares a type at its first use, without a lock; requests run on threads.
    msgspec.json.Decoder(endpoint.answer)
    msgspec.json.Decoder(endpoint.query)

    def handle(request: Request) -> Response:
        try:
            answer = endpoint.handle(desk, request, query_of(request, endpoint.query))
        except Missing as error:
            return desk.problem(request, 404, str(error))
        return _answer(request, msgspec.json.encode(answer), endpoint.status)

    path = ROOT + endpoint.path.replace("}", ":path}")
    return desk.route(path, handle, endpoint.permission, methods=(endpoint.method,))


def query_of(request: Request, struct: type[Struct]) -> Struct:
    """The query parameters. Raises ``InvalidForm`` that names the wrong one."""
    given = dict(request.query_params)
    if len(given) < len(request.query_params.multi_items()):
        raise InvalidForm("a query parameter stands twice; give each once")
    try:
        return msgspec.convert(given, struct, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(f"`{name}`" for name in struct.__struct_fields__) or "none"
        text = str(error).replace("`$.", "`").replace("Object contains unknown field", "unknown")
        raise InvalidForm(f"query parameters: {text}; this path takes {known}") from None


def _answer(request: Request, body: bytes, status: int) -> Response:
    """The answer with its entity tag; 304 where the caller has it already."""
    if status != 200:
        return Response(body, status, media_type="application/json")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known or f"W/{tag}" in known:
        return Response(status_code=304, headers={"etag": tag})
    return Response(body, status, {"etag": tag}, media_type="application/json")

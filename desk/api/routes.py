"""The routes of the API."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.api.endpoint import ROOT, route_of
from desk.api.openapi import ENDPOINTS, render
from desk.services import Desk


def routes(desk: Desk) -> list[Route]:
    """``/api/v1/…`` and its description at ``/api/v1/openapi.json``."""
    text = render()

    def described(_request: Request) -> Response:
        return Response(text, media_type="application/json")

    # Commands are checked by their type, each by its own permission.
    return [
        *(route_of(desk, endpoint) for endpoint in ENDPOINTS),
        desk.route(f"{ROOT}/openapi.json", described, None),
    ]

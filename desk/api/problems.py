"""Refusals and errors of the API as problem details (RFC 9457)."""

from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"
ADVICE = {
    400: "the body is no JSON, or is sent with the content type of a form",
    401: "send an API token as `Authorization: Bearer …`, or the session of the desk",
    403: "the role does not allow it, or a session's request lacks `x-csrf-token`",
    404: "there is no such path, see /api/v1/openapi.json",
    405: "this path takes other methods, see `Allow`",
}
"""What to do, where a page would say it in the words of the desk."""


class Problem(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What is wrong and what to do (RFC 9457).

    ``title`` is the same for every problem of a ``status``; ``detail`` says what is wrong with
    this request, ``instance`` is its path.
    """

    title: str
    status: int
    detail: str = ""
    instance: str = ""


def is_api(request: Request) -> bool:
    """Whether a request is answered in JSON."""
    return str(request.scope["path"]).startswith(PREFIX)


def problem_answer(request: Request, status: int, detail: str) -> Response:
    """A problem as an answer. ``detail`` is English text."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.scope["path"],
    )
    headers = {"www-authenticate": 'Bearer realm="tideline"'} if status == 401 else None
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)

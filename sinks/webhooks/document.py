"""The file of endpoints: who is told of what, and how. Checked whole before anything is sent."""

import re
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field

from schemas.outputs import Severity
from schemas.strict_yaml import DocumentError, Form

Type = Literal[
    "alert.opened",
    "alert.updated",
    "alert.closed",
    "limit_change.proposed",
    "limit_change.sent",
    "limit_change.withdrawn",
]
"""What a message says: the state of an alert, or of a limit change."""
ALERT_TYPES: tuple[Type, ...] = get_args(Type)[:3]
CHANGE_TYPES: tuple[Type, ...] = get_args(Type)[3:]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
Text = Annotated[str, Meta(min_length=1, max_length=4_000)]
Port = Annotated[int, Meta(ge=1, le=65_535)]


class Filter(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which messages an endpoint gets; an empty list lets all through.

    ``severity`` is the least of an alert. ``kinds`` are of alerts. With ``funders`` an endpoint
    gets what concerns merchants with a line that one of them funds, and of the shares of a limit
    change those of these funders alone.
    """

    types: list[Type] = field(default_factory=lambda: list(ALERT_TYPES))
    severity: Severity = "info"
    kinds: list[Text] = []
    segments: list[Text] = []
    funders: list[Text] = []


class _Endpoint(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all endpoints have.

    ``name`` names the consumer group: a new name begins anew, at ``start``. A message that could
    not be delivered ``give_up_after_s`` after it was written to Kafka is given up.
    """

    name: str
    filter: Filter = Filter()
    start: Literal["latest", "earliest"] = "latest"
    timeout_s: Annotated[int, Meta(ge=1, le=60)] = 10
    give_up_after_s: Annotated[int, Meta(ge=60, le=30 * 86_400)] = 86_400


class _OverHttp(_Endpoint, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Endpoints that take a POST.

    Addresses that are not public, and plain ``http``, are allowed within ``networks`` alone.
    ``ca_file`` has the certificates that are trusted instead of the system's (PEM).
    """

    networks: list[Text] = []
    ca_file: Text | None = None


class WebhookEndpoint(
    _OverHttp, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="webhook"
):
    """A signed webhook after Standard Webhooks.

    Each of ``secret_files`` holds ``whsec_`` and base64 of 24 to 64 bytes; all of them sign, so
    that a secret can be exchanged while both are known.
    """

    url: Text
    secret_files: Annotated[list[Text], Meta(min_length=1, max_length=3)]


class ImEndpoint(_OverHttp, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="im"):
    """A group chat that takes JSON at an address, made by ``template`` (Jinja2).

    The address is often the secret, so it may stand in a file. Exactly one of both is given.
    """

    template: Text
    url: Text | None = None
    url_file: Text | None = None


class EmailEndpoint(_Endpoint, kw_only=True, frozen=True, forbid_unknown_fields=True, tag="email"):
    """Plain-text mail by SMTP; ``subject`` and ``body`` are templates (Jinja2)."""

    host: Text
    sender: Text
    recipients: Annotated[list[Text], Meta(min_length=1, max_length=50)]
    subject: Text
    body: Text
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Text | None = None
    password_file: Text | None = None
    ca_file: Text | None = None


Endpoint = WebhookEndpoint | ImEndpoint | EmailEndpoint


class Document(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The file. ``desk_url`` is where people reach the desk, for links in templates."""

    endpoints: Annotated[list[Endpoint], Meta(min_length=1, max_length=50)]
    desk_url: Annotated[str, Meta(pattern=r"^https?://[^\s]+[^/\s]$")] | None = None


class EndpointsError(DocumentError):
    """A file of endpoints that is refused."""


FORM: Form[Document, EndpointsError] = Form(
    noun="file of endpoints", struct=Document, error=EndpointsError, bytes_max=1 << 20, depth_max=6
)


def read_document(text: str) -> Document:
    """The endpoints of a file's text. Raises ``EndpointsError`` with line, field and remedy."""
    document, lines = FORM.load(text)
    seen: set[str] = set()
    for number, endpoint in enumerate(document.endpoints):
        path = ("endpoints", str(number))
        if not _NAME.fullmatch(endpoint.name):
            raise FORM.refusal(
                lines, (*path, "name"), "needs small letters, digits and hyphens, at most 40"
            )
        if endpoint.name in seen:
            raise FORM.refusal(lines, (*path, "name"), "stands twice; give each its own")
        seen.add(endpoint.name)
        if isinstance(endpoint, ImEndpoint) and (endpoint.url is None) == (
            endpoint.url_file is None
        ):
            raise FORM.refusal(lines, path, "needs either `url` or `url_file`")
        if isinstance(endpoint, EmailEndpoint) and (endpoint.username is None) != (
            endpoint.password_file is None
        ):
            raise FORM.refusal(lines, path, "needs both `username` and `password_file`, or none")
    return document

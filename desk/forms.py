"""The fields of a form, read once and bounded."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

BODY_BYTES_MAX = 1 << 20
FIELDS_MAX = 200
PATH_CHARACTERS_MAX = 2_000


class InvalidForm(ValueError):
    """The body is no form, or a field is missing or wrong."""


def fields_of(body: bytes) -> dict[str, str]:
    """Fields of an ``application/x-www-form-urlencoded`` body; of a repeated name the last."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise InvalidForm(f"the body is no form: {error}") from None
    return dict(pairs)


def posted(request: Request) -> Mapping[str, str]:
    """The fields of this POST, which ``desk.access.Guard`` has read and checked."""
    form: Mapping[str, str] = request.state.form
    return form


def needed(form: Mapping[str, str], name: str) -> str:
    """A field that must be there, without outer blanks. Raises ``InvalidForm``."""
    value = form.get(name, "").strip()
    if not value:
        raise InvalidForm(f"`{name}` is missing")
    return value


def integer(form: Mapping[str, str], name: str, *, least: int, most: int) -> int:
    """A field that is a whole number within bounds. Raises ``InvalidForm``."""
    text = needed(form, name)
    try:
        value = int(text)
    except ValueError:
        raise InvalidForm(f"`{name}` is {text[:40]!r}, not a whole number") from None
    if not least <= value <= most:
        raise InvalidForm(f"`{name}` is {value}, not {least} to {most}")
    return value


def local_path(text: str, otherwise: str = "/") -> str:
    """A path on this desk to go to, or ``otherwise`` where ``text`` would lead elsewhere.

    Browsers read ``/\\`` as ``//``, which begins the name of a host, and skip control characters.
    """
    plain = text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable()
    return text if plain and len(text) <= PATH_CHARACTERS_MAX else otherwise

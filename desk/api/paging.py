"""Pages of long lists: a cursor names the last row seen, so that new rows shift nothing. Pure."""

import base64
import binascii
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from desk.forms import InvalidForm

LIMIT_MAX = 500
CURSOR_MAX = 1_000


class Paged(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Query parameters of every list."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="Most rows of a page.")] = 100
    cursor: Annotated[
        Annotated[str, Meta(max_length=CURSOR_MAX)] | None,
        Meta(description="`next_cursor` of the page before; the first page if absent."),
    ] = None


def write_cursor(*values: str | int) -> str:
    """A cursor that says after which row to go on."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def read_cursor(cursor: str, types: Any) -> Any:
    """The values of a cursor, of these types (a tuple type). Raises ``InvalidForm``."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=types)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidForm(
            "`cursor` is none that this list gave; ask for the first page without it"
        ) from None

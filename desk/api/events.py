"""Events of a merchant for the API, masked as at the desk."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from desk.api import queries
from desk.api.paging import Paged
from desk.api.types import Event, EventPage
from desk.masking import mask
from desk.ports import Row
from desk.services import Desk


class EventsQuery(Paged, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    type: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


def page(desk: Desk, request: Request, query: EventsQuery, merchant_id: str) -> EventPage:
    """One page of events. A look in clear is audited before it is answered."""
    clear = desk.may_see_unmasked(request, merchant_id)
    rows, cursor = queries.events(
        desk.engine, merchant_id, query.type, limit=query.limit, cursor=query.cursor
    )
    return EventPage(
        items=[_event(row, clear=clear) for row in rows], next_cursor=cursor, masked=not clear
    )


def _event(row: Row, *, clear: bool) -> Event:
    body = msgspec.json.decode(row["body"])
    fields = {
        **row,
        "occurred_at": row["occurred_at_ms"],
        "due_at": row["due_at_ms"],
        "body": body if clear else mask(body),
    }
    return msgspec.convert(fields, Event, strict=False)

"""Events of a merchant for the API: masked unless the role and a stated reason allow."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from desk.api import queries
from desk.api.paging import Paged
from desk.api.types import Event, EventPage
from desk.commanding import NotAllowed
from desk.forms import InvalidForm
from desk.ports import Row
from desk.services import Desk

UNMASK_HEADER = "Unmask-Reason"
UNMASK_TEXT = (
    "Why personal data must be seen in clear (5 to 500 characters). Needs the permission `unmask`; "
    "the look is audited."
)
_REASON_MIN, _REASON_MAX = 5, 500
_SHOWN = 4
"""Characters of a pseudonym that stay: enough to see that two events name the same party."""


class EventsQuery(Paged, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    type: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


def page(desk: Desk, request: Request, query: EventsQuery, merchant_id: str) -> EventPage:
    """One page of events. A look in clear is audited before it is answered."""
    reason = request.headers.get(UNMASK_HEADER)
    if reason is not None:
        _unmask(desk, request, merchant_id, reason.strip())
    rows, cursor = queries.events(
        desk.engine, merchant_id, query.type, limit=query.limit, cursor=query.cursor
    )
    return EventPage(
        items=[_event(row, masked=reason is None) for row in rows],
        next_cursor=cursor,
        masked=reason is None,
    )


def _unmask(desk: Desk, request: Request, merchant_id: str, reason: str) -> None:
    viewer = desk.viewer(request)
    if not viewer.may("unmask"):
        desk.commands.audit(viewer, "denied", request.url.path, detail="unmask")
        raise NotAllowed(f"{viewer.role} may not see personal data in clear")
    if not _REASON_MIN <= len(reason) <= _REASON_MAX:
        raise InvalidForm(f"`{UNMASK_HEADER}` needs {_REASON_MIN} to {_REASON_MAX} characters")
    desk.commands.audit(viewer, "unmask", merchant_id, reason=reason, detail="events by API")


def _event(row: Row, *, masked: bool) -> Event:
    fields = {**row, "occurred_at": row["occurred_at_ms"], "due_at": row["due_at_ms"]}
    if masked:
        party = row["counterparty_id"]
        short = f"{party[:_SHOWN]}…" if len(party) > 2 * _SHOWN else "…" if party else ""
        fields |= {"counterparty_id": short, "reason": None, "body": None}
    return msgspec.convert(fields, Event, strict=False)

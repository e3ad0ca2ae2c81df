"""One event as it comes out of a file, before anything has looked into it."""

from collections import Counter
from typing import Any, NamedTuple

from msgspec import Struct, field


class SourceRecord(NamedTuple):
    """``source`` is the file as given, ``line`` counts from 1.

    ``topic`` (logical) and ``key`` follow from the event; None where it cannot be read, and intake
    then says why. ``value`` has the bytes untouched. ``occurred_at`` is epoch ms, None if unread.
    """

    source: str
    line: int
    topic: str | None
    key: bytes | None
    value: bytes
    occurred_at: int | None


class AdapterReport(Struct, kw_only=True):
    """What an adapter did with its rows: ``rows_in`` are all accounted for."""

    rows_in: int = 0
    events_out: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows that gave no event, by reason."""

    def summary(self) -> dict[str, Any]:
        """The counts, in a fixed order."""
        skipped = {reason: n for reason, n in sorted(self.skipped.items()) if n}
        return {"rows_in": self.rows_in, "events_out": self.events_out, "rows_skipped": skipped}

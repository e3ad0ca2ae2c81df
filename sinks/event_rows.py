"""From records of the log to columns: a row for each line that is kept. Pure.

A record is NDJSON, a micro-batch of one partition. What concerns no single merchant stands in every
partition and is kept from partition 0 alone, but for leases of budgets, which stand in one. Clock
ticks are not kept. Lines that cannot be read become one reject for each record, with their bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from schemas.events import BY_TAG, GLOBAL_MERCHANT, Minor

TIME_MS_MAX = 7_258_118_400_000
"""1970 to 2200: what DateTime64 and month partitions both hold."""

_StoredTime = Annotated[int, Meta(ge=0, le=TIME_MS_MAX)]
_TICK = "clock.tick"
_OF_ONE_PARTITION = "budget.leased"


class EventLine(Struct, gc=False):
    """The fields of a line that have a column; one that its type lacks is empty or None."""

    type: str
    event_id: str
    merchant_id: str
    occurred_at: _StoredTime
    amount: Minor | None = None
    amount_minor: Minor | None = None
    currency: str | None = None
    order_id: str | None = None
    counterparty_id: str | None = None
    loan_id: str | None = None
    line_id: str | None = None
    due_at: _StoredTime | None = None
    actor: str | None = None
    alert_id: str | None = None
    decision_id: str | None = None
    reason: str | None = None
    outcome: str | None = None


class Line(NamedTuple):
    """A line as read: its bytes and its place, the record's number in the batch and the line's."""

    record: int
    number: int
    body: bytes
    event: EventLine


class Read(NamedTuple):
    """What a batch of records holds.

    ``lines`` are those that are kept; ``counts`` gives for each record its lines, kept or not, and
    ``bad`` (number, bytes, why) of the lines that cannot be read, by the record's number.
    """

    lines: list[Line]
    counts: list[int]
    bad: dict[int, list[tuple[int, bytes, str]]]


COLUMNS: tuple[str, ...] = (
    "merchant_id",
    "occurred_at",
    "type",
    "input_topic",
    "event_id",
    "amount_minor",
    "currency",
    "order_id",
    "counterparty_id",
    "loan_id",
    "line_id",
    "due_at",
    "actor",
    "alert_id",
    "decision_id",
    "reason",
    "outcome",
    "body",
    "line",
)
"""Columns of ``events`` before the Kafka position, in the order of ``columns_of``."""

_read_lines: Callable[[bytes], list[EventLine]] = msgspec.json.Decoder(EventLine).decode_lines
_read_line = msgspec.json.Decoder(EventLine).decode
_NAMES = frozenset(EventLine.__struct_fields__)
_BASE = frozenset({"type", "event_id", "merchant_id", "occurred_at"})
_DECLARED: dict[str, frozenset[str]] = {
    tag: _NAMES & (_BASE | frozenset(struct.__struct_fields__)) for tag, struct in BY_TAG.items()
}
_INPUT_TOPIC = {tag: struct.topic for tag, struct in BY_TAG.items()}


def read_records(records: Iterable[tuple[int, bytes]]) -> Read:
    """Read records, each a partition number and a value, in their order."""
    found = Read([], [], {})
    for number, (partition, value) in enumerate(records):
        bodies = [line for line in value.split(b"\n") if line and not line.isspace()]
        found.counts.append(len(bodies))
        try:
            events: Sequence[EventLine | None] = _read_lines(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            events = ()
        if len(events) != len(bodies):
            events = _one_by_one(number, bodies, found)
        for line, (body, event) in enumerate(zip(bodies, events, strict=True), 1):
            if event is not None and _kept(event, partition):
                found.lines.append(Line(number, line, body, event))
    return found


def columns_of(lines: Sequence[Line]) -> list[Sequence[Any]]:
    """Values of ``COLUMNS`` for these lines."""
    events = [line.event for line in lines]
    topic_of = _INPUT_TOPIC.get
    return [
        [e.merchant_id for e in events],
        [e.occurred_at for e in events],
        [e.type for e in events],
        [topic_of(e.type, "") for e in events],
        [e.event_id for e in events],
        [e.amount_minor if e.amount is None else e.amount for e in events],
        [e.currency or "" for e in events],
        [e.order_id or "" for e in events],
        [e.counterparty_id or "" for e in events],
        [e.loan_id or "" for e in events],
        [e.line_id or "" for e in events],
        [e.due_at for e in events],
        [e.actor or "" for e in events],
        [e.alert_id or "" for e in events],
        [e.decision_id or "" for e in events],
        [e.reason or "" for e in events],
        [e.outcome or "" for e in events],
        [line.body for line in lines],
        [line.number for line in lines],
    ]


def _kept(event: EventLine, partition: int) -> bool:
    if event.merchant_id != GLOBAL_MERCHANT:
        return True
    return event.type != _TICK and (partition == 0 or event.type == _OF_ONE_PARTITION)


def _one_by_one(record: int, bodies: list[bytes], found: Read) -> list[EventLine | None]:
    """The lines of a record that has a bad one, or one with a field that its type lacks."""
    events: list[EventLine | None] = []
    for number, body in enumerate(bodies, 1):
        try:
            events.append(_declared(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            why = str(error)[:300] or type(error).__name__
            found.bad.setdefault(record, []).append((number, body, why))
            events.append(None)
    return events


def _declared(body: bytes) -> EventLine:
    """A line by the fields of its type: the log keeps others, which may hold any value."""
    try:
        return _read_line(body)
    except msgspec.ValidationError:
        fields: Any = msgspec.json.decode(body)
        if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
            raise
        declared = _DECLARED.get(fields["type"], _BASE)
        return msgspec.convert({k: v for k, v in fields.items() if k in declared}, EventLine)

"""Rows of the log: ``events``, rejects, and ``event_records`` for the records themselves. Pure.

A record may give many rows or none, so that the rows of ``events`` alone do not tell what is
stored. ``event_records`` has one row for each record, and is written last.
"""

from collections.abc import Sequence

from sinks import event_rows
from sinks.rows import KAFKA, REJECT_COLUMNS, REJECTS, Columns, Part, Record, position

EVENTS_TABLE = "events"
EVENT_COLUMNS = (*event_rows.COLUMNS, *KAFKA)
RECORDS_TABLE = "event_records"
RECORD_COLUMNS = ("lines", "stored", "rejected", *KAFKA)


def log_parts(records: Sequence[Record]) -> list[Part]:
    """Rows for these records of one partition of the log, in the order in which they are written.

    The bad lines of a record are one reject: joined as they stood, with the number and the fault
    of each.
    """
    read = event_rows.read_records((r.partition, r.value or b"") for r in records)
    stored = [0] * len(records)
    for line in read.lines:
        stored[line.record] += 1
    return [
        Part(EVENTS_TABLE, EVENT_COLUMNS, _events(records, read)),
        Part(REJECTS, REJECT_COLUMNS, _rejects(records, read)),
        Part(
            RECORDS_TABLE,
            RECORD_COLUMNS,
            [
                read.counts,
                stored,
                [len(read.bad.get(n, ())) for n in range(len(records))],
                *zip(*map(position, records), strict=True),
            ]
            if records
            else [],
        ),
    ]


def _events(records: Sequence[Record], read: event_rows.Read) -> Columns:
    if not read.lines:
        return []
    places = [position(record) for record in records]
    of_lines = [places[line.record] for line in read.lines]
    return [*event_rows.columns_of(read.lines), *zip(*of_lines, strict=True)]


def _rejects(records: Sequence[Record], read: event_rows.Read) -> Columns:
    rows = []
    for number, record in enumerate(records):
        bad = read.bad.get(number)
        if record.value is None:
            rows.append(("empty", "the record has no value", record.key, None, *position(record)))
        elif bad:
            detail = "; ".join(f"line {line}: {why}" for line, _, why in bad[:10])
            more = f"; and {len(bad) - 10} more" if len(bad) > 10 else ""
            value = b"\n".join(body for _, body, _ in bad)
            rows.append(("not_readable", detail + more, record.key, value, *position(record)))
    return list(zip(*rows, strict=True)) if rows else []

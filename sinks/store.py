"""One batch of one topic partition into ClickHouse, so that every row is there once."""

import logging
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ops.errors import FatalError
from ops.metrics import Metrics
from schemas import topics
from sinks.derived import add_missing
from sinks.engine import Engine, EngineUnavailable
from sinks.log_rows import EVENTS_TABLE, RECORDS_TABLE, log_parts
from sinks.rows import REJECT_COLUMNS, REJECTS, TABLES, Part, Record, sort_records

log = logging.getLogger(__name__)

Place = tuple[int, int]
"""Offset and line of a row; the line is 0 where a record is one row."""


class Batch(NamedTuple):
    """Consecutive records of a topic partition; ``first`` and ``last`` are their offsets.

    ``logical`` is the topic's name in the catalogue, ``topic`` its name on Kafka.
    """

    logical: str
    topic: str
    partition: int
    first: int
    last: int
    records: Sequence[Record]


class Store:
    """Puts batches into the tables of an engine."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics

    def last_offset(self, logical: str, topic: str, partition: int) -> int | None:
        """The greatest offset stored of a topic partition, or None if there is none."""
        selects = " UNION ALL ".join(
            f"SELECT max(kafka_offset) AS last, count() AS stored FROM {table} {_WHERE}"  # noqa: S608 - names of our own tables
            for table in _every_record_in(logical)
        )
        rows = self._engine.query(
            f"SELECT max(last) AS last, sum(stored) AS stored FROM ({selects})",  # noqa: S608 - as above
            {"topic": topic, "partition": partition, "first": 0, "until": 2**63 - 1},
        )
        return int(rows[0]["last"]) if rows and rows[0]["stored"] else None

    def put(self, batch: Batch, *, look: bool) -> None:
        """Store a batch.

        With ``look`` ClickHouse is asked first which of the rows it has, because an earlier insert
        of them may have taken place in part or whole; only the others are inserted, and looked for
        again afterwards; then what materialised views keep is set right (``sinks.derived``). A
        repeat without it relies on the token alone.

        Raises ``EngineUnavailable`` when the outcome is unknown, ``FatalError`` when ClickHouse
        holds other records at these offsets.
        """
        token = f"{batch.topic}:{batch.partition}:{batch.first}-{batch.last}"
        if not look:
            self._insert(batch.logical, _parts(batch.logical, batch.records), token)
            return
        missing = self._missing(batch)
        self._insert(batch.logical, missing, token)
        lost = self._missing(batch) if _rows_of(missing) else []
        if _rows_of(lost):
            # An engine that was killed in an insert may know the token and not have the rows: the
            # token is written first. Nobody else can be at work on this batch with such an engine.
            log.warning("rows_behind_their_token", extra={"token": token, "rows": _rows_of(lost)})
            self._insert(batch.logical, lost, f"{token}:again")
            if _rows_of(self._missing(batch)):
                raise EngineUnavailable(f"ClickHouse took {token} and does not show it")
        if self._engine.full:
            parts = _parts(batch.logical, batch.records)
            add_missing(self._engine, parts, _places(batch), f"{token}:again")

    def _insert(self, logical: str, parts: Sequence[Part], token: str) -> None:
        for part in parts:
            if not part.data:
                continue
            self._put_columns(part, token)
            if part.table == REJECTS:
                table = _table_of(logical)
                self._metrics.sink_rejects.labels(table).inc(len(part.data[0]))
                reason = part.data[0][0]
                log.warning("records_rejected", extra={"token": token, "first_reason": reason})

    def _put_columns(self, part: Part, token: str) -> None:
        table = part.table
        started = time.monotonic()
        try:
            self._engine.insert(table, part.columns, part.data, token=f"{table}:{token}")
        except EngineUnavailable:
            self._metrics.sink_retries.labels(table).inc()
            raise
        self._metrics.sink_flush_seconds.labels(table).observe(time.monotonic() - started)
        self._metrics.sink_rows.labels(table).inc(len(part.data[0]))

    def _missing(self, batch: Batch) -> list[Part]:
        """The rows of a batch that ClickHouse has not."""
        if batch.logical == topics.EVENTS:
            parts = log_parts(batch.records)
            return [_without(part, self._stored(batch, part.table)) for part in parts]
        stored: set[Place] = set()
        for table in _every_record_in(batch.logical):
            stored |= self._stored(batch, table)
        absent = [record for record in batch.records if (record.offset, 0) not in stored]
        return _parts(batch.logical, absent)

    def _stored(self, batch: Batch, table: str) -> set[Place]:
        line = "line" if table == EVENTS_TABLE else "toUInt32(0) AS line"
        rows = self._engine.query(
            f"SELECT kafka_offset, {line}, kafka_timestamp_ms FROM {table} {_WHERE}",  # noqa: S608 - names of our own tables
            _places(batch),
        )
        written_ms = {record.offset: max(record.timestamp_ms, 0) for record in batch.records}
        for row in rows:
            offset, timestamp_ms = int(row["kafka_offset"]), int(row["kafka_timestamp_ms"])
            if written_ms.get(offset, timestamp_ms) != timestamp_ms:
                raise FatalError(
                    f"ClickHouse holds another record at {batch.topic}/{batch.partition} offset "
                    f"{offset}: the topic was created anew, or the database belongs to "
                    "another Kafka; use another database or TIDELINE_KAFKA__TOPIC_PREFIX"
                )
        return {(int(row["kafka_offset"]), int(row["line"])) for row in rows}


_WHERE = (
    "WHERE kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}"
    " AND kafka_offset >= {first:Int64} AND kafka_offset <= {until:Int64}"
)


def _places(batch: Batch) -> dict[str, str | int | float]:
    """Parameters of ``_WHERE``."""
    return {
        "topic": batch.topic,
        "partition": batch.partition,
        "first": batch.first,
        "until": batch.last,
    }


def _table_of(logical: str) -> str:
    return EVENTS_TABLE if logical == topics.EVENTS else TABLES[logical].name


def _every_record_in(logical: str) -> tuple[str, ...]:
    """The tables of which one has a row for every stored record of the topic."""
    return (RECORDS_TABLE,) if logical == topics.EVENTS else (TABLES[logical].name, REJECTS)


def _parts(logical: str, records: Sequence[Record]) -> list[Part]:
    if logical == topics.EVENTS:
        return log_parts(records)
    table = TABLES[logical]
    rows, rejects = sort_records(table, records)
    return [Part(table.name, table.columns, rows), Part(REJECTS, REJECT_COLUMNS, rejects)]


def _rows_of(parts: Sequence[Part]) -> int:
    return sum(len(part.data[0]) for part in parts if part.data)


def _without(part: Part, stored: set[Place]) -> Part:
    """The part without the rows at these places."""
    if not part.data or not stored:
        return part
    offsets: Sequence[Any] = part.data[part.columns.index("kafka_offset")]
    lines: Sequence[Any] = (
        part.data[part.columns.index("line")] if part.table == EVENTS_TABLE else [0] * len(offsets)
    )
    places = zip(offsets, lines, strict=True)
    keep = [n for n, place in enumerate(places) if place not in stored]
    if not keep:
        return part._replace(data=[])
    return part._replace(data=[[values[n] for n in keep] for values in part.data])

"""One batch of one topic partition into ClickHouse, so that every record is there once."""

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from ops.errors import FatalError
from ops.metrics import Metrics
from sinks.engine import Engine, EngineUnavailable
from sinks.rows import REJECT_COLUMNS, REJECTS, TABLES, Columns, Record, sort_records

log = logging.getLogger(__name__)


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
        rows = self._engine.query(
            f"SELECT max(last) AS last, sum(stored) AS stored FROM ({_per_table(logical)})",  # noqa: S608 - names of our own tables
            {"topic": topic, "partition": partition, "first": 0, "until": 2**63 - 1},
        )
        return int(rows[0]["last"]) if rows and rows[0]["stored"] else None

    def put(self, batch: Batch, *, look: bool) -> None:
        """Store a batch.

        With ``look`` ClickHouse is asked first which of the offsets it has, because an earlier
        insert of them may have taken place in part or whole; only the others are inserted, and
        looked for again afterwards. A repeat without it relies on the token alone.

        Raises ``EngineUnavailable`` when the outcome is unknown, ``FatalError`` when ClickHouse
        holds other records at these offsets.
        """
        token = f"{batch.topic}:{batch.partition}:{batch.first}-{batch.last}"
        records = self._missing(batch) if look else batch.records
        self._insert(batch.logical, records, token)
        if not look or not records:
            return
        lost = self._missing(batch)
        if lost:
            # An engine that was killed in an insert may know the token and not have the rows: the
            # token is written first. Nobody else can be at work on this batch with such an engine.
            log.warning("rows_behind_their_token", extra={"token": token, "rows": len(lost)})
            self._insert(batch.logical, lost, f"{token}:again")
            if self._missing(batch):
                raise EngineUnavailable(f"ClickHouse took {token} and does not show it")

    def _insert(self, logical: str, records: Sequence[Record], token: str) -> None:
        table = TABLES[logical]
        rows, rejects = sort_records(table, records)
        self._put_columns(table.name, table.columns, rows, token)
        self._put_columns(REJECTS, REJECT_COLUMNS, rejects, token)
        if rejects:
            self._metrics.sink_rejects.labels(table.name).inc(len(rejects[0]))
            log.warning("records_rejected", extra={"token": token, "first_reason": rejects[0][0]})

    def _put_columns(self, table: str, columns: Sequence[str], data: Columns, token: str) -> None:
        if not data:
            return
        started = time.monotonic()
        try:
            self._engine.insert(table, columns, data, token=f"{table}:{token}")
        except EngineUnavailable:
            self._metrics.sink_retries.labels(table).inc()
            raise
        self._metrics.sink_flush_seconds.labels(table).observe(time.monotonic() - started)
        self._metrics.sink_rows.labels(table).inc(len(data[0]))

    def _missing(self, batch: Batch) -> list[Record]:
        rows = self._engine.query(
            f"SELECT kafka_offset, kafka_timestamp_ms FROM ({_rows(batch.logical)})",  # noqa: S608 - names of our own tables
            {
                "topic": batch.topic,
                "partition": batch.partition,
                "first": batch.first,
                "until": batch.last,
            },
        )
        stored = {int(row["kafka_offset"]): int(row["kafka_timestamp_ms"]) for row in rows}
        for record in batch.records:
            timestamp_ms = stored.get(record.offset)
            if timestamp_ms is not None and timestamp_ms != max(record.timestamp_ms, 0):
                raise FatalError(
                    f"ClickHouse holds another record at {batch.topic}/{batch.partition} offset "
                    f"{record.offset}: the topic was created anew, or the database belongs to "
                    "another Kafka; use another database or TIDELINE_KAFKA__TOPIC_PREFIX"
                )
        return [record for record in batch.records if record.offset not in stored]


_WHERE = (
    "WHERE kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}"
    " AND kafka_offset >= {first:Int64} AND kafka_offset <= {until:Int64}"
)


def _rows(logical: str) -> str:
    return " UNION ALL ".join(
        f"SELECT kafka_offset, kafka_timestamp_ms FROM {table} {_WHERE}"  # noqa: S608 - as above
        for table in (TABLES[logical].name, REJECTS)
    )


def _per_table(logical: str) -> str:
    return " UNION ALL ".join(
        f"SELECT max(kafka_offset) AS last, count() AS stored FROM {table} {_WHERE}"  # noqa: S608 - as above
        for table in (TABLES[logical].name, REJECTS)
    )

"""Rows per second into ClickHouse, beside the best that Python can do with the same engine.

The sink's way (``sinks.store.Store``) starts from records as Kafka hands them over: it reads the
JSON, checks it, makes columns and inserts them. Its peer starts from columns that are ready: Arrow
into the embedded engine, lists of columns through clickhouse-driver into a server. Both write the
same rows in the same batches into the same tables, materialised views included, in turn, each time
into a new database; the median of the rounds counts.

    python -m bench.sink --rows 100000 --rounds 3
"""

import argparse
import datetime
import io
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ops.metrics import Metrics
from schemas import topics
from schemas.codec import encode
from sinks.embedded import EmbeddedEngine, _array, _arrow_type
from sinks.engine import INSERT_SETTINGS, Engine, insert_head
from sinks.log_rows import EVENTS_TABLE, log_parts
from sinks.migrate import migrate
from sinks.native import NativeEngine, _without_maps
from sinks.rows import TABLES, Part, Record, sort_records
from sinks.store import Batch, Store
from tests.sinks import outputs
from tests.sinks.clickhouse_server import Server, missing
from tests.sinks.log_lines import lines_of, record

TOPICS = (topics.ALERTS, topics.ASSESSMENTS, topics.LIMIT_CHANGES, topics.EVENTS)
MERCHANTS = 20_000
SPAN = 180
"""Outputs lie at most so many days apart, as an engine takes them: each month is a part."""
WRITTEN_MS = 1_760_000_000_000

Insert = Callable[[], None]


def value_of(topic: str, number: int) -> bytes:
    """Record ``number`` of a topic."""
    merchant, like = f"m-{number % MERCHANTS}", number % SPAN
    if topic == topics.ALERTS:
        return encode(outputs.alert(like, alert_id=f"al-{number}", merchant_id=merchant))
    if topic == topics.ASSESSMENTS:
        return encode(outputs.assessment(like, assessment_id=f"as-{number}", merchant_id=merchant))
    if topic == topics.LIMIT_CHANGES:
        ids = {"decision_id": f"d-{number}", "line_id": f"line-{number % MERCHANTS}"}
        return encode(outputs.limit_change(like, merchant_id=merchant, **ids))
    lines = lines_of(like)
    for each in lines:
        each["event_id"] += f"-{number}"
        if each["merchant_id"] != "*":
            each["merchant_id"] = merchant
    return record(lines)


def parts_of(batch: Batch) -> list[Part]:
    """The columns of a batch, by table."""
    if batch.logical == topics.EVENTS:
        return [part for part in log_parts(batch.records) if part.data]
    table = TABLES[batch.logical]
    return [Part(table.name, table.columns, sort_records(table, batch.records).rows)]


def batches_of(topic: str, rows: int, batch_rows: int) -> Iterator[Batch]:
    """Batches of at least ``rows`` rows together; a record of the log holds several."""
    offset = 0
    while rows > 0:
        records, found = [], 0
        while found < min(rows, batch_rows):
            value = value_of(topic, offset)
            records.append(Record(topic, 0, offset, WRITTEN_MS + offset, b"m", value))
            found += value.count(b"\n") - 1 if topic == topics.EVENTS else 1
            offset += 1
        rows -= found
        yield Batch(topic, topic, 0, records[0].offset, records[-1].offset, records)


def arrow_inserts(engine: EmbeddedEngine, parts: Sequence[Part]) -> list[Insert]:
    """Inserts of Arrow arrays that are ready."""
    assert engine._session is not None
    connection = engine._session._conn
    settings = ", ".join(f"{name} = {value!r}" for name, value in INSERT_SETTINGS.items())

    def prepared(part: Part) -> Insert:
        kinds = engine._column_types(part.table)
        types = [_arrow_type(kinds[name]) for name in part.columns]
        schema = pa.schema(list(zip(part.columns, types, strict=True)))
        arrays = [_array(values, kind) for values, kind in zip(part.data, types, strict=True)]
        ready = pa.RecordBatch.from_arrays(arrays, schema=schema)
        head = f"{insert_head(part.table, part.columns)} SETTINGS {settings}"

        def insert() -> None:
            stream = io.BytesIO()
            with pa.ipc.new_stream(stream, schema) as writer:
                writer.write_batch(ready)
            with connection.send_insert(head, "ArrowStream") as inserter:
                inserter.append(stream.getvalue())
                inserter.finish()

        return insert

    return [prepared(part) for part in parts]


def driver_inserts(engine: NativeEngine, parts: Sequence[Part]) -> list[Insert]:
    """Columnar inserts of lists that are ready, by the driver itself."""
    settings = dict(engine._known_settings())
    client = engine._client
    assert client is not None

    def prepared(part: Part) -> Insert:
        columns, data = _without_maps(part.columns, part.data)
        ready = [list(values) for values in data]
        head = f"{insert_head(part.table, columns)} VALUES"
        return lambda: client.execute(head, ready, columnar=True, settings=settings)

    return [prepared(part) for part in parts]


def measured(
    open_database: Callable[[str], Engine],
    prepare: Callable[[Any, Sequence[Part]], list[Insert]],
    batches: Sequence[Batch],
    rounds: int,
) -> tuple[float, float]:
    """Rows per second of the sink's way and of its peer, medians of the rounds."""
    parts = [part for batch in batches for part in parts_of(batch)]
    table = EVENTS_TABLE if batches[0].logical == topics.EVENTS else parts[0].table
    rows = sum(len(part.data[0]) for part in parts if part.table == table)
    rates: tuple[list[float], list[float]] = ([], [])
    warm = open_database("bench_warm")
    migrate(warm)
    Store(warm, Metrics()).put(batches[0], look=False)
    warm.execute(f"DROP DATABASE {warm.database}")
    warm.close()
    for number in range(2 * rounds):
        engine = open_database(f"bench_{number}")
        migrate(engine)
        ready = prepare(engine, parts) if number % 2 else []
        store = Store(engine, Metrics())
        started = time.perf_counter()
        if number % 2:
            for insert in ready:
                insert()
        else:
            for batch in batches:
                store.put(batch, look=False)
        rates[number % 2].append(rows / (time.perf_counter() - started))
        assert engine.query(f"SELECT count() AS n FROM {table}") == [{"n": rows}]  # noqa: S608
        engine.execute(f"DROP DATABASE {engine.database}")
        engine.close()
    return statistics.median(rates[0]), statistics.median(rates[1])


def report(
    name: str,
    peer: str,
    open_database: Callable[[str], Engine],
    prepare: Callable[[Any, Sequence[Part]], list[Insert]],
    work: dict[str, list[Batch]],
    rounds: int,
) -> None:
    """Markdown of one engine, a line as soon as it is measured."""
    write = sys.stdout.write
    write(f"| {name} | sink, rows/s | {peer}, rows/s | ratio |\n|---|---|---|---|\n")
    for topic, batches in work.items():
        ours, best = measured(open_database, prepare, batches, rounds)
        write(f"| {topic} | {ours:,.0f} | {best:,.0f} | {ours / best:.2f} |\n")
        sys.stdout.flush()
    write("\n")


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--batch-rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)  # a server that starts
    load = os.getloadavg()[0]
    work = {topic: list(batches_of(topic, given.rows, given.batch_rows)) for topic in TOPICS}
    sys.stdout.write(
        f"Measured on {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, load {load:.0f} before the run: {given.rows:,} rows "
        f"of each table in batches of {given.batch_rows:,}, median of {given.rounds}.\n\n"
    )
    with tempfile.TemporaryDirectory() as folder:

        def embedded(name: str) -> Engine:
            return EmbeddedEngine(folder, name)

        peer = "Arrow of prepared columns"
        report("embedded engine", peer, embedded, arrow_inserts, work, given.rounds)
    if absent := missing():
        sys.stdout.write(f"No server: {absent}.\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            peer = "driver, prepared columns"
            report("server", peer, server.engine, driver_inserts, work, given.rounds)
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

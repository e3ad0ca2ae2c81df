"""ClickHouse in this process (chdb): no server, one process at a time for a folder."""

import io
import threading
from collections.abc import Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import pyarrow as pa
from chdb.session import Session

from ops.errors import ConfigurationError
from sinks.engine import (
    INSERT_SETTINGS,
    EngineError,
    EngineUnavailable,
    Param,
    Params,
    checked_name,
    insert_head,
)

_SCALARS: dict[str, pa.DataType] = {
    "String": pa.binary(),
    "Float64": pa.float64(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "UInt8": pa.uint8(),
    "UInt16": pa.uint16(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "DateTime64(3, 'UTC')": pa.timestamp("ms", tz="UTC"),
}

_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b"}
)


class EmbeddedEngine:
    """An engine on a folder.

    Raises ``EngineUnavailable`` while another process holds the folder.
    """

    full = True

    def __init__(self, folder: str, database: str) -> None:
        self.database = checked_name(database)
        self._lock = threading.Lock()
        self._types: dict[str, dict[str, str]] = {}
        # ``?`` would start the engine's own options within its connection string.
        if "?" in folder:
            raise ConfigurationError(
                f"the ClickHouse folder {folder} must not contain a question mark"
            )
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._session: Session | None = Session(folder)
        except OSError as error:
            raise EngineError(f"the ClickHouse folder {folder} cannot be used: {error}") from None
        except RuntimeError as error:
            raise EngineUnavailable(
                f"the ClickHouse folder {folder} cannot be opened (one process at a time): {error}"
            ) from None
        self.create_database()
        self.execute(f"USE {self.database}")

    def create_database(self) -> None:
        """Create the database if it is not there."""
        self.execute(f"CREATE DATABASE IF NOT EXISTS {self.database}")

    def execute(self, sql: str, params: Params | None = None) -> None:
        """Run one statement that gives no rows."""
        self._run(sql, "CSV", params)

    def query(self, sql: str, params: Params | None = None) -> list[dict[str, Any]]:
        """Rows of a SELECT by column name."""
        table = self._run(sql, "ArrowTable", params)
        rows: list[dict[str, Any]] = table.to_pylist(maps_as_pydicts="strict")
        return rows

    def insert(
        self, table: str, columns: Sequence[str], data: Sequence[Sequence[Any]], *, token: str
    ) -> None:
        """Insert columns as one block, through Arrow."""
        if table not in self._types:
            self._types[table] = self._column_types(table)
        types = [_arrow_type(self._types[table][name]) for name in columns]
        schema = pa.schema(list(zip(columns, types, strict=True)))
        arrays = [_array(values, kind) for values, kind in zip(data, types, strict=True)]
        stream = io.BytesIO()
        with pa.ipc.new_stream(stream, schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
        settings = ", ".join(
            [f"{name} = {value!r}" for name, value in INSERT_SETTINGS.items()]
            + [f"insert_deduplication_token = {_literal(token)}"]
        )
        head = f"{insert_head(table, columns)} SETTINGS {settings}"
        with self._lock:
            try:
                # The session offers no way in for encoded bytes; its connection does.
                with self._open()._conn.send_insert(head, "ArrowStream") as inserter:
                    inserter.append(stream.getvalue())
                    inserter.finish()
            except RuntimeError as error:
                raise EngineError(f"insert into {table}: {error}") from None

    def close(self) -> None:
        """Release the folder."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _open(self) -> Session:
        if self._session is None:
            raise EngineError("the embedded ClickHouse is closed")
        return self._session

    def _run(self, sql: str, form: str, params: Params | None) -> Any:
        bound = {name: _parameter(value) for name, value in (params or {}).items()}
        with self._lock:
            try:
                return self._open().query(sql, form, params=bound or None)
            except RuntimeError as error:  # chdb's own error is one
                raise EngineError(str(error)) from None

    def _column_types(self, table: str) -> dict[str, str]:
        rows = self.query(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase()"
            " AND table = {table:String} AND default_kind != 'ALIAS'",
            {"table": table},
        )
        if not rows:
            raise EngineError(
                f"table {table} is not in database {self.database}; run `tideline migrate`"
            )
        return {row["name"]: row["type"] for row in rows}


def _parameter(value: Param) -> Param:
    # The engine reads a parameter as a tab-separated field, so that a backslash would escape.
    return value.translate(_ESCAPES) if isinstance(value, str) else value


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _arrow_type(name: str) -> pa.DataType:
    for wrapper in ("LowCardinality(", "Nullable("):
        if name.startswith(wrapper):
            return _arrow_type(name[len(wrapper) : -1])
    if name.startswith("Array("):
        return pa.list_(_arrow_type(name[6:-1]))
    if name.startswith("Map("):
        key, _, value = name[4:-1].partition(", ")
        return pa.map_(_arrow_type(key), _arrow_type(value))
    try:
        return _SCALARS[name]
    except KeyError:
        raise EngineError(f"the column type {name} has no Arrow type here") from None


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_map(kind):
        return pa.array(values, kind)
    # A list of pairs for each row would cost three times as much.
    ends = list(accumulate(map(len, values), initial=0))
    keys = pa.array(list(chain.from_iterable(values)), kind.key_type)
    items = pa.array(list(chain.from_iterable(v.values() for v in values)), kind.item_type)
    return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), keys, items).cast(kind)

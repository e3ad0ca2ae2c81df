"""Parquet files whose rows are events: one column a field."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ops.errors import ConfigurationError

BATCH_ROWS = 20_000
EXACT_MAX = 2.0**53
"""Past it a float does not hold every integer."""


def read_rows(path: Path) -> Iterator[bytes]:
    """Each row as one JSON event.

    A null (or NaN, which is how many writers say null) is an absent field, times become epoch ms
    (without a zone: UTC), whole floats and decimals integers. Infinity stays what it is, so that
    intake refuses it. Raises ``ConfigurationError`` on what is no Parquet file of events.
    """
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        if "type" not in names:
            raise ConfigurationError(
                f"{path} has no column `type`: it holds no events; name the data set with --format"
            )
        encode = msgspec.json.Encoder().encode
        for batch in file.iter_batches(BATCH_ROWS):
            columns = [_values(column) for column in batch.columns]
            for row in zip(*columns, strict=True):
                yield encode({n: v for n, v in zip(names, row, strict=True) if v is not None})
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path}: cannot be read as Parquet: {error}") from error


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    if pa.types.is_floating(kind):
        return [None if value is None else _number(value) for value in values]
    if pa.types.is_decimal(kind):
        return [None if value is None else _whole(value) for value in values]
    return values


def _number(value: float) -> Any:
    if value.is_integer() and abs(value) <= EXACT_MAX:
        return int(value)
    if value != value:  # NaN
        return None
    if value in (float("inf"), float("-inf")):
        return msgspec.Raw(b"Infinity" if value > 0 else b"-Infinity")
    return value


def _whole(value: Decimal) -> Any:
    return int(value) if value == value.to_integral_value() else str(value)


def count_rows(path: Path) -> int | None:
    """Rows of a Parquet file; None where it cannot be read (reading it says why)."""
    try:
        rows: int = pq.ParquetFile(path).metadata.num_rows
    except (pa.ArrowException, OSError):
        return None
    return rows

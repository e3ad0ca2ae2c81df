"""Rows of data sets: Parquet files read whole, each row with the file and line it came from."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.errors import ConfigurationError
from tideline.sources.records import AdapterReport


class Rows(NamedTuple):
    """A table and, for each of its rows, the index of its file in ``sources`` and its line."""

    table: pa.Table
    sources: tuple[str, ...]
    file: NDArray[np.int32]
    line: NDArray[np.int32]


def load(
    paths: Sequence[Path],
    report: AdapterReport,
    *,
    required: Sequence[str],
    nullable: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> Rows:
    """The named columns of Parquet files, one table.

    A row that lacks a ``required`` value (null, NaN or infinite) is left out and counted by the
    column. Raises ``ConfigurationError`` on a file that is not Parquet or lacks a column that is
    not ``optional``.
    """
    tables, files, lines = [], [], []
    for number, path in enumerate(paths):
        table = _read(path, [*required, *nullable], optional)
        report.rows_in += len(table)
        kept = np.ones(len(table), dtype=bool)
        for name in required:
            present = _present(table[name])
            report.skipped[f"no {name}"] += int((kept & ~present).sum())
            kept &= present
        places = np.flatnonzero(kept)
        tables.append(table if len(places) == len(table) else table.take(pa.array(places)))
        files.append(np.full(len(places), number, dtype=np.int32))
        lines.append((places + 1).astype(np.int32))
    return Rows(
        pa.concat_tables(tables, promote_options="permissive"),
        tuple(str(path) for path in paths),
        np.concatenate(files),
        np.concatenate(lines),
    )


def _read(path: Path, needed: Sequence[str], optional: Sequence[str]) -> pa.Table:
    try:
        file = pq.ParquetFile(path)
        columns = file.schema_arrow.names
        missing = [name for name in needed if name not in columns]
        if missing:
            raise ConfigurationError(
                f"{path}: no column {', '.join(missing)}; is it a file of this --format?"
            )
        return file.read([*needed, *(name for name in optional if name in columns)])
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path}: cannot be read as Parquet: {error}") from error


def _present(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Where a column has a value; NaN and infinity are none."""
    present = np.asarray(pc.is_valid(column))
    if pa.types.is_floating(column.type):
        present &= np.asarray(pc.fill_null(pc.is_finite(column), False))
    return present


def texts(column: pa.ChunkedArray) -> list[str]:
    """A text column, dictionary-encoded or not, as a list."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found: list[str] = column.to_pylist()
    return found


def epoch_ms(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A timestamp column as epoch ms (int64), rounded down; without a zone it is UTC."""
    return np.asarray(column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy())


def text_ms(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Texts such as ``2017-07-09 21:57:05`` (UTC assumed) as epoch ms, -1 where absent.

    Raises ``ConfigurationError`` on a text that is no time.
    """
    plain = ["NaT" if v is None else v[:23].replace(" ", "T") for v in column.to_pylist()]
    try:
        times = np.array(plain, dtype="datetime64[ms]")
    except ValueError as error:
        raise ConfigurationError(f"not a time like 2017-07-09 21:57:05: {error}") from error
    return np.where(np.isnat(times), -1, times.astype(np.int64))


def minor(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Amounts of a currency with two digits as integer minor units, to the nearest, half to even.

    ``load`` has left out what is not a number.
    """
    return np.rint(np.asarray(column, dtype=np.float64) * 100).astype(np.int64)

"""Event files: NDJSON (plain, gzip, zstd) and Parquet, read in bounded memory.

File order is arrival order. Several files are merged by ``occurred_at``; a line whose time cannot
be read stays behind the line before it.
"""

import gzip
import heapq
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ops.errors import ConfigurationError
from schemas.events import BY_TAG
from tideline.sources.records import SourceRecord

STDIN = "-"
LINE_BYTES_MAX = 16 << 20
PARQUET_ROWS = 20_000
SUFFIXES = (".ndjson", ".jsonl", ".json")
CHUNK_BYTES = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Head(msgspec.Struct):
    """The little of an event that routing and merging need."""

    type: str | None = None
    merchant_id: str | None = None
    occurred_at: int | str | None = None


_head = msgspec.json.Decoder(_Head).decode


def read_events(paths: Sequence[Path | str]) -> Iterator[SourceRecord]:
    """Events of files in arrival order. Raises ``ConfigurationError`` on unknown kinds of file."""
    for path in paths:
        if path != STDIN and not Path(path).is_file():
            raise FileNotFoundError(2, "no such file", str(path))
    readers = [_read(path) for path in paths]
    if len(readers) == 1:
        yield from readers[0]
        return
    merged = heapq.merge(*(_timed(reader) for reader in readers), key=lambda item: item[0])
    for _, record in merged:
        yield record


def _timed(records: Iterator[SourceRecord]) -> Iterator[tuple[int, SourceRecord]]:
    """Each record with the time to merge by: its own, but never before the file's last one.

    File order is arrival order within a file, so a late event keeps its place.
    """
    latest = 0
    for record in records:
        latest = max(latest, record.occurred_at or 0)
        yield latest, record


def _read(path: Path | str) -> Iterator[SourceRecord]:
    name = str(path)
    if name.endswith(".parquet"):
        return _read_parquet(Path(path))
    if name == STDIN:
        return _read_lines(name, sys.stdin.buffer)
    stem = name.removesuffix(".gz").removesuffix(".zst")
    if not stem.endswith(SUFFIXES):
        raise ConfigurationError(
            f"{name}: unknown kind of file; use {', '.join(SUFFIXES)} (also .gz, .zst) or "
            ".parquet, or name the data set with --format"
        )
    return _read_lines(name, _open(Path(path)))


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return cast(BinaryIO, pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")


def _read_lines(name: str, stream: BinaryIO) -> Iterator[SourceRecord]:
    try:
        for number, line in enumerate(_split(name, stream), 1):
            if line.strip():
                yield record_of(name, number, line)
    except (OSError, EOFError) as error:
        raise ConfigurationError(f"{name}: cannot be read further: {error}") from error


def _split(name: str, stream: BinaryIO) -> Iterator[bytes]:
    """Lines without their ends, in bounded memory."""
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
        if len(rest) > LINE_BYTES_MAX:
            raise ConfigurationError(
                f"{name}: a line exceeds {LINE_BYTES_MAX} bytes; is it NDJSON?"
            )
    if rest:
        yield rest.removesuffix(b"\r")


def _read_parquet(path: Path) -> Iterator[SourceRecord]:
    """Rows of a Parquet file with event columns; nulls are absent fields."""
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if "type" not in file.schema_arrow.names:
        raise ConfigurationError(
            f"{path} has no column `type`: it holds no events; name the data set with --format"
        )
    line = 0
    for batch in file.iter_batches(PARQUET_ROWS):
        for row in batch.to_pylist():
            line += 1
            event = {name: _plain(value) for name, value in row.items() if value is not None}
            yield record_of(str(path), line, msgspec.json.encode(event))


def _plain(value: Any) -> Any:
    """A Parquet value as JSON has it: timestamps become epoch ms (without a zone: UTC)."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    return value


def record_of(source: str, line: int, value: bytes) -> SourceRecord:
    """Routing of one event's bytes; broken bytes get none."""
    try:
        head = _head(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return SourceRecord(source, line, None, None, value, None)
    struct = BY_TAG.get(head.type or "")
    key = head.merchant_id.encode("utf-8", "surrogatepass") if head.merchant_id else None
    at = head.occurred_at if isinstance(head.occurred_at, int) else _parse_time(head.occurred_at)
    return SourceRecord(source, line, struct.topic if struct else None, key, value, at)


def _parse_time(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp() * 1000)


def estimate_total(paths: Iterable[Path | str]) -> int | None:
    """Number of records for a progress bar: exact for Parquet, guessed from bytes for others.

    None when there is nothing to go by (standard input, compressed files).
    """
    total = 0
    for path in paths:
        if path == STDIN or not Path(path).is_file():
            return None
        file = Path(path)
        if file.suffix == ".parquet":
            total += pq.ParquetFile(file).metadata.num_rows
        elif file.suffix in SUFFIXES:
            with file.open("rb") as stream:
                head = stream.read(1 << 16)
            total += file.stat().st_size * max(head.count(b"\n"), 1) // max(len(head), 1)
        else:
            return None
    return total

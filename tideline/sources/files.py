"""Event files: NDJSON (plain, gzip, zstd) and Parquet, read in bounded memory.

File order is arrival order. Several files are merged by ``occurred_at``; a line whose time cannot
be read stays right behind the line before it. Blank lines hold no event and are passed over, but
counted in the line numbers.
"""

import gzip
import heapq
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa

from ops.errors import ConfigurationError
from schemas.events import BY_TAG
from tideline.sources.parquet import count_rows, read_rows
from tideline.sources.records import SourceRecord

STDIN = "-"
LINE_BYTES_MAX = 16 << 20
SUFFIXES = (".ndjson", ".jsonl", ".json")
CHUNK_BYTES = 1 << 20
GUESS_CHUNKS = 4
"""How much of a file is read to guess its lines: what is read ahead packed matters less."""
TIME_MIN = 946_684_800_000
TIME_MAX = 4_102_444_800_000
"""2000 to 2100. A time beyond is a slip (seconds, nanoseconds); to merge by it would hold the rest
of its file back to the end."""


class _Head(msgspec.Struct):
    """The little of an event that routing and merging need, of whatever type it comes."""

    type: Any = None
    merchant_id: Any = None
    occurred_at: Any = None


_head = msgspec.json.Decoder(_Head).decode


def read_events(paths: Sequence[Path | str]) -> Iterator[SourceRecord]:
    """Events of files in arrival order.

    Raises ``ConfigurationError`` on unknown kinds of file and on files that end before their time
    or are damaged, after the lines before the damage.
    """
    for path in paths:
        if path != STDIN and not Path(path).is_file():
            if Path(path).is_dir():
                raise ConfigurationError(f"{path} is a folder; name the files in it")
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
        return _numbered(name, read_rows(Path(path)))
    if name != STDIN and not name.removesuffix(".gz").removesuffix(".zst").endswith(SUFFIXES):
        raise ConfigurationError(
            f"{name}: unknown kind of file; use {', '.join(SUFFIXES)} (also .gz, .zst) or "
            ".parquet, or name the data set with --format"
        )
    return _numbered(name, _lines(name))


def _numbered(name: str, values: Iterator[bytes]) -> Iterator[SourceRecord]:
    for number, value in enumerate(values, 1):
        if value and not value.isspace():
            yield record_of(name, number, value)


def _lines(name: str) -> Iterator[bytes]:
    with ExitStack() as stack:
        try:
            stream = sys.stdin.buffer if name == STDIN else _open(Path(name), stack)[1]
            yield from _split(name, stream)
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            raise ConfigurationError(f"{name}: cannot be read further: {error}") from error


def _open(path: Path, stack: ExitStack) -> tuple[BinaryIO, BinaryIO]:
    """The file and the stream of its text, the same where it is not compressed."""
    file = stack.enter_context(path.open("rb"))
    if path.suffix == ".gz":
        return file, cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=file)))
    if path.suffix == ".zst":
        return file, cast(BinaryIO, stack.enter_context(pa.CompressedInputStream(file, "zstd")))
    return file, file


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


def record_of(source: str, line: int, value: bytes) -> SourceRecord:
    """Routing of one event's bytes; what cannot be read of it is None."""
    try:
        head = _head(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return SourceRecord(source, line, None, None, value, None)
    struct = BY_TAG.get(head.type) if isinstance(head.type, str) else None
    merchant = head.merchant_id
    return SourceRecord(
        source,
        line,
        None if struct is None else struct.topic,
        merchant.encode() if isinstance(merchant, str) and merchant else None,
        value,
        _time(head.occurred_at),
    )


def _time(value: object) -> int | None:
    """Epoch ms of what the codec would take for a time; None for all else."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        value = int(moment.timestamp() * 1000)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and TIME_MIN <= value < TIME_MAX:
        return value
    return None


def estimate_total(paths: Iterable[Path | str]) -> int | None:
    """Number of records for a progress bar: exact for Parquet, guessed from a part for others.

    None when there is nothing to go by (standard input, no such file, an unreadable one).
    """
    total = 0
    for path in paths:
        if path == STDIN or not Path(path).is_file():
            return None
        file = Path(path)
        count = count_rows(file) if file.suffix == ".parquet" else _guess_lines(file)
        if count is None:
            return None
        total += count
    return total


def _guess_lines(path: Path) -> int | None:
    """Lines of a file by the first of it: their number per byte read from the disk."""
    lines, last = 0, b"\n"
    with ExitStack() as stack:
        try:
            file, stream = _open(path, stack)
            for _ in range(GUESS_CHUNKS):
                part = stream.read(CHUNK_BYTES)
                if not part:
                    return lines + (last != b"\n")
                lines += part.count(b"\n")
                last = part[-1:]
            taken = file.tell()
        except (OSError, EOFError, zlib.error, pa.ArrowException):
            return None
    return lines * path.stat().st_size // max(taken, 1)

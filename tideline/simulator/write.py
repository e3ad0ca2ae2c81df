"""The events and the truth of a run as files."""

import gzip
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa

from ops.errors import ConfigurationError
from tideline.simulator.economy import Economy
from tideline.sources.files import STDIN as STDOUT
from tideline.sources.files import SUFFIXES

PORTION = 10_000
TRUTH_SUFFIX = ".truth.ndjson"
_GZIP_LEVEL = 6


def truth_path(out: str) -> Path | None:
    """Where the truth goes if nothing else is said; None where the events go to the terminal."""
    return None if out == STDOUT else Path(out + TRUTH_SUFFIX)


def check_path(out: str) -> None:
    """Raises ``ConfigurationError`` on a name that ``replay`` would not read."""
    plain = out.removesuffix(".gz").removesuffix(".zst")
    if out != STDOUT and not plain.endswith(SUFFIXES):
        raise ConfigurationError(
            f"--out {out}: end the name in {', '.join(SUFFIXES)} (also .gz, .zst), or give -"
        )
    if out != STDOUT and not Path(out).absolute().parent.is_dir():
        raise ConfigurationError(f"--out {out}: there is no folder {Path(out).absolute().parent}")


def write_run(
    economy: Economy, out: str, truth: Path | None, told: Callable[[int], None]
) -> dict[str, Any]:
    """Write the events, then the truth; returns the counts. ``told`` hears of lines written."""
    kinds: Counter[str] = Counter()
    total = size = 0
    with _opened(out) as file:
        for lines in _portions(economy.lines()):
            block = b"\n".join(lines) + b"\n"
            file.write(block)
            total += len(lines)
            size += len(block)
            told(total)
    summary = {
        "events": total,
        "bytes": size,
        "lost_in_outages": economy.arrivals.lost,
        "under_way_at_the_end": economy.arrivals.waiting,
    }
    encode = msgspec.json.Encoder().encode
    with ExitStack() as stack:
        beside = None if truth is None else stack.enter_context(truth.open("wb"))
        for record in economy.truth():
            kinds[record.get("kind") or f"event: {record['event']}"] += 1
            if "merchant_id" in record:
                kinds["with a missed repayment"] += record["first_missed_at"] is not None
                kinds["with a default"] += record["defaulted_at"] is not None
            if beside is not None:
                beside.write(encode(record) + b"\n")
    return {**summary, "truth": dict(sorted(kinds.items()))}


def _portions(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    for line in lines:
        portion.append(line)
        if len(portion) == PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


@contextmanager
def _opened(out: str) -> Iterator[BinaryIO]:
    """The file to write, packed as its ending says; the same bytes whenever it is written."""
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with Path(out).open("wb") as file:
        if out.endswith(".gz"):
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        elif out.endswith(".zst"):
            with pa.CompressedOutputStream(file, "zstd") as packed:
                yield cast(BinaryIO, packed)
        else:
            yield file

"""What adapters share: columns of rows become events in the order of their time."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.events import BY_TAG
from tideline.sources.records import AdapterReport, SourceRecord

CHUNK = 50_000
Event = dict[str, Any]


class Stream(NamedTuple):
    """Events of one kind: their times (epoch ms, int64) and how to build the ``i``-th."""

    times: NDArray[np.int64]
    build: Callable[[int], Event]


def merged(source: str, streams: list[Stream], report: AdapterReport) -> Iterator[SourceRecord]:
    """All events by time; ties go by the order of the streams, then of their rows."""
    times = np.concatenate([stream.times for stream in streams])
    which = np.repeat(np.arange(len(streams)), [len(s.times) for s in streams])
    place = np.concatenate([np.arange(len(s.times)) for s in streams])
    order = np.argsort(times, kind="stable")
    encode = msgspec.json.Encoder().encode
    topic_of = {tag: struct.topic for tag, struct in BY_TAG.items()}
    line = 0
    for first in range(0, len(order), CHUNK):
        rows = order[first : first + CHUNK]
        for w, i, at in zip(
            which[rows].tolist(), place[rows].tolist(), times[rows].tolist(), strict=True
        ):
            event = streams[w].build(i)
            event["occurred_at"] = at
            line += 1
            report.events_out += 1
            yield SourceRecord(
                source,
                line,
                topic_of[event["type"]],
                event["merchant_id"].encode(),
                encode(event),
                at,
            )


def epoch_ms(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A timestamp column as epoch ms (int64)."""
    return np.asarray(column.cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy())


def text_ms(values: list[str | None]) -> NDArray[np.int64]:
    """Texts such as ``2017-07-09 21:57:05`` (UTC assumed) as epoch ms, -1 where absent."""
    plain = ["NaT" if value is None else value[:23].replace(" ", "T") for value in values]
    times = np.array(plain, dtype="datetime64[ms]")
    return np.where(np.isnat(times), -1, times.astype(np.int64))


def minor(column: pa.ChunkedArray | NDArray[np.float64], digits: int = 2) -> NDArray[np.int64]:
    """Amounts as integer minor units, rounded half to even on the decimal text's nearest float.

    What is not a number becomes 0: callers leave such rows out and count them.
    """
    values = np.nan_to_num(np.asarray(column, dtype=np.float64))
    return np.rint(values * 10**digits).astype(np.int64)


def spans(
    names: list[str], times: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct names in order, with the earliest and the latest time of each."""
    found, inverse = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    first = np.full(len(found), np.iinfo(np.int64).max)
    last = np.full(len(found), np.iinfo(np.int64).min)
    np.minimum.at(first, inverse, times)
    np.maximum.at(last, inverse, times)
    return found.tolist(), first, last

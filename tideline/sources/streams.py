"""What adapters share: rows become events in the order of their time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.events import BY_TAG
from tideline.sources.records import AdapterReport, SourceRecord
from tideline.sources.tables import Rows

CHUNK = 50_000
Event = dict[str, Any]


class Stream(NamedTuple):
    """Events of one kind: their times (epoch ms, int64), how to build the ``i``-th (all but
    ``occurred_at``), and the ``place`` in ``rows`` that it comes from."""

    times: NDArray[np.int64]
    build: Callable[[int], Event]
    rows: Rows
    place: NDArray[Any]


def merged(streams: Sequence[Stream], report: AdapterReport) -> Iterator[SourceRecord]:
    """All events by time; ties go by the order of the streams, then of their events."""
    times = np.concatenate([stream.times for stream in streams])
    which = np.repeat(np.arange(len(streams)), [len(s.times) for s in streams])
    number = np.concatenate([np.arange(len(s.times)) for s in streams])
    line = np.concatenate([s.rows.line[s.place] for s in streams])
    file = np.concatenate([s.rows.file[s.place] for s in streams])
    order = np.argsort(times, kind="stable")
    encode = msgspec.json.Encoder().encode
    topic_of = {tag: struct.topic for tag, struct in BY_TAG.items()}
    for first in range(0, len(order), CHUNK):
        part = order[first : first + CHUNK]
        columns = (column[part].tolist() for column in (which, number, file, line, times))
        for w, i, f, n, at in zip(*columns, strict=True):
            stream = streams[w]
            event = stream.build(i)
            event["occurred_at"] = at
            report.events_out += 1
            yield SourceRecord(
                stream.rows.sources[f],
                n,
                topic_of[event["type"]],
                event["merchant_id"].encode(),
                encode(event),
                at,
            )


class Spans(NamedTuple):
    """Distinct names in order: earliest and latest time of each, and its first place."""

    names: list[str]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    place: NDArray[np.intp]


def spans(names: Sequence[str], times: NDArray[np.int64]) -> Spans:
    """The span of each merchant among rows or events with their times."""
    found, place, inverse = np.unique(
        np.array(names, dtype=object).astype(str), return_index=True, return_inverse=True
    )
    first = np.full(len(found), np.iinfo(np.int64).max)
    last = np.full(len(found), np.iinfo(np.int64).min)
    np.minimum.at(first, inverse, times)
    np.maximum.at(last, inverse, times)
    return Spans(found.tolist(), first, last, place)

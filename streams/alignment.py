"""One order for the topics of a merchant: by Kafka's timestamps, as far as they are known.

Topics that are read each at its own pace tell a merchant's story out of order: after a pause or on
a first load, parcels come days before their orders, and outcomes before what led to them. So
records of the same partition number are put in order by their timestamps, and a topic that has
nothing buffered is waited for while it has records that were not fetched yet (as Kafka Streams
does: KIP-353, KIP-695). The order within a topic never changes.
"""

import math
from collections import deque
from collections.abc import Callable

from msgspec import Struct, field

from streams.host import Source
from streams.records import Record

WAIT_S = 2.0
"""Longest wait for a topic that is behind; a partition without leader must not stop the others."""
BUFFER_BYTES_MAX = 128 << 20
"""Over all groups, shared equally. A group that holds more gives its order up and lets all go:
topics may be apart by so much, and no further. (Pausing those ahead would keep the order; but a
paused partition loses what was fetched of it, and librdkafka at times never resumes it.)"""


class _Queue(Struct):
    source: Source
    records: deque[Record] = field(default_factory=deque)
    last_offset: int = -1
    ended_at: int = -1
    """Where the end of the log was when it was last reached."""


class _Group(Struct):
    queues: dict[Source, _Queue] = field(default_factory=dict)
    size_bytes: int = 0
    blocked_since_s: float | None = None

    def count(self) -> int:
        """Records buffered."""
        return sum(len(queue.records) for queue in self.queues.values())


class Aligner:
    """Buffers of the sources assigned, in groups of equal partition number.

    ``high`` gives the end of a source's log as the client knows it; both it and ``now_s``
    (monotonic) are the caller's.
    """

    def __init__(self, high: Callable[[Source], int]) -> None:
        self._high = high
        self._groups: dict[int, _Group] = {}
        self._queues: dict[Source, _Queue] = {}

    def assign(self, source: Source, position: int | None) -> None:
        """A source is read from ``position`` on; what was buffered of it is forgotten."""
        self.drop(source)
        queue = self._queues[source] = _Queue(source, last_offset=(position or 0) - 1)
        self._groups.setdefault(source[1], _Group()).queues[source] = queue

    def drop(self, source: Source) -> None:
        """A source is no longer read, or waits for a person."""
        if self._queues.pop(source, None) is None:
            return
        group = self._groups[source[1]]
        group.size_bytes -= sum(map(_size_bytes, group.queues.pop(source).records))
        if not group.queues:
            del self._groups[source[1]]

    def add(self, record: Record) -> None:
        """Buffer a record; one of a source that was dropped, or come before, is ignored."""
        queue = self._queues.get((record.topic, record.partition))
        if queue is None or record.offset <= queue.last_offset:
            return
        queue.records.append(record)
        self._groups[record.partition].size_bytes += _size_bytes(record)
        queue.last_offset = record.offset

    def end(self, source: Source, offset: int) -> None:
        """Kafka says that ``offset`` is the end of a source; markers of transactions count."""
        queue = self._queues.get(source)
        if queue is not None:
            queue.ended_at = offset

    def take(self, count_max: int, now_s: float) -> list[Record]:
        """The records whose turn has come, about ``count_max`` at most of each group."""
        taken: list[Record] = []
        for group in self._groups.values():
            full = group.size_bytes > BUFFER_BYTES_MAX // len(self._groups)
            until = len(taken) + (group.count() if full else count_max)
            while len(taken) < until and (full or not self._waits(group, now_s)):
                if not self._take_first(group, until, taken):
                    break
        return taken

    def _waits(self, group: _Group, now_s: float) -> bool:
        """Whether a topic of the group has yet to be heard, and not for too long."""
        if all(queue.records or self._is_at_end(queue) for queue in group.queues.values()):
            group.blocked_since_s = None
            return False
        if group.blocked_since_s is None:
            group.blocked_since_s = now_s
        return now_s - group.blocked_since_s < WAIT_S

    @staticmethod
    def _take_first(group: _Group, until: int, taken: list[Record]) -> bool:
        """Take the records of the earliest topic that come before those of all others."""
        first: deque[Record] | None = None
        first_at = second_at = math.inf
        for queue in group.queues.values():
            if queue.records:
                at = queue.records[0].timestamp_ms
                if at < first_at:
                    first, first_at, second_at = queue.records, at, first_at
                else:
                    second_at = min(second_at, at)
        if first is None:
            return False
        while first and first[0].timestamp_ms <= second_at and len(taken) < until:
            record = first.popleft()
            group.size_bytes -= _size_bytes(record)
            taken.append(record)
        return True

    def _is_at_end(self, queue: _Queue) -> bool:
        reached = queue.last_offset < queue.ended_at
        return reached or 0 <= self._high(queue.source) <= queue.last_offset + 1


def _size_bytes(record: Record) -> int:
    return len(record.value or b"")

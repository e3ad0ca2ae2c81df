"""What the sink knows of one partition that it owns: records read and not yet stored. Pure."""

import re
from typing import NamedTuple

from sinks.rows import Record
from sinks.store import Batch

_CLAIM = re.compile(r"claim:(\d{1,19})-(\d{1,19})")


class Claim(NamedTuple):
    """First and last offset of a batch that an owner of the partition set out to store."""

    first: int
    last: int


def write_claim(claim: Claim) -> str:
    """The claim as metadata of a committed Kafka offset."""
    return f"claim:{claim.first}-{claim.last}"


def read_claim(metadata: str | None) -> Claim | None:
    """The claim that a committed offset carries, if any."""
    found = _CLAIM.fullmatch(metadata or "")
    return Claim(int(found[1]), int(found[2])) if found else None


class Partition:
    """Records of one partition in order, and how the next batch is cut from them.

    ``opened`` tells that the place to start from is known; ``claim`` is the batch under way, ours
    (``claimed``) or one that an earlier owner left. ``look_until`` is the greatest offset that
    ClickHouse may already have.
    """

    def __init__(self, logical: str, topic: str, number: int) -> None:
        self.logical = logical
        self.topic = topic
        self.number = number
        self.records: list[Record] = []
        self.bytes = 0
        self.since = 0.0
        self.opened = False
        self.claim: Claim | None = None
        self.claimed = False
        self.look_until = -1
        self.next_offset = 0

    def add(self, record: Record, now: float) -> None:
        """Take a record that came at ``now`` (monotonic seconds); one already taken is ignored."""
        if record.offset < self.next_offset:
            return
        if not self.records:
            self.since = now
        self.records.append(record)
        self.bytes += _size(record)
        self.next_offset = record.offset + 1

    def open(self, claim: Claim | None, look_until: int) -> None:
        """The place to start from is settled."""
        self.claim = claim
        self.look_until = look_until
        self.opened = True

    def rewind(self, offset: int) -> None:
        """Forget what was read: reading begins again at ``offset``."""
        self.records.clear()
        self.bytes = 0
        self.next_offset = offset

    def cut(self, rows_max: int, bytes_max: int) -> Batch | None:
        """The next batch, not yet removed; None while there is nothing, or a claim is incomplete.

        A claim fixes the batch: the same rows under the same token, whoever stores them.
        """
        if not self.records:
            return None
        if self.claim is not None and self.records[0].offset > self.claim.last:
            self.claim = None  # retention took the claimed records
        if self.claim is None:
            return self._batch(self._count(rows_max, bytes_max))
        if self.records[0].offset < self.claim.first:
            return self._batch(self._until(self.claim.first - 1))
        if self.next_offset <= self.claim.last:
            return None
        return self._batch(self._until(self.claim.last))

    def drop(self, batch: Batch) -> None:
        """Remove a batch that is stored."""
        if self.claim is not None and batch.last >= self.claim.last:
            self.claim = None
        self.claimed = False
        del self.records[: len(batch.records)]
        self.bytes -= sum(map(_size, batch.records))

    def _count(self, rows_max: int, bytes_max: int) -> int:
        total = 0
        for count, record in enumerate(self.records[:rows_max]):
            total += _size(record)
            if total > bytes_max and count:
                return count
        return min(len(self.records), rows_max)

    def _until(self, last: int) -> int:
        return sum(1 for record in self.records if record.offset <= last)

    def _batch(self, count: int) -> Batch:
        records = self.records[:count]
        first, last = records[0].offset, records[-1].offset
        if self.claim is not None and first >= self.claim.first:
            first, last = self.claim
        return Batch(self.logical, self.topic, self.number, first, last, records)


def _size(record: Record) -> int:
    return len(record.key or b"") + len(record.value or b"") + 64

"""How fresh the feeds are: latest event time, and events by minute of event time.

The log of a partition is read in order, and the position up to which it was counted is part of the
state: a record that is delivered again is not counted again.
"""

from collections.abc import Iterable

from msgspec import Struct, field

from schemas import topics
from schemas.events import BY_TAG

MINUTE_MS = 60_000
WINDOW_MINUTES = 60
LIVE_DISTANCE_MS = 3_600_000
"""Clock ticks move the clock from within this distance only (as in scoring), so that a backfill
of old years does not read as silence."""

NOT_FEEDS = frozenset({topics.CONTROL, topics.COMMANDS})
"""Nobody expects these to flow."""
TICK = "clock.tick"


class Line(Struct):
    """What the monitor reads of a line of the log."""

    type: str
    occurred_at: int


class Feed(Struct):
    """One feed on one partition; times are epoch milliseconds, minutes are epoch minutes."""

    last_event_at: int = 0
    events_by_minute: dict[int, int] = field(default_factory=dict)


class PartitionFeeds(Struct):
    """The feeds of one partition of the log, counted up to ``next_offset``.

    ``clock_ms`` is the latest event time, moved on by clock ticks while the partition is live.
    """

    next_offset: int = 0
    clock_ms: int = 0
    feeds: dict[str, Feed] = field(default_factory=dict)

    def take(self, offset: int, recorded_at_ms: int, lines: Iterable[Line]) -> bool:
        """Count the lines of one record; returns whether there is anything to keep.

        No event is later than ``recorded_at_ms``, when the log took it: a clock that runs ahead
        does not make a feed look fresh after it has gone silent.
        """
        if offset < self.next_offset:
            return False
        self.next_offset = offset + 1
        counted = False
        for line in lines:
            at = min(line.occurred_at, recorded_at_ms) if recorded_at_ms > 0 else line.occurred_at
            if line.type == TICK:
                if self.clock_ms < at <= self.clock_ms + LIVE_DISTANCE_MS:
                    self.clock_ms = at
                continue
            name = feed_of(line.type)
            if name is None:
                continue
            counted = True
            found = self.feeds.setdefault(name, Feed())
            found.last_event_at = max(found.last_event_at, at)
            minute = at // MINUTE_MS
            found.events_by_minute[minute] = found.events_by_minute.get(minute, 0) + 1
            self.clock_ms = max(self.clock_ms, at)
        if counted:
            self._drop_old_minutes()
        return counted

    def _drop_old_minutes(self) -> None:
        oldest = self.clock_ms // MINUTE_MS - WINDOW_MINUTES
        for each in self.feeds.values():
            if any(minute <= oldest for minute in each.events_by_minute):
                each.events_by_minute = {
                    minute: n for minute, n in each.events_by_minute.items() if minute > oldest
                }


class Freshness(Struct, frozen=True):
    """One feed over all partitions.

    ``staleness_ms`` is how far it is behind, ``events_per_minute`` the mean over the last
    hour of event time.
    """

    last_event_at: int
    staleness_ms: int
    events_per_minute: float


def feed_of(event_type: str) -> str | None:
    """The feed (logical topic) that an event type comes on; None for what is no feed."""
    struct = BY_TAG.get(event_type)
    return None if struct is None or struct.topic in NOT_FEEDS else struct.topic


def clock_ms(partitions: Iterable[PartitionFeeds]) -> int:
    """The latest clock of any partition; 0 before the first event."""
    return max((each.clock_ms for each in partitions), default=0)


def freshness(partitions: Iterable[PartitionFeeds], now_ms: int) -> dict[str, Freshness]:
    """Each feed that ever had an event, by name, as of ``now_ms`` (event time)."""
    last = now_ms // MINUTE_MS
    latest: dict[str, int] = {}
    counts: dict[str, int] = {}
    for partition in partitions:
        for name, each in partition.feeds.items():
            latest[name] = max(latest.get(name, 0), each.last_event_at)
            counts[name] = counts.get(name, 0) + sum(
                n
                for minute, n in each.events_by_minute.items()
                if last - WINDOW_MINUTES < minute <= last
            )
    return {
        name: Freshness(latest[name], max(now_ms - latest[name], 0), counts[name] / WINDOW_MINUTES)
        for name in sorted(latest)
    }

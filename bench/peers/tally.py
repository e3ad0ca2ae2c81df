"""The job of every peer, and how a peer reports; standard library only.

For each merchant, the count and the sum of ``amount`` of its current UTC day by event time: the
24 h totals as state by key, which is the cheapest way to have them in every one of these engines.
A peer keeps this state the way its engine does (changelog, RocksDB or memory), publishes nothing,
and knows none of Tideline's features, sentinels, decisions or de-duplication.

A peer reads its task from the environment and prints one JSON line at its end.
"""

import json
import os
import sys
import time

DAY_MS = 86_400_000
Total = tuple[int, int, int]
"""UTC day, events of it, sum of their amounts in minor units."""

BROKER = os.environ.get("BENCH_BROKER", "")
TOPICS = os.environ.get("BENCH_TOPICS", "").split(",")
PARTITIONS = int(os.environ.get("BENCH_PARTITIONS", "4"))
EVENTS = int(os.environ.get("BENCH_EVENTS", "0"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
NAME = os.environ.get("BENCH_NAME", "bench-peer")
"""Unique per run: the consumer group and the prefix of internal topics."""


def add(total: Total | None, occurred_at: int, amount: int) -> Total:
    """The merchant's total with one more event; one of an earlier day is left out."""
    day = occurred_at // DAY_MS
    if total is None or day > total[0]:
        return day, 1, amount
    if day < total[0]:
        return total
    return day, total[1] + 1, total[2] + amount


class Tally:
    """Counts processed events and times them from the first to the last."""

    def __init__(self) -> None:
        self.events = 0
        self.latest: dict[str, Total] = {}
        self._first = 0.0
        self._last = 0.0

    def note(self, merchant: str, total: Total) -> bool:
        """One event was processed; returns whether the peer has done its share."""
        self._last = time.monotonic()
        if not self.events:
            self._first = self._last
        self.events += 1
        self.latest[merchant] = total
        return self.events >= EVENTS or self._last - self._first > SECONDS

    def report(self) -> None:
        """Print the figures; the totals show that the job was done."""
        seconds = self._last - self._first
        result = {
            "events": self.events,
            "events_per_s": self.events / seconds if seconds > 0 else None,
            "merchants": len(self.latest),
            "count": sum(count for _, count, _ in self.latest.values()),
            "amount": sum(amount for _, _, amount in self.latest.values()),
        }
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()

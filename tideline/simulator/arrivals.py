"""When events arrive: most at once, some late, some twice, some never, in hourly portions."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from msgspec import Struct

from tideline.simulator.chance import Chance, part
from tideline.simulator.purposes import LATE
from tideline.simulator.rows import FEED_OF, ROW, Rows, joined
from tideline.simulator.world import Outage

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
USUAL_MS = 45_000
"""Most events arrive within so long."""
LATE_MS, VERY_LATE_MS = 6 * HOUR_MS, 3 * DAY_MS
VERY_LATE_PART = 0.1
"""Of those that are late, the share that is late by days."""
BACKLOG_MS = 4 * HOUR_MS
"""What was held back in an outage comes within so long after it."""
AGAIN_MS = HOUR_MS


class Delivery(Struct, frozen=True, kw_only=True):
    """Shares of events that arrive late and twice."""

    late: float = 0.01
    twice: float = 0.001


class Arrivals:
    """Rows that wait for the hour of their arrival, those of later days in coarser piles."""

    def __init__(
        self, chance: Chance, outages: tuple[Outage, ...], delivery: Delivery, start_ms: int
    ) -> None:
        self._chance = chance
        self._outages = outages
        self._delivery = delivery
        self._start = start_ms
        self._hours: defaultdict[int, list[Rows]] = defaultdict(list)
        self._days: defaultdict[int, list[Rows]] = defaultdict(list)
        self._today = 0
        self._hour = 0
        self.lost = 0
        self.waiting = 0

    def put(self, parts: Iterable[Rows]) -> None:
        """Take rows that occurred, or will; their order does not matter."""
        given = [rows for rows in parts if len(rows)]
        if given:
            self._schedule(self._delayed(joined(given)))

    def begin_day(self, day: int) -> None:
        """The piles of a day are sorted into its hours."""
        self._today = day
        for rows in self._days.pop(day, []):
            self._pile(rows, (rows["arrives"] - self._start) // HOUR_MS, self._hours)

    def hour(self, hour: int) -> Rows:
        """All that arrives in an hour, in order."""
        self._hour = hour + 1
        parts = self._hours.pop(hour, [])
        if not parts:
            return np.zeros(0, ROW)
        rows = joined(parts)
        self.waiting -= len(rows)
        order = np.lexsort((rows["ref"], rows["kind"], rows["merchant"], rows["arrives"]))
        return np.asarray(rows[order])

    def _schedule(self, rows: Rows) -> None:
        self.waiting += len(rows)
        # What should have come before comes now: the hours that are over are written.
        hour = np.maximum((rows["arrives"] - self._start) // HOUR_MS, self._hour)
        day = hour // 24
        near = day <= self._today
        if near.all():
            self._pile(rows, hour, self._hours)
            return
        self._pile(rows[near], hour[near], self._hours)
        self._pile(rows[~near], day[~near], self._days)

    @staticmethod
    def _pile(rows: Rows, place: Rows, piles: defaultdict[int, list[Rows]]) -> None:
        if not len(rows):
            return
        low, high = int(place.min()), int(place.max())
        if low == high:
            piles[low].append(rows)
            return
        order = np.argsort(place, kind="stable")
        rows, place = rows[order], place[order]
        cuts = [0, *(np.flatnonzero(place[1:] != place[:-1]) + 1).tolist(), len(rows)]
        for first, end in pairwise(cuts):
            piles[int(place[first])].append(rows[first:end])

    def _delayed(self, rows: Rows) -> Rows:
        """Rows with their arrival, and again those that come twice."""
        drawn = self._chance.bits(
            LATE, 0, rows["merchant"], rows["ref"], rows["kind"], rows["at"] & 0xFFFFFFFF
        )
        chance = part(drawn, 0, 20) / (1 << 20)
        away = part(drawn, 20, 20) / (1 << 20)
        late = self._delivery.late
        delay = np.where(
            chance < late * VERY_LATE_PART,
            away * VERY_LATE_MS,
            np.where(chance < late, away * LATE_MS, away * USUAL_MS),
        )
        rows["arrives"] = rows["at"] + delay.astype(np.int64)
        again = part(drawn, 40, 24) / (1 << 24) < self._delivery.twice
        if again.any():
            copies = rows[again]
            copies["arrives"] += (away[again] * AGAIN_MS).astype(np.int64) + 1
            rows, away = joined([rows, copies]), np.concatenate([away, away[again]])
        return self._held_back(rows, away)

    def _held_back(self, rows: Rows, away: Rows) -> Rows:
        """What falls into an outage comes after it, or never."""
        kept = np.ones(len(rows), np.bool_)
        feed = FEED_OF[rows["kind"]]
        for outage in self._outages:
            hit = (feed == outage.feed) & (rows["arrives"] >= outage.from_ms)
            hit &= rows["arrives"] < outage.until_ms
            if not hit.any():
                continue
            if outage.delivered_later:
                wait = outage.until_ms - rows["arrives"] + (away * BACKLOG_MS).astype(np.int64)
                rows["arrives"] = np.where(hit, rows["arrives"] + wait, rows["arrives"])
            else:
                kept &= ~hit
        self.lost += int((~kept).sum())
        return np.asarray(rows[kept]) if not kept.all() else rows

"""What happens to many merchants at once: carriers and cores that fail, feeds that fall silent."""

from typing import Any

import numpy as np
from msgspec import Struct, structs

from tideline.simulator.chance import Chance, Numbers, Whole
from tideline.simulator.planted import CARRIER, CORE, NONE, Plan, window
from tideline.simulator.population import Population
from tideline.simulator.purposes import WORLD
from tideline.simulator.rows import FEEDS
from tideline.simulator.segments import CARRIERS, SEGMENTS

HOUR_MS = 3_600_000
OUTAGE_EVERY_DAYS = 120
OUTAGE_FIRST_DAY = 45
OUTAGE_HOURS_MIN, OUTAGE_HOURS_SPAN = 6, 66
OUTAGE_FEEDS = 4
"""The four feeds of business; lending and profiles are the lender's own."""
CARRIER_DAYS_MIN, CARRIER_DAYS_SPAN = 21, 28
"""How long merchants go on with a carrier that has collapsed, before they find another."""
CARRIER_CHANCE, CORE_CHANCE = 0.7, 0.1
CARRIER_SMALLEST = 3
"""The carrier that may fail is among the smaller ones."""
_NEVER = 1 << 40
_PARCELS = np.array([segment.parcels for segment in SEGMENTS])
_SELL_TO_CORE = np.array([segment.settles == "buyer" for segment in SEGMENTS])


class Outage(Struct, frozen=True, kw_only=True):
    """A feed that brings nothing for hours; what was held back comes after it, or never."""

    feed: int
    from_ms: int
    until_ms: int
    delivered_later: bool


class World(Struct, frozen=True, kw_only=True):
    """The events that concern many. ``carrier_off`` is -1 where none fails; days are counted from
    the start, ``core_days`` has one per core enterprise, beyond the run where it does not fail."""

    carrier_off: int
    carrier_from: int
    carrier_until: int
    core_days: Whole
    outages: tuple[Outage, ...]

    def strike(self, planned: Plan, people: Population) -> Plan:
        """The plan with those that the world's events hit, where nothing else is planted."""
        free = planned.kind == NONE
        kind, onset = planned.kind.copy(), planned.onset.copy()
        hit = free & _PARCELS[people.segment] & (people.carrier == self.carrier_off)
        kind[hit], onset[hit] = CARRIER, self.carrier_from
        core_day = self.core_days[people.core]
        hit = free & _SELL_TO_CORE[people.segment] & (core_day < _NEVER)
        kind[hit], onset[hit] = CORE, core_day[hit]
        return structs.replace(planned, kind=kind, onset=onset)

    def core_failed(self, people: Population, day: int) -> Any:
        """Whose core enterprise has stopped to pay by a day."""
        return _SELL_TO_CORE[people.segment] & (self.core_days[people.core] <= day)

    def crippled(self, carriers: Any, days: Whole) -> Any:
        """Parcels, by carrier and day, that fall into the collapse of a carrier."""
        within = (days >= self.carrier_from) & (days < self.carrier_until)
        return (carriers == self.carrier_off) & within

    def carriers(self, people: Population, day: int) -> Any:
        """Each merchant's carrier on a day: those of a failed one find another in the end."""
        if day < self.carrier_until or self.carrier_off < 0:
            return people.carrier
        return np.where(people.carrier == self.carrier_off, 0, people.carrier)

    def sales(self, people: Population, day: int, level: Numbers) -> Numbers:
        """Factors of sales after what the world does to them: fewer orders where parcels stick, a
        third of the orders where the core enterprise has gone."""
        if self.carrier_from + 5 <= day < self.carrier_until:
            hit = _PARCELS[people.segment] & (people.carrier == self.carrier_off)
            level = np.where(hit, level * 0.6, level)
        return np.where(self.core_failed(people, day), level * 0.35, level)

    def records(self, start_ms: int) -> list[dict[str, Any]]:
        """The events for the truth file."""
        day = 24 * HOUR_MS
        found: list[dict[str, Any]] = []
        if self.carrier_off >= 0:
            found.append(
                {
                    "event": "carrier_collapse",
                    "carrier_id": f"carrier-{self.carrier_off}",
                    "from_at": start_ms + self.carrier_from * day,
                    "until_at": start_ms + self.carrier_until * day,
                }
            )
        found += [
            {"event": "core_default", "core_id": f"core-{i}", "from_at": start_ms + at * day}
            for i, at in enumerate(self.core_days.tolist())
            if at < _NEVER
        ]
        found += [
            {
                "event": "feed_outage",
                "feed": FEEDS[outage.feed],
                "from_at": outage.from_ms,
                "until_at": outage.until_ms,
                "delivered_later": outage.delivered_later,
            }
            for outage in self.outages
        ]
        return found


def draw_world(
    chance: Chance, people: Population, days: int, start_ms: int, *, troubles: bool
) -> World:
    """What will happen. Without ``troubles`` only feeds fall silent."""
    first, last = window(days)

    def drawn(what: int, span: int, *more: int) -> int:
        return chance.number(WORLD, what, *more) % max(span, 1)

    fails = troubles and drawn(0, 1000) < CARRIER_CHANCE * 1000
    carrier_from = first + drawn(1, last - first)
    core_days = np.array(
        [
            first + drawn(4, last - first, core)
            if troubles and drawn(3, 1000, core) < CORE_CHANCE * 1000
            else _NEVER
            for core in range(people.cores)
        ],
        np.int64,
    )
    outages = []
    for number, day in enumerate(range(OUTAGE_FIRST_DAY, days, OUTAGE_EVERY_DAYS)):
        hour = (day + drawn(5, OUTAGE_EVERY_DAYS // 2, number)) * 24 + drawn(6, 24, number)
        if hour >= days * 24:
            break
        length = OUTAGE_HOURS_MIN + drawn(7, OUTAGE_HOURS_SPAN, number)
        outages.append(
            Outage(
                feed=drawn(8, OUTAGE_FEEDS, number),
                from_ms=start_ms + hour * HOUR_MS,
                until_ms=start_ms + (hour + length) * HOUR_MS,
                delivered_later=drawn(9, 2, number) == 0,
            )
        )
    return World(
        carrier_off=CARRIER_SMALLEST + drawn(2, CARRIERS - CARRIER_SMALLEST) if fails else -1,
        carrier_from=carrier_from,
        carrier_until=carrier_from + CARRIER_DAYS_MIN + drawn(10, CARRIER_DAYS_SPAN),
        core_days=core_days,
        outages=tuple(outages),
    )

"""The economy, hour by hour: rows in order of arrival, and at the end the truth."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from ops.errors import ConfigurationError
from tideline.simulator import calendar
from tideline.simulator.arrivals import Arrivals, Delivery
from tideline.simulator.cash import Cash
from tideline.simulator.chance import Chance, Numbers, log_normal, part
from tideline.simulator.ledger import Ledger
from tideline.simulator.loans import Loans
from tideline.simulator.orders import Orders
from tideline.simulator.planted import CARRIER, KINDS, Effects, Plan, effects, plan
from tideline.simulator.population import populate
from tideline.simulator.purposes import DAY_NOISE, MALFORMED, WEEK_NOISE
from tideline.simulator.rows import Rows, event_of, merchant_id
from tideline.simulator.segments import NAMES, REGIONS, SEGMENTS
from tideline.simulator.signals import Signals
from tideline.simulator.world import draw_world

MERCHANTS_MAX, DAYS_MAX = 5_000_000, 3_650
DAY_SPREAD, WEEK_SPREAD = 0.2, 0.12
"""Noise of a merchant's day and week beside that of its count of orders."""
_PORTION = 20_000


class Scenario(Struct, frozen=True, kw_only=True):
    """What is simulated; equal scenarios give equal bytes.

    ``share_bad`` is the share of merchants with a planted trouble of their own (at 0 no carrier or
    core enterprise fails either), ``segments`` names those that there are (all where empty),
    ``activity`` is a factor of all order rates, ``malformed`` the share of lines that are broken
    on purpose.
    """

    merchants: int
    days: int
    seed: int
    start: date = date(2024, 1, 1)
    share_bad: float = 0.06
    segments: tuple[str, ...] = ()
    activity: float = 1.0
    delivery: Delivery = Delivery()
    malformed: float = 0.0


class Economy:
    """One run. ``rows`` gives the events, ``truth`` the records once they are all given."""

    def __init__(self, scenario: Scenario) -> None:
        check(scenario)
        self.scenario = scenario
        self._chance = Chance(scenario.seed)
        self.start_ms = calendar.start_ms(scenario.start)
        self.people = populate(
            self._chance, scenario.merchants, scenario.segments, scenario.activity
        )
        own = plan(self._chance, self.people, scenario.days, scenario.share_bad)
        self.world = draw_world(
            self._chance,
            self.people,
            scenario.days,
            self.start_ms,
            troubles=scenario.share_bad > 0,
        )
        self.planned: Plan = self.world.strike(own, self.people)
        pauses = calendar.pauses(scenario.start, scenario.days + 30)
        filled = self._chance.shares(DAY_NOISE, 1 << 40, self.people.number)
        self.ledger = Ledger(self.people, self.start_ms, pauses, filled)
        self._cash = Cash(self._chance, self.people, self.planned, self.world, self.ledger)
        self._orders = Orders(self._chance, self.people, self.world, self.ledger)
        self.loans = Loans(self._chance, self.people, self.planned, self.ledger)
        self._signals = Signals(
            self._chance, self.people, self.planned, self.ledger, self.loans, scenario.start
        )
        self.arrivals = Arrivals(self._chance, self.world.outages, scenario.delivery, self.start_ms)
        self._levels = calendar.factors(scenario.start, scenario.days)
        self._hours = _opening_hours()

    def rows(self) -> Iterator[Rows]:
        """Events by hour of arrival. What would arrive after the last day is left out."""
        self.arrivals.put(self._signals.register())
        for day in range(self.scenario.days):
            yield from self._day(day)

    def _day(self, day: int) -> Iterator[Rows]:
        scenario, people = self.scenario, self.people
        today = scenario.start + timedelta(days=day)
        self.ledger.today = day
        self.arrivals.begin_day(day)
        now = effects(self.planned, day)
        level = self._busy(day, now)
        put = self.arrivals.put
        put(self._cash.day(day, now, today.weekday(), today.day))
        put(self.loans.day(day, now))
        put(self._signals.day(day, now, level))
        rates = people.rate * level
        for hour in range(24):
            share = self._hours[people.segment, hour]
            put(self._orders.hour(self.start_ms, day * 24 + hour, rates * share, now))
            found = self.arrivals.hour(day * 24 + hour)
            if len(found):
                yield found

    def _busy(self, day: int, now: Effects) -> Numbers:
        """Sales of a day against the merchant's usual: season, growth, chance and trouble."""
        people = self.people
        season = self._levels[people.segment, day]
        noise = log_normal(DAY_SPREAD)[
            part(self._chance.bits(DAY_NOISE, day, people.number), 0, 12)
        ]
        noise = (
            noise
            * log_normal(WEEK_SPREAD)[
                part(self._chance.bits(WEEK_NOISE, day // 7, people.number), 0, 12)
            ]
        )
        level = season * noise * (1 + people.growth * day) * self._cash.supply()
        return self.world.sales(people, day, level * now.sales)

    def lines(self) -> Iterator[bytes]:
        """Events as NDJSON, without line ends."""
        encode = msgspec.json.Encoder().encode
        broken = self.scenario.malformed
        for rows in self.rows():
            for first in range(0, len(rows), _PORTION):
                portion = rows[first : first + _PORTION]
                lines = [encode(event_of(row)) for row in portion.tolist()]
                yield from self._break(portion, lines) if broken else lines

    def _break(self, rows: Rows, lines: list[bytes]) -> list[bytes]:
        """Some lines are cut off, as a sender that dies leaves them."""
        drawn = self._chance.shares(MALFORMED, 0, rows["merchant"], rows["ref"], rows["kind"])
        return [
            line[: len(line) // 2] if bad else line
            for line, bad in zip(lines, (drawn < self.scenario.malformed).tolist(), strict=True)
        ]

    def truth(self) -> Iterator[dict[str, Any]]:
        """World events, then one record a merchant; to be asked for at the end of the run."""
        yield from self.world.records(self.start_ms)
        people, planned, loans = self.people, self.planned, self.loans
        onset = self.start_ms + planned.onset * calendar.DAY_MS
        columns = zip(
            people.segment.tolist(),
            people.region.tolist(),
            planned.kind.tolist(),
            onset.tolist(),
            planned.strength.tolist(),
            loans.first_missed_at().tolist(),
            loans.defaulted_at().tolist(),
            loans.taken.tolist(),
            loans.disbursed.tolist(),
            loans.repaid.tolist(),
            loans.written_off.tolist(),
            loans.outstanding.sum(axis=0).tolist(),
            people.usual.tolist(),
            self._cash.misfortunes.tolist(),
            self.ledger.closed.tolist(),
            loans.missed_before.tolist(),
            strict=True,
        )
        for number, row in enumerate(columns):
            bad = row[2] > 0
            yield {
                "merchant_id": merchant_id(number),
                "segment": NAMES[row[0]],
                "region": REGIONS[row[1]],
                "kind": KINDS[row[2]],
                "onset_at": row[3] if bad else None,
                "strength": round(row[4], 4) if 0 < row[2] < CARRIER else None,
                "first_missed_at": row[5] if row[5] >= 0 else None,
                "defaulted_at": row[6] if row[6] >= 0 else None,
                "loans": row[7],
                "disbursed_minor": row[8],
                "repaid_minor": row[9],
                "written_off_minor": row[10],
                "outstanding_minor": row[11],
                "usual_daily_sales_minor": row[12],
                "misfortunes": row[13],
                "closed": row[14],
                "missed_before_onset": row[15] if bad else None,
            }


def _opening_hours() -> Numbers:
    """Share of a day's orders by segment and hour (UTC)."""
    table = np.zeros((len(SEGMENTS), 24))
    for row, segment in enumerate(SEGMENTS):
        first, last = segment.hours
        table[row, first:last] = 1 / (last - first)
    return table


def check(scenario: Scenario) -> None:
    """Raises ``ConfigurationError`` that names what is out of bounds."""
    bounds = (
        ("--merchants", scenario.merchants, 1, MERCHANTS_MAX),
        ("--days", scenario.days, 1, DAYS_MAX),
        ("--seed", scenario.seed, 0, (1 << 63) - 1),
        ("--share-bad", scenario.share_bad, 0, 1),
        ("--activity", scenario.activity, 0.01, 10),
        ("--late-share", scenario.delivery.late, 0, 1),
        ("--duplicate-share", scenario.delivery.twice, 0, 1),
        ("--malformed-share", scenario.malformed, 0, 1),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise ConfigurationError(f"{name} is {value}; give {low} to {high}")
    for name in scenario.segments:
        if name not in NAMES:
            raise ConfigurationError(f"--segments has {name!r}; use some of {', '.join(NAMES)}")
    first, last = calendar.FIRST_YEAR, calendar.LAST_YEAR
    end = scenario.start + timedelta(days=scenario.days + 31)
    if scenario.start.year < first or end.year > last:
        raise ConfigurationError(
            f"--start {scenario.start} and {scenario.days} days reach beyond {first} to {last}, "
            "the years whose festivals are known; choose another --start"
        )

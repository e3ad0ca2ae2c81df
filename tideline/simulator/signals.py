"""Papers and machines: tax returns, bureau answers, courts, the register, sensors, circles."""

from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tideline.simulator.calendar import DAY_MS, HOUR_MS
from tideline.simulator.chance import Chance, Numbers, Whole, part
from tideline.simulator.ledger import Ledger
from tideline.simulator.loans import NEVER, Loans
from tideline.simulator.planted import TAKEOVER, Effects, Plan
from tideline.simulator.population import Population
from tideline.simulator.purposes import SIGNAL
from tideline.simulator.rows import CIRCLE, SLOTS, TAX_OFFICE, Rows, make, party
from tideline.simulator.segments import SEGMENTS

TAX_SHARE = 0.01
"""Small-scale taxpayers' levy on turnover (PRC: 3 %, reduced to 1 % from 2020 to 2027)."""
TAX_DAYS = 15
"""Returns are due by the 15th of the month after the quarter."""
COURT_PER_YEAR, REGISTER_PER_YEAR = 0.02, 0.08
COURT_AFTER_DAYS, COURT_DAILY = 20, 0.01
"""Creditors who are owed so many days of outflow sue, with this chance a day."""
MACHINES = 0.5
"""Share of manufacturers whose machine is leased and reports its hours."""
MACHINE_HOURS = 9
CIRCLE_SIZE = 3
CIRCLE_VOIDED = 0.3
BUREAU_BASE, BUREAU_SPAN = 560, 220
_MACHINES = np.array([segment.machines for segment in SEGMENTS])


class Signals:
    """The signals of one day after the other."""

    def __init__(
        self,
        chance: Chance,
        people: Population,
        planned: Plan,
        ledger: Ledger,
        loans: Loans,
        start: date,
    ) -> None:
        self._chance = chance
        self._people = people
        self._planned = planned
        self._ledger = ledger
        self._loans = loans
        self._start = start
        fixed = chance.bits(SIGNAL, 1 << 42, people.number)
        self._leased = _MACHINES[people.segment] & (part(fixed, 0, 8) < MACHINES * 256)
        self._bureau = BUREAU_BASE + part(fixed, 8, 12) * BUREAU_SPAN // 4096
        # Debt elsewhere: most have little, some a month of sales or more.
        debt = part(fixed, 20, 12) * part(fixed, 32, 12) / (1 << 24)
        self._debt = (people.usual * 45 * debt).astype(np.int64)
        self._filed_from = 0

    def register(self) -> list[Rows]:
        """Everyone joins on the first day, with consent."""
        people = self._people
        at = self._ledger.start_ms + part(self._chance.bits(SIGNAL, 1 << 43, people.number), 0, 16)
        opened = self._ledger.start_ms - people.opened_days * DAY_MS
        return [
            make(
                "merchant.registered",
                at,
                people.number,
                amount=people.segment,
                since=opened,
                other=people.region,
            ),
            make("consent.changed", at + 1_000, people.number, other=1),
        ]

    def day(self, day: int, now: Effects, level: Numbers) -> list[Rows]:
        """``level`` is how busy each merchant is today, 1 = as usual."""
        people = self._people
        today = self._start + timedelta(days=day)
        alive = ~(self._ledger.closed | now.gone)
        drawn = self._chance.bits(SIGNAL, day, people.number)
        at = self._ledger.start_ms + day * DAY_MS + HOUR_MS + part(drawn, 0, 16) * 600
        rows = self._bureau_scores(day, today, at, drawn)
        rows += self._sensors(day, at, drawn, alive, level)
        rows += self._courts(day, at, drawn)
        rows += self._register_changes(day, at, drawn, alive)
        if today.day == TAX_DAYS and today.month % 3 == 1:
            rows += self._tax(day, today, at, alive)
        if now.circle.any():
            rows += self._circle(day, at, now.circle)
        return [part_ for part_ in rows if len(part_)]

    def _bureau_scores(self, day: int, today: date, at: Whole, drawn: Any) -> list[Rows]:
        """The lender asks once a month about those who owe; strain shows, with noise."""
        owes = (self._loans.start != NEVER).any(axis=0)
        who = np.flatnonzero(owes & (self._people.month_day + 1 == today.day))
        strain = np.minimum(self._ledger.arrears[who] // self._ledger.outflow[who], 60)
        late = (self._loans.missed_day[who] != NEVER) * 60
        noise = part(drawn[who], 16, 6)
        score = self._bureau[who] - strain * 2 - late + noise - 32
        debt = self._debt[who] + self._ledger.arrears[who] // 2
        return [make("bureau.scored", at[who], who, amount=score, ref=day * SLOTS + 40, other=debt)]

    def _sensors(
        self, day: int, at: Whole, drawn: Any, alive: NDArray[np.bool_], level: Numbers
    ) -> list[Rows]:
        """Hours of a leased machine on days with work; less work, fewer days and hours."""
        works = part(drawn, 22, 8) / 256 < np.minimum(level, 1.0) * 0.97
        who = np.flatnonzero(self._leased & alive & works)
        hours = MACHINE_HOURS * (0.5 + 0.5 * np.minimum(level[who], 1.2))
        reading = (hours * 10).astype(np.int64) + part(drawn[who], 30, 4)
        return [
            make(
                "sensor.reading",
                at[who] + 11 * HOUR_MS,
                who,
                amount=reading,
                ref=day * SLOTS + 41,
            )
        ]

    def _courts(self, day: int, at: Whole, drawn: Any) -> list[Rows]:
        sued = part(drawn, 34, 20) / (1 << 20)
        owed = self._ledger.arrears > self._ledger.outflow * COURT_AFTER_DAYS
        who = np.flatnonzero(sued < np.where(owed, COURT_DAILY, COURT_PER_YEAR / 365))
        amount = np.maximum(self._ledger.arrears[who] // 3, 100_000)
        return [make("court.case", at[who], who, amount=amount, ref=day * SLOTS + 42)]

    def _register_changes(
        self, day: int, at: Whole, drawn: Any, alive: NDArray[np.bool_]
    ) -> list[Rows]:
        """An honest change now and then; a takeover changes payout account, telephone and head."""
        changed = (part(drawn, 44, 20) / (1 << 20) < REGISTER_PER_YEAR / 365) & alive
        who = np.flatnonzero(changed)
        rows = [
            make(
                "registration.changed",
                at[who],
                who,
                ref=day * SLOTS + 43,
                other=part(drawn[who], 4, 8) % 4,
            )
        ]
        since = day - self._planned.onset
        for field, after in ((0, 0), (1, 0), (2, 6)):
            taken = np.flatnonzero((self._planned.kind == TAKEOVER) & (since == after))
            rows.append(
                make(
                    "registration.changed",
                    at[taken] + field * HOUR_MS,
                    taken,
                    ref=day * SLOTS + 44 + field,
                    other=field,
                )
            )
        return rows

    def _tax(self, day: int, today: date, at: Whole, alive: NDArray[np.bool_]) -> list[Rows]:
        """The return of the last quarter, on what was sold in it."""
        ledger = self._ledger
        quarter = (today.month - 4) // 3 * 3 + 1
        first = date(today.year - (quarter < 1), (quarter - 1) % 12 + 1, 1)
        since = max((first - self._start).days, 0)
        until = max((date(today.year, today.month, 1) - self._start).days, since)
        who = np.flatnonzero(alive & (ledger.quarter_sales > 0))
        # What was sold since the quarter's end is counted in as well: books of small shops are so.
        declared = np.maximum(ledger.quarter_sales[who], 0)
        ledger.quarter_sales[who] = 0
        tax = (declared * TAX_SHARE).astype(np.int64)
        able = ledger.pay(who, tax)
        ledger.arrears[who[~able]] += tax[~able]
        rows = [
            make(
                "tax.filed",
                at[who],
                who,
                amount=tax,
                ref=day * SLOTS + 48,
                since=ledger.start_ms + since * DAY_MS,
                until=ledger.start_ms + until * DAY_MS,
                other=declared,
            )
        ]
        paid = who[able]
        rows.append(
            make(
                "account.debited",
                at[paid] + HOUR_MS,
                paid,
                amount=tax[able],
                ref=day * SLOTS + 48,
                since=ledger.balance[paid],
                other=party(TAX_OFFICE, 1),
            )
        )
        return rows

    def _circle(self, day: int, at: Whole, circle: Numbers) -> list[Rows]:
        """Invoices among friends: sold to one, bought from the next, many taken back later."""
        who = np.flatnonzero(circle)
        drawn = self._chance.bits(SIGNAL, day + (1 << 44), who)
        who, drawn = who[part(drawn, 0, 8) < 140], drawn[part(drawn, 0, 8) < 140]
        amount = (self._people.usual[who] * circle[who]).astype(np.int64) * 256 // 140
        friend = party(CIRCLE, who * CIRCLE_SIZE + part(drawn, 8, 8) % CIRCLE_SIZE)
        ref = day * SLOTS + 50 + (1 << 32)
        rows = [
            make("invoice.issued", at[who], who, amount=amount, ref=ref, other=friend),
            make(
                "invoice.received",
                at[who] + HOUR_MS,
                who,
                amount=amount * 97 // 100,
                ref=ref,
                other=party(CIRCLE, who * CIRCLE_SIZE),
            ),
        ]
        voided = part(drawn, 16, 12) / 4096 < CIRCLE_VOIDED
        rows.append(
            make(
                "invoice.voided",
                at[who[voided]] + 9 * DAY_MS,
                who[voided],
                amount=amount[voided],
                ref=ref,
                since=at[who[voided]],
                other=friend[voided],
            )
        )
        return rows

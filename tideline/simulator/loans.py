"""Loans: applied for, drawn, and repaid as far as the cash goes.

The lender of the simulation grants what is asked; what Tideline decides does not come back to it.
An instalment is collected from its due day on, every day, once the account holds it and two days of
outflow besides; a loan that is 90 days past due is written off (Basel Framework, CRE36.69).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tideline.simulator.calendar import DAY_MS, HOUR_MS
from tideline.simulator.chance import Chance, Whole, part
from tideline.simulator.ledger import Ledger
from tideline.simulator.planted import BUST_OUT, FABRICATED, TAKEOVER, Effects, Plan
from tideline.simulator.population import Population
from tideline.simulator.purposes import LOAN
from tideline.simulator.rows import LENDER, PRODUCT_OF, PRODUCTS, SLOTS, Rows, make, party
from tideline.simulator.segments import SEGMENTS

PLACES = 2
"""Loans of a merchant at one time; the second is the one that a fraud gets on its false sales."""
INTEREST = 0.012
"""A month, on the amount first drawn (a nominal 12 to 18 % a year is common)."""
DEFAULT_DAYS = 90
GRACE_DAYS = 3
"""An instalment is missed when it is not paid so many days after it was due."""
AGAIN_DAYS_MIN, AGAIN_DAYS_SPAN = 5, 60
CARELESS_DAYS = 4
NEVER = -1
FRAUD_MULTIPLE = 3.0
FRAUD_AFTER = {BUST_OUT: 6, TAKEOVER: 2, FABRICATED: 45}
"""Days from the onset to the drawing of the second loan, and how much more than usual it is."""
_INSTALMENTS = np.array([segment.instalments for segment in SEGMENTS])
_EVERY = np.array([segment.every_days for segment in SEGMENTS])
_PRODUCT = np.array([PRODUCT_OF.index(segment.product) for segment in SEGMENTS])


class Loans:
    """The books of the lender, in minor units, by place and merchant."""

    def __init__(self, chance: Chance, people: Population, planned: Plan, ledger: Ledger) -> None:
        shape = (PLACES, people.count)
        self._chance = chance
        self._people = people
        self._ledger = ledger
        self.start = np.full(shape, NEVER, np.int64)
        self.principal = np.zeros(shape, np.int64)
        self.outstanding = np.zeros(shape, np.int64)
        self.paid = np.zeros(shape, np.int64)
        self.disbursed = np.zeros(people.count, np.int64)
        self.repaid = np.zeros(people.count, np.int64)
        self.interest = np.zeros(people.count, np.int64)
        self.written_off = np.zeros(people.count, np.int64)
        self.taken = np.zeros(people.count, np.int64)
        self.missed_day = np.full(people.count, NEVER, np.int64)
        self.missed_before = np.zeros(people.count, np.bool_)
        self.default_day = np.full(people.count, NEVER, np.int64)
        # Who goes bad is a borrower by then: else there is nothing to watch.
        planted = planned.kind > 0
        borrows = people.borrows | planted
        latest = np.where(planted, planned.onset - 20, 1 << 40)
        first = np.minimum(people.first_loan, latest)
        self._next = np.where(borrows, np.maximum(first, 0), 1 << 40)
        after = np.full(people.count, 1 << 40)
        for kind, days in FRAUD_AFTER.items():
            mine = planned.kind == kind
            after[mine] = planned.onset[mine] + days
        self._fraud_day = after
        self._counted_from = np.where(planted, planned.onset, 0)

    def day(self, day: int, now: Effects) -> list[Rows]:
        """Applications, drawings, dues, collection and write-offs of a day."""
        rows: list[Rows] = []
        asks = (self._next == day) & ~self._ledger.closed & ~now.gone
        asks &= self.default_day == NEVER
        rows += self._draw(0, np.flatnonzero(asks), day)
        frauds = (self._fraud_day == day) & (self.default_day == NEVER)
        rows += self._draw(1, np.flatnonzero(frauds), day)
        for place in range(PLACES):
            rows += self._dues(place, day)
            rows += self._collect(place, day)
            rows += self._write_off(place, day)
        return [part_ for part_ in rows if len(part_)]

    def _at(self, day: int, hour: int, who: Any) -> Any:
        drawn = self._chance.bits(LOAN, day * 8 + hour, who)
        return self._ledger.start_ms + day * DAY_MS + hour * HOUR_MS + part(drawn, 0, 12) * 800

    def _draw(self, place: int, who: Any, day: int) -> list[Rows]:
        """An application, which is granted and drawn a minute later."""
        people = self._people
        who = who[self.start[place][who] == NEVER]
        month = people.usual[who] * 30 * people.advance[who]
        amount = np.maximum((month * (FRAUD_MULTIPLE if place else 1.0)).astype(np.int64), 10_000)
        amount -= amount % 10_000
        self.start[place][who] = day
        self.principal[place][who] = self.outstanding[place][who] = amount
        self.paid[place][who] = 0
        self.disbursed[who] += amount
        self.taken[who] += 1
        self._ledger.balance[who] += amount
        at = self._at(day, 3, who)
        product = _PRODUCT[people.segment[who]]
        ref = day * SLOTS + place
        return [
            make("credit.applied", at, who, amount=amount, ref=ref, other=product),
            make(
                "loan.disbursed",
                at + 60_000,
                who,
                amount=amount,
                ref=ref,
                since=day,
                other=place * PRODUCTS + product,
            ),
            make(
                "account.credited",
                at + 65_000,
                who,
                amount=amount,
                ref=ref + 32,
                since=self._ledger.balance[who],
                other=party(LENDER, 1),
            ),
        ]

    def _due_days(self, place: int, which: Whole) -> Whole:
        """The due day of each merchant's instalment number ``which`` (from 0)."""
        every = _EVERY[self._people.segment]
        return np.asarray(self.start[place] + (which + 1) * every)

    def _instalment(self, place: int, who: Any) -> tuple[Whole, Whole]:
        """Principal and interest of the next instalment; the last takes what is left."""
        segment = self._people.segment[who]
        count = _INSTALMENTS[segment]
        principal = self.principal[place][who]
        part_ = principal // count
        last = self.paid[place][who] == count - 1
        capital = np.where(last, self.outstanding[place][who], part_)
        months = _EVERY[segment] / 30
        return capital, (principal * (INTEREST * months)).astype(np.int64)

    def _dues(self, place: int, day: int) -> list[Rows]:
        """Instalments that fall due today, paid or not before."""
        started = self.start[place] != NEVER
        every = _EVERY[self._people.segment]
        age = day - self.start[place]
        number = age // every
        falls = started & (age > 0) & (age % every == 0)
        falls &= number <= _INSTALMENTS[self._people.segment]
        who = np.flatnonzero(falls)
        capital, interest = self._instalment(place, who)
        at = self._ledger.start_ms + day * DAY_MS + 4 * HOUR_MS
        return [self._row("repayment.due", place, who, day, at, capital + interest, at)]

    def _row(
        self, kind: str, place: int, who: Any, day: int, at: Any, amount: Any, until: Any
    ) -> Rows:
        return make(
            kind,
            at,
            who,
            amount=amount,
            ref=day * SLOTS + place,
            since=self.start[place][who],
            until=until,
            other=place * PRODUCTS,
        )

    def _collect(self, place: int, day: int) -> list[Rows]:
        """Collect the oldest instalment that is due where the cash is there."""
        ledger, people = self._ledger, self._people
        due_day = self._due_days(place, self.paid[place])
        open_ = (self.start[place] != NEVER) & (due_day <= day)
        late = open_ & (day - due_day > GRACE_DAYS)
        self.missed_before |= late & (due_day < self._counted_from)
        late &= (due_day >= self._counted_from) & (self.missed_day == NEVER)
        self.missed_day[late] = due_day[late]
        drawn = self._chance.bits(LOAN, (1 << 40) + place, people.number, due_day + 2)
        waits = (part(drawn, 0, 16) / 65536 < people.careless) * (
            1 + part(drawn, 16, 8) * CARELESS_DAYS // 256
        )
        who = np.flatnonzero(open_ & (day - due_day >= waits))
        capital, interest = self._instalment(place, who)
        amount = capital + interest
        # Shop, rent and wages come first: with two days of them kept back, the rest may be taken.
        able = ledger.balance[who] >= amount + 2 * ledger.outflow[who]
        who, capital, interest, amount = who[able], capital[able], interest[able], amount[able]
        ledger.balance[who] -= amount
        due_at = ledger.start_ms + due_day[who] * DAY_MS + 4 * HOUR_MS
        at = self._at(day, 5, who)
        rows = [
            self._row("repayment.received", place, who, day, at, amount, due_at),
            make(
                "account.debited",
                at + 5_000,
                who,
                amount=amount,
                ref=day * SLOTS + 34 + place,
                since=ledger.balance[who],
                other=party(LENDER, 1),
            ),
        ]
        self.outstanding[place][who] -= capital
        self.repaid[who] += capital
        self.interest[who] += interest
        self.paid[place][who] += 1
        return rows + self._settle(place, who, day)

    def _settle(self, place: int, who: Any, day: int) -> list[Rows]:
        """Loans repaid in full; most merchants borrow again after a while."""
        done = who[self.outstanding[place][who] == 0]
        rows = [self._row("loan.settled", place, done, day, self._at(day, 6, done), 0, 0)]
        if place == 0:
            drawn = part(self._chance.bits(LOAN, day + (1 << 41), done), 0, 12)
            self._next[done] = day + AGAIN_DAYS_MIN + drawn * AGAIN_DAYS_SPAN // 4096
        self.start[place][done] = NEVER
        return rows

    def _write_off(self, place: int, day: int) -> list[Rows]:
        """Ninety days past due: a default, and what is outstanding is lost."""
        due_day = self._due_days(place, self.paid[place])
        lost = (self.start[place] != NEVER) & (day - due_day >= DEFAULT_DAYS)
        who = np.flatnonzero(lost)
        at = self._at(day, 7, who)
        owed = self.outstanding[place][who]
        rows = [self._row("loan.defaulted", place, who, day, at, owed, 0)]
        self.written_off[who] += owed
        fresh = who[self.default_day[who] == NEVER]
        self.default_day[fresh] = day
        self.outstanding[place][who] = 0
        self.start[place][who] = NEVER
        self._next[who] = 1 << 40
        return rows

    def first_missed_at(self) -> NDArray[np.int64]:
        """Due time (epoch ms) of each merchant's first missed instalment, -1 for none.

        Where something is planted, the first since then.
        """
        at = self._ledger.start_ms + self.missed_day * DAY_MS + 4 * HOUR_MS
        return np.where(self.missed_day == NEVER, NEVER, at)

    def defaulted_at(self) -> NDArray[np.int64]:
        """Day (epoch ms) of each merchant's first default, -1 for none."""
        at = self._ledger.start_ms + self.default_day * DAY_MS
        return np.where(self.default_day == NEVER, NEVER, at)

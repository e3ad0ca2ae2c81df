"""The cash of a day: money in, goods, rent and wages out, and what bounces where there is none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tideline.simulator.calendar import DAY_MS, HOUR_MS
from tideline.simulator.chance import Chance, Numbers, Whole, part
from tideline.simulator.ledger import Ledger
from tideline.simulator.planted import TAKEOVER, Effects, Plan
from tideline.simulator.population import Population
from tideline.simulator.purposes import CLOCK, LUCK
from tideline.simulator.rows import (
    CIRCLE,
    CORE,
    LANDLORD,
    OWNER,
    PLATFORM,
    SLOTS,
    SUPPLIER,
    Rows,
    make,
    party,
)
from tideline.simulator.segments import SEGMENTS
from tideline.simulator.world import World

LIVING_SHARE = 0.05
"""Of sales: what the owner lives on."""
RENT_SHARE = 0.4
"""Of fixed costs: rent and power; the rest are wages."""
SUPPLIERS = 5
CLOSURES_PER_YEAR, COST_SHOCKS_PER_YEAR = 0.25, 0.15
"""Honest bad luck: a shop shut by illness or a burst pipe, a bill for a new oven."""
SHUT_DAYS_MIN, SHUT_DAYS_SPAN = 3, 12
SHOCK_DAYS = 15
"""A cost shock is the outflow of so many days."""
SHORT_DAYS, STARVED_DAYS, CLOSED_DAYS = 10, 25, 45
"""Days of outflow in arrears from which shelves are thin, nearly empty, and the shop gives up."""
_BUYER_PAYS = np.array([segment.settles == "buyer" for segment in SEGMENTS])
_NAMED = np.array([segment.invoices for segment in SEGMENTS])


class Cash:
    """Moves the money of one day after the other."""

    def __init__(
        self, chance: Chance, people: Population, planned: Plan, world: World, ledger: Ledger
    ) -> None:
        self._chance = chance
        self._people = people
        self._planned = planned
        self._world = world
        self._ledger = ledger
        self.shut_until = np.zeros(people.count, np.int64)
        self.misfortunes = np.zeros(people.count, np.int64)
        self._at: Whole = np.zeros(people.count, np.int64)

    def supply(self) -> Numbers:
        """How full the shelves are, 0-1: suppliers that are not paid deliver no more."""
        owed = self._ledger.arrears / self._ledger.outflow
        level = np.where(owed >= STARVED_DAYS, 0.35, np.where(owed >= SHORT_DAYS, 0.75, 1.0))
        shut = self._ledger.closed | (self.shut_until > self._ledger.today)
        return np.where(shut, 0.0, level)

    def day(self, day: int, now: Effects, weekday: int, month_day: int) -> list[Rows]:
        """All movements of a day. Days of the week and month are those of the calendar."""
        ledger, people = self._ledger, self._people
        hour = part(self._chance.bits(CLOCK, day, people.number), 0, 12)
        self._at = ledger.start_ms + day * DAY_MS + HOUR_MS + hour * HOUR_MS // 4096
        self._draw_luck(day)
        rows = self._money_in(day, now)
        alive = ~(ledger.closed | now.gone)
        week = np.flatnonzero(alive & (people.weekday == weekday))
        rows += self._circle(day, week) + self._supplies(day, week, now)
        rows += self._rent(day, np.flatnonzero(alive & (people.month_day + 1 == month_day)))
        rows += self._old_debts(day, np.flatnonzero(alive & (ledger.arrears > 0)), weekday)
        rows += self._owner(day, week, now)
        over = ledger.arrears > ledger.outflow * CLOSED_DAYS
        ledger.closed |= over & (ledger.balance < ledger.outflow)
        return [part_ for part_ in rows if len(part_)]

    def _draw_luck(self, day: int) -> None:
        drawn = self._chance.bits(LUCK, day, self._people.number)
        first, second = part(drawn, 0, 20) / (1 << 20), part(drawn, 20, 20) / (1 << 20)
        shuts = first < CLOSURES_PER_YEAR / 365
        length = SHUT_DAYS_MIN + part(drawn, 40, 8) * SHUT_DAYS_SPAN // 256
        self.shut_until[shuts] = day + length[shuts]
        pays = second < COST_SHOCKS_PER_YEAR / 365
        self._ledger.arrears[pays] += self._ledger.outflow[pays] * SHOCK_DAYS
        self.misfortunes += shuts
        self.misfortunes += pays

    def _move(
        self, kind: str, who: Any, day: int, slot: int, amount: Whole, other: Any, late_ms: int
    ) -> Rows:
        """An account movement with the balance after it, which the caller has changed."""
        return make(
            kind,
            self._at[who] + late_ms,
            who,
            amount=amount,
            ref=day * SLOTS + slot,
            since=self._ledger.balance[who],
            other=other,
        )

    def _money_in(self, day: int, now: Effects) -> list[Rows]:
        """Settlements; what a platform withholds or a core enterprise owes does not come."""
        ledger, people = self._ledger, self._people
        due = ledger.due_today()
        kept = np.where(self._world.core_failed(people, day), 0.0, now.inflow)
        come = np.where(due > 0, (due * kept).astype(np.int64), 0)
        ledger.balance += come
        who = np.flatnonzero(come)
        buyer = _BUYER_PAYS[people.segment[who]]
        by = np.where(
            buyer,
            party(CORE, people.core[who]),
            party(PLATFORM, people.platform[who].astype(np.int64)),
        )
        rows = [
            make(
                "settlement.received",
                self._at[who],
                who,
                amount=come[who],
                ref=day * SLOTS,
                other=by,
            ),
            self._move("account.credited", who, day, 0, come[who], by, 60_000),
        ]
        back = np.flatnonzero(due < 0)
        ledger.balance[back] += due[back]  # clawed back, into the red if need be
        claimed = party(PLATFORM, people.platform[back].astype(np.int64))
        rows.append(self._move("account.debited", back, day, 1, -due[back], claimed, 90_000))
        return rows

    def _circle(self, day: int, week: Any) -> list[Rows]:
        """Fabricated sales: the money of the week goes back to those who paid, and a fee."""
        ledger = self._ledger
        who = week[ledger.week_circled[week] > 0]
        owed = ledger.week_circled[who] + ledger.week_circled[who] // 50
        ledger.week_circled[who] = 0
        amount = np.clip(owed, 0, np.maximum(ledger.balance[who], 0))
        ledger.balance[who] -= amount
        paid = amount > 0
        who, amount = who[paid], amount[paid]
        return [self._move("account.debited", who, day, 2, amount, party(CIRCLE, who), 3 * HOUR_MS)]

    def _supplies(self, day: int, week: Any, now: Effects) -> list[Rows]:
        """Goods sold in the week are bought again; a supplier that is not paid is owed."""
        ledger, people = self._ledger, self._people
        share = people.goods[week] * now.costs[week]
        amount = np.maximum((ledger.week_sales[week] * share).astype(np.int64), 0)
        ledger.week_sales[week] = 0
        who, amount = week[amount > 0], amount[amount > 0]
        drawn = self._chance.bits(CLOCK, day + (1 << 40), who)
        new = now.sales[who] > 1.9  # a burst is stocked up wherever credit is still given
        number = np.where(new, 5 + part(drawn, 0, 12), part(drawn, 0, 12) % SUPPLIERS)
        supplier = party(SUPPLIER, who * 8192 + number)
        invoiced = _NAMED[people.segment[who]]
        rows = [
            make(
                "invoice.received",
                self._at[who[invoiced]] + HOUR_MS,
                who[invoiced],
                amount=amount[invoiced],
                ref=day * SLOTS + 3,
                other=supplier[invoiced],
            )
        ]
        return rows + self._pay(who, amount, supplier, day, 4, 2 * HOUR_MS)

    def _pay(
        self, who: Any, amount: Whole, other: Any, day: int, slot: int, late_ms: int
    ) -> list[Rows]:
        """Pay, or bounce and owe."""
        ledger = self._ledger
        able = ledger.pay(who, amount)
        poor = who[~able]
        ledger.arrears[poor] += amount[~able]
        return [
            self._move("account.debited", who[able], day, slot, amount[able], other[able], late_ms),
            make(
                "payment.failed",
                self._at[poor] + late_ms,
                poor,
                amount=amount[~able],
                ref=day * SLOTS + slot,
                other=other[~able],
            ),
        ]

    def _rent(self, day: int, who: Any) -> list[Rows]:
        """Rent and power on the merchant's day of the month, wages a little later that day."""
        ledger, people = self._ledger, self._people
        month = people.usual[who] * people.fixed[who] * 30
        rent = (month * RENT_SHARE).astype(np.int64)
        wages = (month * (1 - RENT_SHARE)).astype(np.int64)
        landlord = party(LANDLORD, who)
        rows = self._pay(who, rent, landlord, day, 5, 4 * HOUR_MS)
        paid = rows[0]["merchant"]
        rows.append(
            make(
                "utility.paid",
                rows[0]["at"],
                paid,
                amount=rows[0]["amount"],
                ref=day * SLOTS + 5,
                until=ledger.start_ms + (day + 1) * DAY_MS,
                other=rows[0]["other"],
            )
        )
        return rows + self._pay(who, wages, party(OWNER, who * 2 + 1), day, 6, 5 * HOUR_MS)

    def _old_debts(self, day: int, owing: Any, weekday: int) -> list[Rows]:
        """Once a week a part of what is there goes to old debts; a dunned debit bounces."""
        ledger, people = self._ledger, self._people
        who = owing[(people.weekday[owing] + 3) % 7 == weekday]
        spare = np.maximum(ledger.balance[who] * 7 // 10, 0)
        amount = np.minimum(spare, ledger.arrears[who])
        ledger.arrears[who] -= amount
        ledger.balance[who] -= amount
        paid = amount > 0
        short = amount * 2 < ledger.arrears[who]
        other = party(SUPPLIER, who * 8192)
        return [
            self._move(
                "account.debited", who[paid], day, 7, amount[paid], other[paid], 6 * HOUR_MS
            ),
            make(
                "payment.failed",
                self._at[who[short]] + 6 * HOUR_MS,
                who[short],
                amount=ledger.arrears[who[short]],
                ref=day * SLOTS + 7,
                other=other[short],
            ),
        ]

    def _owner(self, day: int, week: Any, now: Effects) -> list[Rows]:
        """The owner's living, and what lies above the wanted balance. A crook takes all."""
        ledger, people, planned = self._ledger, self._people, self._planned
        since = day - planned.onset[week]
        crook = (now.sales[week] > 1.9) | ((planned.kind[week] == TAKEOVER) & (since >= 0))
        balance = ledger.balance[week]
        living = (people.usual[week] * (7 * LIVING_SHARE)).astype(np.int64)
        wanted = np.maximum(living, (balance - ledger.target[week]) // 2)
        wanted = np.where(crook, balance * 9 // 10, wanted)
        amount = np.clip(wanted, 0, np.maximum(balance, 0))
        ledger.balance[week] -= amount
        taken: NDArray[np.bool_] = amount > 0
        who, amount = week[taken], amount[taken]
        return [
            self._move("account.debited", who, day, 8, amount, party(OWNER, who * 2), 7 * HOUR_MS)
        ]

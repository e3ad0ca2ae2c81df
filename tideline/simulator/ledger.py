"""The money of every merchant: what is expected, what is there, and what is owed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tideline.simulator.calendar import DAY_MS
from tideline.simulator.chance import Whole
from tideline.simulator.population import Population

AHEAD_DAYS = 40
"""How far ahead money is expected: the longest way is four weeks after a slow delivery."""


class Ledger:
    """Balances and expectations, in minor units, changed in place day by day.

    ``arrears`` is what suppliers, landlords and the tax office are owed beyond their time.
    """

    def __init__(
        self, people: Population, start_ms: int, pauses: list[bool], filled: NDArray[np.float64]
    ) -> None:
        count = people.count
        self.start_ms = start_ms
        outflow = people.usual * (people.goods + people.fixed)
        self.outflow = outflow.astype(np.int64)
        self.target = (outflow * people.buffer_days).astype(np.int64)
        self.balance = (self.target * (0.4 + 0.6 * filled)).astype(np.int64)
        self.arrears = np.zeros(count, np.int64)
        self.week_sales = np.zeros(count, np.int64)
        self.week_circled = np.zeros(count, np.int64)
        self.quarter_sales = np.zeros(count, np.int64)
        self.closed = np.zeros(count, np.bool_)
        self.today = 0
        # What was sold before the first day is still on its way.
        self._expected = np.zeros((AHEAD_DAYS, count), np.int64)
        for day in range(int(people.settle_days.max(initial=0))):
            self._expected[day] = np.where(people.settle_days > day, people.usual, 0)
        self._pauses = pauses

    def sold(self, who: Whole, amounts: Whole) -> None:
        """Goods left the shop, and must be bought again."""
        np.add.at(self.week_sales, who, amounts)
        np.add.at(self.quarter_sales, who, amounts)

    def circled(self, who: Whole, amounts: Whole) -> None:
        """Sales that are none: the money will be given back to those who lent it."""
        np.add.at(self.week_circled, who, amounts)
        np.add.at(self.quarter_sales, who, amounts)

    def expect(self, who: Whole, at: Whole, amounts: Whole) -> None:
        """Money that comes (or, negative, goes) at ``at``, on its day or at the latest known."""
        day = (at - self.start_ms) // DAY_MS
        day = np.clip(day, self.today + 1, self.today + AHEAD_DAYS - 1)
        np.add.at(self._expected, (day % AHEAD_DAYS, who), amounts)

    def due_today(self) -> Whole:
        """What was expected for today; it is expected no longer."""
        slot = self.today % AHEAD_DAYS
        found = self._expected[slot].copy()
        self._expected[slot] = 0
        return found

    def rest_days(self, day: int) -> int:
        """How many days from a day on nothing is dispatched."""
        rest = 0
        while day + rest < len(self._pauses) and self._pauses[day + rest]:
            rest += 1
        return rest

    def pay(self, who: Any, amounts: Whole) -> Any:
        """Pay where there is enough. Returns who could; ``who`` and ``amounts`` are by place."""
        able = self.balance[who] >= amounts
        self.balance[who[able]] -= amounts[able]
        return able

"""What is planted: which merchant goes bad, when, how, and how strongly.

Nothing here misses a repayment. A kind changes sales, parcels, money or papers; whether and when
an instalment is missed follows from the merchant's cash (``loans``).
"""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tideline.simulator.chance import Chance, Numbers, Whole, part
from tideline.simulator.population import Population
from tideline.simulator.purposes import PLAN
from tideline.simulator.segments import NAMES

KINDS = (
    "none",
    "sales_collapse",
    "slow_decline",
    "fabricated_sales",
    "bust_out",
    "refund_abuse",
    "invoice_circle",
    "cash_squeeze",
    "takeover",
    "carrier_collapse",
    "core_default",
)
(
    NONE,
    COLLAPSE,
    DECLINE,
    FABRICATED,
    BUST_OUT,
    REFUNDS,
    CIRCLE,
    SQUEEZE,
    TAKEOVER,
    CARRIER,
    CORE,
) = range(len(KINDS))
ALLOWED: dict[str, tuple[int, ...]] = {
    "retail": (COLLAPSE, DECLINE, BUST_OUT, REFUNDS, SQUEEZE, TAKEOVER),
    "restaurant": (COLLAPSE, DECLINE, SQUEEZE, TAKEOVER),
    "marketplace": (COLLAPSE, DECLINE, FABRICATED, BUST_OUT, REFUNDS, SQUEEZE, TAKEOVER),
    "platform": (COLLAPSE, DECLINE, FABRICATED, BUST_OUT, REFUNDS, SQUEEZE, TAKEOVER),
    "wholesale": (COLLAPSE, DECLINE, FABRICATED, BUST_OUT, CIRCLE, SQUEEZE),
    "manufacturer": (COLLAPSE, DECLINE, CIRCLE, SQUEEZE),
    "rural": (SQUEEZE,),
}
"""What can befall a segment; a rural grower's sales say too little to plant more."""
WARM_UP_DAYS, WATCHED_DAYS = 100, 90
"""Of a long run the days before the first onset, and those after the last."""
BURST_DAYS, SHIPPING_DAYS = 18, 9
"""A bust-out sells for so long, and ships the orders of the first days."""
FABRICATED_DAYS = 75
CIRCLE_DAYS = 90


class Plan(Struct, frozen=True):
    """What is planted, by merchant; ``onset`` is a day, ``strength`` within 0.4-1.

    World events add theirs: ``kind`` and ``onset`` are then those of the event.
    """

    kind: NDArray[np.uint8]
    onset: Whole
    strength: Numbers


class Effects(Struct, frozen=True):
    """What a day does to each merchant: factors (1 changes nothing) and shares (0 does).

    ``sales`` and ``inflow`` (of settlements) are factors, ``costs`` of goods likewise. ``fake``
    counts fabricated orders per real one, ``circle`` invoices in a circle as a share of usual
    sales, ``refunds`` and ``disputes`` are added to the shares. ``ships`` is the share of orders
    that is shipped. ``gone`` merchants do nothing any more.
    """

    sales: Numbers
    inflow: Numbers
    costs: Numbers
    fake: Numbers
    circle: Numbers
    refunds: Numbers
    disputes: Numbers
    ships: Numbers
    gone: NDArray[np.bool_]


def plan(chance: Chance, people: Population, days: int, share_bad: float) -> Plan:
    """Draw who goes bad of its own; the world's events are added by ``World.strike``."""
    bits = chance.bits(PLAN, 0, people.number)
    bad = part(bits, 0, 20) < round(share_bad * (1 << 20))
    kind = np.zeros(people.count, np.uint8)
    for number, name in enumerate(NAMES):
        allowed = np.array(ALLOWED[name], np.uint8)
        mine = bad & (people.segment == number)
        kind[mine] = allowed[part(bits[mine], 20, 16) % len(allowed)]
    first, last = window(days)
    onset = first + part(bits, 36, 16) * (last - first) // (1 << 16)
    strength = 0.4 + 0.6 * part(bits, 52, 12) / 4096
    return Plan(kind, np.where(bad, onset, days + 1), strength)


def window(days: int) -> tuple[int, int]:
    """The days within which troubles begin."""
    if days >= 2 * (WARM_UP_DAYS + WATCHED_DAYS):
        return WARM_UP_DAYS, days - WATCHED_DAYS
    return days * 3 // 10, max(days * 7 // 10, days * 3 // 10 + 1)


def _ramp(since: Whole, over_days: int) -> Any:
    return np.clip((since + 1) / over_days, 0.0, 1.0)


def effects(planned: Plan, day: int) -> Effects:
    """What is planted does on a day."""
    count = len(planned.kind)
    one, zero = np.ones(count), np.zeros(count)
    sales, inflow, costs, ships = one, one.copy(), one.copy(), one.copy()
    fake, circle, refunds, disputes = zero, zero.copy(), zero.copy(), zero.copy()
    gone = np.zeros(count, np.bool_)

    def active(kind: int) -> tuple[NDArray[np.intp], Whole, Numbers]:
        place = np.flatnonzero((planned.kind == kind) & (planned.onset <= day))
        return place, day - planned.onset[place], planned.strength[place]

    who, since, strength = active(COLLAPSE)
    sales[who] = 1 - (0.3 + 0.65 * strength) * _ramp(since, 7)
    who, since, strength = active(DECLINE)
    sales[who] = 1 - 0.9 * strength * _ramp(since, 150)
    who, since, strength = active(FABRICATED)
    ended = since >= FABRICATED_DAYS
    sales[who] = np.where(ended, 0.1, 1 - 0.5 * _ramp(since, 30))
    fake[who] = np.where(ended, 0.0, (1 + 3 * strength) * _ramp(since, 14))
    who, since, strength = active(BUST_OUT)
    gone[who] = since >= BURST_DAYS
    sales[who] = np.where(since < BURST_DAYS, 2 + 3 * strength, 0.0)
    ships[who] = since < SHIPPING_DAYS
    who, since, strength = active(REFUNDS)
    refunds[who] = (0.1 + 0.35 * strength) * _ramp(since, 7)
    disputes[who] = (0.01 + 0.05 * strength) * _ramp(since, 7)
    sales[who] = 1 - 0.6 * strength * _ramp(since - 20, 60)
    who, since, strength = active(CIRCLE)
    ended = since >= CIRCLE_DAYS
    sales[who] = np.where(ended, 0.15, 1 - 0.6 * _ramp(since, 60))
    circle[who] = np.where(ended, 0.0, (1 + 2 * strength) * _ramp(since, 21))
    who, since, strength = active(SQUEEZE)
    inflow[who] = 1 - 0.55 * strength * _ramp(since, 10)
    costs[who] = 1 + 0.25 * strength * _ramp(since, 30)
    who, since, strength = active(TAKEOVER)
    inflow[who] = 0.05
    sales[who] = 1 - 0.8 * strength * _ramp(since - 20, 30)
    return Effects(sales, inflow, costs, fake, circle, refunds, disputes, ships, gone)

"""The merchants: what they are, before anything happens to them."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tideline.simulator.chance import Chance, Numbers, Whole, log_normal, part, share
from tideline.simulator.purposes import ADVANCE, COST, PLACE, SIZE
from tideline.simulator.segments import (
    BUFFER_DAYS,
    BUFFER_SPREAD,
    CARRIER_SHARES,
    REGIONS,
    SEGMENTS,
    SETTLE_DAYS,
)

Small = NDArray[Any]
PLATFORMS = 6
SUPPLIERS_OF_A_CORE = 25
BORROWERS = 0.7
"""Share of merchants that borrow at all."""
FIRST_LOAN_DAYS = 150


class Population(Struct, frozen=True):
    """Columns by merchant.

    ``rate`` is orders a day, ``ticket`` the median amount and ``usual`` the sales of a usual day,
    in minor units. ``goods`` and ``fixed`` are shares of usual sales, ``growth`` is per day.
    ``careless`` is the chance to be some days late with an instalment for no reason. ``weekday``
    and ``month_day`` are when bills are paid, ``first_loan`` the day of the first application.
    """

    count: int
    number: Whole
    segment: Small
    region: Small
    rate: Numbers
    ticket: Whole
    usual: Whole
    settle_days: Small
    carrier: Small
    platform: Small
    core: Whole
    cores: int
    bills: NDArray[np.bool_]
    goods: Numbers
    fixed: Numbers
    buffer_days: Numbers
    growth: Numbers
    careless: Numbers
    weekday: Small
    month_day: Small
    opened_days: Whole
    borrows: NDArray[np.bool_]
    first_loan: Whole
    advance: Numbers


def column(name: str) -> NDArray[Any]:
    """A habit by segment."""
    return np.array([getattr(segment, name) for segment in SEGMENTS])


def _spread(sigmas: Numbers, segment: Small, which: Whole) -> Numbers:
    tables = np.array([log_normal(float(sigma)) for sigma in sigmas])
    return np.asarray(tables[segment, which], np.float64)


def populate(
    chance: Chance, merchants: int, segments: tuple[str, ...], activity: float
) -> Population:
    """Draw the merchants, of some segments (all where empty); ``activity`` scales their rates."""
    number = np.arange(merchants)
    place = chance.bits(PLACE, 0, number)
    shares = np.where([not segments or s.name in segments for s in SEGMENTS], column("share"), 0.0)
    bounds = np.cumsum(shares)
    drawn = part(place, 0, 20) / (1 << 20) * bounds[-1]
    segment = np.searchsorted(bounds[:-1], drawn, "right").astype(np.int64)
    size = chance.bits(SIZE, 0, number)
    rate = column("orders")[segment] * _spread(column("orders_spread"), segment, part(size, 0, 12))
    rate = rate * activity
    ticket = column("ticket_minor")[segment] * _spread(
        column("ticket_spread"), segment, part(size, 12, 12)
    )
    # The mean of a log-normal is above its median; costs follow the mean.
    above = np.array([float(log_normal(s.amount_spread).mean().round(9)) for s in SEGMENTS])
    cost = chance.bits(COST, 0, number)
    wander = part(cost, 0, 12) / 4096 - 0.5
    advance = chance.bits(ADVANCE, 0, number)
    cores = max(int((column("settles")[segment] == "buyer").sum()) // SUPPLIERS_OF_A_CORE, 3)
    return Population(
        count=merchants,
        number=number,
        segment=segment,
        region=(part(place, 20, 16) % len(REGIONS)).astype(np.int64),
        rate=rate,
        ticket=ticket.astype(np.int64),
        usual=np.maximum((rate * ticket * above[segment]).astype(np.int64), 100),
        settle_days=np.array([SETTLE_DAYS[s.settles] for s in SEGMENTS])[segment],
        carrier=np.searchsorted(
            np.array(CARRIER_SHARES)[:-1], part(place, 36, 16) / (1 << 16), "right"
        ).astype(np.int64),
        platform=(part(place, 52, 12) % PLATFORMS).astype(np.int64),
        core=part(size, 24, 20) % cores,
        cores=cores,
        bills=part(size, 44, 8) < 100,
        goods=column("goods")[segment] + 0.06 * wander,
        fixed=column("fixed")[segment] * (0.85 + 0.3 * part(cost, 12, 12) / 4096),
        buffer_days=np.minimum(BUFFER_DAYS * log_normal(BUFFER_SPREAD)[part(cost, 24, 12)], 120.0)
        * np.where([bool(s.harvest) for s in SEGMENTS], 4.0, 1.0)[segment],
        growth=(part(cost, 36, 12) / 4096 * 0.6 - 0.2) / 365,
        careless=0.08 * (part(cost, 48, 12) / 4096),
        weekday=(part(advance, 0, 12) % 7).astype(np.int64),
        month_day=(part(advance, 12, 12) % 28).astype(np.int64),
        opened_days=60 + part(advance, 24, 12),
        borrows=part(advance, 36, 8) < BORROWERS * 256,
        first_loan=_first_loan(chance, number),
        advance=column("advance")[segment] * (0.3 + share(advance) * 0.8),
    )


def _first_loan(chance: Chance, number: Whole) -> Whole:
    """A third applies within the first month, so that short runs have loans as well."""
    drawn = chance.shares(ADVANCE, 1, number)
    early = (drawn * 90).astype(np.int64)
    late = 30 + ((drawn - 1 / 3) * 1.5 * FIRST_LOAN_DAYS).astype(np.int64)
    return np.where(drawn < 1 / 3, early, late)

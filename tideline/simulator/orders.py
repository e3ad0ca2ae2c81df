"""The orders of an hour and what becomes of each: cancelled, shipped, refunded, disputed, reviewed.

All of it is drawn when the order is placed, as the world's later events are known to the
simulation; only the money waits in ``cash.Ledger`` for its day.
"""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tideline.simulator.calendar import DAY_MS, HOUR_MS
from tideline.simulator.chance import Bits, Chance, Numbers, Whole, counts, log_normal, part, share
from tideline.simulator.ledger import Ledger
from tideline.simulator.planted import Effects
from tideline.simulator.population import Population, column
from tideline.simulator.purposes import COUNT, FAKE, FATE, INVOICE, ORDER, PARCEL
from tideline.simulator.rows import BUYER, CORE, Rows, make, party
from tideline.simulator.segments import (
    DISPUTE_SHARE,
    LOST_SHARE,
    RATING_SHARES,
    SEGMENTS,
    VOID_SHARE,
)
from tideline.simulator.world import World

PER_HOUR = 4096
"""Orders of one merchant in one hour have numbers below this; ``ref`` is hour x this + number."""
FAKE_FROM = 2048
ANEW = 1 << 40
"""Added to the number of an invoice that replaces a voided one."""
CUSTOMERS = 4000
BUYERS = 12
"""Buyers of a merchant that sells on invoice."""
PROMISE_DAYS = 5
"""From order to promise; with the delays below one parcel in twelve is late (Olist: 8 %)."""
DISPATCH_HOURS, DISPATCH_SPREAD = 18.0, 0.7
TRANSIT_HOURS, TRANSIT_SPREAD = 52.0, 0.35
FAKE_PARCELS = 0.1
"""Fabricated orders that get an empty parcel all the same."""
STUCK_LOST = 0.25
"""Parcels that a collapsed carrier never delivers."""
_LOGISTIC = np.array([segment.parcels for segment in SEGMENTS])
_INVOICED = np.array([segment.invoices for segment in SEGMENTS])
_ESCROW = np.array([segment.settles == "escrow" for segment in SEGMENTS])
_TO_CORE = np.array([segment.settles == "buyer" for segment in SEGMENTS])
_AMOUNTS = [segment.amount_spread for segment in SEGMENTS]


class Placed(Struct, frozen=True):
    """Orders by column: who, number, time, day, amount."""

    who: Whole
    ref: Whole
    at: Whole
    amount: Whole
    buyer: Whole
    fate: Bits


class Orders:
    """Places the orders of each hour."""

    def __init__(self, chance: Chance, people: Population, world: World, ledger: Ledger) -> None:
        self._chance = chance
        self._people = people
        self._world = world
        self._ledger = ledger
        self._amounts = np.array([log_normal(sigma) for sigma in _AMOUNTS])
        self._cancels = column("cancels")
        self._refunds = column("refunds")
        self._reviews = column("reviews")

    def hour(self, start_ms: int, hour: int, rates: Numbers, now: Effects) -> list[Rows]:
        """All that comes of the orders of one hour. ``rates`` are orders expected in it."""
        rows = self._real(start_ms, hour, rates, now)
        fake = rates * now.fake
        if fake.any():
            rows += self._fabricated(start_ms, hour, fake)
        return rows

    def _place(
        self, start_ms: int, hour: int, rates: Numbers, purpose: int, first: int
    ) -> Placed | None:
        busy = np.flatnonzero(rates)
        if not len(busy):
            return None
        people = self._people
        many = counts(rates[busy], self._chance.bits(purpose, hour, busy))
        who = np.repeat(busy, many)
        if not len(who):
            return None
        ends = np.cumsum(many)
        ref = hour * PER_HOUR + first + np.arange(len(who)) - np.repeat(ends - many, many)
        drawn = self._chance.bits(ORDER, purpose, who, ref)
        fate = self._chance.bits(FATE, purpose, who, ref)
        segment = people.segment[who]
        amount = (people.ticket[who] * self._amounts[segment, part(drawn, 0, 12)]).astype(np.int64)
        at = start_ms + hour * HOUR_MS + (part(drawn, 12, 24) * HOUR_MS >> 24)
        known = part(drawn, 36, 6) * part(drawn, 42, 6) // 340
        buyer = np.where(
            _INVOICED[segment],
            party(BUYER, who * 4096 + np.minimum(known, BUYERS - 1)),
            party(BUYER, (1 << 40) + people.region[who] * CUSTOMERS + part(drawn, 48, 12)),
        )
        return Placed(who, ref, at, np.maximum(amount, 100), buyer, fate)

    def _real(self, start_ms: int, hour: int, rates: Numbers, now: Effects) -> list[Rows]:
        placed = self._place(start_ms, hour, rates, COUNT, 0)
        if placed is None:
            return []
        people, day = self._people, hour // 24
        who, fate, segment = placed.who, placed.fate, people.segment[placed.who]
        rows, unshown = [], _TO_CORE[segment]
        self._ledger.sold(who, placed.amount)
        cancelled = part(fate, 0, 16) / 65536 < self._cancels[segment]
        parcel = _LOGISTIC[segment] & ~cancelled & (part(fate, 16, 10) / 1024 < now.ships[who])
        promised = np.where(_LOGISTIC[segment], placed.at + PROMISE_DAYS * DAY_MS, 0)
        rows.append(_paid(placed, promised, ~unshown))
        rows.append(
            _corrected("order.cancelled", placed, cancelled, HOUR_MS, 20 * HOUR_MS, self._chance)
        )
        self._ledger.sold(who[cancelled], -placed.amount[cancelled])
        delivered = placed.at
        lost = np.zeros(len(who), np.bool_)
        if parcel.any():
            moved, delivered, lost = self._parcels(placed, parcel, promised, day)
            rows += moved
        arrived = ~cancelled & ~lost & (parcel | ~_LOGISTIC[segment])
        never = ~cancelled & ~arrived
        refunded = arrived & (
            part(fate, 26, 14) / 16384 < self._refunds[segment] + now.refunds[who]
        )
        returned = refunded & parcel
        rows += self._returns(placed, returned, delivered, promised, day)
        self._ledger.sold(who[returned], -placed.amount[returned])  # the goods are sold again
        base = np.where(refunded | arrived, delivered, placed.at + 6 * DAY_MS)
        settled = ~cancelled & (arrived | ~_ESCROW[segment])
        back = self._back(placed, refunded | never, base, settled)
        disputed = (part(fate, 40, 16) / 65536 < DISPUTE_SHARE + now.disputes[who]) | (
            never & (part(fate, 40, 16) < 13000)
        )
        disputed &= ~cancelled
        rows += [back, self._disputes(placed, disputed)]
        rows.append(self._reviewed(placed, arrived, delivered, promised, now))
        self._settle(placed, settled, delivered)
        rows += self._invoiced(placed, _INVOICED[segment] & ~cancelled)
        return [part_ for part_ in rows if len(part_)]

    def _parcels(
        self, placed: Placed, parcel: NDArray[np.bool_], promised: Whole, day: int
    ) -> tuple[list[Rows], Whole, NDArray[np.bool_]]:
        """Dispatch and delivery; times of delivery of all orders, and which were lost."""
        world, people = self._world, self._people
        drawn = self._chance.bits(PARCEL, 0, placed.who, placed.ref)
        waits = DISPATCH_HOURS * log_normal(DISPATCH_SPREAD)[part(drawn, 0, 12)]
        travels = TRANSIT_HOURS * log_normal(TRANSIT_SPREAD)[part(drawn, 12, 12)]
        paused = self._ledger.rest_days(day)
        sent = placed.at + ((waits + 24.0 * paused) * HOUR_MS).astype(np.int64)
        carrier = world.carriers(people, day)[placed.who]
        stuck = world.crippled(carrier, (sent - self._ledger.start_ms) // DAY_MS)
        travels = np.where(stuck, travels * 3.0 + 96.0, travels)
        came = sent + (travels * HOUR_MS).astype(np.int64)
        lost = parcel & (part(drawn, 24, 20) / (1 << 20) < np.where(stuck, STUCK_LOST, LOST_SHARE))
        escrow = _ESCROW[people.segment[placed.who]]
        rows = []
        for kind, flags, at, amount in (
            ("shipment.dispatched", parcel, sent, 0),
            ("shipment.delivered", parcel & ~lost, came, np.where(escrow, placed.amount, 0)),
            ("shipment.lost", lost, sent + 12 * DAY_MS, 0),
        ):
            rows.append(
                make(
                    kind,
                    at[flags],
                    placed.who[flags],
                    amount=amount[flags] if isinstance(amount, np.ndarray) else amount,
                    ref=placed.ref[flags],
                    since=placed.at[flags],
                    until=promised[flags],
                    other=carrier[flags],
                )
            )
        return rows, np.where(parcel, came, placed.at), lost

    def _returns(
        self,
        placed: Placed,
        returned: NDArray[np.bool_],
        delivered: Whole,
        promised: Whole,
        day: int,
    ) -> list[Rows]:
        """Goods that come back; the refund follows."""
        carrier = self._world.carriers(self._people, day)[placed.who[returned]]
        days = 2 + part(placed.fate[returned], 56, 4) // 4
        return [
            make(
                "shipment.returned",
                delivered[returned] + days * DAY_MS,
                placed.who[returned],
                ref=placed.ref[returned],
                since=placed.at[returned],
                until=promised[returned],
                other=carrier,
            )
        ]

    def _back(
        self, placed: Placed, refunded: NDArray[np.bool_], since: Whole, settled: NDArray[np.bool_]
    ) -> Rows:
        """Money back: some days after the delivery, or after it did not come.

        What a platform still holds in escrow is not the merchant's to give back.
        """
        at = since + (1 + part(placed.fate, 56, 4) // 2) * DAY_MS
        own = refunded & settled
        self._ledger.expect(placed.who[own], at[own], -placed.amount[own])
        return _correction("order.refunded", placed, refunded, at[refunded])

    def _disputes(self, placed: Placed, disputed: NDArray[np.bool_]) -> Rows:
        """A dispute comes one to three weeks after the order, and takes the money."""
        wait = 7 * DAY_MS + (part(placed.fate[disputed], 44, 20) * (14 * DAY_MS) >> 20)
        at = placed.at[disputed] + wait
        self._ledger.expect(placed.who[disputed], at, -placed.amount[disputed])
        return _correction("order.disputed", placed, disputed, at)

    def _reviewed(
        self,
        placed: Placed,
        arrived: NDArray[np.bool_],
        delivered: Whole,
        promised: Whole,
        now: Effects,
    ) -> Rows:
        """Stars by the shares of Olist; late parcels and bad goods cost two of them."""
        drawn = self._chance.bits(FATE, 99, placed.who, placed.ref)
        writes = arrived & (
            part(drawn, 0, 12) / 4096 < self._reviews[self._people.segment[placed.who]]
        )
        stars = 1 + np.searchsorted(np.array(RATING_SHARES), part(drawn, 12, 16) / 65536, "right")
        late = (promised > 0) & (delivered > promised)
        poor = part(drawn, 28, 12) / 4096 < now.refunds[placed.who] * 2
        stars = np.maximum(stars - 2 * (late | poor), 1)
        at = delivered + HOUR_MS + (part(drawn, 40, 20) * (3 * DAY_MS) >> 20)
        rows = _correction("review.posted", placed, writes, at[writes])
        rows["amount"] = stars[writes]
        return rows

    def _settle(self, placed: Placed, settled: NDArray[np.bool_], delivered: Whole) -> None:
        """Money that will come, on its day."""
        who = placed.who
        base = np.where(_ESCROW[self._people.segment[who]], delivered, placed.at)
        at = base + self._people.settle_days[who] * DAY_MS
        self._ledger.expect(who[settled], at[settled], placed.amount[settled])

    def _invoiced(self, placed: Placed, invoiced: NDArray[np.bool_]) -> list[Rows]:
        """Sales on invoice, some of which are voided within days and written anew."""
        if not invoiced.any():
            return []
        who, ref = placed.who[invoiced], placed.ref[invoiced]
        drawn = self._chance.bits(INVOICE, 0, who, ref)
        at = placed.at[invoiced] + part(drawn, 0, 8) * HOUR_MS // 256
        core = _TO_CORE[self._people.segment[who]]
        buyer = np.where(core, party(CORE, self._people.core[who]), placed.buyer[invoiced])
        due = at + np.where(core, 28, 7) * DAY_MS
        amount = placed.amount[invoiced]
        voided = part(drawn, 8, 16) / 65536 < VOID_SHARE
        rows = [
            make("invoice.issued", at, who, amount=amount, ref=ref, until=due, other=buyer),
            make(
                "invoice.voided",
                at[voided] + DAY_MS // 2,
                who[voided],
                amount=amount[voided],
                ref=ref[voided],
                since=at[voided],
                other=buyer[voided],
            ),
            make(
                "invoice.issued",
                at[voided] + DAY_MS // 2 + HOUR_MS,
                who[voided],
                amount=amount[voided],
                ref=ref[voided] + ANEW,
                until=due[voided],
                other=buyer[voided],
            ),
        ]
        return rows + self._bills(who, ref, at, amount, core)

    def _bills(self, who: Whole, ref: Whole, at: Whole, amount: Whole, core: Any) -> list[Rows]:
        """Some cores pay by bills: accepted at once, paid or dishonoured after four weeks."""
        people = self._people
        drawn = core & people.bills[who]
        if not drawn.any():
            return []
        who, ref, at, amount = who[drawn], ref[drawn], at[drawn], amount[drawn]
        accepted = at + 2 * HOUR_MS
        due = accepted + 28 * DAY_MS
        fails = self._world.core_days[people.core[who]] * DAY_MS + self._ledger.start_ms <= due
        other = party(CORE, people.core[who])
        rows = [
            make("bill.accepted", accepted, who, amount=amount, ref=ref, until=due, other=other)
        ]
        for kind, flags in (("bill.settled", ~fails), ("bill.dishonoured", fails)):
            rows.append(
                make(
                    kind,
                    due[flags],
                    who[flags],
                    amount=amount[flags],
                    ref=ref[flags],
                    until=due[flags],
                    other=other[flags],
                )
            )
        return rows

    def _fabricated(self, start_ms: int, hour: int, rates: Numbers) -> list[Rows]:
        """Orders that are none: no goods, hardly a parcel; the money goes round and comes back."""
        placed = self._place(start_ms, hour, rates, FAKE, FAKE_FROM)
        if placed is None:
            return []
        parcel = part(placed.fate, 0, 12) / 4096 < FAKE_PARCELS
        promised = placed.at + PROMISE_DAYS * DAY_MS
        rows = [_paid(placed, promised, np.ones(len(placed.who), np.bool_))]
        rows += self._parcels(placed, parcel, promised, hour // 24)[0]
        self._ledger.circled(placed.who, placed.amount)
        self._settle(placed, np.ones(len(placed.who), np.bool_), placed.at)
        segment = self._people.segment[placed.who]
        rows += self._invoiced(placed, _INVOICED[segment])
        return [part_ for part_ in rows if len(part_)]


def _paid(placed: Placed, promised: Whole, shown: NDArray[np.bool_]) -> Rows:
    return make(
        "order.paid",
        placed.at[shown],
        placed.who[shown],
        amount=placed.amount[shown],
        ref=placed.ref[shown],
        until=promised[shown],
        other=placed.buyer[shown],
    )


def _corrected(
    kind: str, placed: Placed, flags: NDArray[np.bool_], least: int, span: int, chance: Chance
) -> Rows:
    drawn = share(chance.bits(FATE, 98, placed.who[flags], placed.ref[flags]))
    at = placed.at[flags] + least + (drawn * span).astype(np.int64)
    return _correction(kind, placed, flags, at)


def _correction(kind: str, placed: Placed, flags: NDArray[np.bool_], at: Whole) -> Rows:
    return make(
        kind,
        at,
        placed.who[flags],
        amount=placed.amount[flags],
        ref=placed.ref[flags],
        since=placed.at[flags],
        other=placed.buyer[flags],
    )

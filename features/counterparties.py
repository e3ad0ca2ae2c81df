"""Buyers and suppliers of a row: bitmaps of who was there, tables of who weighs most."""

from typing import Any

from features import layout as lay
from features.layout import inner
from features.rings import has_bit, set_bit


@inner
def _mark(r: Any, side: int, day: int, counterparty: int) -> None:
    """Enter a counterparty in the bitmap and the counts of its period, where that is held."""
    before = r.head // 24 // lay.PERIOD_DAYS - day // lay.PERIOD_DAYS
    if before > 1:
        return
    bit = counterparty & (lay.BITS - 1)
    known = has_bit(r.bitmap[side, 0], bit) or has_bit(r.bitmap[side, 1], bit)
    r.named[side, before] += 1
    if not known:
        r.fresh[side, before] += 1
    set_bit(r.bitmap[side, before], bit)


@inner
def _weigh(r: Any, side: int, counterparty: int, amount: int) -> None:
    """Add an amount to a table (Space-Saving); a place whose amount is 0 is free."""
    r.table_total[side] += amount
    name = counterparty & 0xFFFFFFFF
    place = 0
    for at in range(lay.PLACES):
        if r.table_minor[side, at] > 0 and r.table_hash[side, at] == name:
            r.table_minor[side, at] += amount
            return
        # A free place is the least there is, and the first of several.
        if r.table_minor[side, at] < r.table_minor[side, place]:
            place = at
    r.table_hash[side, place] = name
    r.table_minor[side, place] += amount


@inner
def meet(r: Any, side: int, day: int, counterparty: int, amount: int) -> None:
    """A sale to a buyer or a purchase from a supplier; 0 for one without a name."""
    if counterparty != 0:
        _mark(r, side, day, counterparty)
        if amount > 0:
            _weigh(r, side, counterparty, amount)

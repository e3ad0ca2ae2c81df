"""Asks the processor for what a later line of a batch will touch, while earlier ones are taken.

Rows of a partition are far larger than its caches and the lines of a batch hit them at random, so
that a line mostly waits for memory. Asked for some lines ahead, those waits overlap. This changes
no result: a request is a hint, also where it is wrong.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from features import kinds
from features import layout as lay
from features.layout import ROW, inner
from features.rings import week_of

AHEAD = 4
"""Lines; fewer leave waits, more drop out of the nearest cache before they are used."""

_PLACES = {name: place for name, (_, place, *_) in (ROW.fields or {}).items()}
_SCALARS = 3 * 64
"""Bytes at the start of a row that hold most of its plain numbers."""
_SEEN = _PLACES["seen"]
_HOUR_MINOR, _HOUR_COUNT = _PLACES["hour_minor"], _PLACES["hour_count"]
_NET_ORDERS, _NET_INVOICES = _PLACES["net_orders"], _PLACES["net_invoices"]
_SHORT_MINOR, _SHORT_COUNT = _PLACES["short_minor"], _PLACES["short_count"]
_DAY_SALES = _PLACES["day_sales"]
_WEEK_MINOR, _WEEK_COUNT = _PLACES["week_minor"], _PLACES["week_count"]
_TABLE_MINOR, _NAMED, _BITMAP = _PLACES["table_minor"], _PLACES["named"], _PLACES["bitmap"]
_PROMISE, _PROFILE, _ACTIVE = _PLACES["promise"], _PLACES["profile"], _PLACES["active"]


def _prefetch(_context: Any, address: Any) -> Any:
    def emit(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        word, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", (pointer,), ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        )
        # To be written, kept in all caches, data.
        hint = [ir.Constant(word, 1), ir.Constant(word, 3), ir.Constant(word, 1)]
        builder.call(function, [builder.inttoptr(values[0], pointer), *hint])
        return _target.get_dummy_value()

    return types.void(types.int64), emit


prefetch = cast(Callable[[int], None], intrinsic(_prefetch))
"""Ask for the 64 bytes around an address."""


@inner
def warm_row(row: int, e: Any) -> None:
    """Ask for the parts of the row at an address that a line of its kind will touch."""
    day, hour = e.ts // lay.DAY_MS, e.ts // lay.HOUR_MS
    kind = e.kind
    for at in range(0, _SCALARS, 64):
        prefetch(row + at)
    prefetch(row + _SEEN)
    prefetch(row + _ACTIVE)
    prefetch(row + _HOUR_MINOR + hour % lay.HOURS * 8)
    prefetch(row + _HOUR_COUNT + hour % lay.HOURS * 2)
    short = day % lay.SHORT_DAYS
    week = week_of(day) % lay.WEEKS
    if kind == kinds.ORDER_PAID or kind == kinds.INVOICE_ISSUED:
        issued = kind == kinds.INVOICE_ISSUED
        prefetch(row + (_NET_INVOICES if issued else _NET_ORDERS) + day % lay.DAYS * 8)
        metric = lay.WEEK_INVOICES if issued else lay.WEEK_ORDERS
        prefetch(row + _WEEK_MINOR + (metric * lay.WEEKS + week) * 8)
        prefetch(row + _WEEK_COUNT + week * 4)
        prefetch(row + _SHORT_COUNT + (lay.INVOICES if issued else lay.ORDERS) * lay.SHORT_DAYS * 2)
        prefetch(row + _DAY_SALES + day % lay.DAYS * 2)
        prefetch(row + _PROFILE)
        prefetch(row + _BITMAP + (e.counterparty & (lay.BITS - 1)) // 8)
        prefetch(row + _BITMAP + lay.BITS // 8 + (e.counterparty & (lay.BITS - 1)) // 8)
        prefetch(row + _TABLE_MINOR)
        prefetch(row + _NAMED)
    elif kinds.DISPATCHED <= kind <= kinds.LOST:
        for metric in range(12):
            prefetch(row + _SHORT_COUNT + (metric * lay.SHORT_DAYS + short) * 2)
    elif kinds.SETTLEMENT <= kind <= kinds.DEBITED:
        for metric in range(lay.SETTLED, 6):
            prefetch(row + _SHORT_MINOR + (metric * lay.SHORT_DAYS + short) * 8)
        prefetch(row + _WEEK_MINOR + (lay.WEEK_SETTLED * lay.WEEKS + week) * 8)
    if e.promised_at >= 0:
        promised = e.promised_at // lay.DAY_MS % lay.PROMISE_DAYS
        prefetch(row + _PROMISE + promised * 2)
        prefetch(row + _PROMISE + (lay.PROMISE_DAYS + promised) * 2)

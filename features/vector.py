"""The feature vector of merchants at one time, from their rows (see ``catalogue``)."""

from typing import Any

import numpy as np

from features import layout as lay
from features.layout import entry, inner
from features.sums import cumulate, turnover
from features.vector_change import write_change
from features.vector_money import write_cash, write_invoices, write_presence, write_signals
from features.vector_sales import write_sales, write_year
from features.vector_trade import write_customers, write_logistics


@inner
def _write(
    r: Any, as_of: int, orders: Any, invoices: Any, values: Any, scratch: Any, out: Any
) -> None:
    day = as_of // lay.DAY_MS
    cumulate(r, day, orders, invoices)
    sold = turnover(orders, invoices, 1, 28)
    if r.seen & lay.HAS_SALES:
        write_sales(r, as_of, orders, invoices, values, out)
    write_year(r, day, out)
    write_customers(r, day, orders, out)
    write_logistics(r, as_of, out)
    write_cash(r, day, sold, values, out)
    write_invoices(r, day, sold, invoices, out)
    write_signals(r, day, as_of, sold, out)
    write_presence(r, day, as_of, out)
    write_change(r, day, orders, invoices, scratch, out)


@entry
def compute(rows: Any, state: Any, slots: Any, as_of: int, out: Any) -> None:
    """Write the kernel's part of the vectors of ``slots`` at ``as_of``; the rest becomes NaN.

    ``out`` is float64 of shape (slots, features). ``state`` is only here for its type (see
    ``engine.code_digest``).
    """
    orders = np.empty(93, np.int64)
    invoices = np.empty(93, np.int64)
    values = np.empty(28, np.int64)
    scratch = np.empty((2, 100), np.int64)
    for i in range(slots.size):
        for n in range(out.shape[1]):
            out[i, n] = np.nan
        r = rows[slots[i]]
        if r.seen & lay.HAS_EVENTS:
            _write(r, as_of, orders, invoices, values, scratch, out[i])

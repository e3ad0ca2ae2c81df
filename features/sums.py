"""Sums over windows of a row's rings, and the small statistics made of them."""

from typing import Any

import numpy as np

from features import layout as lay
from features.layout import inner
from features.rings import net_documents, whole


@inner
def share(part: int, whole: int) -> float:
    """Part of whole within 0-1, 1 of nothing; NaN where neither is above 0."""
    if part <= 0 and whole <= 0:
        return np.nan
    return min(max(part, 0) / whole, 1.0) if whole > 0 else 1.0


@inner
def ratio(value: float, base: float) -> float:
    """Value to base; NaN where the base is not above 0."""
    return value / base if base > 0 else np.nan


@inner
def cumulate(r: Any, day: int, orders: Any, invoices: Any) -> None:
    """Write the net orders and invoices of days 1-n for each n up to 92 (0 for n = 0)."""
    head = r.head // 24
    orders[0] = 0
    invoices[0] = 0
    at = day % lay.DAYS
    for n in range(1, 93):
        orders[n] = orders[n - 1]
        invoices[n] = invoices[n - 1]
        if head - lay.DAYS < day - n + 1 <= head:
            orders[n] += r.net_orders[at]
            invoices[n] += r.net_invoices[at]
        at = lay.DAYS - 1 if at == 0 else at - 1


@inner
def turnover(orders: Any, invoices: Any, first: int, last: int) -> int:
    """Turnover over days ``first``-``last`` back, from what ``cumulate`` wrote."""
    paid = whole(orders[last] - orders[first - 1])
    issued = whole(invoices[last] - invoices[first - 1])
    return max(paid, issued, 0)


@inner
def short_sum(r: Any, ring: Any, metric: int, first: int, last: int) -> int:
    """Sum of a metric of a short ring over the days ``first``-``last`` that it holds."""
    head = r.head // 24
    first = max(first, head - lay.SHORT_DAYS + 1)
    total = 0
    if first > min(last, head):
        return total
    at = first % lay.SHORT_DAYS
    end = at + min(last, head) - first + 1
    # In two runs without a turn, which the compiler makes wide.
    for place in range(at, min(end, lay.SHORT_DAYS)):
        total += whole(ring[metric, place])
    for place in range(end - lay.SHORT_DAYS):
        total += whole(ring[metric, place])
    return total


@inner
def week_sum(head: int, ring: Any, metric: int, first: int, last: int) -> int:
    """Sum of a metric of a week ring over weeks, of which it holds the last up to ``head``."""
    total = 0
    for week in range(max(first, head - lay.WEEKS + 1), min(last, head) + 1):
        total += whole(ring[metric, week % lay.WEEKS])
    return total


@inner
def documents_sum(r: Any, head: int, first: int, last: int) -> int:
    """Net sales documents over weeks, of which the year ring holds the last up to ``head``."""
    total = 0
    for week in range(max(first, head - lay.YEAR_WEEKS + 1), min(last, head) + 1):
        if week > head - lay.WEEKS:
            total += net_documents(r, week)
        else:
            total += r.old_weeks[week % lay.OLD_WEEKS]
    return total


@inner
def hour_sum(r: Any, ring: Any, first: int, last: int) -> int:
    """Sum of an hour ring over the hours ``first``-``last`` that it holds."""
    total = 0
    for hour in range(max(first, r.head - lay.HOURS + 1), min(last, r.head) + 1):
        total += whole(ring[hour % lay.HOURS])
    return total


@inner
def sort(values: Any, count: int) -> None:
    """Sort the first ``count`` values in place."""
    for i in range(1, count):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@inner
def twice_median(values: Any, count: int) -> int:
    """Twice the median, so that it stays whole; sorts the first ``count`` values."""
    sort(values, count)
    return int(values[(count - 1) // 2] + values[count // 2])


@inner
def twice_median_of_many(values: Any, count: int) -> int:
    """The same by selection (Hoare's), for more values than are quickly sorted; reorders them."""
    wanted, low, high = count // 2, 0, count - 1
    while low < high:
        pivot, i, j = values[(low + high) // 2], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            break
    upper = values[wanted]
    if count % 2:
        return int(upper + upper)
    lower = values[0]
    for i in range(1, wanted):
        lower = max(lower, values[i])
    return int(lower + upper)


@inner
def four_spreads(values: Any, count: int, twice: int) -> int:
    """Four times the median absolute deviation from half of ``twice``; spends the values."""
    for i in range(count):
        values[i] = abs(2 * values[i] - twice)
    return twice_median(values, count)

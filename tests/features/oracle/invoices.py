"""Invoices and tax: issued and received, voids, concentration, margin, what was declared."""

from fractions import Fraction

from tests.features.oracle.cash import latest
from tests.features.oracle.counterparties import Counterparties
from tests.features.oracle.customers import usual, week_invoices, week_voids
from tests.features.oracle.history import (
    DAY_MS,
    DAYS_HELD,
    PERIOD_DAYS,
    PURCHASE_VOIDED,
    SHORT_HELD,
    WEEKS_HELD,
    History,
    Placed,
    Tally,
    Value,
    Values,
    amount,
    less,
    original_day,
    over,
    ratio,
    share,
    week_of,
)
from tests.features.oracle.sales import Turnover, net_invoices

MARGIN_MIN = Fraction(-10)


def open_invoices(history: History) -> Tally:
    """Amounts issued and not paid, by week (week ring), played in order of arrival."""
    held: Tally = {}
    came: dict[str, int] = {}
    period = 0
    for event in history.events:
        if event.head // PERIOD_DAYS > period:
            came, period = {}, event.head // PERIOD_DAYS
        first = week_of(event.head) - WEEKS_HELD + 1
        held = {week: value for week, value in held.items() if week >= first}
        week = week_of(event.original_day)
        if event.kind == "invoice.issued" and week >= first:
            held[week] = held.get(week, 0) + event.amount
        elif event.kind == "invoice.voided" and week in held:
            held[week] = max(held[week] - event.amount, 0)
        elif event.kind in ("account.credited", "settlement.received"):
            before = max(came.values(), default=0)
            came[event.kind] = came.get(event.kind, 0) + event.amount
            rest = max(came.values()) - before
            for each in sorted(held):
                taken = min(rest, held[each])
                held[each] -= taken
                rest -= taken
    return held


def _issued(history: History, as_of: int) -> Values:
    names = ("invoiced_28d_minor", "invoices_open_minor", "invoices_open_8w_minor")
    found: Values = dict.fromkeys(names)
    if history.any_of("invoice.issued"):
        today = as_of // DAY_MS
        found["invoiced_28d_minor"] = max(over(net_invoices(history), today - 27, today), 0)
        held = open_invoices(history)
        found["invoices_open_minor"] = sum(held.values())
        week = week_of(today)
        found["invoices_open_8w_minor"] = over(held, week - 13, week - 9)
    return found


def _voids(history: History, as_of: int) -> Values:
    month = as_of // DAY_MS - 27, as_of // DAY_MS
    voided = history.days(["invoice.voided"], held=SHORT_HELD, day=original_day, what=amount)
    back = over(voided, *month)
    return {
        "void_share_28d": share(back, over(net_invoices(history), *month) + back),
        "void_share_usual": share(
            usual(week_voids(history), as_of), usual(week_invoices(history), as_of)
        ),
    }


def _purchases(history: History, as_of: int) -> Values:
    names = ("purchases_28d_minor", "purchases_to_sales_28d_ratio", "margin_28d_ratio")
    found: Values = dict.fromkeys(names)
    if history.any_of("invoice.received"):
        today = as_of // DAY_MS
        bought = less(
            history.days(["invoice.received"], held=SHORT_HELD, what=amount),
            history.days([PURCHASE_VOIDED], held=SHORT_HELD, day=original_day, what=amount),
        )
        total = max(over(bought, today - 27, today), 0)
        found["purchases_28d_minor"] = total
        against = ratio(total, Turnover(history, as_of).over(1, 28))
        if against is not None:
            found["purchases_to_sales_28d_ratio"] = against
            found["margin_28d_ratio"] = max(1 - against, MARGIN_MIN)
    return found


def _declared(history: History, lines: list[Placed]) -> Value:
    """The latest return against the invoices of its period as they stood when it came."""
    event = latest(lines)
    if event is None:
        return None
    line = event.line
    if line.declared_turnover_minor is None or not history.is_ours(line):
        return None
    if line.period_start_at is None or line.period_end_at is None:
        return None
    first, last = line.period_start_at // DAY_MS, line.period_end_at // DAY_MS
    if first < event.head - DAYS_HELD + 1:
        return None
    net = over(net_invoices(history.until(event)), first, last)
    return Fraction(line.declared_turnover_minor, net) if net > 0 else None


def invoices(history: History, as_of: int) -> Values:
    """All features of the module ``features.families.invoices``."""
    today = as_of // DAY_MS
    suppliers = Counterparties(history, ("invoice.received",))
    returns = history.of("tax.filed")
    event = latest(returns)
    return {
        **_issued(history, as_of),
        **_voids(history, as_of),
        **_purchases(history, as_of),
        "suppliers_estimate": suppliers.estimate(),
        "supplier_top_share": suppliers.top_share(),
        "supplier_new_share": suppliers.new_share(),
        "declared_to_invoiced_ratio": _declared(history, returns),
        "tax_gap_days": None if event is None else max(today - event.day, 0),
    }

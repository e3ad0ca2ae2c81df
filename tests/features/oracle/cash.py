"""Cash: settlement to sales, inflow and outflow, balance runway, failed payments, utilities."""

from fractions import Fraction
from itertools import pairwise

from tests.features.oracle.customers import (
    usual,
    week_invoices,
    week_orders,
    week_refunds,
    week_voids,
)
from tests.features.oracle.history import (
    DAY_MS,
    RARE_MAX,
    SHORT_HELD,
    WEEKS_HELD,
    History,
    Placed,
    Tally,
    Value,
    Values,
    amount,
    less,
    median,
    over,
    ratio,
)
from tests.features.oracle.sales import Turnover

UTILITY_DAYS = 8
UTILITY_DAYS_MIN = 4
DAY_MAX = 65_534
"""2149-06-05: later days of signals are held as this one."""
RUNWAY_MAX = 365


def open_deliveries(history: History) -> Tally:
    """Amounts delivered, neither settled nor refunded, by day (short ring), in order of arrival."""
    held: Tally = {}
    for event in history.events:
        first = event.head - SHORT_HELD + 1
        held = {day: value for day, value in held.items() if day >= first}
        if event.kind == "shipment.delivered" and event.original_day >= first:
            held[event.original_day] = held.get(event.original_day, 0) + event.amount
        elif event.kind in ("settlement.received", "order.refunded"):
            rest = event.amount
            days = sorted(held)
            if event.original_at is not None and event.original_day in held:
                days.insert(0, event.original_day)
            for day in days:
                taken = min(rest, held[day])
                held[day] -= taken
                rest -= taken
    return held


def latest(events: list[Placed]) -> Placed | None:
    """The latest by event time; of equal times the last to come."""
    found: Placed | None = None
    for event in events:
        if found is None or event.at >= found.at:
            found = event
    return found


def _settlement(history: History, as_of: int, turnover: Turnover) -> Values:
    names = ("settlement_to_sales_28d_ratio", "settlement_usual_ratio")
    found: Values = dict.fromkeys(names)
    if not history.any_of("settlement.received"):
        return found
    today = turnover.today
    settled = history.days(["settlement.received"], held=SHORT_HELD, what=amount)
    found["settlement_to_sales_28d_ratio"] = ratio(
        over(settled, today - 27, today), turnover.over(1, 28)
    )
    invoices = less(week_invoices(history), week_voids(history))
    orders = less(week_orders(history), week_refunds(history))
    sold = max(usual(orders, as_of), usual(invoices, as_of), 0)
    weeks = history.weeks(["settlement.received"], held=WEEKS_HELD, what=amount)
    found["settlement_usual_ratio"] = ratio(usual(weeks, as_of), sold)
    return found


def _deliveries(history: History, today: int) -> Values:
    names = ("delivered_unsettled_minor", "delivered_unsettled_14d_minor")
    if not any(event.amount for event in history.of("shipment.delivered")):
        return dict.fromkeys(names)
    held = open_deliveries(history)
    old = sum(value for day, value in held.items() if day <= today - 14)
    return dict(zip(names, (sum(held.values()), old), strict=True))


def _balance(history: History) -> int | None:
    told = [
        event
        for event in history.events
        if event.kind in ("account.credited", "account.debited")
        and event.line.balance_minor is not None
        and history.is_ours(event.line)
    ]
    event = latest(told)
    return None if event is None else event.line.balance_minor


def _flows(history: History, today: int) -> Values:
    names = (
        "inflow_28d_minor",
        "outflow_28d_minor",
        "net_inflow_28d_minor",
        "inflow_change_14d_ratio",
        "outflow_to_inflow_28d_ratio",
        "balance_minor",
        "balance_runway_days",
    )
    found: Values = dict.fromkeys(names)
    if not history.any_of("account.credited", "account.debited"):
        return found
    credited = history.days(["account.credited"], held=SHORT_HELD, what=amount)
    debited = history.days(["account.debited"], held=SHORT_HELD, what=amount)
    came, went = over(credited, today - 27, today), over(debited, today - 27, today)
    found["inflow_28d_minor"], found["outflow_28d_minor"] = came, went
    found["net_inflow_28d_minor"] = came - went
    found["inflow_change_14d_ratio"] = ratio(
        over(credited, today - 13, today), over(credited, today - 27, today - 14)
    )
    found["outflow_to_inflow_28d_ratio"] = ratio(went, came)
    balance = found["balance_minor"] = _balance(history)
    if balance is not None and went:
        days = Fraction(max(balance, 0) * 28, went)
        found["balance_runway_days"] = min(days, Fraction(RUNWAY_MAX))
    return found


def _utilities(history: History, today: int) -> Values:
    days = sorted({min(event.day, DAY_MAX) for event in history.of("utility.paid")})[-UTILITY_DAYS:]
    distance: Value = None
    if len(days) >= UTILITY_DAYS_MIN:
        distance = median([late - early for early, late in pairwise(days)])
    return {
        "utility_gap_days": max(today - days[-1], 0) if days else None,
        "utility_usual_days": distance,
    }


def cash(history: History, as_of: int) -> Values:
    """All features of the module ``features.families.cash``."""
    today = as_of // DAY_MS
    failed = history.days(["payment.failed"], held=SHORT_HELD, most=RARE_MAX)
    return {
        **_settlement(history, as_of, Turnover(history, as_of)),
        **_deliveries(history, today),
        **_flows(history, today),
        "failed_payments_28d": over(failed, today - 27, today),
        "failed_payments_7d": over(failed, today - 6, today),
        **_utilities(history, today),
    }

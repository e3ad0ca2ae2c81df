"""The feature catalogue once more, slow and obvious: exact integers over the raw lines.

Nothing here is a ring. Days are dictionary keys; what the catalogue says of windows, of how far
back an event may come and of how long it is held is applied to them as stated.
"""

from collections import Counter, deque
from fractions import Fraction
from itertools import pairwise
from math import nan, sqrt

from features.layout import DAY_MS, LONG_DAYS, PROMISE_AHEAD_DAYS, PROMISE_PAST_DAYS, SHORT_DAYS
from features.lines import LogLine

_OTHER = {"clock.tick", "loan.disbursed", "merchant.updated"}
_ACTIVE = {
    "order.paid",
    "shipment.dispatched",
    "settlement.received",
    "account.credited",
    "account.debited",
    "invoice.issued",
    "invoice.received",
    "sensor.reading",
}
_MONEY = {
    "order.paid": "paid",
    "order.cancelled": "cancelled",
    "order.refunded": "refunded",
    "invoice.issued": "issued",
    "invoice.voided": "voided",
    "settlement.received": "settled",
    "invoice.received": "purchased",
    "account.credited": "credited",
    "account.debited": "debited",
}
_CORRECTIONS = {"order.cancelled", "order.refunded", "invoice.voided"}
_PARCELS = {
    "shipment.dispatched",
    "shipment.delivered",
    "shipment.returned",
    "shipment.lost",
}
_COUNTS = {
    "order.paid": "orders",
    "invoice.issued": "invoices",
    "order.disputed": "disputes",
    "payment.failed": "failed",
    "bill.dishonoured": "dishonoured",
    "court.case": "court",
    "registration.changed": "registration",
}
_SHORT = {"settled", "purchased", "credited", "debited", "cancels", "shipped", "delivered", "late"}
_SHORT |= {"failed"}
Vector = dict[str, float]


class Oracle:
    """Keeps the raw lines; drops duplicates among the last ``dedup_events`` ones."""

    def __init__(self, dedup_events: int) -> None:
        self._recent: deque[tuple[str, str]] = deque(maxlen=dedup_events)
        self._lines: dict[str, list[LogLine]] = {}

    def take(self, line: LogLine) -> None:
        """The next line of the log."""
        key = (line.merchant_id, line.event_id)
        if line.type != "clock.tick" and key not in self._recent:
            self._recent.append(key)
            self._lines.setdefault(line.merchant_id, []).append(line)

    def vector(self, merchant: str, as_of: int) -> Vector:
        """All kernel features of a merchant; NaN is left out."""
        history = History()
        for line in self._lines[merchant]:
            if line.type not in _OTHER:
                history.take(line)
        return {n: v for n, v in history.features(as_of).items() if v == v}


class History:
    """One merchant: sums by metric and day, and what the order of arrival decides."""

    def __init__(self) -> None:
        self.days: dict[str, Counter[int]] = {}
        self.head: int | None = None
        self.first_day = self.first_sale_day = 10**9
        self.last_active: int | None = None
        self.currency: str | None = None
        self.seen: set[str] = set()

    def take(self, line: LogLine) -> None:
        day = line.occurred_at // DAY_MS
        if self.head is not None and day <= self.head - LONG_DAYS:
            return
        self.head = day if self.head is None else max(self.head, day)
        self.first_day = min(self.first_day, day)
        if line.type in _ACTIVE:
            self.add("active", day, 1)
            self.last_active = max(self.last_active or 0, line.occurred_at)
        origin_at = line.ordered_at if line.ordered_at is not None else line.issued_at
        origin = None if origin_at is None else min(origin_at // DAY_MS, day)
        place = origin if line.type in _CORRECTIONS and origin is not None else day
        self.seen.add(line.type)
        self.take_money(line, place)
        if line.type in _COUNTS:
            self.add(_COUNTS[line.type], day, 1)
        if line.type in ("order.paid", "invoice.issued"):
            self.first_sale_day = min(self.first_sale_day, day)
        if line.type == "review.posted" and line.rating is not None:
            self.add("reviews", day, 1)
            self.add("ratings", day, round(line.rating * 100))
        if line.type == "order.cancelled":
            self.add("cancels", place, 1)
        self.take_promise(line)
        if line.type == "shipment.dispatched":
            self.take_dispatch(day, origin)
        if line.type == "shipment.delivered" and line.promised_at is not None:
            self.add("delivered", day, 1)
            self.add("late", day, int(day > line.promised_at // DAY_MS))

    def take_money(self, line: LogLine, place: int) -> None:
        if line.type not in _MONEY:
            return
        if line.type == "invoice.voided" and line.side == "received":
            self.seen.add("invoice.received")
        if line.currency is None:
            return
        self.currency = self.currency or line.currency
        if line.currency != self.currency:
            return
        if line.type == "invoice.voided" and line.side == "received":
            self.add("purchased", place, -(line.amount or 0))
        else:
            self.add(_MONEY[line.type], place, line.amount or 0)

    def take_promise(self, line: LogLine) -> None:
        assert self.head is not None
        held = range(self.head - PROMISE_PAST_DAYS, self.head + PROMISE_AHEAD_DAYS + 1)
        promised = None if line.promised_at is None else line.promised_at // DAY_MS
        if line.type == "order.paid" and promised is not None:
            self.seen |= {"orders promise", "promises"}
        dispatched = line.type == "shipment.dispatched" and "orders promise" not in self.seen
        if (line.type == "order.paid" or dispatched) and promised is not None:
            self.seen.add("promises")
            if promised in held:
                self.days.setdefault("made", Counter())[promised] += 1
                self.days.setdefault("open", Counter())[promised] += 1
        withdrawn = line.type == "order.cancelled" and (
            promised is not None or "orders promise" in self.seen
        )
        if withdrawn or line.type in ("shipment.delivered", "shipment.returned", "shipment.lost"):
            opened = self.days.setdefault("open", Counter())
            days = [promised] if promised is not None else sorted(opened)
            day = next((d for d in days if d in held and opened[d] > 0), None)
            if day is not None:
                opened[day] -= 1
                self.days["made"][day] -= int(withdrawn)

    def take_dispatch(self, day: int, origin: int | None) -> None:
        assert self.head is not None
        if origin is None:
            waiting = (
                d
                for d in range(max(day - 30, self.head - SHORT_DAYS + 1), day + 1)
                if self.sum("orders", d, d) - self.sum("cancels", d, d) > self.sum("shipped", d, d)
            )
            origin = next(waiting, day)
        self.add("shipped", origin, 1)

    def held(self, metric: str) -> int:
        """The earliest day that is held."""
        assert self.head is not None
        return self.head - (SHORT_DAYS if metric in _SHORT else LONG_DAYS) + 1

    def add(self, metric: str, day: int, value: int) -> None:
        if day >= self.held(metric):
            self.days.setdefault(metric, Counter())[day] += value

    def sum(self, metric: str, first: int, last: int) -> int:
        days = self.days.get(metric, Counter())
        return sum(v for d, v in days.items() if max(first, self.held(metric)) <= d <= last)

    def turnover(self, first: int, last: int) -> int:
        def money(metric: str) -> int:
            return self.sum(metric, first, last)

        orders = money("paid") - money("refunded") - money("cancelled")
        return max(orders, money("issued") - money("voided"), 0)

    def sales(self, first: int, last: int) -> int:
        return max(self.sum("orders", first, last), self.sum("invoices", first, last))

    def features(self, as_of: int) -> Vector:
        if self.head is None:
            return {}
        day = as_of // DAY_MS
        return {
            **self.level(day),
            **self.activity(day, as_of),
            **self.shares(day),
            **self.promises(as_of),
            **self.logistics(day),
            **self.flows(day),
            "failed_payments_28d": self.sum("failed", day - 27, day),
            "dishonoured_bills_92d": self.sum("dishonoured", day - 91, day),
            "court_cases_92d": self.sum("court", day - 91, day),
            "registration_changes_92d": self.sum("registration", day - 91, day),
            "review_mean_92d": ratio(
                self.sum("ratings", day - 91, day), 100 * self.sum("reviews", day - 91, day)
            ),
            "tenure_days": max(day - self.first_day + 1, 0),
        }

    def level(self, day: int) -> Vector:
        if not self.seen & {"order.paid", "invoice.issued"}:
            return {}
        week, month = self.turnover(day - 6, day), self.turnover(day - 27, day)
        paid, issued = (self.sum(m, day - 27, day) for m in ("paid", "issued"))
        counted = self.sum("invoices" if issued > paid else "orders", day - 27, day)
        found = {
            "turnover_7d_minor": week,
            "turnover_28d_minor": month,
            "turnover_volatility_ratio": self.volatility(day),
            "sales_count_28d": self.sales(day - 27, day),
            "sale_size_28d_minor": ratio(max(paid, issued), counted),
        }
        before = day - 28
        first = max(self.first_sale_day, before - 55)
        history = before - first + 1
        if history < 28:
            return found
        usual = Fraction(self.turnover(first, before) * 28, history)
        return found | {
            "turnover_usual_28d_minor": float(usual),
            "turnover_change_7d_ratio": ratio(4 * week, usual),
            "turnover_change_28d_ratio": ratio(month, usual),
            **self.usual_shares(day - 90, before),
        }

    def usual_shares(self, first: int, last: int) -> Vector:
        def money(metric: str) -> int:
            return self.sum(metric, first, last)

        return {
            "refund_share_usual": share(money("refunded"), money("paid")),
            "dispute_share_usual": share(money("disputes"), self.sales(first, last)),
            "void_share_usual": share(money("voided"), money("issued")),
        }

    def volatility(self, day: int) -> float:
        starts = [day - 7 * k - 6 for k in range(12)]
        weeks = [self.turnover(s, s + 6) for s in starts if s >= self.first_sale_day]
        if len(weeks) < 4 or not sum(weeks):
            return nan
        mean = Fraction(sum(weeks), len(weeks))
        variance = sum((w - mean) ** 2 for w in weeks) / len(weeks)
        return sqrt(variance / mean**2)

    def activity(self, day: int, as_of: int) -> Vector:
        active = self.days.get("active", Counter())
        days = sorted(d for d in active if max(day - 91, self.held("active")) <= d <= day)
        silent = nan
        if self.last_active is not None:
            silent = max(as_of - self.last_active, 0) / DAY_MS
        gaps = [b - a for a, b in pairwise(days)]
        return {
            "active_days_28d": len([d for d in days if d > day - 28]),
            "silence_days": silent,
            "silence_usual_days": max(gaps) if len(days) >= 5 else nan,
        }

    def shares(self, day: int) -> Vector:
        def month(metric: str) -> int:
            return self.sum(metric, day - 27, day)

        return {
            "refund_share_28d": share(month("refunded"), month("paid")),
            "dispute_share_28d": share(month("disputes"), self.sales(day - 27, day)),
            "cancel_share_28d": share(month("cancels"), month("orders")),
            "void_share_28d": share(month("voided"), month("issued")),
        }

    def promises(self, as_of: int) -> Vector:
        if "promises" not in self.seen:
            return {}
        assert self.head is not None
        past = (as_of + 1) // DAY_MS - 1  # the last day that is wholly over

        def total(kind: str, days: int) -> int:
            counts = self.days.get(kind, Counter())
            first = max(past - days + 1, (self.head or 0) - PROMISE_PAST_DAYS)
            return sum(v for d, v in counts.items() if first <= d <= past)

        return {
            "overdue_shipments": total("open", 92),
            "overdue_shipment_share": share(total("open", 28), total("made", 28)),
        }

    def logistics(self, day: int) -> Vector:
        if not self.seen & _PARCELS:
            return {}
        sold, unshipped = 0, 0
        for d in range(day - 30, day - 2):
            if d >= self.held("shipped"):
                orders = max(self.sum("orders", d, d) - self.sum("cancels", d, d), 0)
                sold += orders
                unshipped += max(orders - self.sum("shipped", d, d), 0)
        late, delivered = (self.sum(m, day - 27, day) for m in ("late", "delivered"))
        return {
            "late_delivery_share_28d": share(late, delivered),
            "unshipped_share_28d": share(unshipped, sold),
        }

    def flows(self, day: int) -> Vector:
        def month(metric: str) -> int:
            return self.sum(metric, day - 27, day)

        found: Vector = {}
        turnover = self.turnover(day - 27, day)
        if "settlement.received" in self.seen:
            found["settlement_to_sales_28d_ratio"] = ratio(month("settled"), turnover)
        if "invoice.received" in self.seen:
            purchased = max(month("purchased"), 0)
            found["purchases_to_sales_28d_ratio"] = ratio(purchased, turnover)
        if self.seen & {"account.credited", "account.debited"}:
            found["net_inflow_28d_minor"] = month("credited") - month("debited")
        return found


def ratio(value: int | Fraction, base: int | Fraction) -> float:
    return float(Fraction(value) / Fraction(base)) if base > 0 else nan


def share(part: int, whole: int) -> float:
    if part <= 0 and whole <= 0:
        return nan
    return min(max(part, 0) / whole, 1.0) if whole > 0 else 1.0

"""The events of one merchant as the catalogue places them, worked out anew from the raw lines."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from features.lines import LogLine

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PERIOD_DAYS = 28
COUNT_MAX = 65_535
RARE_MAX = 255
"""Where the counts of parcels lost and payments failed of one day stop."""

HOURS_HELD, DAYS_HELD, SHORT_HELD, YEAR_HELD, WEEKS_HELD = 48, 94, 30, 54, 14
"""Units held up to the head: hour ring, day ring, short ring, year ring, week ring."""

FEED_OF = {
    **dict.fromkeys(
        ("order.paid", "order.cancelled", "order.refunded", "order.disputed", "review.posted"),
        "transactions",
    ),
    **dict.fromkeys(
        ("shipment.dispatched", "shipment.delivered", "shipment.returned", "shipment.lost"),
        "logistics",
    ),
    **dict.fromkeys(
        (
            "settlement.received",
            "account.credited",
            "account.debited",
            "utility.paid",
            "payment.failed",
        ),
        "payments",
    ),
    **dict.fromkeys(
        (
            "invoice.issued",
            "invoice.received",
            "invoice.voided",
            "bill.accepted",
            "bill.settled",
            "bill.dishonoured",
            "tax.filed",
            "court.case",
            "registration.changed",
            "bureau.scored",
            "sensor.reading",
        ),
        "signals",
    ),
}
"""Business events, by type."""

PURCHASE_VOIDED = "purchase voided"
"""What an ``invoice.voided`` of side ``received`` is called here."""

SALES = ("order.paid", "invoice.issued")
ENDS = ("shipment.delivered", "shipment.returned", "shipment.lost")
ACTIVITY = frozenset(
    (
        *SALES,
        "shipment.dispatched",
        "settlement.received",
        "account.credited",
        "account.debited",
        "utility.paid",
        "invoice.received",
        "bill.accepted",
        "bill.settled",
        "tax.filed",
        "sensor.reading",
    )
)

_FIXES_CURRENCY = frozenset(
    (
        *SALES,
        "order.cancelled",
        "order.refunded",
        "invoice.received",
        "invoice.voided",
        "settlement.received",
        "account.credited",
        "account.debited",
    )
)
_ORDERED_AT = frozenset(
    (
        "order.cancelled",
        "order.refunded",
        "order.disputed",
        "shipment.dispatched",
        "shipment.delivered",
        "settlement.received",
    )
)

Value = int | float | Fraction | None
Values = dict[str, Value]
Tally = dict[int, int]


def week_of(day: int) -> int:
    """Weeks begin on Monday; 1970-01-01 was a Thursday."""
    return (day + 3) // 7


@dataclass(slots=True)
class Placed:
    """An event that counts. ``original_at`` is the time of its original, as the catalogue reads it.

    ``amount`` is 0 where it is not in the merchant's currency; ``head`` the latest day of the
    merchant once the event was there.
    """

    line: LogLine
    kind: str
    at: int
    day: int
    head: int
    amount: int
    original_at: int | None

    @property
    def original_day(self) -> int:
        return self.day if self.original_at is None else self.original_at // DAY_MS

    @property
    def promised_day(self) -> int:
        assert self.line.promised_at is not None
        return self.line.promised_at // DAY_MS

    @property
    def hour(self) -> int:
        return self.at // HOUR_MS


def own_day(event: Placed) -> int:
    return event.day


def original_day(event: Placed) -> int:
    return event.original_day


def amount(event: Placed) -> int:
    return event.amount


def _fixes_currency(line: LogLine) -> bool:
    if line.type == "shipment.delivered":
        return bool(line.amount)
    if line.type == "tax.filed":
        return line.declared_turnover_minor is not None
    if line.type == "bureau.scored":
        return line.other_debt_minor is not None
    return line.type in _FIXES_CURRENCY


def _original_at(line: LogLine) -> int | None:
    given = None
    if line.type == "invoice.voided":
        given = line.issued_at
    elif line.type in _ORDERED_AT:
        given = line.ordered_at
    return None if given is None else min(given, line.occurred_at)


class History:
    """What counts of one merchant's lines, in order of arrival."""

    def __init__(self, lines: Iterable[LogLine], merchant: str) -> None:
        self.currency: str | None = None
        self.events: list[Placed] = []
        self.lending: list[LogLine] = []
        self._known: set[str] = set()
        self._by_kind: dict[str, list[Placed]] = {}
        for line in lines:
            if line.merchant_id == merchant:
                self._take(line)
        self.head = self.events[-1].head if self.events else 0
        self.head_hour = max((e.hour for e in self.events), default=0)

    def _take(self, line: LogLine) -> None:
        if line.event_id in self._known:
            return
        self._known.add(line.event_id)
        if line.type not in FEED_OF:
            self.lending.append(line)
            return
        day = line.occurred_at // DAY_MS
        head = max(self.events[-1].head, day) if self.events else day
        if day < head - (DAYS_HELD - 1):
            return
        if self.currency is None and _fixes_currency(line):
            self.currency = line.currency
        amount = (line.amount or 0) if self.is_ours(line) else 0
        kind = line.type
        if kind == "invoice.voided" and line.side == "received":
            kind = PURCHASE_VOIDED
        event = Placed(line, kind, line.occurred_at, day, head, amount, _original_at(line))
        self.events.append(event)
        self._by_kind.setdefault(kind, []).append(event)

    def is_ours(self, line: LogLine) -> bool:
        """Whether what the line states in money is in the merchant's currency."""
        return line.currency is not None and line.currency == self.currency

    def until(self, last: Placed) -> "History":
        """The history as it stood when this event came."""
        count = next(i for i, event in enumerate(self.events) if event is last) + 1
        return History([event.line for event in self.events[:count]], last.line.merchant_id)

    def of(self, *kinds: str) -> list[Placed]:
        """The events of these kinds; in order of arrival where it is one kind."""
        return [event for kind in kinds for event in self._by_kind.get(kind, ())]

    def any_of(self, *kinds: str) -> bool:
        """Whether there ever was one of these kinds."""
        return any(kind in self._by_kind for kind in kinds)

    def first_day(self, *kinds: str) -> int | None:
        """The earliest day of an event of these kinds."""
        return min((event.day for event in self.of(*kinds)), default=None)

    # --- sums and counts by day or week, of what is held -------------------------------------

    def days(
        self,
        kinds: Sequence[str],
        *,
        held: int,
        day: Callable[[Placed], int] = own_day,
        what: Callable[[Placed], int] | None = None,
        most: int | None = None,
        unit_of: Callable[[int], int] = int,
    ) -> Tally:
        """Sums of ``what`` (1 each where not given) by day, of the last ``held`` days.

        ``most`` is where each sum stops; ``unit_of`` makes the day another unit.
        """
        found: Counter[int] = Counter()
        for event in self.of(*kinds):
            unit = unit_of(day(event))
            if unit > unit_of(self.head) - held:
                found[unit] += 1 if what is None else what(event)
        return found if most is None else {u: min(n, most) for u, n in found.items()}

    def weeks(self, kinds: Sequence[str], **how: Any) -> Tally:
        """As ``days``, by week, of the last ``held`` weeks."""
        return self.days(kinds, **how, unit_of=week_of)


def over(tally: Tally, first: int, last: int) -> int:
    """The sum over units ``first`` to ``last``, both included."""
    return sum(value for unit, value in tally.items() if first <= unit <= last)


def added(*tallies: Tally) -> Tally:
    """The sum of tallies, unit by unit."""
    found: Counter[int] = Counter()
    for tally in tallies:
        for unit, value in tally.items():
            found[unit] += value
    return found


def less(tally: Tally, *others: Tally) -> Tally:
    """A tally less the others, unit by unit."""
    return added(tally, *({unit: -value for unit, value in other.items()} for other in others))


def ratio(part: int | Fraction, whole: int | Fraction) -> Fraction | None:
    """Part / whole; None where the whole is 0."""
    return Fraction(part) / whole if whole else None


def share(part: int, whole: int) -> Fraction | None:
    """The share of the catalogue: within 0-1, 1 of nothing, None where neither is above 0."""
    if part <= 0 and whole <= 0:
        return None
    if whole <= 0:
        return Fraction(1)
    return min(max(Fraction(part, whole), Fraction(0)), Fraction(1))


def median(values: Sequence[int | Fraction]) -> Fraction:
    """The middle value, or the mean of the middle two."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Fraction(ordered[middle])
    return (Fraction(ordered[middle - 1]) + ordered[middle]) / 2

"""What is open: parcels under way, promises, orders without a parcel. Played day by day."""

from dataclasses import dataclass, field

from tests.features.oracle.history import (
    COUNT_MAX,
    ENDS,
    SHORT_HELD,
    History,
    Placed,
    Tally,
)

PROMISED_BEHIND, PROMISED_AHEAD = 42, 35
SHIPPED_BACK = 27


def oldest(tally: Tally, first: int, last: int) -> int | None:
    """The oldest of these days that has any."""
    return min(
        (day for day, value in tally.items() if value > 0 and first <= day <= last), default=None
    )


def raised(tally: Tally, day: int) -> None:
    """One more, up to where counts stop."""
    tally[day] = min(tally.get(day, 0) + 1, COUNT_MAX)


@dataclass
class Parcels:
    """Counts by day, of those days that are held."""

    open: Tally = field(default_factory=dict)
    orders: Tally = field(default_factory=dict)
    cancelled: Tally = field(default_factory=dict)
    shipped: Tally = field(default_factory=dict)
    made: Tally = field(default_factory=dict)
    promised: Tally = field(default_factory=dict)
    """Open promises."""
    orders_promise: bool = False
    any_promise: bool = False
    head: int = 0

    def without(self, day: int) -> int:
        """Orders without a parcel."""
        net = self.orders.get(day, 0) - self.cancelled.get(day, 0)
        return max(net - self.shipped.get(day, 0), 0)

    def take(self, event: Placed) -> None:
        """Play one event."""
        self._move(event.head)
        promised = event.line.promised_at is not None
        if event.kind == "order.paid":
            self._count(self.orders, event.day)
            self.orders_promise |= promised
            self._promise(event)
        elif event.kind == "order.cancelled":
            self._count(self.cancelled, event.original_day)
            if promised or self.orders_promise:
                self._close_promise(event, unmake=True)
        elif event.kind == "shipment.dispatched":
            self._count(self.open, event.day)
            self._ship(event)
            if not self.orders_promise:
                self._promise(event)
        elif event.kind in ENDS:
            day = oldest(self.open, *self._held())
            if day is not None:
                self.open[day] -= 1
            self._close_promise(event, unmake=False)

    def _held(self) -> tuple[int, int]:
        return self.head - SHORT_HELD + 1, self.head

    def _move(self, head: int) -> None:
        self.head = head
        for tally in (self.open, self.orders, self.cancelled, self.shipped):
            for day in [d for d in tally if d < self._held()[0]]:
                del tally[day]
        for tally in (self.made, self.promised):
            for day in [d for d in tally if d < head - PROMISED_BEHIND]:
                del tally[day]

    def _count(self, tally: Tally, day: int) -> None:
        if day >= self._held()[0]:
            raised(tally, day)

    def _ship(self, event: Placed) -> None:
        if event.original_at is not None:
            self._count(self.shipped, event.original_day)
            return
        first = max(self._held()[0], event.day - SHIPPED_BACK)
        waiting = {day: self.without(day) for day in self.orders}
        day = oldest(waiting, first, event.day)
        self._count(self.shipped, event.day if day is None else day)

    def _promise(self, event: Placed) -> None:
        if event.line.promised_at is None:
            return
        self.any_promise = True
        day = event.promised_day
        if self.head - PROMISED_BEHIND <= day <= self.head + PROMISED_AHEAD:
            raised(self.made, day)
            raised(self.promised, day)

    def _close_promise(self, event: Placed, *, unmake: bool) -> None:
        day: int | None
        if event.line.promised_at is not None:
            day = event.promised_day if self.promised.get(event.promised_day) else None
        else:
            day = min((d for d, count in self.promised.items() if count), default=None)
        if day is not None:
            self.promised[day] -= 1
            if unmake:
                self.made[day] = max(self.made[day] - 1, 0)


def play(history: History) -> Parcels:
    """The state after all events."""
    parcels = Parcels()
    for event in history.events:
        parcels.take(event)
    return parcels

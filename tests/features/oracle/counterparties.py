"""Who buys and who supplies: bitmaps by period and the tables of the largest."""

from dataclasses import dataclass, field
from fractions import Fraction

from xxhash import xxh64_intdigest

from tests.features.oracle.history import PERIOD_DAYS, History, Placed, Value
from tests.features.oracle.roots import logarithm

BITS = 512
PLACES = 6
NAMED_MIN = 5


def _hash(event: Placed) -> int | None:
    name = event.line.counterparty_id
    return None if name is None else xxh64_intdigest(name.encode())


@dataclass
class Seen:
    """Bits, sales to named counterparties and those to new ones, each by period."""

    bits: dict[int, set[int]] = field(default_factory=dict)
    named: dict[int, int] = field(default_factory=dict)
    new: dict[int, int] = field(default_factory=dict)


class Counterparties:
    """The counterparties of the events of some kinds."""

    def __init__(self, history: History, kinds: tuple[str, ...]) -> None:
        self.seen = Seen()
        self.table: list[tuple[int, int]] = []
        self.total = 0
        self.last_period = history.head // PERIOD_DAYS
        period: int | None = None
        for event in history.events:
            now = event.head // PERIOD_DAYS
            self._halve(0 if period is None else now - period)
            period = now
            if event.kind in kinds and (number := _hash(event)) is not None:
                self._see(event, number % BITS)
                self._enter(number % 2**32, event.amount)

    def _halve(self, times: int) -> None:
        for _ in range(min(times, 64)):
            self.total //= 2
            self.table = [(name, held // 2) for name, held in self.table]

    def _see(self, event: Placed, bit: int) -> None:
        head, own = event.head // PERIOD_DAYS, event.day // PERIOD_DAYS
        if own not in (head, head - 1):
            return
        bits = self.seen.bits
        known = bit in bits.get(head, set()) | bits.get(head - 1, set())
        bits.setdefault(own, set()).add(bit)
        self.seen.named[own] = self.seen.named.get(own, 0) + 1
        self.seen.new[own] = self.seen.new.get(own, 0) + (not known)

    def _enter(self, name: int, amount: int) -> None:
        if not amount:
            return
        self.total += amount
        places = self.table
        for place, (known, held) in enumerate(places):
            if held and known == name:
                places[place] = (name, held + amount)
                return
        for place, (_, held) in enumerate(places):
            if not held:
                places[place] = (name, amount)
                return
        if len(places) < PLACES:
            places.append((name, amount))
            return
        least = min(range(PLACES), key=lambda place: places[place][1])
        places[least] = (name, places[least][1] + amount)

    def _last_two(self, by_period: dict[int, int]) -> int:
        return by_period.get(self.last_period, 0) + by_period.get(self.last_period - 1, 0)

    def estimate(self) -> Value:
        """Linear counting over both bitmaps."""
        bits = self.seen.bits
        union = bits.get(self.last_period, set()) | bits.get(self.last_period - 1, set())
        if not union:
            return None
        return -BITS * logarithm(Fraction(max(BITS - len(union), 1), BITS))

    def top_share(self) -> Value:
        """The largest amount in the table of the total."""
        if not self.total:
            return None
        return Fraction(max((held for _, held in self.table), default=0), self.total)

    def new_share(self) -> Value:
        """Events of counterparties that were new of those that name one."""
        named = self._last_two(self.seen.named)
        return None if named < NAMED_MIN else Fraction(self._last_two(self.seen.new), named)

"""What lines grant, by product and by funder: the limit that each line stands at, as last sent."""

from collections import Counter

from msgspec import Struct


class LineHeld(Struct, frozen=True):
    """A line's latest limit that was sent, minor units; ``funders`` are its parts by funder."""

    product: str
    currency: str
    version: int
    limit_minor: int
    funders: dict[str, int]
    partition: int


def newer_line(known: LineHeld | None, found: LineHeld) -> LineHeld:
    """The limit that holds: the highest version."""
    return found if known is None or found.version >= known.version else known


class Granted:
    """Sums over lines, kept as they move."""

    def __init__(self) -> None:
        self._minor: Counter[tuple[str, str, str]] = Counter()
        self._lines: Counter[tuple[str, str, str]] = Counter()

    def put(self, known: LineHeld | None, found: LineHeld) -> None:
        """A line's limit replaces the one known."""
        if known is not None:
            self._add(known, -1)
        self._add(found, 1)

    def _add(self, line: LineHeld, sign: int) -> None:
        self._count("product", line.product, line.currency, line.limit_minor, sign)
        for funder, minor in line.funders.items():
            self._count("funder", funder, line.currency, minor, sign)

    def _count(self, dimension: str, name: str, currency: str, minor: int, sign: int) -> None:
        where = (dimension, name, currency)
        self._minor[where] += sign * minor
        self._lines[where] += sign

    def limit_minor(self) -> dict[tuple[str, str, str], int]:
        """Minor units by dimension (``product``, ``funder``), name and currency."""
        return {where: self._minor[where] for where, n in self._lines.items() if n}

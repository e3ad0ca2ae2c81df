"""What the monitors hold of the portfolio: exposure, open episodes, episodes of the last day.

Updates replace by identity and version, so that what is delivered twice counts once and the state
can be computed again from the topics. The sums are kept as updates come: a monitor of a million
merchants does not add them all up each time it is asked.
"""

from collections import Counter
from heapq import heappop, heappush

from msgspec import Struct

MINUTE_MS = 60_000
WINDOW_MINUTES = 24 * 60
WINDOW_MS = WINDOW_MINUTES * MINUTE_MS
LOSS_GIVEN_DEFAULT = 0.65
"""As most of the shipped products price it, and as the views in ClickHouse have it."""


class Exposure(Struct, frozen=True):
    """Latest exposure of a merchant; money in minor units. ``partition`` is the merchant's.

    ``expected_loss_minor`` is that of ``expected_loss``, 0 where nothing is known.
    """

    segment: str
    currency: str
    exposure_minor: int
    as_of: int
    partition: int
    expected_loss_minor: int = 0

    def differs(self, known: "Exposure | None") -> bool:
        """Whether it says more than that the known one still holds, which need not be stored."""
        return known is None or (
            known.segment,
            known.currency,
            known.exposure_minor,
            known.expected_loss_minor,
        ) != (self.segment, self.currency, self.exposure_minor, self.expected_loss_minor)


def expected_loss(exposure_minor: int, probability_of_default: float | None) -> int:
    """PD x LGD x exposure (Basel Framework, CRE35.2) in whole minor units, so that sums are exact.

    A merchant whose probability is not known counts as 0.
    """
    return round(exposure_minor * (probability_of_default or 0.0) * LOSS_GIVEN_DEFAULT)


class Episode(Struct, frozen=True):
    """Latest state of an alert episode. ``partition`` is its merchant's.

    ``cohort`` is the cohort that it is about, empty where it is about a merchant.
    """

    segment: str
    kind: str
    severity: str
    state: str
    version: int
    opened_at: int
    partition: int
    cohort: str = ""


def newer_exposure(known: Exposure | None, found: Exposure) -> Exposure:
    """The exposure that holds: an older one that comes again changes nothing."""
    return found if known is None or found.as_of >= known.as_of else known


def newer_episode(known: Episode | None, found: Episode) -> Episode:
    """The state that holds: the highest version."""
    return found if known is None or found.version >= known.version else known


class Portfolio:
    """Sums over exposures and episodes, and the window of the last 24 hours of event time.

    ``put_…`` takes what was known of a merchant or an episode and what holds now.
    """

    def __init__(self) -> None:
        self.latest_ms = 0
        self._minor: Counter[tuple[str, str]] = Counter()
        self._merchants: Counter[tuple[str, str]] = Counter()
        self._loss_minor: Counter[tuple[str, str]] = Counter()
        self._squares: Counter[str] = Counter()
        self._open: Counter[tuple[str, str, str]] = Counter()
        self._opened: dict[int, Counter[tuple[str, str]]] = {}
        self._closed: dict[int, list[tuple[int, str]]] = {}

    def put_exposure(self, known: Exposure | None, found: Exposure) -> None:
        """A merchant's exposure replaces the one known."""
        if known is not None:
            self._add(known, -1)
        self._add(found, 1)

    def _add(self, each: Exposure, sign: int) -> None:
        where = (each.segment, each.currency)
        self._minor[where] += sign * each.exposure_minor
        self._merchants[where] += sign
        self._loss_minor[where] += sign * each.expected_loss_minor
        self._squares[each.currency] += sign * each.exposure_minor**2

    def put_episode(self, alert_id: str, known: Episode | None, found: Episode) -> None:
        """An episode's state replaces the one known."""
        if known is not None and known.state != "closed":
            self._open[known.segment, known.kind, known.severity] -= 1
        if found.state != "closed":
            self._open[found.segment, found.kind, found.severity] += 1
        elif known is None or known.state != "closed":
            heappush(self._closed.setdefault(found.partition, []), (found.opened_at, alert_id))
        if known is not None:
            self._count_opened(known, -1)
        self._count_opened(found, 1)
        self.latest_ms = max(self.latest_ms, found.opened_at)

    def _count_opened(self, each: Episode, sign: int) -> None:
        minute = each.opened_at // MINUTE_MS
        counts = self._opened.setdefault(minute, Counter())
        counts[each.segment, each.kind] += sign
        if not counts.total():
            del self._opened[minute]

    def pop_forgettable(self, partition: int, now_ms: int) -> str | None:
        """An episode that is closed and has left the window: nothing here needs it any more.

        Called until it gives None. The caller takes the episode out of its table and says so with
        ``forget``.
        """
        closed = self._closed.get(partition)
        if closed and closed[0][0] <= now_ms - WINDOW_MS:
            return heappop(closed)[1]
        return None

    def forget(self, episode: Episode) -> None:
        """A closed episode is no longer held."""
        self._count_opened(episode, -1)

    def exposure_minor(self) -> dict[tuple[str, str], int]:
        """Minor units by segment and currency, where there are merchants."""
        return {where: self._minor[where] for where, n in self._merchants.items() if n}

    def expected_loss_minor(self) -> dict[tuple[str, str], int]:
        """Minor units by segment and currency, where there are merchants."""
        return {where: self._loss_minor[where] for where, n in self._merchants.items() if n}

    def exposure_squares(self) -> dict[tuple[str], int]:
        """Sum of squared exposures of merchants, minor units squared, by currency.

        Over the square of all exposure it is the Herfindahl index (Hirschman, 1945; Herfindahl,
        1950): 1 / number of equals. Sums of several monitors add up, an index would not.
        """
        return {(currency,): n for currency, n in self._squares.items() if n}

    def open_alerts(self) -> dict[tuple[str, str, str], int]:
        """Open episodes by segment, kind and severity."""
        return {where: n for where, n in self._open.items() if n}

    def opened_in_window(self, now_ms: int) -> dict[tuple[str, str], int]:
        """Episodes opened in the 1,440 minutes up to that of ``now_ms``, by segment and kind."""
        last = now_ms // MINUTE_MS
        counts: Counter[tuple[str, str]] = Counter()
        for minute, opened in self._opened.items():
            if last - WINDOW_MINUTES < minute <= last:
                counts.update(opened)
        return {what: n for what, n in counts.items() if n}

"""What the first monitor knows, without Faust: exposure, open episodes, alerts by hour, feeds.

Updates replace by identity and version or take a maximum, so that what is delivered twice counts
once and the state can be computed again from the topics.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from schemas.events import BY_TAG

HOUR_MS = 3_600_000
WINDOW_HOURS = 24
NO_FEED = frozenset({"risk.control"})


class Exposure(Struct, frozen=True):
    """Latest exposure of a merchant; money in minor units."""

    segment: str
    currency: str
    exposure_minor: int
    as_of: int


class Episode(Struct, frozen=True):
    """Latest state of an alert episode."""

    segment: str
    kind: str
    severity: str
    state: str
    version: int
    opened_at: int


class Feed(Struct, frozen=True):
    """Freshness of one feed: latest event time, and events by hour of event time."""

    last_event_at: int
    hours: dict[int, int]


def newer_exposure(known: Exposure | None, found: Exposure) -> Exposure:
    """The exposure that holds: an older one that comes again changes nothing."""
    return found if known is None or found.as_of >= known.as_of else known


def newer_episode(known: Episode | None, found: Episode) -> Episode:
    """The state that holds: the highest version."""
    return found if known is None or found.version >= known.version else known


def exposure_by_segment(exposures: Iterable[Exposure]) -> dict[tuple[str, str], int]:
    """Minor units by segment and currency."""
    totals: Counter[tuple[str, str]] = Counter()
    for each in exposures:
        totals[each.segment, each.currency] += each.exposure_minor
    return dict(totals)


def open_by_segment(episodes: Iterable[Episode]) -> dict[tuple[str, str, str], int]:
    """Open episodes by segment, kind and severity."""
    return dict(Counter((e.segment, e.kind, e.severity) for e in episodes if e.state != "closed"))


def opened_in_window(episodes: Iterable[Episode], now_ms: int) -> dict[tuple[str, str], int]:
    """Episodes opened in the last 24 hours of event time before ``now_ms``, by segment and kind."""
    since = now_ms - WINDOW_HOURS * HOUR_MS
    return dict(Counter((e.segment, e.kind) for e in episodes if since < e.opened_at <= now_ms))


def feed_of(event_type: str) -> str | None:
    """The feed (logical topic) that an event type comes on; None for Tideline's own lines."""
    struct = BY_TAG.get(event_type)
    return None if struct is None or struct.topic in NO_FEED else struct.topic


def advance_feed(known: Feed | None, times: Iterable[int]) -> Feed:
    """Count events by hour of event time, keep the last day's hours, remember the latest time."""
    hours: dict[int, int] = dict(known.hours) if known else {}
    latest = known.last_event_at if known else 0
    for at in times:
        latest = max(latest, at)
        hour = at // HOUR_MS
        hours[hour] = hours.get(hour, 0) + 1
    oldest = latest // HOUR_MS - WINDOW_HOURS
    return Feed(latest, {hour: n for hour, n in hours.items() if hour > oldest})


def events_per_minute(feed: Feed) -> float:
    """Mean rate over the hours seen of the last day of event time."""
    if not feed.hours:
        return 0.0
    span = max(feed.hours) - min(feed.hours) + 1
    return sum(feed.hours.values()) / (60 * span)


def latest_time(feeds: Mapping[str, Feed], episodes: Iterable[Episode]) -> int:
    """The clock of the windows: latest event time of any feed or episode, so backfills work too."""
    times = [feed.last_event_at for feed in feeds.values()] + [e.opened_at for e in episodes]
    return max(times, default=0)

"""Health of the feeds of one partition: is a merchant silent, or is it everyone's feed?

Everything is in event time, by clock hours (UTC), and in integers.

**Volume.** A feed's volume of an hour is the number of merchants heard of on it (``note`` is called
for a merchant's first event of an hour), so that one busy merchant is no crowd. An hour is open
until the watermark passes its end. An event of a closed hour counts in the oldest open one: volume
is what arrives, so a feed that is delivered by night, or late, has its usual as well.

**Usual volume.** Per hour of the week (from Monday, UTC): the first week's volume, then the lesser
of two, then a mean that rises by a quarter of the way (towards at most 4 times itself and 8) and
falls by half of it. A spike (the first of a month, a backlog) thus never sets what is expected,
nights and weekends are known, and a decline is followed. Until an hour of the week was seen twice,
the lesser of it and of the same kind of mean by hour of the day is expected. An hour is not learned
from while the feed is quiet and under 5 % of the expected came; but for the hours of the week in
the first week of an outage, so that new closing days become usual while a long outage does not.

**Quiet for everyone** is a feed whose latest hours (a run) each brought less than 5 % of what was
expected, where together at least 20 merchants were expected. (At 20 expected, chance leaves none
in 1 of 5 x 10^8; a stray event does not hide an outage; a slow decline never falls below 5 % of a
usual that follows it.) A feed is judged only 7 days after its first event, and only where its
busiest hour of the week expects at least 8 merchants: with fewer there is no "everyone", and the
silence is that of a merchant.

**Back** is a quiet feed with an hour of at least half of the expected volume and at least 4
merchants; or else with a fifth of the expected over the quiet hours of a UTC day, so that what
remained smaller is not quiet for ever. Between 5 % and that (hysteresis) nothing changes.

**Settling.** What did not come in an outage is missing from every window over it, which is no fall
of every merchant either. So a feed that is back stays unavailable until late events filled half of
what is missing, or for as long again as it was quiet, at most 7 days: then the windows of a week
are whole, and those of 28 days outvoted where it matters (``credit.capacity``).

**All feeds at once.** Live, clock ticks move the watermark, so an outage of everything is found
like any other, feed by feed. In a backfill the watermark strides over a hole at once: its hours are
closed one by one as empty before anything falls due at the end of the stride, so that the hole
reads as an outage of every feed. Of a stride of over 28 days the first 28 are looked at. Late data
of the hole are like those of an outage.

All memory is one record of ``FEEDS``. The result does not depend on the order of the events between
two moves of the watermark to another hour.
"""

import hashlib
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features import kinds
from features.layout import (
    FEEDS_COUNT,
    LENDING_FEED,
    LOGISTICS,
    PAYMENTS,
    SIGNALS,
    TRANSACTIONS,
    entry,
    inner,
)
from features.pages import StateFormatError

FEED_NAMES = ("transactions", "logistics", "payments", "signals", "lending")
"""Names by code; bit ``1 << code`` stands for a feed in a mask."""

HOUR_MS = 3_600_000
WEEK_HOURS = 168
WARM_UP_HOURS = 168
CATCH_UP_HOURS = 28 * 24
OPEN_HOURS = 32
"""Hours counted ahead of the first open one; later ones count in the last of them."""
ONE = 1024
"""A merchant in the fixed point of means and sums."""
QUIET_DIVISOR = 20
QUIET_EXPECTED = 20 * ONE
BUSIEST_MIN = 8 * ONE
BACK_MIN = 4 * ONE
SETTLE_MAX_MS = 7 * 24 * HOUR_MS

HEALTHY, QUIET, SETTLING = range(3)
STATES: tuple[Literal["healthy", "quiet", "settling"], ...] = ("healthy", "quiet", "settling")

_PER_FEED = (FEEDS_COUNT,)
FEEDS = np.dtype(
    [
        ("next_ms", "<i8"),
        ("open_hour", "<i8"),
        ("first_hour", "<i8", _PER_FEED),
        ("last_ms", "<i8", _PER_FEED),
        ("count", "<i8", (FEEDS_COUNT, OPEN_HOURS)),
        ("seen", "<i8", _PER_FEED),
        ("expected", "<i8", _PER_FEED),
        ("week", "<i8", (FEEDS_COUNT, WEEK_HOURS)),
        ("week_n", "u1", (FEEDS_COUNT, WEEK_HOURS)),
        ("day", "<i8", (FEEDS_COUNT, 24)),
        ("day_n", "u1", (FEEDS_COUNT, 24)),
        ("run_since", "<i8", _PER_FEED),
        ("run_expected", "<i8", _PER_FEED),
        ("run_missing", "<i8", _PER_FEED),
        ("state", "<i8", _PER_FEED),
        ("since", "<i8", _PER_FEED),
        ("missing", "<i8", _PER_FEED),
        ("filled", "<i8", _PER_FEED),
        ("until_ms", "<i8", _PER_FEED),
        ("day_seen", "<i8", _PER_FEED),
        ("day_expected", "<i8", _PER_FEED),
    ]
)
"""One partition. ``next_ms`` is the end of the first open hour; -1 stands for never.

``seen`` counts merchants, the other volumes are in ``1 / ONE`` of one. ``since`` is when the outage
began that the feed is in or settles from (0 = healthy).
"""

_FORMAT = hashlib.blake2b(repr(FEEDS.descr).encode(), digest_size=8).digest()


class FeedHealth(Struct, frozen=True):
    """One feed as of the last closed hour.

    Times are epoch milliseconds; ``quiet_since`` is 0 unless it is quiet; ``seen`` and ``expected``
    are the merchants heard of in that hour, and usually.
    """

    feed: str
    state: Literal["healthy", "quiet", "settling"]
    quiet_since: int
    last_event_at: int
    seen: int
    expected: float


def fresh() -> NDArray[Any]:
    """The state before the first event: an array of one record."""
    feeds = np.zeros(1, FEEDS)
    for name in ("open_hour", "first_hour", "last_ms"):
        feeds[name] = -1
    return feeds


@inner
def feed_of(kind: int) -> int:
    """The feed of a kind of line (see ``kinds``); -1 for what comes on none."""
    if kind < kinds.LENDING:
        return -1
    if kind == kinds.LENDING:
        return LENDING_FEED
    if kind <= kinds.REVIEW:
        return TRANSACTIONS
    if kind <= kinds.LOST:
        return LOGISTICS
    if kind <= kinds.PAYMENT_FAILED:
        return PAYMENTS
    return SIGNALS


@inner
def note(f: Any, feed: int, ts: int) -> None:
    """A merchant's first event of an hour on a feed, at ``ts`` (no later than the clock's high)."""
    hour = ts // HOUR_MS
    if f.open_hour < 0:
        f.open_hour = hour
        f.next_ms = (hour + 1) * HOUR_MS
    if hour < f.open_hour:
        if f.since[feed] > 0 and ts >= f.since[feed]:
            f.filled[feed] += ONE
        hour = f.open_hour
    f.count[feed, min(hour, f.open_hour + OPEN_HOURS - 1) % OPEN_HOURS] += 1
    f.last_ms[feed] = max(f.last_ms[feed], ts)


@inner
def _week_hour(hour: int) -> int:
    return (hour + 72) % WEEK_HOURS  # 1970-01-01 was a Thursday


@inner
def _expected(f: Any, feed: int, hour: int) -> int:
    at = _week_hour(hour)
    if f.week_n[feed, at] >= 2:
        return int(f.week[feed, at])
    by_day = f.day[feed, hour % 24]
    return int(min(by_day, f.week[feed, at]) if f.week_n[feed, at] == 1 else by_day)


@inner
def _learn(mean: Any, times: Any, feed: int, at: int, volume: int) -> None:
    usual = mean[feed, at]
    if times[feed, at] == 0:
        usual = volume
    elif times[feed, at] == 1:
        usual = min(usual, volume)
    else:
        volume = min(volume, 4 * usual + 8 * ONE)
        usual += (volume - usual) // 4 if volume > usual else -((usual - volume) // 2)
    mean[feed, at] = usual
    times[feed, at] = min(times[feed, at] + 1, 2)


@inner
def _is_judged(f: Any, feed: int) -> bool:
    busiest = 0
    for at in range(WEEK_HOURS):
        busiest = max(busiest, f.week[feed, at])
    return busiest >= BUSIEST_MIN


@inner
def _watch(f: Any, feed: int, hour: int, volume: int, expected: int) -> None:
    """A healthy or settling feed: is it quiet with this hour?"""
    if volume * QUIET_DIVISOR >= expected:
        if volume > 0:
            f.run_since[feed] = 0
            f.run_expected[feed] = 0
            f.run_missing[feed] = 0
    else:
        if f.run_since[feed] == 0:
            f.run_since[feed] = hour * HOUR_MS
        f.run_expected[feed] += expected
        f.run_missing[feed] += expected - volume
        if f.run_expected[feed] >= QUIET_EXPECTED and _is_judged(f, feed):
            if f.state[feed] == HEALTHY:
                f.since[feed] = f.run_since[feed]
                f.missing[feed] = 0
                f.filled[feed] = 0
            f.state[feed] = QUIET
            f.missing[feed] += f.run_missing[feed]
            f.day_seen[feed] = 0
            f.day_expected[feed] = 0
            return
    if f.state[feed] == SETTLING and (
        f.filled[feed] * 2 >= f.missing[feed] or (hour + 1) * HOUR_MS >= f.until_ms[feed]
    ):
        f.state[feed] = HEALTHY
        f.since[feed] = 0


@inner
def _await(f: Any, feed: int, hour: int, volume: int, expected: int) -> None:
    """A quiet feed: is it back with this hour?"""
    f.missing[feed] += max(expected - volume, 0)
    f.day_seen[feed] += volume
    f.day_expected[feed] += expected
    back = volume >= BACK_MIN and volume * 2 >= expected
    if hour % 24 == 23:
        seen = f.day_seen[feed]
        back = back or (seen >= BACK_MIN and seen * 5 >= f.day_expected[feed])
        f.day_seen[feed] = 0
        f.day_expected[feed] = 0
    if back:
        end = (hour + 1) * HOUR_MS
        f.state[feed] = SETTLING
        f.until_ms[feed] = end + min(end - f.since[feed], SETTLE_MAX_MS)
        f.run_since[feed] = 0
        f.run_expected[feed] = 0
        f.run_missing[feed] = 0


@inner
def _close_hour(f: Any, feed: int, hour: int) -> None:
    seen = f.count[feed, hour % OPEN_HOURS]
    f.count[feed, hour % OPEN_HOURS] = 0
    if f.first_hour[feed] < 0:
        if seen == 0:
            return
        f.first_hour[feed] = hour
    volume = seen * ONE
    expected = _expected(f, feed, hour)
    f.seen[feed] = seen
    f.expected[feed] = expected
    if f.state[feed] == QUIET:
        _await(f, feed, hour, volume, expected)
    elif hour - f.first_hour[feed] >= WARM_UP_HOURS:
        _watch(f, feed, hour, volume, expected)
    lost = f.state[feed] == QUIET and volume * QUIET_DIVISOR < expected
    if not lost:
        _learn(f.day, f.day_n, feed, hour % 24, volume)
    if not lost or hour - f.since[feed] // HOUR_MS < WEEK_HOURS:
        _learn(f.week, f.week_n, feed, _week_hour(hour), volume)


@inner
def advance(f: Any, watermark: int) -> None:
    """Close the hours that end by ``watermark`` (epoch ms). To be called at each move of it,
    before the deadlines that have passed with it, and before ``note`` of the event that moved it.
    """
    if watermark < f.next_ms:
        return
    hour = watermark // HOUR_MS
    if f.open_hour < 0:
        f.open_hour = hour
    for closed in range(f.open_hour, min(hour, f.open_hour + CATCH_UP_HOURS)):
        for feed in range(FEEDS_COUNT):
            _close_hour(f, feed, closed)
    f.open_hour = hour
    f.next_ms = (hour + 1) * HOUR_MS


@inner
def unavailable(f: Any) -> int:
    """Mask of the feeds whose features say nothing now: quiet, or settling from it."""
    mask = 0
    for feed in range(FEEDS_COUNT):
        if f.state[feed] != HEALTHY:
            mask |= 1 << feed
    return mask


@entry
def note_all(feeds: Any, codes: Any, times_ms: Any) -> None:
    """``note`` for arrays of feeds and times, from Python."""
    for i in range(codes.size):
        note(feeds[0], codes[i], times_ms[i])


@entry
def advance_to(feeds: Any, watermark: int) -> None:
    """``advance`` from Python."""
    advance(feeds[0], watermark)


def quiet_feeds(feeds: NDArray[Any]) -> int:
    """``unavailable`` from Python."""
    states = feeds["state"][0].tolist()
    if not any(states):
        return 0
    return sum(1 << feed for feed, state in enumerate(states) if state)


def health(feeds: NDArray[Any]) -> tuple[FeedHealth, ...]:
    """The feeds that ever had an event, in the order of their codes."""
    f = feeds[0]
    return tuple(
        FeedHealth(
            feed=name,
            state=STATES[int(f["state"][feed])],
            quiet_since=int(f["since"][feed]) if f["state"][feed] == QUIET else 0,
            last_event_at=int(f["last_ms"][feed]),
            seen=int(f["seen"][feed]),
            expected=int(f["expected"][feed]) / ONE,
        )
        for feed, name in enumerate(FEED_NAMES)
        if f["last_ms"][feed] >= 0
    )


def export(feeds: NDArray[Any]) -> bytes:
    """The state as bytes, little-endian, behind a digest of its layout."""
    return _FORMAT + feeds.tobytes()


def import_(raw: bytes) -> NDArray[Any]:
    """Inverse of ``export``. Raises ``StateFormatError``."""
    if raw[: len(_FORMAT)] != _FORMAT or len(raw) != len(_FORMAT) + FEEDS.itemsize:
        raise StateFormatError(
            f"the state of the feeds ({len(raw)} bytes) is of another version; run the version "
            "that wrote it, or replay the log"
        )
    return np.frombuffer(raw, FEEDS, offset=len(_FORMAT)).copy()

"""The windows of features as spans of time. How they are written, with the catalogue's numbering:

- ``28d`` (``24h``, ``4w``): days (hours, weeks) 1-28. Day and hour 1 are those of ``as_of``, week 1
  is the last full one.
- ``25d before 3d``: the 25 days before the latest 3, days 4-28; hours and weeks likewise.
- ``13w and this``: weeks 0-13.
- ``8 weekdays before 2d``: the 8 days of the weekday of day 2 before it, days 9, 16 ... 58.
- ``28d ahead``: the day of ``as_of`` and the 27 after it, by ``due_at``.
- ``2 periods``: the period of ``as_of`` and the one before.
- ``now``: as things stand, whenever they came about.
- ``all``: the whole history.
- ``last 8``: the latest 8 of their kind.
- ``decaying``: the whole history, older parts counting less.
"""

import re

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PERIOD_DAYS = 28

Span = tuple[int, int]
"""From (included) and to (not included), epoch milliseconds."""

_MONDAY_BEFORE_EPOCH = 3
"""Days from a Monday to 1970-01-01, a Thursday."""
_COUNTED = re.compile(r"(\d+)([hdw])(?: before (\d+)\2)?")
_UNBOUNDED = re.compile(r"now|all|decaying|last \d+")


def spans_of(window: str, as_of: int) -> tuple[Span, ...] | None:
    """The spans of a window at ``as_of`` (epoch ms), or None for one that time does not bound.

    No span reaches beyond ``as_of``, but for that of due dates ahead. Raises ``ValueError`` on a
    window that is not of the grammar.
    """
    if _UNBOUNDED.fullmatch(window):
        return None
    now, day = as_of + 1, as_of // DAY_MS
    if match := _COUNTED.fullmatch(window):
        units, skipped = int(match[1]), int(match[3] or 0)
        if match[2] == "w":
            return ((_week(as_of, -skipped - units), _week(as_of, -skipped)),)
        unit_ms = HOUR_MS if match[2] == "h" else DAY_MS
        end = as_of // unit_ms + 1 - skipped
        return (((end - units) * unit_ms, min(end * unit_ms, now)),)
    if match := re.fullmatch(r"(\d+)w and this", window):
        return ((_week(as_of, -int(match[1])), now),)
    if match := re.fullmatch(r"(\d+) weekdays before (\d+)d", window):
        first = day + 1 - int(match[2])
        days = (first - 7 * k for k in range(1, int(match[1]) + 1))
        return tuple((each * DAY_MS, (each + 1) * DAY_MS) for each in days)
    if match := re.fullmatch(r"(\d+)d ahead", window):
        return ((day * DAY_MS, (day + int(match[1])) * DAY_MS),)
    if match := re.fullmatch(r"(\d+) periods", window):
        first = day // PERIOD_DAYS + 1 - int(match[1])
        return ((first * PERIOD_DAYS * DAY_MS, now),)
    raise ValueError(f"{window!r} is no window; see features.windows for how they are written")


def _week(as_of: int, number: int) -> int:
    """The Monday on which the week begins that lies ``number`` weeks from that of ``as_of``."""
    week = (as_of // DAY_MS + _MONDAY_BEFORE_EPOCH) // 7 + number
    return (week * 7 - _MONDAY_BEFORE_EPOCH) * DAY_MS

"""What makes a merchant due without an event (the rules are in ``engine.EngineConfig``)."""

from typing import Any

from features import layout as lay
from features.layout import entry, inner
from features.rings import has_bit


@inner
def _idle_check(r: Any, after: int) -> int:
    """The next of 1, 2, 4 ... 64 days after the last bucket's close, later than ``after``."""
    days = 1
    while days <= 64:
        if r.end_ms + days * lay.DAY_MS > after:
            return int(r.end_ms + days * lay.DAY_MS)
        days *= 2
    return lay.NEVER


@inner
def active_days(r: Any, first: int, last: int) -> int:
    """Active days among ``first``-``last`` that the day ring holds."""
    head = r.head // 24
    count = 0
    for day in range(max(first, head - lay.DAYS + 1), min(last, head) + 1):
        if has_bit(r.active, day % 96):
            count += 1
    return count


@inner
def _silence_check(r: Any, after: int) -> int:
    """The next full hour at which the latest activity lies 24 or 48 hours back, where that tells.

    The hour of the activity is given whole, so that it lies back so long by the check.
    """
    if not r.seen & lay.HAS_ACTIVITY:
        return lay.NEVER
    for hours in (24, 48):
        at = (r.active_ms // lay.HOUR_MS + 1 + hours) * lay.HOUR_MS
        day = (at - 1) // lay.DAY_MS
        if at > after and active_days(r, day - 28, day - 1) >= lay.USUALLY_BUSY_DAYS:
            return int(at)
    return lay.NEVER


@inner
def _overdue_check(r: Any, after: int) -> int:
    """The next end of a day for which promises are open, later than ``after``."""
    if not r.seen & lay.HAS_PROMISES:
        return lay.NEVER
    head = r.head // 24
    first = max(after // lay.DAY_MS, head - lay.PROMISE_PAST_DAYS)
    for day in range(first, head + lay.PROMISE_AHEAD_DAYS + 1):
        if r.promise[lay.OPEN, day % lay.PROMISE_DAYS] > 0:
            return int((day + 1) * lay.DAY_MS)
    return lay.NEVER


@inner
def _next_check(r: Any, after: int) -> int:
    return min(_idle_check(r, after), _silence_check(r, after), _overdue_check(r, after))


@inner
def set_close(r: Any, g: Any, deadlines: Any, slot: int, ts: int) -> None:
    """Make the merchant due at the close of the bucket of an event."""
    end = (ts // g.close_ms + 1) * g.close_ms
    r.end_ms = max(r.end_ms, end)
    which = lay.CLOSE
    if end <= g.watermark:
        # Its bucket is closed; the amendment is seen at the next check at the latest.
        end = _next_check(r, g.watermark)
        which = lay.CHECK
    if end < deadlines[slot, which]:
        deadlines[slot, which] = end
        g.earliest = min(g.earliest, end)


@entry
def next_timers(deadlines: Any, state: Any, slots: Any) -> int:
    """Write the merchants of the earliest passed deadline into ``slots``; returns their number.

    The deadline is left in ``swept``; 0 means that none has passed.
    """
    g = state[0]
    earliest = lay.NEVER
    for slot in range(g.merchants):
        for which in range(lay.DEADLINES):
            earliest = min(earliest, deadlines[slot, which])
    g.earliest = earliest
    if earliest > g.watermark or earliest == lay.NEVER:
        return 0
    g.swept = earliest
    count = 0
    for slot in range(g.merchants):
        for which in range(lay.DEADLINES):
            if deadlines[slot, which] == earliest:
                slots[count] = slot
                count += 1
                break
    return count


@inner
def _fire(r: Any, g: Any, deadlines: Any, slot: int) -> int:
    """Spend the swept deadlines of a merchant and set its next. Returns why it is due, if it is."""
    swept = g.swept
    reason = lay.NOT_DUE
    if deadlines[slot, lay.CHECK] == swept:
        # What made it may be past: there may have been business since.
        if _silence_check(r, swept - 1) == swept:
            reason = lay.AT_SILENCE
        elif _overdue_check(r, swept - 1) == swept:
            reason = lay.AT_OVERDUE
        elif _idle_check(r, swept - 1) == swept:
            reason = lay.AT_IDLE
        deadlines[slot, lay.CHECK] = _next_check(r, swept)
    if deadlines[slot, lay.LENDING_CHECK] == swept:
        deadlines[slot, lay.LENDING_CHECK] = lay.NEVER
        reason = max(reason, lay.AT_IDLE)
    if deadlines[slot, lay.CLOSE] == swept:
        reason = lay.AT_CLOSE
        deadlines[slot, lay.CLOSE] = r.end_ms if r.end_ms > swept else lay.NEVER
        deadlines[slot, lay.CHECK] = _next_check(r, swept)
    return reason


@entry
def fire(rows: Any, deadlines: Any, state: Any, slots: Any, reasons: Any) -> None:
    """Spend the swept deadlines of ``slots``; writes why each is due into ``reasons``."""
    g = state[0]
    for i in range(slots.size):
        reasons[i] = _fire(rows[slots[i]], g, deadlines, slots[i])
        if reasons[i] != lay.NOT_DUE:
            g.counters[lay.N_TIMERS] += 1

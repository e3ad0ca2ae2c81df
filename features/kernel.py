"""The compiled pass over the columns of a micro-batch: duplicates, clock, rows, triggers.

``step`` goes on until a line is due an assessment or a deadline has passed, so that whoever drives
it sees the state exactly as of that line, however the log was cut into batches.
"""

from typing import Any

from features import kinds
from features import layout as lay
from features.compiled import address_of
from features.events import appear, apply
from features.feeds import advance, feed_of, note
from features.layout import entry, inner
from features.prefetch import AHEAD, prefetch, warm_row
from features.rings import whole
from features.timers import set_close

END, DUE_LINE, DUE_TIMERS = 0, 1, 2
"""Why ``step`` returned: no line left, the line is due, or a deadline has passed before it."""


@inner
def _table_put(ring: Any, table: Any, at: int) -> None:
    """Enter the hash at place ``at`` of ``ring`` into the open-addressing index ``table``."""
    mask = table.size - 1
    place = ring[at] & mask
    while table[place] != 0:
        place = (place + 1) & mask
    table[place] = at + 1


@entry
def table_build(ring: Any, table: Any, count: int) -> None:
    """Build the index of the first ``count`` places anew."""
    table[:] = 0
    for at in range(count):
        _table_put(ring, table, at)


@entry
def touch(slots: Any, page_rows: int, dirty: Any, fresh: Any) -> int:
    """Mark the pages of slots (none below 0) as changed since both of ``dirty`` were cleared.

    Those that were not marked in both are written to ``fresh``; returns their number.
    """
    count = 0
    for slot in slots:
        page = slot // page_rows
        if slot >= 0 and not (dirty[0, page] and dirty[1, page]):
            dirty[0, page] = True
            dirty[1, page] = True
            fresh[count] = page
            count += 1
    return count


@inner
def _table_remove(ring: Any, table: Any, at: int) -> None:
    mask = table.size - 1
    hole = ring[at] & mask
    while table[hole] != at + 1:
        hole = (hole + 1) & mask
    place = hole
    while True:
        # Close the hole with what linear probing had pushed past it.
        place = (place + 1) & mask
        if table[place] == 0:
            break
        home = ring[table[place] - 1] & mask
        if ((place - home) & mask) >= ((place - hole) & mask):
            table[hole] = table[place]
            hole = place
    table[hole] = 0


@inner
def _seen(ring: Any, table: Any, g: Any, value: int) -> bool:
    """Whether the hash is among the last ``ring.size``; if not it becomes the latest."""
    mask = table.size - 1
    place = value & mask
    while table[place] != 0:
        if ring[table[place] - 1] == value:
            return True
        place = (place + 1) & mask
    at = g.dedup_count % ring.size
    if g.dedup_count >= ring.size:
        _table_remove(ring, table, at)
    ring[at] = value
    _table_put(ring, table, at)
    g.dedup_count += 1
    return False


@inner
def _move_clock(g: Any, ts: int, slot: int) -> None:
    """The latest event time, moved by more than a step only when merchants agree on the jump."""
    if g.high < 0 or g.merchants == 1:
        g.high = max(g.high, ts)
        g.pending_slot = -1
    elif ts <= g.high + g.step_ms:
        if ts > g.high - g.step_ms:
            g.pending_slot = -1  # time is still here, which contradicts a jump
        g.high = max(g.high, ts)
    elif g.pending_slot < 0:
        g.counters[lay.N_HELD] += 1
        g.pending_slot = slot
        g.pending_ts = ts
    elif g.pending_slot == slot:
        g.high += g.step_ms
        g.pending_ts = ts
    else:
        later = max(ts, g.pending_ts)
        g.high = max(g.high, min(ts, g.pending_ts))
        if ts == later:
            g.pending_slot = slot
            g.pending_ts = ts
        if later <= g.high + g.step_ms:
            g.high = later
            g.pending_slot = -1
    g.watermark = max(g.watermark, g.high - g.lateness_ms)


@inner
def _tick(g: Any, ts: int) -> None:
    g.counters[lay.N_TICKS] += 1
    if g.high >= 0 and g.high < ts <= g.high + g.live_distance_ms:
        g.high = ts
        if g.pending_ts <= g.high + g.step_ms:
            g.pending_slot = -1
        g.watermark = max(g.watermark, g.high - g.lateness_ms)


@inner
def _is_burst(r: Any, e: Any) -> bool:
    """Whether this sale is the one at which its hour becomes a burst (see ``EngineConfig``)."""
    hour = e.ts // lay.HOUR_MS
    if hour <= r.head - lay.HOURS:
        return False
    count = whole(r.hour_count[hour % lay.HOURS])
    if count < lay.BURST_MIN:
        return False
    day = e.ts // lay.DAY_MS
    sales = 0
    for d in range(max(day - 27, r.head // 24 - lay.SHORT_DAYS + 1), day):
        at = d % lay.SHORT_DAYS
        sales += whole(r.short_count[lay.ORDERS, at]) + whole(r.short_count[lay.INVOICES, at])
    return count == max(lay.BURST_MIN, (lay.BURST_DAYS * sales + 26) // 27)


@inner
def _is_trigger(r: Any, e: Any) -> bool:
    kind = e.kind
    if kind == kinds.ORDER_PAID or kind == kinds.INVOICE_ISSUED:
        return _is_burst(r, e)
    return bool(
        kind == kinds.ORDER_REFUNDED
        or kind == kinds.ORDER_DISPUTED
        or kind == kinds.INVOICE_VOIDED
        or kind == kinds.PURCHASE_VOIDED
        or (kind == kinds.COURT_CASE and e.role == kinds.ROLE_DEFENDANT)
        or kind == kinds.BILL_DISHONOURED
        or kind == kinds.REGISTRATION_CHANGED
        or kind == kinds.PAYMENT_FAILED
        or kind == kinds.LOST
    )


@inner
def _moves_claims(kind: int) -> bool:
    """Whether a line may change what a merchant's receivables or bills are."""
    return bool(
        kind == kinds.DELIVERY
        or kind == kinds.RETURNED
        or kind == kinds.SETTLEMENT
        or kind == kinds.ORDER_REFUNDED
        or kind == kinds.INVOICE_ISSUED
        or kind == kinds.INVOICE_VOIDED
        or kind == kinds.BILL
        or kind == kinds.BILL_DISHONOURED
    )


@inner
def _is_due(r: Any, g: Any, e: Any) -> bool:
    """Whether a business event calls for an assessment now."""
    if r.seen & lay.WATCHED and _moves_claims(e.kind):
        return True
    if not _is_trigger(r, e):
        return False
    if r.trigger_ms >= 0 and g.as_of < r.trigger_ms + g.trigger_gap_ms:
        return False
    r.trigger_ms = g.as_of
    return True


@entry
def step(
    rows: Any,
    deadlines: Any,
    state: Any,
    feeds: Any,
    ring: Any,
    table: Any,
    cols: Any,
    slots: Any,
    start: int,
    resumed: bool,
) -> tuple[int, int]:
    """Process lines from ``start``. Returns the line at which it stopped, and why.

    ``cols`` are rows of ``scan.SCANNED``, ``slots`` the rows of their merchants, -1 for lines that
    concern no single one. After ``DUE_TIMERS`` call again with the same line and ``resumed``; after
    ``DUE_LINE`` with the next one. ``as_of`` of a due line is in ``state``. ``feeds`` is the record
    of ``features.feeds``.
    """
    g, f = state[0], feeds[0]
    first_row, first_place = address_of(rows), address_of(table)
    for i in range(start, cols.size):
        if i + AHEAD < cols.size and slots[i + AHEAD] >= 0:
            later = cols[i + AHEAD]
            prefetch(first_place + (later.hash & (table.size - 1)) * table.itemsize)
            warm_row(first_row + slots[i + AHEAD] * rows.itemsize, later)
        e, slot = cols[i], slots[i]
        kind = e.kind
        if not (resumed and i == start):
            g.counters[lay.N_LINES] += 1
            if kind == kinds.UNKNOWN or (slot < 0 and kind >= kinds.PROFILE):
                g.counters[lay.N_UNKNOWN] += 1
                continue
            if kind > kinds.CONTROL and _seen(ring, table, g, e.hash):
                g.counters[lay.N_DUPLICATES] += 1
                continue
            g.merchants = max(g.merchants, slot + 1)
            if kind == kinds.TICK:
                _tick(g, e.ts)
            elif kind >= kinds.APPLICATION:
                _move_clock(g, e.ts, slot)
            advance(f, g.watermark)
            if g.watermark >= g.earliest:
                return i, DUE_TIMERS
        if kind == kinds.TICK:
            continue
        g.counters[lay.N_EVENTS] += 1
        g.as_of = e.ts if g.high < 0 else max(g.watermark, min(e.ts, g.high + g.step_ms))
        if kinds.CONTROL <= kind < kinds.LENDING:
            return i, DUE_LINE
        r = rows[slot]
        feed = feed_of(kind)
        is_first = not r.seen & (1 << feed) or e.ts // lay.HOUR_MS > r.feed_ms[feed] // lay.HOUR_MS
        if kind == kinds.LENDING:
            appear(r, feed, e.ts)
            if is_first:
                note(f, feed, min(e.ts, g.high))
            return i, DUE_LINE
        if apply(r, g, e, feed):
            if is_first:
                note(f, feed, min(e.ts, g.high))
            set_close(r, g, deadlines, slot, e.ts)
            if _is_due(r, g, e):
                return i, DUE_LINE
    return cols.size, END

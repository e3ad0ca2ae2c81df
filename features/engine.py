"""The feature engine of one partition: lines of the log in, merchants due an assessment out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from features import (
    availability,
    compiled,
    counterparties,
    events,
    feeds,
    kernel,
    kinds,
    layout,
    pages,
    parcels,
    prefetch,
    rings,
    scanner,
    sums,
    timers,
    vector,
    vector_change,
    vector_money,
    vector_sales,
    vector_trade,
)
from features.cadence import Due, EngineConfig, Trigger
from features.catalogue import NAMES
from features.compiled import code_type
from features.index import MerchantIndex
from features.layout import COUNTERS, DAY_MS, DEADLINES, HOUR_MS, NEVER, ROW, STATE
from features.peers import Peers
from features.scan import SCANNED, Scanned, scan

_BLOCK_HASHES = 8192
_ROWS_MIN = 8192
_MANY_ROWS = 8192
"""From here on more rows are room for a sixteenth more; below, for as many again."""
_SWEEP_ROWS = 256
"""Vectors computed at once when one deadline serves many merchants."""
_NO_LINES = np.zeros(0, SCANNED)

__all__ = ["Due", "EngineConfig", "FeatureEngine", "Trigger"]

_LINE_TRIGGERS = {
    kinds.CONTROL: Trigger.CONTROL,
    kinds.COMMAND: Trigger.COMMAND,
    kinds.PROFILE: Trigger.PROFILE,
    kinds.APPLICATION: Trigger.PROFILE,
    kinds.LENDING: Trigger.LENDING,
}


_TIMER_TRIGGERS = {
    layout.AT_CLOSE: Trigger.BUCKET_CLOSE,
    layout.AT_IDLE: Trigger.IDLE_CHECK,
    layout.AT_SILENCE: Trigger.SILENCE_CHECK,
    layout.AT_OVERDUE: Trigger.OVERDUE_CHECK,
}


_CODE = code_type(
    compiled,
    layout,
    kinds,
    scanner,
    feeds,
    prefetch,
    rings,
    counterparties,
    parcels,
    events,
    timers,
    kernel,
    sums,
    vector_sales,
    vector_trade,
    vector_money,
    vector_change,
    vector,
)
_STATE = np.dtype([*STATE.descr, *_CODE.dtype.descr])
_CONFIGURED = ("lateness_ms", "step_ms", "live_distance_ms", "trigger_gap_ms", "close_ms")


class FeatureEngine:
    """Merchant rows and the clock of one partition.

    ``index`` gives merchants their slots. ``before_touch`` is called with page numbers before their
    rows change (pages already changed since both ``take_dirty`` are left out); so a running
    checkpoint can copy them first. All state is a function of the lines alone, and of what
    ``set_lending_deadline`` and ``compare`` are told; it is complete only once the iterator of
    ``run`` is exhausted.
    """

    PAGE_ROWS = 64

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.index = MerchantIndex()
        self.before_touch: Callable[[NDArray[np.int64]], None] | None = None
        self._rows: NDArray[Any] = np.zeros(0, ROW)
        self._deadlines: NDArray[np.int64] = np.zeros((0, DEADLINES), np.int64)
        self._dirty = np.zeros((2, 1), np.bool_)
        self._dirty_blocks = np.zeros((2, -(-config.dedup_events // _BLOCK_HASHES)), np.bool_)
        self._ring = np.zeros(config.dedup_events, np.int64)
        size = 1 << (2 * config.dedup_events - 1).bit_length()
        self._table: NDArray[np.int32] | None = np.zeros(size, np.int32)
        self._table_size = size
        self._count = 0
        self._feeds = feeds.fresh()
        self._peers = Peers()
        self._one = np.zeros(1, np.int64)
        self._state = np.zeros(1, _STATE)
        for name in ("high", "watermark", "pending_slot"):
            self._state[name] = -1
        self._state["earliest"] = NEVER
        self._configure()
        self._grow(_ROWS_MIN)
        self._compile()

    def _configure(self) -> None:
        self._state["lateness_ms"] = self.config.lateness_ms
        self._state["step_ms"] = self.config.step_ms
        self._state["live_distance_ms"] = self.config.live_distance_ms
        self._state["trigger_gap_ms"] = self.config.event_trigger_gap_ms
        self._state["close_ms"] = self.config.close_hours * HOUR_MS

    def _compile(self) -> None:
        """Load or compile all machine code now, not amid the first batch."""
        nothing, one = np.zeros(0, np.int64), np.zeros(len(NAMES))
        self.index.lookup_or_add(*scan(b""))
        scratch = self._state.copy()
        held = self._rows, self._deadlines, scratch, self._feeds, *self._duplicates()
        kernel.step(*held, _NO_LINES, nothing, 0, False)
        kernel.touch(nothing, self.PAGE_ROWS, self._dirty, nothing)
        availability.mask(one, 1, 1)
        timers.next_timers(self._deadlines, scratch, nothing)
        timers.fire(self._rows, self._deadlines, scratch, nothing, nothing)
        kernel.table_build(self._ring, nothing.astype(np.int32), 0)
        vector.compute(self._rows, scratch, nothing, 0, np.empty((0, len(NAMES))))

    # --- running ---------------------------------------------------------------------------

    def run(self, scanned: Scanned) -> Iterator[Due]:
        """The merchants that these lines make due, in log order; timers before their line.

        At each due, the state is exactly that after its line. The iterator must be exhausted.
        """
        slots = self._slots(scanned)
        first_hash = int(self._state["dedup_count"][0])
        ring, table = self._duplicates()
        at, resumed = 0, False
        while True:
            held = self._rows, self._deadlines, self._state, self._feeds, ring, table
            at, reason = kernel.step(*held, scanned.rows, slots, at, resumed)
            if reason == kernel.END:
                break
            if reason == kernel.DUE_TIMERS:
                yield from self._timers()
                resumed = True
                continue
            trigger = _LINE_TRIGGERS.get(int(scanned.rows["kind"][at]), Trigger.EVENT)
            yield self._due(at, int(slots[at]), trigger, self._as_of())
            at, resumed = at + 1, False
        self._touch_blocks(first_hash, int(self._state["dedup_count"][0]))

    def _timers(self) -> Iterator[Due]:
        passed = np.empty(self._count, np.int64)
        while count := timers.next_timers(self._deadlines, self._state, passed):
            as_of = int(self._state["swept"][0]) - 1
            self._touch_slots(passed[:count])
            reasons = np.empty(count, np.int64)
            timers.fire(self._rows, self._deadlines, self._state, passed[:count], reasons)
            due = np.flatnonzero(reasons != layout.NOT_DUE)
            slots, reasons = passed[due], reasons[due]
            for first in range(0, due.size, _SWEEP_ROWS):
                some = slots[first : first + _SWEEP_ROWS]
                values = self._vectors(some, as_of)
                why = reasons[first : first + _SWEEP_ROWS].tolist()
                for i, slot in enumerate(some.tolist()):
                    yield Due(-1, slot, int(_TIMER_TRIGGERS[why[i]]), as_of, values[i])

    def _due(self, line: int, slot: int, trigger: Trigger, as_of: int) -> Due:
        if slot < 0:
            return Due(line, slot, int(trigger), as_of, np.full(len(NAMES), np.nan))
        self._one[0] = slot
        return Due(line, slot, int(trigger), as_of, self._vectors(self._one, as_of)[0])

    def _vectors(self, slots: NDArray[np.int64], as_of: int) -> NDArray[np.float64]:
        values = np.empty((slots.size, len(NAMES)))
        vector.compute(self._rows, self._state, slots, as_of, values)
        return values

    def vector_at(self, slot: int, as_of: int) -> NDArray[np.float64]:
        """The vector of a merchant as it would be due at ``as_of`` (epoch ms)."""
        return self._due(-1, slot, Trigger.IDLE_CHECK, as_of).vector

    def _as_of(self) -> int:
        return int(self._state["as_of"][0])

    def _duplicates(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        if self._table is None:
            self._table = np.zeros(self._table_size, np.int32)
            held = min(int(self._state["dedup_count"][0]), self._ring.size)
            kernel.table_build(self._ring, self._table, held)
        return self._ring, self._table

    def _slots(self, scanned: Scanned) -> NDArray[np.int64]:
        """Slots of the lines; rows for merchants that are new."""
        slots, _ = self.index.lookup_or_add(scanned.rows, scanned.raw)
        merchants = len(self.index)
        if merchants > len(self._rows):
            self._grow(merchants)
        self._touch_slots(slots)
        self._count = merchants  # only now: they are part of their page
        return slots

    def _grow(self, merchants: int) -> None:
        """Make room for so many merchants, and for some more that are likely to follow."""
        before = len(self._rows)
        few = before < _MANY_ROWS
        room = max(merchants, 2 * before if few else before * 17 // 16)
        rows = -(-room // self.PAGE_ROWS) * self.PAGE_ROWS
        if few:
            # Memory that is not touched is not resident, so that room costs nothing.
            grown = np.zeros(rows, ROW)
            grown[:before] = self._rows
            self._rows = grown
        else:
            # In place where the allocator can, and by little, since it clears what it adds: rows
            # of a large partition are many gigabytes.
            self._rows.resize(rows, refcheck=False)
        self._deadlines = np.concatenate(
            [self._deadlines, np.full((rows - before, DEADLINES), NEVER, np.int64)]
        )
        dirty = np.zeros((2, rows // self.PAGE_ROWS), np.bool_)
        dirty[:, : before // self.PAGE_ROWS] = self._dirty[:, : before // self.PAGE_ROWS]
        self._dirty = dirty
        self._peers.grow(rows)

    # --- what others ask and tell ----------------------------------------------------------

    @property
    def watermark(self) -> int:
        """No deadline before it is open (epoch ms); 0 before the first event."""
        return max(int(self._state["watermark"][0]), 0)

    @property
    def high(self) -> int:
        """Latest event time that the clock has accepted (epoch ms); 0 before the first event."""
        return max(int(self._state["high"][0]), 0)

    @property
    def counters(self) -> dict[str, int]:
        """Cumulative counts of lines and of what became of them, by name."""
        return dict(zip(COUNTERS, self._state["counters"][0].tolist(), strict=True))

    def currency_of(self, slot: int) -> str | None:
        """The currency that the merchant's first amount fixed, or None."""
        code = int(self._rows["currency"][slot])
        return code.to_bytes(3, "big").decode() if code else None

    @property
    def feeds(self) -> tuple[feeds.FeedHealth, ...]:
        """Health of the feeds that ever had an event."""
        return feeds.health(self._feeds)

    def hold_back(self, slot: int, vector: NDArray[np.float64]) -> tuple[str, ...]:
        """Set what says nothing while feeds are quiet for everyone to NaN; those feeds by name.

        They are the quiet ones on which the merchant was ever seen. ``vector`` is its whole own
        part: what ``run`` gave and ``LendingBook.fill``.
        """
        quiet = feeds.quiet_feeds(self._feeds)
        if not quiet:
            return ()
        used = int(self._rows["seen"][slot]) & layout.FEED_BITS
        availability.mask(vector, quiet, used)
        return availability.feeds_named(quiet & used)

    def compare(
        self, slots: NDArray[np.int64], segments: Sequence[str], vectors: NDArray[np.float64]
    ) -> None:
        """Take merchants' amounts and write their percentiles within their segments, in order.

        ``vectors`` are whole but for the percentiles, shape (merchants, features).
        """
        self._touch_slots(slots)
        self._peers.update(slots, segments, vectors)

    def compare_only(self, slot: int, segment: str, vector: NDArray[np.float64]) -> None:
        """As ``compare``, but nothing is changed by it."""
        self._peers.look(slot, segment, vector)

    def set_lending_deadline(self, slot: int, deadline_ms: int) -> None:
        """Make the merchant due when the watermark reaches ``deadline_ms``; ``NEVER`` for not.

        Replaces the deadline set before. One that timers have already passed is put off to the
        next day.
        """
        swept = int(self._state["swept"][0])
        if deadline_ms <= swept:
            deadline_ms = swept + DAY_MS
        if deadline_ms != self._deadlines[slot, layout.LENDING_CHECK]:
            self._touch_slot(slot)
            self._deadlines[slot, layout.LENDING_CHECK] = deadline_ms
            self._state["earliest"] = min(int(self._state["earliest"][0]), deadline_ms)

    def watch(self, slot: int, on: bool) -> None:
        """Make every line that moves claims of the merchant due, or no longer so."""
        seen = int(self._rows["seen"][slot])
        wanted = seen | layout.WATCHED if on else seen & ~layout.WATCHED
        if wanted != seen:
            self._touch_slot(slot)
            self._rows["seen"][slot] = wanted

    # --- checkpoint --------------------------------------------------------------------------

    @property
    def page_count(self) -> int:
        """Pages in use; page ``p`` holds slots from ``p * PAGE_ROWS``."""
        return -(-self._count // self.PAGE_ROWS)

    @property
    def dedup_block_count(self) -> int:
        """Blocks of the duplicates' ring in use."""
        held = min(int(self._state["dedup_count"][0]), self._ring.size)
        return -(-held // _BLOCK_HASHES)

    def take_dirty(self, slot: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pages and blocks changed since the last call for this checkpoint slot (0 or 1)."""
        pages_, blocks = np.flatnonzero(self._dirty[slot]), np.flatnonzero(self._dirty_blocks[slot])
        self._dirty[slot] = False
        self._dirty_blocks[slot] = False
        return pages_, blocks

    def _touch_slots(self, slots: NDArray[np.int64]) -> None:
        """Note that the pages of slots change; a slot below 0 has none."""
        fresh = np.empty(slots.size, np.int64)
        count = kernel.touch(slots, self.PAGE_ROWS, self._dirty, fresh)
        if count and self.before_touch is not None:
            self.before_touch(fresh[:count])

    def _touch_slot(self, slot: int) -> None:
        page = slot // self.PAGE_ROWS
        if not (self._dirty[0, page] and self._dirty[1, page]):
            self._touch_slots(np.array([slot]))

    def _touch_blocks(self, first: int, after: int) -> None:
        at, size = first, self._ring.size
        while at < after:
            place = at % size
            self._dirty_blocks[:, place // _BLOCK_HASHES] = True
            at += min(_BLOCK_HASHES - place % _BLOCK_HASHES, size - place)

    def export_page(self, page: int) -> bytes:
        """State of the merchants of a page."""
        first = page * self.PAGE_ROWS
        last = min(first + self.PAGE_ROWS, self._count)
        return pages.encode_page(
            self.index.ids(first, last),
            self._rows[first:last],
            self._deadlines[first:last],
            self._peers.export(first, last),
        )

    def import_page(self, page: int, raw: bytes) -> None:
        """Inverse of ``export_page``; the header first, then pages in order.

        Raises ``StateFormatError``.
        """
        ids, rows, deadlines, peers = pages.decode_page(raw)
        first = page * self.PAGE_ROWS
        if first != self._count:
            raise pages.StateFormatError(
                f"page {page} begins at merchant {first}, {self._count} are there; "
                "import pages in order into a fresh engine"
            )
        last = first + len(ids)
        if last > len(self._rows):
            self._grow(last)
        self._count += self.index.add(ids)
        self._rows[first:last] = rows
        self._deadlines[first:last] = deadlines
        self._peers.import_(first, peers)
        self._touch_slot(first)

    def export_header(self) -> bytes:
        """Clock, counters, position of the duplicates' ring, health of feeds, segments."""
        names = [n for n in STATE.names or () if n not in (*_CONFIGURED, "as_of")]
        state = {name: self._state[name][0].tolist() for name in names}
        return pages.encode_header(
            state, asdict(self.config), feeds.export(self._feeds), self._peers.names
        )

    def import_header(self, raw: bytes) -> None:
        """Inverse of ``export_header``. Raises ``StateFormatError``."""
        header = pages.decode_header(raw)
        if header.config != asdict(self.config):
            raise pages.StateFormatError(
                f"the state was made with {header.config}, configured is {asdict(self.config)}: "
                "another cadence would give other outputs; configure the same"
            )
        for name, value in header.state.items():
            self._state[name] = value
        self._feeds = feeds.import_(header.feeds)
        self._peers.import_names(header.segments)

    def export_dedup_block(self, block: int) -> bytes:
        """Hashes of a block of the duplicates' ring, little-endian, in order of arrival."""
        first = block * _BLOCK_HASHES
        return self._ring[first : first + _BLOCK_HASHES].astype("<i8").tobytes()

    def import_dedup_block(self, block: int, raw: bytes) -> None:
        """Inverse of ``export_dedup_block``; the index is built at the next ``run``."""
        first = block * _BLOCK_HASHES
        held = self._ring[first : first + _BLOCK_HASHES]
        if len(raw) != held.nbytes:
            raise pages.StateFormatError(f"block {block} has {len(raw)} bytes, not {held.nbytes}")
        held[:] = np.frombuffer(raw, "<i8")
        self._table = None
        self._dirty_blocks[:, block] = True

"""Which row a merchant has: a compiled hash table from the bytes of a ``merchant_id`` to its slot.

A million merchants as Python strings in a dict cost some 150 bytes each; here they cost their own
bytes and about 35 more: 8 to 24 of a table, 8 of an offset, 8 of a head in the arena of ids.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features import compiled, scanner
from features.compiled import Bytes, address_of, code_type, get, load_byte, put, signed, xxh64
from features.layout import entry, inner
from features.scan import id_rows, matrix_of
from features.scanner import MERCHANT_HASH, MERCHANT_START, MERCHANT_STOP
from schemas.events import GLOBAL_MERCHANT

GLOBAL_SLOT, NO_SLOT = -1, -2
"""The slot of ``GLOBAL_MERCHANT``, and that of a merchant that is not there."""

_COUNT, _USED, _LINKED = range(3)
_HEAD_BYTES = 8
_TAG = 0xFFFFFF
_TAG_BITS = 24
_SLOT_BITS = 32
_LENGTH = 0xFFFFFFFF
_BAD_ROW = -1
_ARENA_MIN, _SLOTS_MIN, _TABLE_MIN = 4096, 64, 256


@inner
def _same(left: int, right: int, size: int) -> bool:
    at = 0
    while at + 8 <= size:
        if get(left + at, 0) != get(right + at, 0):
            return False
        at += 8
    while at < size:
        if load_byte(left + at) != load_byte(right + at):
            return False
        at += 1
    return True


@inner
def _place(table: int, size: int, arena: int, start: int, length: int, digest: int) -> int:
    """Where in the table the id at ``start`` is, or where it belongs: there 0 is found.

    A place holds the offset of an arena's entry and, below it, a tag of 24 bits of the hash.
    """
    at, tag = digest & (size - 1), (digest >> 40) & _TAG
    while True:
        held = get(table, at)
        if held == 0:
            return at
        if held & _TAG == tag:
            head = arena + (held >> _TAG_BITS)
            if get(head, 0) & _LENGTH == length and _same(head + _HEAD_BYTES, start, length):
                return at
        at = (at + 1) & (size - 1)


@inner
def _link(state: int, table: int, size: int, arena: int, offsets: int) -> None:
    """Enter the merchants that a new table lacks."""
    for slot in range(get(state, _LINKED), get(state, _COUNT)):
        offset = get(offsets, slot)
        length = get(arena + offset, 0) & _LENGTH
        start = arena + offset + _HEAD_BYTES
        digest = signed(xxh64(start, start + length, np.uint64(0)))
        at = _place(table, size, arena, start, length, digest)
        put(table, at, (offset << _TAG_BITS) | ((digest >> 40) & _TAG))
    put(state, _LINKED, get(state, _COUNT))


@entry
def _resolve(
    raw: Bytes,
    rows: NDArray[np.int64],
    first: int,
    adding: bool,
    alone: int,
    state: NDArray[np.int64],
    table: NDArray[np.int64],
    offsets: NDArray[np.int64],
    arena: Bytes,
    slots: NDArray[np.int64],
    code: Any,
) -> int:
    """Slots of the rows from ``first`` on; where it ended, before the last if there is no room.

    ``alone`` is the one byte of the id that has no slot; -1 is returned of a row that does not fit
    ``raw``.
    """
    text, held, heap = address_of(raw), address_of(state), address_of(arena)
    places, starts = address_of(table), address_of(offsets)
    _link(held, places, table.size, heap, starts)
    for i in range(first, len(rows)):
        row = rows[i]
        start, length = row[MERCHANT_START], row[MERCHANT_STOP] - row[MERCHANT_START]
        if start < 0 or length < 0 or start + length > raw.size:
            return _BAD_ROW
        start += text
        if length == 1 and load_byte(start) == alone:
            slots[i] = GLOBAL_SLOT
            continue
        digest = row[MERCHANT_HASH]
        at = _place(places, table.size, heap, start, length, digest)
        offset = table[at] >> _TAG_BITS
        if offset:
            slots[i] = get(heap + offset, 0) >> _SLOT_BITS
            continue
        slots[i] = NO_SLOT
        if not adding:
            continue
        slot, offset = state[_COUNT], state[_USED]
        end = offset + _HEAD_BYTES + length
        if 3 * slot >= 2 * table.size or slot >= offsets.size or end > arena.size:
            return i
        put(heap + offset, 0, (slot << _SLOT_BITS) | length)
        for k in range(length):
            arena[offset + _HEAD_BYTES + k] = load_byte(start + k)
        table[at] = (offset << _TAG_BITS) | ((digest >> 40) & _TAG)
        offsets[slot] = offset
        slots[i] = slot
        state[_COUNT], state[_LINKED], state[_USED] = slot + 1, slot + 1, end
    return len(rows)


_CODE = code_type(compiled, scanner)


class MerchantIndex:
    """Slots of merchants, from 0 in order of first appearance; ids are compared byte by byte."""

    def __init__(self) -> None:
        self._table = np.zeros(_TABLE_MIN, np.int64)
        self._offsets = np.zeros(_SLOTS_MIN, np.int64)
        self._arena = np.zeros(_ARENA_MIN, np.uint8)
        # An offset of 0 would read as an empty place of the table.
        self._state = np.array([0, _HEAD_BYTES, 0], np.int64)

    def __len__(self) -> int:
        return int(self._state[_COUNT])

    @property
    def nbytes(self) -> int:
        """Bytes that are held, in use or not."""
        return self._table.nbytes + self._offsets.nbytes + self._arena.nbytes

    def lookup_or_add(self, rows: NDArray[Any], raw: Bytes) -> tuple[NDArray[np.int64], int]:
        """Slots of the merchants of ``Scanned.rows`` and ``.raw``, and how many of them are new.

        Slots are int64, shape (lines,), -1 for ``GLOBAL_MERCHANT``; the new ones are the last.
        Raises ``ValueError`` for rows of other bytes.
        """
        before = len(self)
        return self._slots(rows, raw, True), len(self) - before

    def slot_of(self, merchant_id: str) -> int | None:
        """The slot of a merchant, None if it has none."""
        slot = int(self._slots(*id_rows([merchant_id]), False)[0])
        return slot if slot >= 0 else None

    def add(self, ids: Iterable[str]) -> int:
        """Give merchants the next slots, in order; how many they are.

        Raises ``ValueError`` if one of them is there already, comes twice, or can have no slot.
        """
        before = len(self)
        named = id_rows(ids)
        slots = self._slots(*named, True)
        wrong = np.flatnonzero(slots != np.arange(before, before + len(slots)))
        if wrong.size:
            row = named.rows[wrong[0]]
            name = named.raw[row["merchant_start"] : row["merchant_stop"]].tobytes().decode()
            raise ValueError(f"merchant {name!r} has slot {slots[wrong[0]]}; add it once only")
        return len(slots)

    def id_of(self, slot: int) -> str:
        """The merchant of a slot. Raises ``IndexError``."""
        if not 0 <= slot < len(self):
            raise IndexError(f"slot {slot} of {len(self)} merchants")
        head = int(self._offsets[slot])
        start = head + _HEAD_BYTES
        length = int(self._arena[head:start].view(np.uint64)[0]) & _LENGTH
        return self._arena[start : start + length].tobytes().decode()

    def ids(self, first: int, last: int) -> list[str]:
        """The merchants of slots ``first`` to ``last``, the latter not included."""
        return [self.id_of(slot) for slot in range(first, last)]

    def _slots(self, rows: NDArray[Any], raw: Bytes, adding: bool) -> NDArray[np.int64]:
        matrix, raw = matrix_of(rows), np.ascontiguousarray(raw, np.uint8)
        slots = np.empty(len(matrix), np.int64)
        alone = ord(GLOBAL_MERCHANT)
        at = 0
        while True:
            held = self._state, self._table, self._offsets, self._arena
            at = _resolve(raw, matrix, at, adding, alone, *held, slots, _CODE)
            if at == _BAD_ROW:
                raise ValueError(
                    "a row's merchant_id lies outside the bytes; give both of one scan"
                )
            if at == len(matrix):
                return slots
            self._grow(int(matrix[at, MERCHANT_STOP] - matrix[at, MERCHANT_START]))

    def _grow(self, length: int) -> None:
        """Make room for one more merchant; by a share of what is there, so that it is rare."""
        count, used = len(self), int(self._state[_USED]) + _HEAD_BYTES + length
        if 3 * count >= 2 * self._table.size:
            self._table = np.zeros(2 * self._table.size, np.int64)
            self._state[_LINKED] = 0
        if count >= self._offsets.size:
            self._offsets.resize(count + max(count // 8, _SLOTS_MIN), refcheck=False)
        if used > self._arena.size:
            self._arena.resize(used + max(used // 8, _ARENA_MIN), refcheck=False)

"""Amounts against those of the segment: percentile tables of one partition.

Each amount of ``catalogue.MONEY`` is held as the bin of its value when its merchant was last
assessed. Bins are half octaves, signed. For |amount| of at least 1, with n = floor(|amount|) (at
most 2^63 - 1), k = bit length of n less 1 and m = floor(n x 2^(30 - k)), the number of the bin is
``2k + (1 if m^2 >= 2^61 else 0)``: the upper half of an octave begins at the square root of 2 (for
amounts of over 2^31, rounded up to 31 significant bits). Codes are 129 + number above zero, 127 -
number below, 128 for |amount| < 1, and 0 for no value (NaN).

The percentile is (those below + half of those equal) / all by bins, with the merchant among them;
NaN without a value or with fewer than ``PEERS_MIN`` that have one.

A merchant takes 24 bytes (22 bins, 2 for its segment), a segment 22 KiB. Segments have codes in the
order of their first merchant; from the 256th on they share one, ``OTHER``. The tables are no state:
they are what the bins add up to.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import INDEX, MONEY, NAMES, PEERS_MIN
from features.layout import entry, inner
from features.pages import StateFormatError

SEGMENTS_MAX = 255
OTHER = "other"
"""Stands for all segments beyond ``SEGMENTS_MAX``."""
BINS = 256
NO_SEGMENT = -1
_AMOUNTS: NDArray[np.int64] = np.array([INDEX[name] for name in MONEY], np.int64)
_AMOUNTS.setflags(write=False)
"""Places of the amounts in the vector."""

_ALL = 0
"""Bin 0 stands for no value; its place in the tables holds the sum of the others."""


@inner
def bin_of(amount: float) -> int:
    """The code of the bin of an amount (see the module)."""
    if np.isnan(amount):
        return 0
    size = abs(amount)
    if size < 1:
        return 128
    n = np.int64(2**63 - 1) if size >= 2.0**63 else np.int64(size)
    k = 0
    while n >> k > 1:
        k += 1
    m = n << (30 - k) if k <= 30 else n >> (k - 30)
    number = 2 * k + (1 if m * m >= np.int64(1) << 61 else 0)
    return 129 + number if amount > 0 else 127 - number


@entry
def bins_of(amounts: Any, codes: Any) -> None:
    """Write the bins of ``amounts`` (float64) into ``codes`` (u1)."""
    for i in range(amounts.size):
        codes[i] = bin_of(amounts[i])


@inner
def _move(tables: Any, segment: int, bins: Any, by: int) -> None:
    for i in range(bins.size):
        if bins[i] > 0:
            tables[segment, i, bins[i]] += by
            tables[segment, i, _ALL] += by


@inner
def _percentile(counts: Any, code: int, least: int) -> float:
    everyone = counts[_ALL]
    if code == 0 or everyone < least:
        return np.nan
    below = 0
    for other in range(1, code):
        below += counts[other]
    return float((2 * below + counts[code]) / (2 * everyone))


@inner
def _update(
    tables: Any,
    bins: Any,
    segments: Any,
    slot: int,
    segment: int,
    amounts: Any,
    least: int,
    vector: Any,
) -> None:
    own = bins[slot]
    if segments[slot] >= 0:
        _move(tables, segments[slot], own, -1)
    for i in range(own.size):
        own[i] = bin_of(vector[amounts[i]])
    segments[slot] = segment
    _move(tables, segment, own, 1)
    for i in range(own.size):
        vector[vector.size - own.size + i] = _percentile(tables[segment, i], own[i], least)


@entry
def _update_each(
    tables: Any,
    bins: Any,
    segments: Any,
    slots: Any,
    codes: Any,
    amounts: Any,
    least: int,
    vectors: Any,
) -> None:
    for i in range(slots.size):
        _update(tables, bins, segments, slots[i], codes[i], amounts, least, vectors[i])


@entry
def _put_back(tables: Any, bins: Any, segments: Any, slot: int, own: Any, segment: int) -> None:
    """Give a merchant the bins and the segment that it had before."""
    _move(tables, segments[slot], bins[slot], -1)
    if segment >= 0:
        _move(tables, segment, own, 1)
    bins[slot] = own
    segments[slot] = segment


@entry
def _add(tables: Any, bins: Any, segments: Any, first: int, last: int) -> None:
    for slot in range(first, last):
        if segments[slot] >= 0:
            _move(tables, segments[slot], bins[slot], 1)


class Peers:
    """The amounts of one partition's merchants, by segment.

    Part of the state are ``names`` (for the header of a checkpoint; the codes mean nothing without
    them) and the merchants by page (``export``); the page of a slot changes with ``update``.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._bins = np.zeros((0, len(MONEY)), np.uint8)
        self._segments = np.zeros(0, np.int16)
        self._tables = np.zeros((0, len(MONEY), BINS), np.int32)
        self._compile()

    def _compile(self) -> None:
        """Load or compile all machine code now, not amid the first batch."""
        bins, segments = np.zeros((1, len(MONEY)), np.uint8), np.zeros(1, np.int16)
        tables = np.zeros((1, len(MONEY), BINS), np.int32)
        one, vectors = np.zeros(1, np.int64), np.full((1, len(NAMES)), np.nan)
        _update_each(tables, bins, segments, one, one, _AMOUNTS, PEERS_MIN, vectors)
        _add(tables, bins, segments, 0, 1)
        _put_back(tables, bins, segments, 0, bins[0].copy(), 0)

    def grow(self, slots: int) -> None:
        """Make room for so many merchants; the new ones have no segment and no amounts."""
        before = len(self._segments)
        if slots > before:
            self._bins.resize((slots, len(MONEY)), refcheck=False)
            self._segments.resize(slots, refcheck=False)
            self._segments[before:] = NO_SEGMENT

    def update(
        self, slots: NDArray[np.int64], segments: Sequence[str], vectors: NDArray[np.float64]
    ) -> None:
        """Take the amounts of merchants from their vectors and write their percentiles into them.

        One after the other, each with its segment; another one than before moves the merchant.
        ``vectors`` are float64, shape (merchants, features) in catalogue order, NaN where not
        available, complete but for the percentiles.
        """
        known = self._codes
        codes = np.array([known[s] if s in known else self._code(s) for s in segments], np.int64)
        self._update(slots, codes, vectors)

    def _update(
        self, slots: NDArray[np.int64], codes: NDArray[np.int64], vectors: NDArray[np.float64]
    ) -> None:
        held = self._tables, self._bins, self._segments
        _update_each(*held, slots, codes, _AMOUNTS, PEERS_MIN, vectors)

    def look(self, slot: int, segment: str, vector: NDArray[np.float64]) -> None:
        """As ``update``, but nothing is changed by it."""
        code = self._codes.get(segment, SEGMENTS_MAX)
        if code >= len(self._tables):
            vector[-len(MONEY) :] = np.nan  # nobody is there to be compared with
            return
        own, before = self._bins[slot].copy(), int(self._segments[slot])
        self._update(np.array([slot]), np.array([code]), vector[None])
        _put_back(self._tables, self._bins, self._segments, slot, own, before)

    def _code(self, segment: str) -> int:
        if len(self.names) < SEGMENTS_MAX:
            code = self._codes[segment] = len(self.names)
            self.names.append(segment)
        else:
            # Not kept by name: a producer of ever new segments must not fill the memory.
            code = SEGMENTS_MAX
        self._need_tables(code + 1)
        return code

    def _need_tables(self, segments: int) -> None:
        if segments > len(self._tables):
            self._tables.resize((segments, len(MONEY), BINS), refcheck=False)

    def segment_of(self, slot: int) -> str | None:
        """The segment that a merchant is counted in; None before its first ``update``."""
        code = int(self._segments[slot])
        if code == NO_SEGMENT:
            return None
        return OTHER if code == SEGMENTS_MAX else self.names[code]

    def import_names(self, names: Sequence[str]) -> None:
        """Take the names of a checkpoint into a fresh state, before its pages.

        Raises ``StateFormatError``.
        """
        if self.names or len(names) > SEGMENTS_MAX or len(set(names)) != len(names):
            raise StateFormatError(
                f"{len(names)} segments cannot be taken: at most {SEGMENTS_MAX} different ones, "
                "into a fresh state; restore an older checkpoint"
            )
        self.names = list(names)
        self._codes = {name: code for code, name in enumerate(self.names)}
        self._need_tables(len(self.names))  # also of segments that everybody has left

    def export(self, first: int, last: int) -> bytes:
        """The merchants of slots ``first`` to ``last`` (excluded): segments (<i2), then bins."""
        return self._segments[first:last].astype("<i2").tobytes() + self._bins[first:last].tobytes()

    def import_(self, first: int, raw: bytes) -> None:
        """Inverse of ``export``, into slots without amounts. Raises ``StateFormatError``."""
        count, left = divmod(len(raw), 2 + len(MONEY))
        segments = np.frombuffer(raw, "<i2", count) if not left else np.zeros(0, "<i2")
        if left or (
            count and not NO_SEGMENT <= segments.min() <= segments.max() <= self._last_code
        ):
            raise StateFormatError(
                f"{len(raw)} bytes of amounts from merchant {first} on are damaged or of another "
                "catalogue; restore an older checkpoint, or replay the log"
            )
        last = first + count
        self.grow(last)
        self._segments[first:last] = segments
        bins = np.frombuffer(raw, np.uint8, offset=2 * count)
        self._bins[first:last] = bins.reshape(count, len(MONEY))
        self._need_tables(int(segments.max(initial=NO_SEGMENT)) + 1)
        _add(self._tables, self._bins, self._segments, first, last)

    @property
    def _last_code(self) -> int:
        return SEGMENTS_MAX if len(self.names) == SEGMENTS_MAX else len(self.names) - 1

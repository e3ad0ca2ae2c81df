"""Vectors as JSON objects, as an assessment carries them: the available features by name.

The text is that of ``msgspec.json.encode`` of a dict, at a quarter of its cost: msgspec writes the
numbers that are not whole, all of some rows at once, and a compiled pass writes the others, which
are most, and the names.
"""

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from features import compiled
from features.catalogue import NAMES
from features.compiled import Bytes, address_of, code_type, load, load_byte, put_byte, store
from features.layout import entry, inner

_WORD = 8
_NUMBER_BYTES_MAX = 32
"""More than any number takes in JSON."""
_WHOLE_MAX = float(1 << 53)
"""Whole numbers up to here are exact and are written without an exponent."""
_COMMA, _BRACKET, _OPEN, _CLOSE, _ZERO, _POINT, _MINUS = b",]{}0.-"
_ROWS = 8
"""Written at once: their text stays in memory that is at hand."""
_KEYS = [b',"' + name.encode() + b'":' for name in NAMES]
_WIDTH = -(-max(map(len, _KEYS)) // _WORD) * _WORD
_TEXT = np.frombuffer(b"".join(key.ljust(_WIDTH) for key in _KEYS), np.uint8)
_LENGTHS = np.array([len(key) for key in _KEYS], np.int64)
_ROW_BYTES_MAX = int(_LENGTHS.sum()) + len(NAMES) * _NUMBER_BYTES_MAX + _WIDTH
_CODE = code_type(compiled)


@inner
def _is_whole(value: float) -> bool:
    """Whether the compiled pass writes a number: not NaN, not with a fraction, not -0."""
    return bool(np.floor(value) == value and abs(value) < _WHOLE_MAX and value != 0) or (
        value == 0 and not np.signbit(value)
    )


@inner
def _write_whole(value: float, at: int) -> int:
    """Write a whole number as JSON writes a float; returns where it ends."""
    number = int(value)
    if number < 0:
        put_byte(at, _MINUS)
        at += 1
        number = -number
    digits = 1
    rest = number // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for place in range(at + digits - 1, at - 1, -1):
        put_byte(place, _ZERO + number % 10)
        number //= 10
    put_byte(at + digits, _POINT)
    put_byte(at + digits + 1, _ZERO)
    return at + digits + 2


@entry
def _pick(vectors: Any, picked: Any) -> int:
    """Write the numbers that are neither NaN nor whole into ``picked``; returns how many."""
    count = 0
    for i in range(vectors.shape[0]):
        for j in range(vectors.shape[1]):
            value = vectors[i, j]
            if not np.isnan(value) and not _is_whole(value):
                picked[count] = value
                count += 1
    return count


@entry
def _join(
    vectors: Any, numbers: Bytes, keys: Bytes, lengths: Any, out: Bytes, ends: Any, code: Any
) -> None:
    """Write the object of each row behind that of the row before; ``ends`` get where they end.

    ``numbers`` are what ``_pick`` picked, as a JSON list; ``out`` has room for a word too many.
    """
    width = keys.size // lengths.size
    source, names, begin = address_of(numbers) + 1, address_of(keys), address_of(out)
    at = begin
    for i in range(vectors.shape[0]):
        first = at
        at += 1
        for j in range(vectors.shape[1]):
            value = vectors[i, j]
            if np.isnan(value):
                continue
            # The first name begins where the brace will be: its comma is not wanted.
            at -= at == first + 1
            for k in range(0, lengths[j], _WORD):
                store(at + k, load(names + j * width + k))
            at += lengths[j]
            if _is_whole(value):
                at = _write_whole(value, at)
                continue
            byte = load_byte(source)
            while byte != _COMMA and byte != _BRACKET:
                put_byte(at, byte)
                at += 1
                source += 1
                byte = load_byte(source)
            source += 1
        put_byte(first, _OPEN)
        put_byte(at, _CLOSE)
        at += 1
        ends[i] = at - begin


def json_texts(vectors: NDArray[np.float64]) -> list[bytes]:
    """The JSON object of each row of ``vectors``; what is not available (NaN) is left out.

    ``vectors`` are float64, shape (rows, features), in catalogue order.
    """
    texts: list[bytes] = []
    for first in range(0, len(vectors), _ROWS):
        texts += _some_texts(vectors[first : first + _ROWS])
    return texts


def _some_texts(vectors: NDArray[np.float64]) -> list[bytes]:
    picked = np.empty(vectors.size)
    count = _pick(vectors, picked)
    numbers = np.frombuffer(msgspec.json.encode(picked[:count].tolist()), np.uint8)
    out = np.empty(len(vectors) * _ROW_BYTES_MAX + _WORD, np.uint8)
    ends = np.empty(len(vectors), np.int64)
    _join(vectors, numbers, _TEXT, _LENGTHS, out, ends, _CODE)
    return [out[start:end].tobytes() for start, end in pairwise([0, *ends.tolist()])]

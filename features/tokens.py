"""Compiled JSON tokens: where a value ends, and what a plain one says.

Places are addresses of bytes. Each function takes only what RFC 8259 and RFC 3629 allow, and may
take less: -1 means bad or not plain. A line feed ends every search, so the bytes must be followed
by PADDING.
"""

import numpy as np

from features.compiled import load, load_byte, trailing_zeros
from features.layout import inner

PADDING = b"\n" * 32
"""What must follow the bytes: every search ends there, and words may be read in it."""

QUOTE, COMMA, FEED, LETTER_N = 34, 44, 10, 110
OBJECT, OBJECT_END = 123, 125
_ARRAY, _ARRAY_END, _COLON, _MINUS, _POINT, _ZERO, _NINE = 91, 93, 58, 45, 46, 48, 57
_SPACE, _TAB, _RETURN, _BACKSLASH, _SLASH = 32, 9, 13, 92, 47
_B, _F, _R, _T = 98, 102, 114, 116
_DIGITS_MAX, _EXACT_DIGITS, _NUMBER_BYTES_MAX, _DEPTH_MAX = 18, 15, 25, 48

_ONE = np.uint64(1)
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_CONTROLS = np.uint64(0x2020202020202020)
NULL = np.uint64(int.from_bytes(b"null", "little"))
_TRUE = np.uint64(int.from_bytes(b"true", "little"))
_FALSE = np.uint64(int.from_bytes(b"false", "little"))
_NOTHING = np.uint64(0)
# Of numpy's types, for Python's would be compiled anew for each value.
_ESCAPES, _PLAIN = np.True_, np.False_
_TENS = np.array([float(f"1e{power}") for power in range(_EXACT_DIGITS + 1)])


@inner
def space(at: int) -> int:
    """The first place from ``at`` on that is not white space within a line."""
    byte = load_byte(at)
    while byte in (_SPACE, _TAB, _RETURN):
        at += 1
        byte = load_byte(at)
    return at


@inner
def low_bytes(value: np.uint64, count: int) -> np.uint64:
    return value & ((_ONE << np.uint64(8 * count)) - _ONE) if count < 8 else value


@inner
def _continues(at: int, low: int, high: int) -> bool:
    byte = load_byte(at)
    return byte >= low and byte <= high


@inner
def _character(at: int, lead: int) -> int:
    """The place after a character of several bytes in UTF-8 (RFC 3629, section 4), -1 if bad."""
    if lead < 0xC2 or lead > 0xF4:
        return -1
    low = 0xA0 if lead == 0xE0 else (0x90 if lead == 0xF0 else 0x80)
    high = 0x9F if lead == 0xED else (0x8F if lead == 0xF4 else 0xBF)
    size = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if not _continues(at + 1, low, high):
        return -1
    for more in range(2, size):
        if not _continues(at + more, 0x80, 0xBF):
            return -1
    return at + size


@inner
def _escaped(byte: int) -> bool:
    return byte in (QUOTE, _BACKSLASH, _SLASH, _B, _F, LETTER_N, _R, _T)


@inner
def string(at: int, escapes: bool | np.bool_) -> int:
    """The place of the closing quote of a string whose first byte is at ``at``.

    -1 where it is bad, has a ``\\u``, or any escape unless ``escapes``.
    """
    while True:
        # Bytes that are a quote, a backslash, a control or beyond ASCII; the lowest hit is exact
        # (Mycroft's test for a zero byte).
        value = load(at)
        quotes, slashes = value ^ _QUOTES, value ^ _BACKSLASHES
        hits = ((quotes - _ONES) & ~quotes) | ((slashes - _ONES) & ~slashes)
        hits = (hits | ((value - _CONTROLS) & ~value) | value) & _HIGHS
        if hits == _NOTHING:
            at += 8
            continue
        at += trailing_zeros(hits) >> 3
        byte = load_byte(at)
        if byte == QUOTE:
            return at
        if byte == _BACKSLASH and escapes and _escaped(load_byte(at + 1)):
            at += 2
        elif byte >= 0x80:
            at = _character(at, byte)
            if at < 0:
                return -1
        else:
            return -1


@inner
def literal(at: int, text: np.uint64, size: int) -> int:
    return at + size if low_bytes(load(at), size) == text else -1


@inner
def truth(at: int) -> int:
    end = literal(at, _TRUE, 4)
    return end if end >= 0 else literal(at, _FALSE, 5)


@inner
def _digits(at: int, value: int) -> tuple[int, int]:
    """The place after the digits from ``at`` on, and ``value`` with them appended."""
    byte = load_byte(at)
    while byte >= _ZERO and byte <= _NINE:
        value = value * 10 + (byte - _ZERO)
        at += 1
        byte = load_byte(at)
    return at, value


@inner
def integer(at: int) -> tuple[int, int]:
    """The place after an integer, -1 if not plain, and the integer."""
    negative = load_byte(at) == _MINUS
    first = at + 1 if negative else at
    at, value = _digits(first, 0)
    size = at - first
    if size == 0 or size > _DIGITS_MAX:
        return -1, 0
    if load_byte(first) == _ZERO and (size > 1 or negative):
        return -1, 0
    return at, -value if negative else value


@inner
def real(at: int) -> tuple[int, float]:
    """The place after a number, -1 if not plain, and the number, correctly rounded.

    At most 15 digits over a power of ten of at most 15: both are exact in binary64, and so the
    quotient is rounded once (Clinger, "How to read floating point numbers accurately", 1990).
    """
    negative = load_byte(at) == _MINUS
    first = at + 1 if negative else at
    at, value = _digits(first, 0)
    whole, places = at - first, 0
    if whole == 0 or (load_byte(first) == _ZERO and whole > 1):
        return -1, 0.0
    if load_byte(at) == _POINT:
        point = at
        at, value = _digits(at + 1, value)
        places = at - point - 1
        if places == 0:
            return -1, 0.0
    if whole + places > _EXACT_DIGITS or (negative and value == 0):
        return -1, 0.0
    number = np.float64(value) / _TENS[places]
    return at, -number if negative else number


@inner
def _skip_scalar(at: int) -> int:
    """The place after a string, number, truth value or null, -1 if it is bad or not plain."""
    byte = load_byte(at)
    if byte == QUOTE:
        end = string(at + 1, _ESCAPES)
        return end + 1 if end >= 0 else -1
    if byte == LETTER_N:
        return literal(at, NULL, 4)
    if byte in (_T, _F):
        return truth(at)
    first = at + 1 if byte == _MINUS else at
    end, _ = _digits(first, 0)
    if end == first or (load_byte(first) == _ZERO and end > first + 1):
        return -1
    if load_byte(end) == _POINT:
        point = end
        end, _ = _digits(end + 1, 0)
        if end == point + 1:
            return -1
    return end if end - at <= _NUMBER_BYTES_MAX else -1


@inner
def key(at: int) -> int:
    """The place of the closing quote of the key at ``at``, -1 if there is no plain key."""
    return string(at + 1, _PLAIN) if load_byte(at) == QUOTE else -1


@inner
def after_key(at: int) -> int:
    """The place of the value whose key has its closing quote at ``at``; -1 goes on as -1."""
    if at < 0:
        return -1
    at = space(at + 1)
    return space(at + 1) if load_byte(at) == _COLON else -1


@inner
def skip(at: int) -> int:
    """The place after the value at ``at``, -1 if it is bad, not plain or nested too deeply."""
    depth, objects = 0, 0  # of the open ones, a bit each: 1 for an object
    while True:
        byte = load_byte(at)
        inside = objects & 1
        if byte in (OBJECT, _ARRAY):
            if depth == _DEPTH_MAX:
                return -1
            depth += 1
            inside = 1 if byte == OBJECT else 0
            objects = objects * 2 + inside
            at = space(at + 1)
            opened = load_byte(at) != (OBJECT_END if inside else _ARRAY_END)
        else:
            at = _skip_scalar(at)
            if at < 0:
                return -1
            opened = False
        while not opened:
            if depth == 0:
                return at
            at = space(at)
            inside = objects & 1
            byte = load_byte(at)
            if byte == COMMA:
                at = space(at + 1)
                opened = True
            elif byte == (OBJECT_END if inside else _ARRAY_END):
                depth -= 1
                objects >>= 1
                at += 1
            else:
                return -1
        if inside:
            at = after_key(key(at))
            if at < 0:
                return -1

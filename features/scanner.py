"""The compiled pass over the bytes of a record of the log: JSON lines to rows of numbers.

It takes only what it is sure of. A line that is not plain (an escape in an identifier, a number out
of bounds or with an exponent, a key twice, damage) is left to the caller, who decodes it in full.
Tables come as arguments, so that a field or a type may be added without compiling anew.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.compiled import Bytes, address_of, get, load, load_byte, put, signed, xxh64
from features.kinds import INVOICE_VOIDED, PURCHASE_VOIDED
from features.layout import entry, inner
from features.tokens import (
    COMMA,
    FEED,
    LETTER_N,
    NULL,
    OBJECT,
    OBJECT_END,
    QUOTE,
    after_key,
    integer,
    key,
    literal,
    low_bytes,
    real,
    skip,
    space,
    string,
    truth,
)

Row = NDArray[np.int64]

COLUMNS = (
    *("kind", "flags", "ts", "amount", "currency", "rating", "role"),
    *("ordered_at", "issued_at", "promised_at", "due_at", "period_start_at", "period_end_at"),
    *("balance_minor", "other_debt_minor", "tax_minor", "declared_turnover_minor"),
    *("score", "reading", "counterparty", "merchant_hash", "hash"),
    *("start", "stop", "merchant_start", "merchant_stop", "event_start", "event_stop"),
)
"""Columns of a row, each of 8 bytes; ``score`` and ``reading`` hold floats."""
KIND, FLAGS, TS, AMOUNT, CURRENCY, RATING, ROLE = range(7)
COUNTERPARTY, MERCHANT_HASH, HASH = range(19, 22)
START, STOP, MERCHANT_START, MERCHANT_STOP, EVENT_START, EVENT_STOP = range(22, 28)

SLOW, HAS_AMOUNT, HAS_BALANCE, RECEIVED = 1, 2, 4, 8
"""Bits of ``flags``: the line was decoded in full; it has an ``amount``; it has a
``balance_minor``; its ``side`` is ``received``."""

# What a field of the line may hold, first those that are strings.
TEXT, TAG, EVENT_ID, MERCHANT_ID, PARTY, CURRENCY_CODE, SIDE, ROLE_NAME = range(8)
TEXT_OR_INTEGER, INTEGER, REAL, STARS, TRUTH = range(8, 13)

# Places in a rule.
HOLDS, COLUMN, LOW, HIGH, FLAG, NOT_NULL = range(6)

# The tables that are given to ``scan``, one after the other, in bytes.
WIDTH = len(COLUMNS)
ROW_BYTES = 8 * WIDTH
RULES = ROW_BYTES
FIELDS_MAX = 63
RULE_BYTES = 8 * 6
NAME_BYTES = 24
"""Longest name that a table of names can hold."""
NAME_STRIDE = NAME_BYTES + 8
NAMES_SIZE = 256
FIELDS = RULES + FIELDS_MAX * RULE_BYTES
KINDS = FIELDS + NAMES_SIZE * NAME_STRIDE
ROLES = KINDS + NAMES_SIZE * NAME_STRIDE

_LETTER_A, _LETTER_Z = 65, 90
_SPREAD = np.uint64(0x9E3779B185EBCA87)
_NOTHING = np.uint64(0)


def home(a: Any, b: Any, c: Any) -> Any:
    """Where in a table of names the search begins for a name of these three words, uint64."""
    mixed = (a ^ (b * np.uint64(3)) ^ (c * np.uint64(5))) * _SPREAD
    return mixed >> np.uint64(56)


_home = inner(home)


@inner
def _find(names: int, start: int, stop: int) -> int:
    """The code of the name from ``start`` to ``stop`` in the table at ``names``, -1 for none."""
    length = stop - start
    if length > NAME_BYTES:
        return -1
    a, b, c = low_bytes(load(start), length), _NOTHING, _NOTHING
    if length > 8:
        b = low_bytes(load(start + 8), length - 8)
    if length > 16:
        c = low_bytes(load(start + 16), length - 16)
    slot = signed(_home(a, b, c))
    while True:
        place = names + NAME_STRIDE * slot
        code = signed(load(place + NAME_BYTES))
        if code < 0 or (load(place) == a and load(place + 8) == b and load(place + 16) == c):
            return code
        slot = (slot + 1) % NAMES_SIZE


@inner
def _code_of_currency(start: int, stop: int) -> int:
    """Three capital letters as a number, -1 if that is not what they are."""
    if stop - start != 3:
        return -1
    code = 0
    for at in range(start, stop):
        letter = load_byte(at)
        if letter < _LETTER_A or letter > _LETTER_Z:
            return -1
        code = code * 256 + letter
    return code


@inner
def _text(start: int, stop: int, holds: int, tables: int, row: int) -> bool:
    """Note what the string from ``start`` to ``stop`` says; False if its field cannot hold it."""
    if holds == TAG:
        put(row, KIND, max(_find(tables + KINDS, start, stop), 0))
    elif holds == EVENT_ID:
        put(row, EVENT_START, start)
        put(row, EVENT_STOP, stop)
    elif holds == MERCHANT_ID:
        put(row, MERCHANT_START, start)
        put(row, MERCHANT_STOP, stop)
    elif holds == PARTY:
        put(row, COUNTERPARTY, signed(xxh64(start, stop, _NOTHING)))
    elif holds == CURRENCY_CODE:
        code = _code_of_currency(start, stop)
        put(row, CURRENCY, code)
        return code >= 0
    elif holds == SIDE:
        if _find(tables + ROLES, start, stop) == RECEIVED:
            _flag(row, RECEIVED)
    elif holds == ROLE_NAME:
        role = _find(tables + ROLES, start, stop)
        put(row, ROLE, role if role > 0 and role < RECEIVED else 0)
    return True


@inner
def _flag(row: int, flag: int) -> None:
    put(row, FLAGS, get(row, FLAGS) | flag)


@inner
def _value(at: int, rule: int, tables: int, row: int) -> int:
    """Take the value at ``at`` as ``rule`` says: the place after it, -1 if it is not plain."""
    holds, byte = get(rule, HOLDS), load_byte(at)
    if byte == QUOTE:
        if holds > TEXT_OR_INTEGER:
            return -1
        end = string(at + 1, holds in (TEXT, TEXT_OR_INTEGER))
        return end + 1 if end >= 0 and _text(at + 1, end, holds, tables, row) else -1
    if byte == LETTER_N:
        return -1 if get(rule, NOT_NULL) else literal(at, NULL, 4)
    if holds in (INTEGER, TEXT_OR_INTEGER):
        end, whole = integer(at)
        if end < 0 or whole < get(rule, LOW) or whole > get(rule, HIGH):
            return -1
        column = get(rule, COLUMN)
        if column >= 0:
            put(row, column, whole)
            _flag(row, get(rule, FLAG))
        return end
    if holds == TRUTH:
        return truth(at)
    if holds < REAL:
        return -1
    end, number = real(at)
    if end < 0 or number < get(rule, LOW) or number > get(rule, HIGH):
        return -1
    if holds == STARS:
        put(row, RATING, int(np.rint(number * 100)))
    elif get(rule, COLUMN) >= 0:
        put(row, get(rule, COLUMN), number)
    return end


@inner
def _clear(row: int, empty: int) -> None:
    for column in range(WIDTH):
        put(row, column, get(empty, column))


@inner
def _object(at: int, base: int, tables: int, required: int, row: int) -> int:
    """Fill the row from the object at ``at``: the place after it, -1 if it is not plain."""
    if load_byte(at) != OBJECT:
        return -1
    seen, byte = 0, COMMA
    while byte == COMMA:
        start = space(at + 1)
        end = key(start)
        at = after_key(end)
        if at < 0:
            return -1
        field = _find(tables + FIELDS, start + 1, end)
        if field < 0:
            at = skip(at)
        else:
            if (seen >> field) & 1:
                return -1
            seen |= 1 << field
            at = _value(at, tables + RULES + field * RULE_BYTES, tables, row)
        if at < 0:
            return -1
        at = space(at)
        byte = load_byte(at)
    if byte != OBJECT_END or seen & required != required:
        return -1
    if get(row, KIND) == INVOICE_VOIDED and get(row, FLAGS) & RECEIVED:
        put(row, KIND, PURCHASE_VOIDED)
    merchant = xxh64(get(row, MERCHANT_START), get(row, MERCHANT_STOP), _NOTHING)
    event = xxh64(get(row, EVENT_START), get(row, EVENT_STOP), merchant)
    put(row, MERCHANT_HASH, signed(merchant))
    put(row, HASH, signed(event))
    for column in range(MERCHANT_START, EVENT_STOP + 1):
        put(row, column, get(row, column) - base)
    return at + 1


@entry
def scan(raw: Bytes, size: int, required: int, tables: Row, rows: Row, code: Any) -> Any:
    """Fill rows for the lines that are not blank; how many they are and how many are SLOW.

    ``raw`` are ``size`` bytes of lines and then PADDING; ``required`` has the bits of the fields
    that every line must have; ``tables`` int64: the row of a line without fields, the rules of
    fields, the names of fields, of kinds and of roles; ``rows`` int64 (lines, columns), with room
    for all lines; ``code`` see ``code_type``. Of a SLOW line only where it is has been noted.
    """
    base, place, row = address_of(raw), address_of(tables), address_of(rows)
    count, slow, begin, last = 0, 0, base, base + size
    while begin < last:
        at = space(begin)
        if load_byte(at) == FEED:
            begin = at + 1
            continue
        _clear(row, place)
        end = _object(at, base, place, required, row)
        if end >= 0:
            end = space(end)
        if end < 0 or load_byte(end) != FEED:
            _clear(row, place)
            put(row, FLAGS, SLOW)
            slow += 1
            end = at
            while load_byte(end) != FEED:
                end += 1
        put(row, START, begin - base)
        put(row, STOP, end - base)
        count += 1
        row += ROW_BYTES
        begin = end + 1
    return count, slow

"""The bytes of a record of the log straight to columns, without an object per line.

Most lines are taken by the compiled pass; the few that are not plain are decoded by ``lines``. In
every case the columns hold what ``lines.decode_lines`` would say of the line.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import numpy as np
from msgspec import structs
from msgspec.inspect import (
    BoolType,
    FloatType,
    IntType,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from features import compiled, scanner, tokens
from features.compiled import Bytes, code_type
from features.kinds import INVOICE_VOIDED, KIND_OF, PURCHASE_VOIDED
from features.lines import LogLine, decode_line
from features.scanner import COLUMNS, HAS_AMOUNT, HAS_BALANCE, RECEIVED, SLOW
from features.tokens import FEED, PADDING

_REALS = ("score", "reading")
SCANNED = np.dtype([(name, "f8" if name in _REALS else "i8") for name in COLUMNS])
"""One line of the log. Absent is -1, but NaN for ``score`` and ``reading``, and 0 for ``kind`` (an
unknown type), ``amount``, ``balance_minor``, ``currency``, ``role`` and ``counterparty``.

``kind`` as in ``kinds``; ``flags`` see ``HAS_AMOUNT``, ``HAS_BALANCE``, ``RECEIVED`` and ``SLOW``;
times (``ts`` is ``occurred_at``) in epoch milliseconds, money in minor units; ``currency`` its
three letters as a number; ``rating`` in hundredths; ``role`` 0 defendant, 1 plaintiff, 2 third
party; ``counterparty`` and ``merchant_hash`` XXH64 of the UTF-8 bytes, ``hash`` XXH64 of the
``event_id`` seeded with ``merchant_hash``, all as signed numbers.

Offsets of bytes into ``Scanned.raw``: of the line (``start``, ``stop``, without its line feed), of
its ``merchant_id`` and of its ``event_id``.
"""

_ROLES = {"plaintiff": 1, "third_party": 2}
_ZERO_WHEN_ABSENT = ("kind", "flags", "amount", "balance_minor", "currency", "role", "counterparty")
_UNBOUNDED = 10**18


class Scanned(NamedTuple):
    """The lines of a record that are not blank, in order.

    ``rows`` of dtype ``SCANNED``, shape (lines,); ``raw`` uint8, read-only: the bytes of the record
    and, after them, ids of lines in which they are written with escapes.
    """

    rows: NDArray[Any]
    raw: Bytes

    def line(self, number: int) -> bytes:
        """The bytes of one line."""
        return self.raw[self.rows["start"][number] : self.rows["stop"][number]].tobytes()


def scan(raw: bytes | Bytes) -> Scanned:
    """The columns of one record of the log, of any size (NDJSON bytes or uint8, shape (bytes,)).

    Raises what ``lines.decode_line`` raises of a line that is damaged, ``msgspec.DecodeError``
    above all.
    """
    data = bytes(raw)
    size = len(data)
    padded = np.frombuffer(data + PADDING, np.uint8)
    rows = np.empty(np.count_nonzero(padded == FEED), SCANNED)  # those of PADDING are enough
    count, slow = scanner.scan(padded, size, _REQUIRED, _TABLES, rows.view(np.int64), _CODE)
    rows = rows[:count]
    if not slow:
        return Scanned(rows, padded[:size])
    ids = bytearray()
    for i in np.flatnonzero(rows["flags"] & SLOW).tolist():
        line = decode_line(data[rows[i]["start"] : rows[i]["stop"]])
        _fill(rows[i], line, ids, size)
    return Scanned(rows, np.frombuffer(data + ids, np.uint8))


def matrix_of(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Rows of ``SCANNED`` as compiled code takes them: int64, shape (lines, columns)."""
    return np.ascontiguousarray(rows).view(np.int64).reshape(-1, len(COLUMNS))


def id_rows(ids: Iterable[str]) -> Scanned:
    """Rows of which only the merchant is known: ``merchant_hash`` and where its bytes are."""
    encoded = [merchant_id.encode() for merchant_id in ids]
    rows = np.tile(_EMPTY, (len(encoded), 1)).view(SCANNED)[:, 0]
    stops = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    rows["merchant_stop"] = stops
    rows["merchant_start"] = stops - [len(each) for each in encoded]
    hashes = np.array([xxh64_intdigest(each) for each in encoded], np.uint64)
    rows["merchant_hash"] = hashes.view(np.int64)
    return Scanned(rows, np.frombuffer(b"".join(encoded), np.uint8))


def _fill(row: Any, line: LogLine, ids: bytearray, base: int) -> None:
    """Columns of a line that was decoded in full; its ids are appended to ``ids``."""
    received = line.side == "received"
    kind = KIND_OF.get(line.type, 0)
    row["kind"] = PURCHASE_VOIDED if kind == INVOICE_VOIDED and received else kind
    has_amount, has_balance = line.amount is not None, line.balance_minor is not None
    row["flags"] = SLOW | HAS_AMOUNT * has_amount | HAS_BALANCE * has_balance | RECEIVED * received
    row["ts"] = line.occurred_at
    for name in _VALUES:
        value = getattr(line, name)
        if value is not None:
            row[name] = value
    if line.rating is not None:
        row["rating"] = round(line.rating * 100)
    row["currency"] = int.from_bytes((line.currency or "").encode(), "big")
    row["role"] = _ROLES.get(line.role or "", 0)
    if line.counterparty_id is not None:
        row["counterparty"] = _signed(xxh64_intdigest(line.counterparty_id.encode()))
    merchant, event = line.merchant_id.encode(), line.event_id.encode()
    seed = xxh64_intdigest(merchant)
    row["merchant_hash"], row["hash"] = _signed(seed), _signed(xxh64_intdigest(event, seed))
    for name, text in (("merchant", merchant), ("event", event)):
        row[f"{name}_start"] = base + len(ids)
        ids += text
        row[f"{name}_stop"] = base + len(ids)


def _signed(digest: int) -> int:
    return digest - ((digest >> 63) << 64)


# --- the tables of the compiled pass ---------------------------------------------------------

_HOLDS = {
    "type": scanner.TAG,
    "event_id": scanner.EVENT_ID,
    "merchant_id": scanner.MERCHANT_ID,
    "counterparty_id": scanner.PARTY,
    "currency": scanner.CURRENCY_CODE,
    "side": scanner.SIDE,
    "role": scanner.ROLE_NAME,
    "rating": scanner.STARS,
}
_COLUMN_OF = {"occurred_at": "ts"}
_FLAG_OF = {"amount": HAS_AMOUNT, "balance_minor": HAS_BALANCE}
_VALUES = tuple(
    name for name in COLUMNS if name in LogLine.__struct_fields__ and name not in _HOLDS
)


_KNOWN = (StrType(), BoolType(), IntType(), FloatType(), NoneType())
"""Types that the compiled pass knows, bounds of numbers and the pattern of a currency aside."""


def rule_of(name: str, kind: Type) -> list[int]:
    """What a field may hold, and where to, as ``LogLine`` declares it."""
    kinds = kind.types if isinstance(kind, UnionType) else (kind,)
    by_type = {type(each): each for each in kinds}
    for each in kinds:
        plain = structs.replace(each, ge=None, le=None) if hasattr(each, "ge") else each
        if plain not in _KNOWN and name != "currency":
            raise TypeError(f"LogLine.{name}: the scanner has no rule for {each}; add one")
    column = _COLUMN_OF.get(name, name)
    place = COLUMNS.index(column) if column in COLUMNS else -1
    low, high, holds = -_UNBOUNDED, _UNBOUNDED, scanner.TEXT
    number = by_type.get(IntType) or by_type.get(FloatType)
    if isinstance(number, IntType | FloatType):
        holds = scanner.INTEGER if isinstance(number, IntType) else scanner.REAL
        low = low if number.ge is None else int(number.ge)
        high = high if number.le is None else int(number.le)
        if StrType in by_type:
            holds = scanner.TEXT_OR_INTEGER
    elif BoolType in by_type:
        holds = scanner.TRUTH
    not_null = NoneType not in by_type
    return [_HOLDS.get(name, holds), place, low, high, _FLAG_OF.get(name, 0), int(not_null)]


def _names(codes: dict[str, int]) -> NDArray[np.int64]:
    """Names to codes by open addressing: three words of a name, its code, -1 where empty."""
    assert len(codes) <= scanner.NAMES_SIZE // 2
    table = np.full((scanner.NAMES_SIZE, scanner.NAME_STRIDE // 8), -1, np.int64)
    for name, code in codes.items():
        encoded = name.encode()
        assert len(encoded) <= scanner.NAME_BYTES, name
        words = np.frombuffer(encoded.ljust(scanner.NAME_BYTES, b"\0"), "<i8")
        at = int(scanner.home(*words.view(np.uint64)[:, None])[0])
        while table[at, -1] >= 0:
            at = (at + 1) % scanner.NAMES_SIZE
        table[at, :-1], table[at, -1] = words, code
    return table


def _empty() -> NDArray[np.int64]:
    row = np.full(1, -1, SCANNED)
    for name in _ZERO_WHEN_ABSENT:
        row[name] = 0
    for name in _REALS:
        row[name] = np.nan
    return row.view(np.int64)


def _tables() -> NDArray[np.int64]:
    """Rules and names in the order in which ``scanner.scan`` reads them."""
    rules = np.zeros((scanner.FIELDS_MAX, scanner.RULE_BYTES // 8), np.int64)
    rules[: len(_DECLARED)] = [rule_of(field.name, field.type) for field in _DECLARED]
    fields = {field.name: i for i, field in enumerate(_DECLARED)}
    names = (_names(codes) for codes in (fields, KIND_OF, {**_ROLES, "received": RECEIVED}))
    return np.concatenate([table.ravel() for table in (_EMPTY, rules, *names)])


_DECLARED = cast(StructType, type_info(LogLine)).fields
_REQUIRED = sum(1 << i for i, field in enumerate(_DECLARED) if field.required)
_EMPTY = _empty()
_TABLES = _tables()
_CODE = code_type(compiled, tokens, scanner)

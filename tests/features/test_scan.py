"""What the compiled scan says of the log is what decoding every line says of it."""

import math
from typing import Annotated, Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Meta
from msgspec.inspect import StructType, type_info
from xxhash import xxh64_intdigest

from features.kinds import INVOICE_VOIDED, KIND_OF, PURCHASE_VOIDED
from features.lines import LogLine, decode_line
from features.scan import SCANNED, Scanned, rule_of, scan
from features.scanner import HAS_AMOUNT, HAS_BALANCE, RECEIVED, SLOW
from schemas.events import BY_TAG

BASE = b'{"event_id":"e","type":"%s","merchant_id":"m","occurred_at":1700000000000'
ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
ROLES = {"plaintiff": 1, "third_party": 2}


def or_else(value: Any, absent: Any) -> Any:
    return absent if value is None else value


def signed(digest: int) -> int:
    return int(np.uint64(digest).astype(np.int64))


def expected(line: LogLine) -> dict[str, Any]:
    """The columns of a line, but for the offsets, by the plainest means."""
    kind = KIND_OF.get(line.type, 0)
    if kind == INVOICE_VOIDED and line.side == "received":
        kind = PURCHASE_VOIDED
    merchant = xxh64_intdigest(line.merchant_id.encode())
    party = line.counterparty_id
    values = {
        "kind": kind,
        "flags": HAS_AMOUNT * (line.amount is not None)
        + HAS_BALANCE * (line.balance_minor is not None)
        + RECEIVED * (line.side == "received"),
        "ts": line.occurred_at,
        "amount": or_else(line.amount, 0),
        "currency": int.from_bytes((line.currency or "").encode(), "big"),
        "rating": -1 if line.rating is None else round(line.rating * 100),
        "role": ROLES.get(line.role or "", 0),
        "balance_minor": or_else(line.balance_minor, 0),
        "score": or_else(line.score, math.nan),
        "reading": or_else(line.reading, math.nan),
        "counterparty": 0 if party is None else signed(xxh64_intdigest(party.encode())),
        "merchant_hash": signed(merchant),
        "hash": signed(xxh64_intdigest(line.event_id.encode(), merchant)),
    }
    for name in SCANNED.names or ():
        if name not in values and name in LogLine.__struct_fields__:
            values[name] = or_else(getattr(line, name), -1)
    return values


def cut(scanned: Scanned, row: Any, name: str) -> bytes:
    return scanned.raw[row[f"{name}_start"] : row[f"{name}_stop"]].tobytes()


def check(raw: bytes) -> int:
    """The scan is right about every line of ``raw``, or it fails as decoding does; SLOW lines."""
    try:
        lines = [decode_line(each) for each in raw.split(b"\n") if each.strip(b" \t\r")]
    except ERRORS:
        with pytest.raises(ERRORS):
            scan(raw)
        return 0
    scanned = scan(raw)
    assert len(scanned.rows) == len(lines)
    pieces = [each for each in raw.split(b"\n") if each.strip(b" \t\r")]
    for row, line, piece in zip(scanned.rows, lines, pieces, strict=True):
        values = expected(line)
        got = {name: row[name].item() for name in values}
        got["flags"] &= ~SLOW
        # Bytes, so that NaN is NaN and -0.0 is not 0.0.
        assert {n: repr(v) for n, v in got.items()} == {n: repr(v) for n, v in values.items()}
        assert raw[row["start"] : row["stop"]] == piece
        assert cut(scanned, row, "merchant") == line.merchant_id.encode()
        assert cut(scanned, row, "event") == line.event_id.encode()
    return int((scanned.rows["flags"] & SLOW > 0).sum())


# --- lines as intake writes them, and what may happen to them ----------------------------------

_ids = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
_plain_ids = st.text("abcXYZ019-_.:", min_size=1, max_size=40)
_texts = st.one_of(_plain_ids, _ids, st.sampled_from(["", 'a"b', "a\\b", "深圳市某某科技", "😀"]))
_times = st.integers(0, 2**53)
_money = st.one_of(st.integers(0, 10**15), st.sampled_from([0, 1, 10**15, 10**15 + 1, -1]))
_numbers = st.one_of(
    st.integers(-(10**16), 10**16),
    st.sampled_from([2**53, 2**53 + 1, 2**63, -(2**63), 2**64 - 1, 0.5, -0.0, 1e22, 1.5e-7]),
    st.decimals(-9999, 9999, places=3).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
)
_anything = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, _texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)
    ),
    max_leaves=6,
)
_strings = {
    "currency": st.sampled_from(["CNY", "USD", "cny", "EURO", ""]),
    "side": st.sampled_from(["issued", "received"]),
    "role": st.sampled_from(["defendant", "plaintiff", "third_party", "received"]),
}
_FIELDS = sorted({name for struct in BY_TAG.values() for name in struct.__struct_fields__})


def _values_of(name: str) -> st.SearchStrategy[Any]:
    """Values that fit a field, nearly always."""
    if name in _strings:
        usual = _strings[name]
    elif name == "amount" or name.endswith("_minor"):
        usual = _money
    elif name.endswith("_at"):
        usual = _times
    elif name == "rating":
        usual = st.one_of(st.integers(0, 5), st.decimals(0, 5, places=2).map(float))
    elif name in ("score", "reading"):
        usual = _numbers
    elif name in ("consent", "granted", "reversal"):
        usual = st.booleans()
    else:
        usual = _texts
    return st.integers(0, 19).flatmap(
        lambda n: _anything if n == 0 else st.none() if n == 1 else usual
    )


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line with fields of its type, of other types and of none, in any order."""
    tag = draw(st.sampled_from([*BY_TAG, "nobody.knows", ""]))
    own = BY_TAG[tag].__struct_fields__ if tag in BY_TAG else _FIELDS
    required = {
        "type": tag,
        "event_id": draw(_plain_ids if draw(st.integers(0, 3)) else _ids),
        "merchant_id": draw(_plain_ids if draw(st.integers(0, 3)) else _ids),
        "occurred_at": draw(_times),
    }
    names = draw(st.lists(st.sampled_from(sorted(own)), max_size=8, unique=True))
    if draw(st.integers(0, 3)) == 0:
        names += draw(st.lists(st.sampled_from(_FIELDS), max_size=3))
    fields = {name: draw(_values_of(name)) for name in names if name not in required}
    if draw(st.integers(0, 3)) == 0:
        fields |= draw(st.dictionaries(_texts, _anything, max_size=3))
    items = draw(st.permutations([*(fields | required).items()]))
    return msgspec.json.encode(dict(items))


_SPOILT = (
    b"\\",
    b'"',
    b"\n",
    b" ",
    b"\t",
    b"\r",
    b"\x00",
    b"\xff",
    b"\xe4\xbd",
    b"1e5",
    b"-",
    b"0",
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A line to which something has happened; it may still be a line."""
    line = draw(lines())
    how = draw(st.integers(0, 6))
    if how == 0:
        return msgspec.json.format(line, indent=-1)
    if how == 1:
        indented = msgspec.json.format(line, indent=2)
        return indented.replace(b"\n", draw(st.sampled_from([b" ", b"\t", b"\r", b"\n"])))
    if how == 2:  # repeats a key, the type of its value perhaps another
        again = msgspec.json.encode({draw(st.sampled_from(_FIELDS)): draw(_anything)})
        return line[:-1] + b"," + again[1:]
    if how == 3:
        return line.replace(b"a", b"\\u0061")
    if how == 4:
        return line[: draw(st.integers(0, len(line)))]
    at = draw(st.integers(0, len(line)))
    gone = draw(st.integers(0, 3)) if how == 5 else 0
    piece = draw(st.sampled_from([*_SPOILT, b"{", b"}", b"[", b"]", b":", b",", b"null", b"true"]))
    return line[:at] + piece + line[at + gone :]


@settings(max_examples=600, deadline=None)
@given(st.lists(lines(), max_size=5))
def test_the_columns_are_those_of_decoded_lines(given_lines: list[bytes]) -> None:
    check(b"\n".join(given_lines))


@settings(max_examples=800, deadline=None)
@given(st.lists(st.one_of(lines(), damaged()), min_size=1, max_size=3), st.booleans())
def test_a_damaged_line_is_decoded_or_refused_as_ever(given_lines: list[bytes], last: bool) -> None:
    check(b"\n".join(given_lines) + b"\n" * last)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.text('{}[]":,\\\n \t0123eE.-nulltrfasé').map(str.encode))
)
@example(b"5\n")
@example(b'{"type":[]}')
@example(b"{}\n")
@example(b'{"a' + b"\\" * 31)
@example(b'{"type":"' + b"x" * 40)
@example(b'{"type":"order.paid"' + b"}" * 40)
@example(BASE % b"order.paid" + b',"x":' + b"[" * 5000)
@example(BASE % b"order.paid" + b',"x":' + b'{"a":' * 100 + b"1" + b"}" * 101)
def test_noise_is_refused_or_decoded(noise: bytes) -> None:
    check(noise)


@settings(max_examples=300, deadline=None)
@given(lines(), st.data())
def test_noise_within_a_line_is_refused_or_decoded(line: bytes, data: st.DataObject) -> None:
    spoilt = bytearray(line)
    for at in data.draw(st.lists(st.integers(0, len(line) - 1), min_size=1, max_size=3)):
        spoilt[at] = data.draw(st.integers(0, 255))
    check(bytes(spoilt))


# --- what must be taken without decoding --------------------------------------------------------


@pytest.mark.parametrize("tag", list(BY_TAG))
def test_a_plain_line_of_every_type_is_never_slow(tag: str) -> None:
    info = type_info(BY_TAG[tag])
    assert isinstance(info, StructType)
    usual = {"currency": "CNY", "rating": 4.5, "role": "plaintiff", "side": "received"}
    usual |= {"consent": True, "granted": False, "reversal": True, "reading": -1.5, "score": 612}
    fields: dict[str, Any] = {"event_id": "e-1", "type": tag, "merchant_id": "m-1"}
    for field in info.fields:
        number = field.name == "amount" or field.name.endswith(("_at", "_minor"))
        other = 1_700_000_000_000 if number else "text"
        fields.setdefault(field.name, usual.get(field.name, other))
    fields |= {"shop": {"name": '深圳 "A"\n', "tags": [1, -2.5, None, {}, []]}, "note": None}
    assert check(msgspec.json.encode(fields)) == 0


@pytest.mark.parametrize("text", ["4", "0", "5", "4.5", "3.75", "0.00", "5.0", "4.4999", "3.005"])
def test_a_rating_of_few_digits_is_never_slow(text: str) -> None:
    assert check(BASE % b"review.posted" + f',"rating":{text}}}'.encode()) == 0


def test_every_rating_of_up_to_three_decimals_is_rounded_as_python_rounds_it() -> None:
    texts = [f"{n / 10**places:.{places}f}" for places in (1, 2, 3) for n in range(5 * 10**places)]
    texts += ["0", "1", "2", "3", "4", "5", "5.0", "5.00", "0.285", "1.005", "4.9999999"]
    raw = b"\n".join(BASE % b"review.posted" + f',"rating":{each}}}'.encode() for each in texts)
    rows = scan(raw).rows
    assert not (rows["flags"] & SLOW).any()
    assert rows["rating"].tolist() == [round(float(each) * 100) for each in texts]


@settings(max_examples=300, deadline=None)
@given(st.from_regex(r"\A-?(0|[1-9]\d{0,9})(\.\d{1,12})?([eE][+-]?\d{1,2})?\Z"))
def test_a_decimal_is_read_as_exactly_as_python_reads_it(text: str) -> None:
    check(BASE % b"sensor.reading" + f',"reading":{text},"score":{text}}}'.encode())


def test_all_lengths_of_ids_are_hashed_as_the_reference_hashes_them() -> None:
    raw = b"\n".join(
        msgspec.json.encode(LogLine("order.paid", "e" * (200 - n), "m" * n, n)) for n in range(200)
    )
    assert check(raw) == 0


def test_lines_that_a_field_does_not_fit_are_read_by_their_declared_fields() -> None:
    raw = BASE % b"order.paid" + b',"amount":5,"rating":"five","ordered_at":7}\n'
    (row,) = scan(raw).rows
    assert (row["amount"], row["rating"], row["ordered_at"]) == (5, -1, -1)
    assert check(raw) == 1


def test_blank_lines_are_no_lines_and_a_last_feed_is_not_needed() -> None:
    line = BASE % b"order.paid" + b"}"
    assert len(scan(b"").rows) == 0
    assert len(scan(b"\n \n\t\r\n").rows) == 0
    assert len(scan(b"\n\n" + line + b"\r\n \n" + line).rows) == 2
    assert check(b"\n\n" + line + b"\r\n \n" + line) == 0


def test_an_array_of_bytes_is_taken_and_not_changed() -> None:
    raw = np.frombuffer(BASE % b"order.paid" + b"}\n", np.uint8).copy()
    assert scan(raw).rows["ts"].tolist() == [1_700_000_000_000]
    assert raw.flags.writeable


@pytest.mark.parametrize("kind", [list[int], Annotated[str, Meta(min_length=2)], dict[str, Any]])
def test_a_field_that_the_scan_could_take_wrongly_is_refused_at_the_start(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"LogLine\.tags: the scanner has no rule"):
        rule_of("tags", type_info(kind))


def test_the_bounds_of_a_field_are_those_of_the_line() -> None:
    for amount in (0, 1, 10**15, 10**15 + 1, -1, 10**18, 10**19):
        check(BASE % b"order.paid" + b',"amount":%d}' % amount)
    for time in (0, 2**53, 2**53 + 1, 2**63):
        check(BASE % b"order.refunded" + b',"ordered_at":%d}' % time)
    for balance in (-(10**15), -(10**15) - 1, 0):
        check(BASE % b"account.debited" + b',"balance_minor":%d}' % balance)

"""Bad input of every kind, with the reason that each must be refused for.

Cases of stage ``decode`` are refused by ``schemas.codec.decode_event`` alone. Cases of stage
``intake`` are valid or meaningless to the codec and are refused for where or how they came: wrong
topic, key or partition, or NDJSON records with bad lines. Times are relative to ``NOW_MS``.
"""

import gzip
import json
from typing import Any, Literal, NamedTuple

import msgspec

from schemas.codec import Limits
from schemas.documents import example
from schemas.events import BY_TAG, Event

NOW_MS = 1_767_312_000_000
"""The clock that the cases are meant for: 2026-01-02T00:00:00Z."""
MERCHANT = "m-1"
PRIVACY_KEY = b"a key for tests, 16 to 64 bytes"
LIMITS = Limits()


class Malformed(NamedTuple):
    """One kind of bad input.

    ``raw`` is the value of one Kafka record (None = a tombstone) on ``topic`` with ``key``.
    ``ndjson`` records carry the content type of NDJSON; ``good`` counts their good lines, which
    must be processed. ``misplaced`` records must be produced to a partition that is not that of
    their merchant.
    """

    name: str
    raw: bytes | None
    key: bytes | None
    reason: str
    stage: Literal["decode", "intake"] = "decode"
    topic: str = "merchant.transactions"
    ndjson: bool = False
    good: int = 0
    misplaced: bool = False


def order(number: int = 1, **changes: Any) -> bytes:
    """A valid ``order.paid`` of ``MERCHANT``, with changes; ``...`` leaves a field out."""
    fields = {
        "type": "order.paid",
        "event_id": f"order-{number}",
        "merchant_id": MERCHANT,
        "occurred_at": NOW_MS - 60_000 + number,
        "amount": 12_500,
        "currency": "CNY",
    } | changes
    return json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()


def spliced(fragment: bytes) -> bytes:
    """A valid order with raw JSON members appended, which JSON libraries would not write."""
    return order()[:-1] + b"," + fragment + b"}"


def _any(tag: str, **changes: Any) -> bytes:
    fields = example(BY_TAG[tag]) | {"merchant_id": MERCHANT} | changes
    return json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()


_NOT_AN_EVENT: list[tuple[str, bytes, str]] = [
    ("no bytes", b"", "empty"),
    ("one space", b" ", "empty"),
    ("white space and newlines", b" \t\r\n ", "empty"),
    ("10 MB payload", spliced(b'"note":"' + b"x" * 10_000_000 + b'"'), "too_large"),
    ("one byte over the limit", order().ljust(LIMITS.payload_bytes_max + 1), "too_large"),
    ("invalid UTF-8 in a value", spliced(b'"note":"\xff"'), "not_utf8"),
    ("invalid UTF-8 in a key", spliced(b'"\xff":1'), "not_utf8"),
    ("invalid UTF-8 outside strings", order() + b"\xfe", "not_utf8"),
    ("overlong UTF-8", spliced(b'"note":"\xc0\xaf"'), "not_utf8"),
    ("surrogate as UTF-8 (CESU-8)", spliced(b'"note":"\xed\xa0\x80"'), "not_utf8"),
    ("Latin-1 text", spliced(b'"note":"caf\xe9"'), "not_utf8"),
    ("UTF-16 with a mark", order().decode().encode("utf-16"), "not_utf8"),
    ("UTF-16 without a mark", order().decode().encode("utf-16-le"), "not_json"),
    ("gzip bytes", gzip.compress(order(), mtime=0), "not_utf8"),
    ("UTF-8 byte order mark", b"\xef\xbb\xbf" + order(), "not_json"),
    ("truncated in a string", order()[:25], "not_json"),
    ("truncated before the brace", order()[:-1], "not_json"),
    ("trailing garbage", order() + b"x", "not_json"),
    ("two objects in one record", order(1) + order(2), "not_json"),
    ("two lines without the content type", order(1) + b"\n" + order(2), "not_json"),
    ("plain text", b"hello", "not_json"),
    ("CSV", b"order.paid,m-1,12500,CNY", "not_json"),
    ("XML", b"<order/>", "not_json"),
    ("single quotes", b"{'type':'order.paid'}", "not_json"),
    ("trailing comma", order()[:-1] + b",}", "not_json"),
    ("comment", b"/* paid */" + order(), "not_json"),
    ("Avro or Protobuf framing", b"\x00\x00\x00\x00\x01" + order(), "not_json"),
    ("NUL padding", order() + b"\x00\x00", "not_json"),
    ("raw control character in a string", spliced(b'"note":"a\x01b"'), "not_json"),
    ("unknown escape", spliced(b'"note":"\\x41"'), "not_json"),
    ("lone high surrogate", spliced(b'"note":"\\ud800 "'), "not_json"),
    ("lone high surrogate at the end of a string", spliced(b'"note":"\\ud800"'), "not_json"),
    ("lone low surrogate", spliced(b'"note":"\\udc00 "'), "not_json"),
    ("lone surrogate in an identifier", order(order_id="\ud83d"), "not_json"),
    ("lone surrogate in a key", spliced(b'"\\udfff":1'), "not_json"),
    ("leading zero", spliced(b'"note":007'), "not_json"),
    ("hexadecimal number", spliced(b'"note":0x1F'), "not_json"),
    ("JSON array", b"[" + order() + b"]", "not_an_object"),
    ("JSON string", json.dumps(order().decode()).encode(), "not_an_object"),
    ("JSON number", b"42", "not_an_object"),
    ("JSON null", b"null", "not_an_object"),
    ("JSON true", b"true", "not_an_object"),
    ("deep arrays", spliced(b'"note":' + b"[" * 40 + b"]" * 40), "too_deep"),
    ("very deep arrays", spliced(b'"note":' + b"[" * 100_000 + b"]" * 100_000), "too_deep"),
    ("deep objects", spliced(b'"note":' + b'{"a":' * 40 + b"1" + b"}" * 40), "too_deep"),
    ("deep value of a known field", order(amount=...)[:-1] + b',"amount":' + b"[" * 99 + b"]" * 99
     + b"}", "too_deep"),
]  # fmt: skip

_NUMBERS: list[tuple[str, bytes, str]] = [
    ("NaN as money", order(amount=float("nan")), "not_finite"),
    ("Infinity as money", order(amount=float("inf")), "not_finite"),
    ("-Infinity as money", order(amount=float("-inf")), "not_finite"),
    ("NaN as time", order(occurred_at=float("nan")), "not_finite"),
    ("NaN in an unknown field", spliced(b'"score":NaN'), "not_finite"),
    ("NaN in an unknown array", spliced(b'"scores":[1, NaN]'), "not_finite"),
    ("nan in small letters", spliced(b'"score":nan'), "not_finite"),
    ("inf", spliced(b'"score":inf'), "not_finite"),
    ("+Infinity", spliced(b'"score":+Infinity'), "not_finite"),
    ("NaN alone", b"NaN", "not_finite"),
    ("1e999 as money", spliced(b'"amount":1e999'), "number_out_of_range"),
    ("-1e999 as money", spliced(b'"amount":-1e999'), "number_out_of_range"),
    ("1e999 in an unknown field", spliced(b'"score":1e999'), "number_out_of_range"),
    ("2**64 in an unknown field", spliced(b'"n":18446744073709551616'), "number_out_of_range"),
    ("-2**63 - 1 in an unknown field", spliced(b'"n":-9223372036854775809'), "number_out_of_range"),
    ("100 digits nested", spliced(b'"n":[{"a":' + b"9" * 100 + b"}]"), "number_out_of_range"),
    ("5,000 digits", spliced(b'"n":' + b"9" * 5000), "number_out_of_range"),
    ("money of 30 digits", order(amount=10**29), "number_out_of_range"),
    ("money over the bound", order(amount=10**15 + 1), "out_of_range"),
    ("balance over the bound", _any("account.credited", balance_minor=2**63), "out_of_range"),
    ("rating over the scale", _any("review.posted", rating=6), "out_of_range"),
    ("rating below the scale", _any("review.posted", rating=-0.5), "out_of_range"),
    ("negative money", order(amount=-1), "negative_money"),
    ("negative money as a float", order(amount=-12.5), "negative_money"),
    ("negative tax", _any("invoice.issued", tax_minor=-1), "negative_money"),
    ("negative turnover", _any("tax.filed", declared_turnover_minor=-1), "negative_money"),
    ("float money", order(amount=125.5), "wrong_type"),
    ("float money with nothing behind the point", order(amount=125.0), "wrong_type"),
    ("money with an exponent", spliced(b'"amount":1e3'), "wrong_type"),
    ("money as a string", order(amount="12500"), "wrong_type"),
    ("money as true", order(amount=True), "wrong_type"),
    ("money as null", order(amount=None), "wrong_type"),
    ("money as an object", order(amount={"value": 125}), "wrong_type"),
]

_CURRENCIES: list[tuple[str, bytes, str]] = [
    ("currency in small letters", order(currency="cny"), "unknown_currency"),
    ("currency XXX", order(currency="XXX"), "unknown_currency"),
    ("gold", order(currency="XAU"), "unknown_currency"),
    ("currency of four letters", order(currency="USDT"), "unknown_currency"),
    ("currency of two letters", order(currency="RM"), "unknown_currency"),
    ("currency sign", order(currency="¥"), "unknown_currency"),
    ("currency with a newline", order(currency="CNY\n"), "unknown_currency"),
    ("no letters in the currency", order(currency=""), "unknown_currency"),
    ("unknown currency where it is optional", _any("order.cancelled", currency="ZZZ"),
     "unknown_currency"),
    ("currency as a number", order(currency=156), "wrong_type"),
    ("currency as null", order(currency=None), "wrong_type"),
    ("amount without currency", _any("order.cancelled", amount=5, currency=...),
     "missing_currency"),
    ("amount with currency null", _any("order.cancelled", amount=5, currency=None),
     "missing_currency"),
    ("debt without currency", _any("bureau.scored", currency=...), "missing_currency"),
]  # fmt: skip

_TIMES: list[tuple[str, bytes, str]] = [
    ("a time in the far future", order(occurred_at=NOW_MS + 30 * 86_400_000), "far_future"),
    ("one millisecond past the bound", order(occurred_at=NOW_MS + 86_400_001), "far_future"),
    ("RFC 3339 in the far future", order(occurred_at="2099-01-01T00:00:00Z"), "far_future"),
    ("microseconds", order(occurred_at=NOW_MS * 1000), "far_future"),
    ("nanoseconds", order(occurred_at=NOW_MS * 1_000_000), "far_future"),
    ("due in microseconds", _any("utility.paid", due_at=NOW_MS * 1000), "far_future"),
    ("an ancient time", order(occurred_at=0), "ancient"),
    ("seconds", order(occurred_at=NOW_MS // 1000), "ancient"),
    ("seconds in another time field", order(promised_at=NOW_MS // 1000), "ancient"),
    ("negative time", order(occurred_at=-1), "ancient"),
    ("RFC 3339 before 1970", order(occurred_at="1969-12-31T23:59:59Z"), "ancient"),
    ("the year 1", order(occurred_at="0001-01-01T00:00:00+23:59"), "ancient"),
    ("a time without offset", order(occurred_at="2026-01-01T00:00:00"), "bad_timestamp"),
    ("a date", order(occurred_at="2026-01-01"), "bad_timestamp"),
    ("digits in a string", order(occurred_at=str(NOW_MS)), "bad_timestamp"),
    ("a basic ISO 8601 time", order(occurred_at="20260101T000000Z"), "bad_timestamp"),
    ("an ISO week", order(occurred_at="2026-W01-4T00:00:00Z"), "bad_timestamp"),
    ("month 13", order(occurred_at="2026-13-01T00:00:00Z"), "bad_timestamp"),
    ("30 February", order(occurred_at="2026-02-30T00:00:00Z"), "bad_timestamp"),
    ("offset of 24 hours", order(occurred_at="2026-01-01T00:00:00+24:00"), "bad_timestamp"),
    ("an e-mail date", order(occurred_at="Thu, 01 Jan 2026 00:00:00 GMT"), "bad_timestamp"),
    ("a word for a time", order(occurred_at="yesterday"), "bad_timestamp"),
    ("an empty time", order(occurred_at=""), "bad_timestamp"),
    ("other digits", order(occurred_at="２０２６-01-01T00:00:00Z"), "bad_timestamp"),
    ("a time of 10,000 characters", order(occurred_at="2" * 10_000), "bad_timestamp"),
    ("a fraction of a millisecond", order(occurred_at=NOW_MS + 0.5), "bad_timestamp"),
    ("time as true", order(occurred_at=True), "bad_timestamp"),
    ("time as an array", order(occurred_at=[2026, 1, 1]), "bad_timestamp"),
    ("garbage in an optional time", order(promised_at="soon"), "bad_timestamp"),
    ("time as null", order(occurred_at=None), "wrong_type"),
]

_STRINGS: list[tuple[str, bytes, str]] = [
    ("empty event_id", order(event_id=""), "empty_field"),
    ("empty merchant_id", order(merchant_id=""), "empty_field"),
    ("empty order_id", order(order_id=""), "empty_field"),
    ("empty counterparty_id", order(counterparty_id=""), "empty_field"),
    ("empty reason of a freeze", _any("merchant.freeze", reason=""), "empty_field"),
    ("event_id too long", order(event_id="e" * 129), "too_long"),
    ("merchant_id too long", order(merchant_id="m" * 129), "too_long"),
    ("counterparty_id too long", order(counterparty_id="c" * 129), "too_long"),
    ("order_id of 100,000 characters", order(order_id="o" * 100_000), "too_long"),
    ("channel too long", order(channel="c" * 257), "too_long"),
    ("note of the desk too long", _any("alert.close", reason="r" * 2001), "too_long"),
    ("policy document too long", _any("policy.publish", document="d" * 200_001), "too_long"),
    ("counterparty too long where unknown", _any("review.posted", type="merchant.release",
     counterparty_id="c" * 129, actor="a"), "too_long"),
    ("event_id as a number", order(event_id=7), "wrong_type"),
    ("event_id as null", order(event_id=None), "wrong_type"),
    ("merchant_id as an array", order(merchant_id=["m-1"]), "wrong_type"),
    ("counterparty_id as a number", order(counterparty_id=7), "wrong_type"),
    ("counterparty as an object where unknown", _any("merchant.release",
     counterparty_id={"name": "Zhang"}), "wrong_type"),
    ("consent as a string", _any("consent.changed", granted="yes"), "wrong_type"),
    ("consent as a number", _any("consent.changed", granted=1), "wrong_type"),
    ("score as a string", _any("bureau.scored", score="650"), "wrong_type"),
    ("newline in event_id", order(event_id="a\nb"), "bad_identifier"),
    ("NUL in merchant_id", order(merchant_id="m\x00"), "bad_identifier"),
    ("space after merchant_id", order(merchant_id="m-1 "), "bad_identifier"),
    ("only a space for merchant_id", order(merchant_id=" "), "bad_identifier"),
    ("no-break space before order_id", order(order_id="\u00a0o"), "bad_identifier"),
    ("line separator in order_id", order(order_id="o\u2028"), "bad_identifier"),
    ("C1 control character in order_id", order(order_id="o\u0085x"), "bad_identifier"),
    ("escape sequence in counterparty_id", order(counterparty_id="\x1b[31m"), "bad_identifier"),
    ("control character in shipment_id", _any("shipment.lost", shipment_id="a\tb"),
     "bad_identifier"),
    ("control character in actor", _any("alert.assign", actor="a\rb"), "bad_identifier"),
    ("outcome that does not exist", _any("alert.close", outcome="maybe"), "bad_value"),
    ("role of 10,000 characters", _any("court.case", role="x" * 10_000), "bad_value"),
    ("a choice that quotes an error message",
     _any("court.case", role="Object missing required field `amount` - at `$.amount`"),
     "bad_value"),
]  # fmt: skip

_TYPES: list[tuple[str, bytes, str]] = [
    ("empty object", b"{}", "missing_type"),
    ("no type", order(type=...), "missing_type"),
    ("type null", order(type=None), "missing_type"),
    ("unknown type", order(type="order.exploded"), "unknown_type"),
    ("type in capitals", order(type="ORDER.PAID"), "unknown_type"),
    ("type with a space", order(type="order.paid "), "unknown_type"),
    ("empty type", order(type=""), "unknown_type"),
    ("type as a number", order(type=1), "unknown_type"),
    ("type as an array", order(type=["order.paid"]), "unknown_type"),
    ("name of the struct as type", order(type="OrderPaid"), "unknown_type"),
    ("type of 100,000 characters", order(type="t" * 100_000), "unknown_type"),
    ("the last of two types counts", spliced(b'"type":"nothing"'), "unknown_type"),
    ("the last of two amounts counts", spliced(b'"amount":-1'), "negative_money"),
]


def _missing_fields() -> list[Malformed]:
    """Every required field of every type, left out."""
    cases = []
    for tag, struct in BY_TAG.items():
        for field in msgspec.structs.fields(struct):
            if field.required:
                raw = _any(tag, **{field.name: ...})
                name = f"{tag} without {field.name}"
                cases.append(_case(name, raw, "missing_field", _topic(struct)))
    return cases


def _topic(struct: type[Event]) -> str:
    return struct.topic


def _case(name: str, raw: bytes, reason: str, topic: str | None = None) -> Malformed:
    """Stage ``decode``, on the topic of its type where the codec gets as far as that."""
    if topic is None:
        try:
            struct = BY_TAG.get(msgspec.json.decode(raw)["type"])
        except (msgspec.DecodeError, RecursionError, TypeError, KeyError, ValueError):
            struct = None
        topic = struct.topic if struct else "merchant.transactions"
    return Malformed(name, raw, MERCHANT.encode(), reason, topic=topic)


def _control(tag: str) -> bytes:
    return _any(tag, merchant_id="*", occurred_at=NOW_MS)


_KEY = MERCHANT.encode()
_LINES = [order(n) for n in range(1, 4)]
INTAKE: tuple[Malformed, ...] = (
    Malformed("tombstone", None, _KEY, "empty", "intake"),
    Malformed("no key", order(), None, "wrong_key", "intake"),
    Malformed("empty key", order(), b"", "wrong_key", "intake"),
    Malformed("key of another merchant", order(), b"m-2", "wrong_key", "intake"),
    Malformed("order as key", order(order_id="o-1"), b"o-1", "wrong_key", "intake"),
    Malformed("key in JSON quotes", order(), b'"m-1"', "wrong_key", "intake"),
    Malformed("key that is not UTF-8", order(), b"\xff", "wrong_key", "intake"),
    Malformed("partition by CRC32", order(), _KEY, "wrong_partition", "intake", misplaced=True),
    Malformed("shipment among orders", _any("shipment.lost"), _KEY, "wrong_topic", "intake"),
    Malformed("desk command from a merchant", _any("limit.override"), _KEY, "wrong_topic",
              "intake"),
    Malformed("loan event from a merchant", _any("loan.settled"), _KEY, "wrong_topic", "intake"),
    Malformed("clock tick from a merchant", _control("clock.tick"), b"*", "wrong_topic", "intake"),
    Malformed("clock tick as a control event", _control("clock.tick"), b"*", "wrong_topic",
              "intake", "risk.control"),
    Malformed("model activation from a merchant", _control("model.activated"), b"*",
              "wrong_topic", "intake"),
    Malformed("policy activation from the desk", _control("policy.activated"), b"*",
              "wrong_topic", "intake", "desk.commands"),
    Malformed("an order of all merchants", order(merchant_id="*"), b"*", "bad_value", "intake"),
    Malformed("a kill switch for one merchant", _any("automation.pause", occurred_at=NOW_MS), _KEY,
              "bad_value", "intake", "desk.commands"),
    Malformed("a policy that is none", _any("policy.publish", merchant_id="*", document="hello: 1"),
              b"*", "invalid_policy", "intake", "desk.commands"),
    Malformed("rules that are none", _any("policy.publish", merchant_id="*", document="rules: 1"),
              b"*", "invalid_rules", "intake", "desk.commands"),
    Malformed("roll-back to a model that never was", _any("model.rollback", merchant_id="*"),
              b"*", "bad_value", "intake", "desk.commands"),
    Malformed("one bad line among good ones", b"\n".join([*_LINES[:2], b'{"type":', _LINES[2]]),
              None, "not_json", "intake", ndjson=True, good=3),
    Malformed("one negative amount among good lines",
              b"\n".join([_LINES[0], order(9, amount=-1), *_LINES[1:]]), None, "negative_money",
              "intake", ndjson=True, good=3),
    Malformed("NDJSON cut off in its last line", b"\n".join(_LINES)[:-9], None, "not_json",
              "intake", ndjson=True, good=2),
    Malformed("an array instead of NDJSON", b"[" + b",".join(_LINES) + b"]", None,
              "not_an_object", "intake", ndjson=True),
    Malformed("too many lines", b"{}\n" * (LIMITS.lines_max + 1), None, "too_many_lines", "intake",
              ndjson=True),
    Malformed("a line of another partition", order(), None, "wrong_partition", "intake",
              ndjson=True, misplaced=True),
)  # fmt: skip

DECODE: tuple[Malformed, ...] = (
    *(
        _case(name, raw, reason)
        for group in (_NOT_AN_EVENT, _NUMBERS, _CURRENCIES, _TIMES, _STRINGS, _TYPES)
        for name, raw, reason in group
    ),
    *_missing_fields(),
)

MALFORMED: tuple[Malformed, ...] = (*DECODE, *INTAKE)
"""The whole corpus."""

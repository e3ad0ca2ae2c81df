"""From bytes to valid events, and from outputs to bytes.

``decode_event`` takes one JSON object and either gives the event in normal form (times as epoch
milliseconds, counterparty as a pseudonym, unknown fields kept) or raises ``InvalidEvent`` with a
reason code and a detail that names the field and the remedy. What is taken does not depend on the
host: depth and numbers have stated bounds, not those of the interpreter. Of a key that an object
repeats, the last value counts (RFC 8259 leaves it open; this is what msgspec and most parsers do).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import msgspec
from msgspec import Struct
from msgspec.inspect import IntType, StrType, StructType, Type, UnionType, type_info

from schemas.currencies import CURRENCIES
from schemas.events import BY_TAG, Event
from schemas.privacy import pseudonym

REASONS: dict[str, str] = {
    "empty": "the record has no value",
    "too_large": "the record exceeds the size limit",
    "too_many_lines": "the record has more NDJSON lines than allowed",
    "not_utf8": "the bytes are not UTF-8",
    "not_json": "the bytes are not JSON",
    "not_finite": "NaN or infinity is not a number that money or time can have",
    "number_out_of_range": "a number does not fit 64 bits",
    "not_an_object": "the JSON value is not an object",
    "too_deep": "the JSON is nested too deeply",
    "missing_type": "there is no `type`",
    "unknown_type": "the `type` is not one of the catalogue",
    "wrong_topic": "this `type` does not belong on this topic",
    "missing_field": "a required field is absent",
    "empty_field": "an identifier is empty",
    "wrong_type": "a field has the wrong JSON type",
    "negative_money": "an amount is negative",
    "out_of_range": "a number is out of its range",
    "too_long": "a string is too long",
    "bad_identifier": "an identifier has control characters or outer spaces",
    "unknown_currency": "the currency is not an ISO 4217 code",
    "missing_currency": "an amount has no currency",
    "bad_timestamp": "a time is neither epoch milliseconds nor RFC 3339 with an offset",
    "far_future": "a time lies too far in the future",
    "ancient": "a time lies before the earliest time taken (seconds sent as milliseconds?)",
    "bad_value": "a field has a value that is not allowed",
    "wrong_key": "the Kafka key is not the merchant_id",
    "wrong_partition": "the record is not on the partition of its merchant_id (murmur2)",
    "invalid_policy": "the policy document is not valid",
    "invalid_rules": "the rule file is not valid",
}
"""Reason codes of dead letters and what they mean."""


class InvalidEvent(ValueError):
    """Input that cannot be taken; ``reason`` is a key of ``REASONS``."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REASONS, reason
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Limits(Struct, kw_only=True, frozen=True):
    """Bounds of what is taken.

    ``ancient_before_ms`` is a time (epoch milliseconds). How far ahead of now a time may lie is
    ``future_bound_ms`` for ``occurred_at`` and ``horizon_ms`` (100 years) for those that may lie
    ahead, such as ``due_at``. ``depth_max`` counts nested objects and arrays from 1, the event.
    """

    payload_bytes_max: int = 1 << 20
    lines_max: int = 20_000
    future_bound_ms: int = 86_400_000
    ancient_before_ms: int = 946_684_800_000
    horizon_ms: int = 100 * 365 * 86_400_000
    depth_max: int = 32


TIME_FIELDS: tuple[str, ...] = (
    "occurred_at",
    "ordered_at",
    "promised_at",
    "due_at",
    "issued_at",
    "opened_at",
    "expires_at",
    "until_at",
    "period_start_at",
    "period_end_at",
)
"""Every field that is a time; RFC 3339 is taken for each and becomes epoch milliseconds."""

_LONG_AGO_FIELDS = frozenset({"opened_at"})
_SIGNED_MONEY = frozenset({"balance_minor"})
MONEY_MAX = 10**15
"""Bound of all money, in minor units."""
_INT64_MIN = -(2**63)
_UINT64_MAX = 2**64 - 1
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NOT_FINITE = re.compile(rb"(?:^|[\s:,\[+-])(?:nan|inf|infinity)\b", re.IGNORECASE)
_BYTE = re.compile(r"\(byte (\d+)\)$")
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""JSON bytes of any output or event (one line, fields in declared order)."""


class _Plan(Struct, frozen=True):
    """What the codec does with one type beyond what its struct says: names of its fields."""

    struct: type[Event]
    times: tuple[str, ...]
    identifiers: tuple[str, ...]
    money: tuple[str, ...]
    unbounded_money: tuple[str, ...]
    currency: bool
    counterparty: bool


def _plan(struct: type[Event]) -> _Plan:
    info = type_info(struct)
    assert isinstance(info, StructType)
    types = {field.name: not_null(field.type) for field in info.fields}
    money = tuple(n for n in types if n == "amount" or n.endswith("_minor"))
    return _Plan(
        struct=struct,
        times=tuple(n for n in types if n in TIME_FIELDS),
        identifiers=tuple(
            n for n, t in types.items() if isinstance(t, StrType) and t.max_length == 128
        ),
        money=money,
        unbounded_money=tuple(
            n for n in money if isinstance(t := types[n], IntType) and t.le is None
        ),
        currency="currency" in types,
        counterparty="counterparty_id" in types,
    )


def not_null(kind: Type) -> Type:
    """The type of a field where it has a value."""
    return kind.types[0] if isinstance(kind, UnionType) else kind


PLANS: dict[str, _Plan] = {tag: _plan(struct) for tag, struct in BY_TAG.items()}
"""What is checked of each type, by tag."""


def decode_event(
    raw: bytes, *, now_ms: int, limits: Limits, privacy_key: bytes
) -> tuple[Event, dict[str, Any]]:
    """Validate one event.

    Returns the typed event and its normal form as a dict for the log, both with the counterparty
    pseudonymised. ``now_ms`` bounds the future. Raises ``InvalidEvent``.
    """
    fields = _object(raw, limits)
    tag = fields.get("type")
    if tag is None:
        raise InvalidEvent("missing_type", "add `type`, for example order.paid")
    plan = PLANS.get(tag) if isinstance(tag, str) else None
    if plan is None:
        raise InvalidEvent("unknown_type", f"`type` is {_show(tag)}; see `tideline schema`")
    for name in plan.times:
        value = fields.get(name)
        if value is not None and type(value) is not int:
            fields[name] = _epoch_ms(name, value)
    counterparty = fields.get("counterparty_id")
    if counterparty is not None:
        if type(counterparty) is str and 0 < len(counterparty) <= 128:
            _check_identifier("counterparty_id", counterparty)
            fields["counterparty_id"] = pseudonym(privacy_key, counterparty)
        elif not plan.counterparty:
            _refuse_counterparty(counterparty)
    try:
        event = msgspec.convert(fields, plan.struct)
    except msgspec.ValidationError as error:
        raise _explain(error, fields) from None
    check_identifiers(fields, plan.identifiers)
    _check_money(fields, plan)
    _check_times(fields, plan, now_ms, limits)
    return event, fields


def _object(raw: bytes, limits: Limits) -> dict[str, Any]:
    if not raw or raw.isspace():
        raise InvalidEvent("empty", "the record has no value; send one JSON object per event")
    if len(raw) > limits.payload_bytes_max:
        raise InvalidEvent(
            "too_large", f"{len(raw)} bytes, at most {limits.payload_bytes_max} are taken"
        )
    try:
        fields = _decode(raw)
    except RecursionError:
        raise InvalidEvent("too_deep", f"at most {limits.depth_max} levels are taken") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explain_json(raw, error) from None
    if not isinstance(fields, dict):
        raise InvalidEvent("not_an_object", f"got a JSON {type(fields).__name__}; send an object")
    check_tree(fields, limits.depth_max)
    return fields


def check_tree(fields: dict[str, Any], depth_max: int) -> None:
    """Bounds that would else be the interpreter's: depth, and integers that no reader holds."""
    level: list[Any] = [fields]
    for _ in range(depth_max):
        below: list[Any] = []
        for node in level:
            for value in node.values() if type(node) is dict else node:
                kind = type(value)
                if kind is str:
                    continue
                if kind is dict or kind is list:
                    below.append(value)
                elif kind is int and not _INT64_MIN <= value <= _UINT64_MAX:
                    raise InvalidEvent(
                        "number_out_of_range",
                        f"an integer of {value.bit_length()} bits; send numbers that fit 64 bits",
                    )
        if not below:
            return
        level = below
    raise InvalidEvent("too_deep", f"at most {depth_max} levels are taken; flatten the object")


def _explain_json(raw: bytes, error: Exception) -> InvalidEvent:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        return InvalidEvent("not_utf8", f"byte {bad.start} is not UTF-8; encode the JSON as UTF-8")
    text = str(error)
    place = _BYTE.search(text)
    # The parser stops at the word, at its sign, or 4 bytes on, where ``nan`` is no ``null``.
    at = int(place[1]) if place else len(raw)
    if _NOT_FINITE.search(raw[max(0, at - 6) : at + 10]):
        return InvalidEvent("not_finite", "NaN or infinity found; leave the field out instead")
    if "out of range" in text:
        return InvalidEvent(
            "number_out_of_range", "a number does not fit 64 bits; send one that does"
        )
    return InvalidEvent("not_json", f"{text}; send one JSON object per event")


def _epoch_ms(name: str, value: object) -> int:
    if isinstance(value, str) and len(value) <= 40 and _RFC3339.fullmatch(value):
        try:
            # ``upper`` because RFC 3339 allows small t and z.
            return (datetime.fromisoformat(value.upper()) - _EPOCH) // _MILLISECOND
        except ValueError:
            pass  # no such day or hour: told below, like all else that is no time
    elif isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    raise InvalidEvent(
        "bad_timestamp",
        f"`{name}` is {_show(value)}; send epoch milliseconds or RFC 3339 with an offset",
    )


def _explain(error: msgspec.ValidationError, fields: dict[str, Any]) -> InvalidEvent:
    """The reason code for a message of msgspec (its wording is held by the malformed corpus)."""
    text = str(error)
    missing = _MISSING.match(text)
    if missing:
        return InvalidEvent("missing_field", f"`{missing[1]}` is required for {fields['type']}")
    path = _PATH.search(text)
    name = path[1] if path else ""
    said = text[: path.start()] if path else text
    value = fields.get(name)
    # An unknown choice is repeated by msgspec at full length.
    detail = f"`{name}` is {_show(value)}: {said if len(said) <= 200 else said[:197] + '...'}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    negative = isinstance(value, int | float) and value < 0
    if number and name in TIME_FIELDS:
        return InvalidEvent("ancient" if negative else "far_future", detail)
    if negative and (name == "amount" or name.endswith("_minor")):
        return InvalidEvent("negative_money", f"{detail}; a reversal has an event type of its own")
    if "of length >=" in said:
        reason = "empty_field"
    elif "of length <=" in said:
        reason = "too_long"
    elif name == "currency" and isinstance(value, str):
        reason = "unknown_currency"
    elif number and (">=" in said or "<=" in said):
        reason = "out_of_range"
    elif "got `" in said:
        reason = "wrong_type"
    else:
        reason = "bad_value"
    return InvalidEvent(reason, detail)


def _refuse_counterparty(value: object) -> NoReturn:
    """A counterparty is personal on every type, also where the struct does not know the field."""
    reason = "wrong_type"
    if isinstance(value, str):
        reason = "too_long" if value else "empty_field"
    raise InvalidEvent(reason, f"`counterparty_id` is {_show(value)}; send 1 to 128 characters")


def check_identifiers(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    """Raises ``InvalidEvent`` where one of these has control characters or outer spaces."""
    for name in names:
        value = fields.get(name)
        if value is not None:
            _check_identifier(name, value)


def _check_identifier(name: str, value: str) -> None:
    if value.isascii() and value.isprintable() and value[0] != " " and value[-1] != " ":
        return  # the same test as below at half the price, for nearly all identifiers
    if value != value.strip() or _CONTROL.search(value):
        raise InvalidEvent(
            "bad_identifier", f"`{name}` is {_show(value)}; strip spaces and control characters"
        )


def _check_money(fields: dict[str, Any], plan: _Plan) -> None:
    for name in plan.unbounded_money:
        value = fields.get(name)
        if value is None:
            continue
        if value < 0 and name not in _SIGNED_MONEY:
            raise InvalidEvent("negative_money", f"`{name}` is {value}; send 0 or more")
        if abs(value) > MONEY_MAX:
            raise InvalidEvent("out_of_range", f"`{name}` is {value}; at most {MONEY_MAX} is taken")
    if not plan.currency:
        return
    currency = fields.get("currency")
    if currency is None:
        for name in plan.money:
            if fields.get(name) is not None:
                raise InvalidEvent("missing_currency", f"`{name}` needs a `currency` (ISO 4217)")
    elif currency not in CURRENCIES:
        raise InvalidEvent("unknown_currency", f"`currency` is {_show(currency)}; use ISO 4217")


def _check_times(fields: dict[str, Any], plan: _Plan, now_ms: int, limits: Limits) -> None:
    for name in plan.times:
        at = fields.get(name)
        if at is None:
            continue
        bound_ms = limits.future_bound_ms if name == "occurred_at" else limits.horizon_ms
        if at > now_ms + bound_ms:
            raise InvalidEvent(
                "far_future",
                f"`{name}` is {at}, {(at - now_ms) // 1000} s ahead of the clock; "
                f"at most {bound_ms // 1000} s are taken",
            )
        if at < limits.ancient_before_ms and name not in _LONG_AGO_FIELDS:
            raise InvalidEvent(
                "ancient",
                f"`{name}` is {at}, before {limits.ancient_before_ms}; "
                "send milliseconds, not seconds",
            )


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

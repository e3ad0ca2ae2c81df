"""From bytes to valid events, and from outputs to bytes.

``decode_event`` takes one JSON object and either gives the event in normal form (times as epoch
milliseconds, counterparty as a pseudonym, unknown fields kept) or raises ``InvalidEvent`` with a
reason code and a detail that names the field and the remedy.
"""

import re
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

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
    "far_future": "the event lies too far in the future",
    "ancient": "the event lies before the earliest time taken",
    "bad_value": "a field has a value that is not allowed",
    "wrong_key": "the Kafka key is not the merchant_id",
    "wrong_partition": "the record is not on the partition of its merchant_id (murmur2)",
    "invalid_policy": "the policy document is not valid",
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
    """Bounds of what is taken. Times are epoch milliseconds, ``future_bound_ms`` a distance."""

    payload_bytes_max: int = 1 << 20
    lines_max: int = 20_000
    future_bound_ms: int = 86_400_000
    ancient_before_ms: int = 946_684_800_000


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
_MONEY = frozenset({"amount", "tax_minor", "declared_turnover_minor", "other_debt_minor"})
_NOT_FINITE = re.compile(rb"[:\[,]\s*[-+]?(?:NaN|Infinity|inf|nan)\b")
_PATH = re.compile(r"at `\$\.?([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_IDENTIFIERS = ("event_id", "merchant_id", "order_id", "loan_id", "line_id", "counterparty_id")

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""JSON bytes of any output or event (one line, fields in declared order)."""


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
    struct = BY_TAG.get(tag) if isinstance(tag, str) else None
    if struct is None:
        raise InvalidEvent("unknown_type", f"`type` is {_show(tag)}; see `tideline schema`")
    for name in TIME_FIELDS:
        value = fields.get(name)
        if value is not None and type(value) is not int:
            fields[name] = _epoch_ms(name, value)
    counterparty = fields.get("counterparty_id")
    if type(counterparty) is str and 0 < len(counterparty) <= 128:
        _check_identifier("counterparty_id", counterparty)
        fields["counterparty_id"] = pseudonym(privacy_key, counterparty)
    try:
        event = msgspec.convert(fields, struct)
    except msgspec.ValidationError as error:
        raise _explain(error, fields) from None
    _check_meaning(event, fields, now_ms, limits)
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
        raise InvalidEvent("too_deep", "flatten the object") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explain_json(raw, error) from None
    if not isinstance(fields, dict):
        raise InvalidEvent("not_an_object", f"got a JSON {type(fields).__name__}; send an object")
    return fields


def _explain_json(raw: bytes, error: Exception) -> InvalidEvent:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        return InvalidEvent("not_utf8", f"byte {bad.start} is not UTF-8; encode the JSON as UTF-8")
    if _NOT_FINITE.search(raw):
        return InvalidEvent("not_finite", "NaN or infinity found; leave the field out instead")
    text = str(error)
    if "out of range" in text:
        return InvalidEvent("number_out_of_range", f"{text}; send numbers that fit 64 bits")
    return InvalidEvent("not_json", f"{text}; send one JSON object per event")


def _epoch_ms(name: str, value: object) -> int:
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return int(moment.timestamp() // 1) * 1000 + moment.microsecond // 1000
    elif isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    raise InvalidEvent(
        "bad_timestamp",
        f"`{name}` is {_show(value)}; send epoch milliseconds or RFC 3339 with an offset",
    )


def _explain(error: msgspec.ValidationError, fields: dict[str, Any]) -> InvalidEvent:
    """The reason code for a message of msgspec (its wording is held by the malformed corpus)."""
    text = str(error)
    missing = _MISSING.search(text)
    if missing:
        return InvalidEvent("missing_field", f"`{missing[1]}` is required for {fields['type']}")
    path = _PATH.search(text)
    name = path[1] if path else ""
    value = fields.get(name)
    detail = f"`{name}` is {_show(value)}: {text.split(' - at')[0]}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _MONEY and number and value is not None and value < 0:
        return InvalidEvent("negative_money", f"{detail}; a reversal has an event type of its own")
    if "of length >=" in text:
        return InvalidEvent("empty_field", detail)
    if "of length <=" in text:
        return InvalidEvent("too_long", detail)
    if name == "currency" and isinstance(value, str):
        return InvalidEvent("unknown_currency", detail)
    if name in TIME_FIELDS and number:
        reason = "bad_timestamp"
    elif number and (">=" in text or "<=" in text or "out of range" in text):
        reason = "out_of_range"
    elif "got `" in text:
        reason = "wrong_type"
    else:
        reason = "bad_value"
    return InvalidEvent(reason, detail)


def _check_meaning(event: Event, fields: dict[str, Any], now_ms: int, limits: Limits) -> None:
    """What a JSON Schema cannot say."""
    for name in _IDENTIFIERS:
        value = fields.get(name)
        if value is not None:
            _check_identifier(name, value)
    currency = fields.get("currency")
    if currency is not None and currency not in CURRENCIES:
        raise InvalidEvent("unknown_currency", f"`currency` is {_show(currency)}; use ISO 4217")
    if currency is None and fields.get("amount") is not None:
        raise InvalidEvent("missing_currency", "an `amount` needs a `currency` (ISO 4217)")
    at = event.occurred_at
    if at > now_ms + limits.future_bound_ms:
        raise InvalidEvent(
            "far_future",
            f"`occurred_at` is {at}, {(at - now_ms) // 1000} s ahead of the clock; "
            f"at most {limits.future_bound_ms // 1000} s are taken",
        )
    if at < limits.ancient_before_ms:
        raise InvalidEvent(
            "ancient",
            f"`occurred_at` is {at}, before {limits.ancient_before_ms}; "
            "send milliseconds, not seconds",
        )


def _check_identifier(name: str, value: str) -> None:
    if value != value.strip() or _CONTROL.search(value):
        raise InvalidEvent(
            "bad_identifier", f"`{name}` is {_show(value)}; strip spaces and control characters"
        )


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

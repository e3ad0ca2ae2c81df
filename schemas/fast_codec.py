"""The codec's short way for events as most are: taken on proof, everything else left to the codec.

``FastCodec.decode`` says either what ``schemas.codec.decode_event`` would make of the bytes, or
nothing. It never refuses: whatever it cannot prove valid at little cost goes the codec's own way,
which alone knows reasons. So the two cannot differ in what is refused, and a property test holds
them equal in what is taken.

The line for the log is the JSON of the event's members in the order in which they came. Often that
is what was sent, byte for byte. The proof is one of length. No string with an escape is looked at,
so each member that was sent is at least as long as its normal form: text and literals have one
form, integers a shortest one (numbers with a point are not looked at). White space, unknown or
repeated members and explicit defaults only add. If the typed event, written without defaults, is
just as long as what was sent, then none of these is there and each member is in normal form.
"""

from collections.abc import Callable
from typing import Any, Union

import msgspec
from msgspec import Struct
from msgspec.inspect import FloatType, IntType, StructType, type_info

from schemas.codec import (
    MONEY_MAX,
    PLANS,
    InvalidEvent,
    Limits,
    check_identifiers,
    check_tree,
    encode,
    not_null,
)
from schemas.currencies import CURRENCIES
from schemas.events import BY_TAG, Command, Control, Event
from schemas.privacy import pseudonyms

Taken = tuple[str, str, bytes]
"""Merchant, topic of the event's type, and line for the log."""


class _Shape(Struct, frozen=True):
    """What is to be checked of one type beyond what its struct says: names of its fields."""

    tag: str
    topic: str
    names: frozenset[str]
    later_times: tuple[str, ...]
    identifiers: tuple[str, ...]
    money: tuple[str, ...]
    unbounded: tuple[str, ...]
    currency: bool
    counterparty: bool
    spliceable: bool


def _lean(struct: type[Event]) -> type[Event]:
    """The same event, written without defaults."""
    lean = msgspec.defstruct(
        struct.__name__,
        [],
        bases=(struct,),
        tag=struct.__struct_config__.tag,
        kw_only=True,
        frozen=True,
        omit_defaults=True,
        gc=False,
    )
    assert issubclass(lean, struct)
    return lean


def _shape(tag: str) -> _Shape:
    plan = PLANS[tag]
    info = type_info(plan.struct)
    assert isinstance(info, StructType)
    types = {field.name: not_null(field.type) for field in info.fields}
    return _Shape(
        tag=tag,
        topic=plan.struct.topic,
        names=frozenset(types) | {"type"},
        later_times=tuple(n for n in plan.times if n != "occurred_at"),
        identifiers=plan.identifiers,
        money=plan.money,
        unbounded=tuple(n for n, t in types.items() if isinstance(t, IntType) and t.le is None),
        currency=plan.currency,
        counterparty=plan.counterparty,
        spliceable=not any(isinstance(t, FloatType) for t in types.values()),
    )


_SHAPES: dict[type[Event], _Shape] = {
    _lean(struct): _shape(tag)
    for tag, struct in BY_TAG.items()
    if not issubclass(struct, Command | Control)
}
"""What comes in bulk. Commands and control lines are few, and may concern no single merchant."""

_decode_event: Callable[[bytes], Any] = msgspec.json.Decoder(Union[tuple(_SHAPES)]).decode  # noqa: UP007
_decode_fields = msgspec.json.Decoder(dict[str, Any]).decode


class FastCodec:
    """Decoder with bounds and key set once.

    Raises ``ValueError`` for a privacy key that has not 16 to 64 bytes.
    """

    def __init__(self, limits: Limits, privacy_key: bytes) -> None:
        self._limits = limits
        self._pseudonym = pseudonyms(privacy_key)

    def decode(self, raw: bytes, now_ms: int) -> Taken | None:
        """Merchant, topic and line of an event that is proved valid; None if it is not.

        The line is what ``encode`` gives of the fields that ``decode_event`` returns.
        """
        if len(raw) > self._limits.payload_bytes_max:
            return None
        try:
            event: Any = _decode_event(raw)
            shape = _SHAPES[type(event)]
            if not (self._times_hold(event, shape, now_ms) and _money_holds(event, shape)):
                return None
            line = self._line(raw, event, shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidEvent):
            return None
        return None if line is None else (event.merchant_id, shape.topic, line)

    def _times_hold(self, event: Any, shape: _Shape, now_ms: int) -> bool:
        limits = self._limits
        earliest_ms = limits.ancient_before_ms
        if not earliest_ms <= event.occurred_at <= now_ms + limits.future_bound_ms:
            return False
        for name in shape.later_times:
            at = getattr(event, name)
            if at is not None and not earliest_ms <= at <= now_ms + limits.horizon_ms:
                return False
        return True

    def _line(self, raw: bytes, event: Any, shape: _Shape) -> bytes | None:
        # Tests of single characters cost a fraction on a text of what they cost on bytes.
        text = raw.decode("latin-1")
        escaped = "\\" in text
        plain = not (escaped or " " in text or "\x7f" in text) and text.isascii()
        spaced = '": ' in text
        if spaced or escaped or not shape.spliceable or len(encode(event)) != len(raw):
            return self._rewritten(raw, shape, plain)
        if not plain:
            check_identifiers(msgspec.structs.asdict(event), shape.identifiers)
        counterparty = event.counterparty_id if shape.counterparty else None
        if counterparty is None:
            return raw
        return raw.replace(_member(counterparty), _member(self._pseudonym(counterparty)))

    def _rewritten(self, raw: bytes, shape: _Shape, plain: bool) -> bytes | None:
        fields = _decode_fields(raw)
        if fields["type"] != shape.tag:
            return None  # repeated: the first one chose the struct, the last one counts
        if not plain:
            check_identifiers(fields, shape.identifiers)
        if not shape.names.issuperset(fields):
            check_tree(fields, self._limits.depth_max)
            if "counterparty_id" in fields and not shape.counterparty:
                return None
        counterparty = fields.get("counterparty_id")
        if counterparty is not None:
            fields["counterparty_id"] = self._pseudonym(counterparty)
        return encode(fields)


def _money_holds(event: Any, shape: _Shape) -> bool:
    for name in shape.unbounded:
        value = getattr(event, name)
        if value is not None and not 0 <= value <= MONEY_MAX:
            return False
    if not shape.currency:
        return True
    currency = event.currency
    if currency is None:
        return all(getattr(event, name) is None for name in shape.money)
    return currency in CURRENCIES


def _member(counterparty: str) -> bytes:
    """As it stands in normal form; a quote that no escape precedes begins or ends a string, so
    that these bytes are the member and nothing else."""
    return b'"counterparty_id":"%s"' % counterparty.encode()

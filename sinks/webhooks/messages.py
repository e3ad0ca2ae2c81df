"""What is told of one record of ``risk.alerts`` or ``risk.limit-changes``. Pure."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from schemas import topics
from schemas.outputs import Alert, LimitChange
from sinks.webhooks.document import Filter, Type

_SEVERITIES = ("info", "warning", "critical")

_read_alert = msgspec.json.Decoder(Alert).decode
_read_change = msgspec.json.Decoder(LimitChange).decode


class Message(NamedTuple):
    """One thing to tell.

    ``message_id`` is the same however often it is told. ``at`` is event time in epoch ms. ``data``
    is the record as JSON types. ``funders`` is None where the record does not name them.
    """

    message_id: str
    type: Type
    at: int
    merchant_id: str
    segment: str
    severity: str | None
    kind: str | None
    funders: frozenset[str] | None
    data: dict[str, Any]


def message_of(topic: str, value: bytes) -> Message:
    """The message of a record of the topic of this logical name.

    Raises ``msgspec.MsgspecError`` or ``UnicodeDecodeError`` when its bytes are not that output.
    """
    data: dict[str, Any] = msgspec.json.decode(value)
    if topic == topics.ALERTS:
        alert = _read_alert(value)
        opened, closed = alert.version == 1, alert.state == "closed"
        return Message(
            f"{alert.alert_id}.{alert.version}",
            "alert.closed" if closed else "alert.opened" if opened else "alert.updated",
            alert.updated_at,
            alert.merchant_id,
            alert.segment,
            alert.severity,
            alert.kind,
            None,
            data,
        )
    change = _read_change(value)
    types: dict[str, Type] = {
        "proposed": "limit_change.proposed",
        "sent": "limit_change.sent",
        "withdrawn": "limit_change.withdrawn",
    }
    return Message(
        f"{change.decision_id}.{change.version}",
        types[change.state],
        change.decided_at,
        change.merchant_id,
        change.segment,
        None,
        None,
        frozenset(share.funder for share in change.funders),
        data,
    )


def passes(wanted: Filter, message: Message) -> bool:
    """Whether an endpoint wants a message, as far as the record says; funders apart."""
    if message.type not in wanted.types:
        return False
    if wanted.segments and message.segment not in wanted.segments:
        return False
    if message.severity is None:
        return True
    if wanted.kinds and message.kind not in wanted.kinds:
        return False
    return _SEVERITIES.index(message.severity) >= _SEVERITIES.index(wanted.severity)


def for_funders(message: Message, funders: frozenset[str]) -> Message:
    """The message without the shares of other funders."""
    shares = message.data.get("funders")
    if shares is None:
        return message
    own = [share for share in shares if share["funder"] in funders]
    return message._replace(data={**message.data, "funders": own})


def body_of(message: Message) -> bytes:
    """The body of a webhook: the same bytes at every attempt."""
    at = datetime.fromtimestamp(message.at / 1000, UTC).isoformat(timespec="milliseconds")
    return msgspec.json.encode(
        {"type": message.type, "timestamp": at.replace("+00:00", "Z"), "data": message.data}
    )

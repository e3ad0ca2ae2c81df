"""One view of every line of the log.

Intake has validated each line against its own type, so scoring needs no fifty structs: one struct
with every field that is read downstream decodes any line, several times faster.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from schemas.events import BY_TAG, CurrencyCode, Minor, TimestampMs

SignedMinor = Annotated[int, Meta(ge=-(10**15), le=10**15)]
Rating = Annotated[float, Meta(ge=0, le=5)]
Score = Annotated[float, Meta(ge=-(10**6), le=10**6)]
Reading = Annotated[float, Meta(ge=-(10**15), le=10**15)]


class LogLine(Struct, gc=False):
    """A line of ``risk.events``; a field that its type lacks is None.

    Times are epoch milliseconds (UTC), money is integer minor units of ``currency``.
    """

    type: str
    event_id: str
    merchant_id: str
    occurred_at: TimestampMs
    amount: Minor | None = None
    currency: CurrencyCode | None = None
    order_id: str | None = None
    counterparty_id: str | None = None
    ordered_at: TimestampMs | None = None
    promised_at: TimestampMs | None = None
    due_at: TimestampMs | None = None
    issued_at: TimestampMs | None = None
    side: str | None = None
    reversal: bool | None = None
    loan_id: str | None = None
    line_id: str | None = None
    rating: Rating | None = None
    balance_minor: SignedMinor | None = None
    score: Score | None = None
    other_debt_minor: Minor | None = None
    declared_turnover_minor: Minor | None = None
    period_start_at: TimestampMs | None = None
    period_end_at: TimestampMs | None = None
    role: str | None = None
    segment: str | None = None
    region: str | None = None
    opened_at: TimestampMs | None = None
    product: str | None = None
    consent: bool | None = None
    granted: bool | None = None
    decision_id: str | None = None
    version: int | str | None = None
    reason: str | None = None
    actor: str | None = None
    alert_id: str | None = None
    assignee: str | None = None
    until_at: TimestampMs | None = None
    outcome: str | None = None
    expires_at: TimestampMs | None = None
    digest: str | None = None
    document: str | None = None
    tax_minor: Minor | None = None
    reading: Reading | None = None
    artifact: str | None = None
    bill_id: str | None = None
    invoice_id: str | None = None
    channel: str | None = None
    budget_id: str | None = None
    partition: int | None = None
    amount_minor: Minor | None = None
    members: int | None = None
    struck: int | None = None
    expected: float | None = None
    evidence: str | None = None
    day: int | None = None


_decoder = msgspec.json.Decoder(LogLine)
_BASE = frozenset({"type", "event_id", "merchant_id", "occurred_at"})
_DECLARED: dict[str, frozenset[str]] = {
    tag: _BASE | frozenset(struct.__struct_fields__) for tag, struct in BY_TAG.items()
}


def decode_lines(raw: bytes) -> list[LogLine]:
    """The lines of one record of the log, in order. Raises ``msgspec.DecodeError``.

    The log keeps fields that their type does not declare, so that one may carry any value under a
    name that another type uses. Of a line where such a value does not fit, only the declared
    fields are read.
    """
    try:
        return _decoder.decode_lines(raw)
    except msgspec.ValidationError:
        return [decode_line(line) for line in raw.split(b"\n") if line.strip()]


def decode_line(raw: bytes) -> LogLine:
    """One line of the log, by the rules of ``decode_lines``. Raises ``msgspec.DecodeError``."""
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError:
        fields: Any = msgspec.json.decode(raw)
        if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
            raise
        declared = _DECLARED.get(fields["type"], _BASE)
        return msgspec.convert({k: v for k, v in fields.items() if k in declared}, LogLine)

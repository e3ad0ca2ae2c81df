"""The events behind a feature: those of its types that count within its windows.

A correction (cancelled, refunded, voided) counts at the time of its original where it names that,
not later than itself; what falls due counts at ``due_at``, and what is promised at
``promised_at`` where the feature looks ahead; all else when it occurred.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from features.feature import Feature
from features.lines import LogLine
from features.windows import Span, spans_of
from schemas.events import BY_TAG


class TypeTotal(Struct, kw_only=True, frozen=True):
    """Events of one type: how many, and their amounts in the merchant's currency (minor units)."""

    type: str
    count: int
    amount_minor: int


class Evidence(Struct, kw_only=True, frozen=True):
    """What stands behind one value.

    ``first_at`` and ``last_at`` are when the first and the last of them occurred (epoch ms, None
    without any); ``event_ids`` the latest of them, the last first.
    """

    count: int
    by_type: tuple[TypeTotal, ...]
    first_at: int | None
    last_at: int | None
    event_ids: tuple[str, ...]


def types_of(feature: Feature) -> frozenset[str]:
    """Event types of a feature; a feed's name stands for all types of that feed."""
    named = frozenset(feature.types)
    return frozenset(tag for tag, struct in BY_TAG.items() if tag in named or struct.topic in named)


def counted_at(line: LogLine, *, ahead: bool = False) -> int:
    """The time at which a line counts (epoch ms); ``ahead`` for a feature that looks ahead."""
    if ahead and line.promised_at is not None:
        return line.promised_at
    original = None
    if line.type in ("order.cancelled", "order.refunded"):
        original = line.ordered_at
    elif line.type == "invoice.voided":
        original = line.issued_at
    if original is not None and original <= line.occurred_at:
        return original
    if line.due_at is not None and BY_TAG[line.type].topic == "lending.events":
        return line.due_at
    return line.occurred_at


def evidence(
    feature: Feature,
    lines: Sequence[LogLine],
    as_of: int,
    *,
    currency: str | None,
    events_max: int,
) -> Evidence:
    """The events behind ``feature`` at ``as_of``.

    ``lines`` are those of one merchant without duplicates, none later than ``as_of``. Of a type
    that has none within the windows the latest counts where the feature also reads things as they
    stand (a window that time does not bound); without a bounded window all of its types count.
    """
    types = types_of(feature)
    concerned = [line for line in lines if line.type in types and _on_side(line, feature)]
    concerned.sort(key=lambda line: line.occurred_at)
    spans, bounded = _spans(feature, as_of)
    if spans:
        ahead = any(window.endswith("ahead") for window in feature.windows)
        within = [line for line in concerned if _lies_in(counted_at(line, ahead=ahead), spans)]
        if not bounded:
            seen = {line.type for line in within}
            latest = {line.type: line for line in concerned if line.type not in seen}
            within = sorted((*latest.values(), *within), key=lambda line: line.occurred_at)
        concerned = within
    return _sum_up(concerned, currency, events_max)


def _spans(feature: Feature, as_of: int) -> tuple[list[Span], bool]:
    """All spans of a feature's windows, and whether time bounds every window."""
    found = [spans_of(window, as_of) for window in feature.windows]
    return [span for spans in found if spans for span in spans], None not in found


def _lies_in(at: int, spans: list[Span]) -> bool:
    return any(start <= at < end for start, end in spans)


def _on_side(line: LogLine, feature: Feature) -> bool:
    """Whether a void is one of invoices that the feature is made of."""
    if line.type != "invoice.voided" or line.type not in feature.types:
        return True
    return ("invoice.received" if line.side == "received" else "invoice.issued") in feature.types


def _sum_up(lines: list[LogLine], currency: str | None, events_max: int) -> Evidence:
    counts = Counter(line.type for line in lines)
    amounts: Counter[str] = Counter()
    for line in lines:
        if line.amount is not None and line.currency == currency:
            amounts[line.type] += line.amount
    latest = lines[: -events_max - 1 : -1] if events_max else []
    return Evidence(
        count=len(lines),
        by_type=tuple(
            TypeTotal(type=tag, count=counts[tag], amount_minor=amounts[tag])
            for tag in sorted(counts)
        ),
        first_at=lines[0].occurred_at if lines else None,
        last_at=lines[-1].occurred_at if lines else None,
        event_ids=tuple(line.event_id for line in latest),
    )

"""Short ways to write histories, and hypothesis strategies for them."""

from collections.abc import Iterable
from itertools import count
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import strategies as st

from features.catalogue import NAMES
from features.engine import Due, EngineConfig, FeatureEngine
from features.layout import DAY_MS
from features.lending import LendingBook
from features.lines import LogLine
from features.scan import Scanned, scan

DAY0 = 19_000
"""2022-01-08, the first day of the histories."""
SMALL = EngineConfig(dedup_events=64)
_number = count()


def at(day: float) -> int:
    """Epoch ms of ``day`` days (fractions are hours) after the first day."""
    return round((DAY0 + day) * DAY_MS)


def line(kind: str, day: float, merchant: str = "m", **fields: Any) -> LogLine:
    """A line with an id of its own, amounts in CNY."""
    fields.setdefault("event_id", f"e{next(_number)}")
    if "amount" in fields:
        fields.setdefault("currency", "CNY")
    return LogLine(type=kind, merchant_id=merchant, occurred_at=at(day), **fields)


def probe(day: float, merchant: str = "m") -> LogLine:
    """A line that is always due and changes no feature: it shows the vector at its time."""
    return line("loan.disbursed", day, merchant)


def values(due: Due) -> dict[str, float]:
    """The available values of a vector by name."""
    return {n: v for n, v in zip(NAMES, due.vector.tolist(), strict=True) if v == v}


def scanned(lines: Iterable[LogLine]) -> Scanned:
    """Lines as the engine takes them."""
    return scan(b"".join(encode(each) + b"\n" for each in lines))


def encode(each: LogLine) -> bytes:
    """A line as the log has it: without the fields that are not there."""
    return msgspec.json.encode(
        {k: v for k, v in msgspec.structs.asdict(each).items() if v is not None}
    )


def handed_over(engine: FeatureEngine) -> FeatureEngine:
    """A fresh engine with all the state of another, as a restore makes it."""
    other = FeatureEngine(engine.config)
    other.import_header(engine.export_header())
    for page in range(engine.page_count):
        other.import_page(page, engine.export_page(page))
    for block in range(engine.dedup_block_count):
        other.import_dedup_block(block, engine.export_dedup_block(block))
    return other


def copied(books: dict[int, LendingBook]) -> dict[int, LendingBook]:
    """Books as a restore makes them."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(books), type=dict[int, LendingBook])


def last_values(*lines: LogLine, config: EngineConfig = SMALL) -> dict[str, float]:
    """The values at the last due of a history."""
    return values(list(FeatureEngine(config).run(scanned(lines)))[-1])


def check(name: str, expected: float | None, lines: list[LogLine]) -> None:
    """Hold a feature at the end of a history against what it must be; None for NaN."""
    if lines[-1].type != "loan.disbursed":
        lines = [*lines, probe(lines[-1].occurred_at / DAY_MS - DAY0)]
    found = last_values(*lines).get(name)
    assert (found is None) == (expected is None), found
    if expected is not None:
        assert found == pytest.approx(expected, rel=1e-12)


def plain(due: Due) -> tuple[int, int, int, bytes]:
    """What must be equal, to the byte, however the log was cut."""
    return due.slot, due.trigger, due.as_of, np.asarray(due.vector).tobytes()


_KINDS = [
    *["order.paid"] * 6,
    "order.cancelled",
    "order.refunded",
    "order.disputed",
    "review.posted",
    *["shipment.dispatched"] * 2,
    *["shipment.delivered"] * 2,
    "shipment.returned",
    "shipment.lost",
    "settlement.received",
    "account.credited",
    "account.debited",
    "payment.failed",
    "utility.paid",
    "tax.filed",
    "bureau.scored",
    *["invoice.issued"] * 2,
    "invoice.received",
    "invoice.voided",
    "bill.dishonoured",
    "court.case",
    "registration.changed",
    "sensor.reading",
    *["loan.disbursed"] * 6,
    "merchant.updated",
    "clock.tick",
]
_MONEY = {
    "order.paid",
    "order.cancelled",
    "order.refunded",
    "settlement.received",
    "account.credited",
    "account.debited",
    "invoice.issued",
    "invoice.received",
    "invoice.voided",
    "shipment.delivered",
    "tax.filed",
}
_STEPS = st.sampled_from([0.0, 0.01, 0.3, 0.7, 1.0, 1.0, 2.5, 6.0, 20.0, 45.0])
_BACK = st.sampled_from([0.0] * 8 + [0.02, 0.5, 3.0, 30.0, 100.0])


@st.composite
def histories(draw: st.DrawFn, merchants: int = 3, size: int = 60) -> list[LogLine]:
    """Histories with late, out-of-order, duplicate, corrected, promised and sparse events."""
    lines: list[LogLine] = []
    day = 0.0
    for number in range(draw(st.integers(1, size))):
        day += draw(_STEPS)
        kind = draw(st.sampled_from(_KINDS))
        fields: dict[str, Any] = {"event_id": f"e{number}"}
        if lines and draw(st.integers(0, 9)) == 0:
            fields["event_id"] = draw(st.sampled_from(lines)).event_id
        if kind in _MONEY and draw(st.integers(0, 9)) > 0:
            fields["amount"] = draw(st.sampled_from([0, 1, 7, 100, 12_345, 10**12]))
            fields["currency"] = draw(st.sampled_from(["CNY"] * 9 + ["USD"]))
        if draw(st.booleans()):
            fields["ordered_at"] = at(max(day - draw(st.integers(-2, 110)), 0))
        if draw(st.booleans()):
            fields["promised_at"] = at(max(day + draw(st.integers(-60, 40)), 0))
        if kind == "invoice.voided":
            fields["side"] = draw(st.sampled_from(["issued", "received"]))
        if draw(st.booleans()):
            fields["counterparty_id"] = draw(st.sampled_from("abcdefghij"))
        if kind.startswith("account"):
            fields["balance_minor"] = draw(st.sampled_from([None, -5, 0, 10**6]))
        if kind == "bureau.scored":
            fields["score"] = draw(st.sampled_from([None, -1.5, 600.25]))
            fields["other_debt_minor"] = draw(st.sampled_from([None, 0, 10**9]))
        if kind == "tax.filed":
            fields["declared_turnover_minor"] = draw(st.sampled_from([None, 0, 10**9]))
            fields["period_start_at"] = at(max(day - draw(st.integers(0, 110)), 0))
            fields["period_end_at"] = at(max(day - draw(st.integers(-5, 90)), 0))
        if kind == "review.posted":
            fields["rating"] = draw(st.sampled_from([None, 0.0, 3.337, 5.0]))
        merchant = "*" if kind == "clock.tick" else f"m{draw(st.integers(1, merchants))}"
        lines.append(line(kind, max(day - draw(_BACK), 0), merchant, **fields))
    return lines

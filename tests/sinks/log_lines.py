"""Records of the log to store, by number, and what of them must be in ClickHouse."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sinks.engine import Engine

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000

Position = tuple[int, int, int]
"""Partition, offset and line of an event."""


def line(kind: str, merchant_id: str, number: int, **fields: Any) -> dict[str, Any]:
    """An event in normal form."""
    return {
        "type": kind,
        "event_id": f"{kind}-{merchant_id}-{number}",
        "merchant_id": merchant_id,
        "occurred_at": START_MS + number * DAY_MS // 3,
        **fields,
    }


def money(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": "CNY"}


def lines_of(number: int) -> list[dict[str, Any]]:
    """Lines of record ``number``: one in five holds a tick alone, one in seven a global control."""
    tick = line("clock.tick", "*", number)
    if number % 5 == 4:
        return [tick]
    merchant = f"m-{number % 2}-{number % 3}"
    found = [
        line("order.paid", merchant, number, **money(1_000 + number), order_id=f"o-{number}"),
        tick,
        line("order.refunded", merchant, number, **money(number)),
        line("shipment.delivered", merchant, number),
        line("settlement.received", merchant, number, **money(700)),
        line("account.debited", merchant, number, **money(300), counterparty_id="cp_1"),
        line(
            "repayment.received",
            merchant,
            number,
            **money(50),
            loan_id="loan-1",
            due_at=START_MS + (number - number % 4) * DAY_MS // 3,
        ),
        line(
            "alert.close",
            merchant,
            number,
            actor="ana",
            alert_id=f"al-{number}",
            outcome="false_alarm",
            reason="a shop holiday",
        ),
    ]
    if number % 7 == 0:
        version = {"version": f"p-{number}", "digest": f"digest-{number}"}
        found.append(line("policy.activated", "*", number, **version))
    return found


def record(lines: Iterable[dict[str, Any]]) -> bytes:
    """A record of the log."""
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in lines)


def log_record(number: int) -> bytes:
    """Record ``number``."""
    return record(lines_of(number))


def kept(partition: int, value: bytes) -> dict[int, dict[str, Any]]:
    """The lines of a record that are to be rows, by their number."""
    found = {}
    for number, body in enumerate(value.splitlines(), 1):
        each = json.loads(body)
        everywhere = each["merchant_id"] == "*" and each["type"] != "budget.leased"
        if each["type"] != "clock.tick" and not (everywhere and partition):
            found[number] = each
    return found


def events_equal(engine: Engine, log: dict[tuple[int, int], bytes]) -> None:
    """``events`` has the lines of these records (partition, offset -> value), each once."""
    expected: dict[Position, str] = {
        (partition, offset, number): each["event_id"]
        for (partition, offset), value in log.items()
        for number, each in kept(partition, value).items()
    }
    rows = engine.query(
        "SELECT kafka_partition AS p, kafka_offset AS o, line, event_id FROM events"
    )
    assert len(rows) == len(expected)
    assert {(r["p"], r["o"], r["line"]): r["event_id"] for r in rows} == expected
    if engine.full:
        daily_equals(engine, log)


def daily_equals(engine: Engine, log: dict[tuple[int, int], bytes]) -> None:
    """``daily`` has the sums of these records' lines."""
    sums: dict[tuple[str, int], Counter[str]] = {}
    for (partition, _), value in log.items():
        for each in kept(partition, value).values():
            if each["merchant_id"] == "*":
                continue
            day = each["occurred_at"] // DAY_MS
            of_day = sums.setdefault((each["merchant_id"], day), Counter())
            of_day["events"] += 1
            of_day["orders_minor"] += each["amount"] if each["type"] == "order.paid" else 0
            of_day["inflow_minor"] += 700 * (each["type"] == "settlement.received")
            of_day["late_repayments"] += (
                each["type"] == "repayment.received" and day > each["due_at"] // DAY_MS
            )
    rows = engine.query(
        "SELECT merchant_id, toUInt32(toRelativeDayNum(day)) AS day, sum(events) AS events,"
        " sum(orders_minor) AS orders_minor, sum(inflow_minor) AS inflow_minor,"
        " sum(late_repayments) AS late_repayments FROM daily GROUP BY merchant_id, day"
    )
    found = {
        (r["merchant_id"], int(r["day"])): {
            name: int(r[name])
            for name in ("events", "orders_minor", "inflow_minor", "late_repayments")
        }
        for r in rows
    }
    names = ("events", "orders_minor", "inflow_minor", "late_repayments")
    assert found == {key: {n: each[n] for n in names} for key, each in sums.items()}

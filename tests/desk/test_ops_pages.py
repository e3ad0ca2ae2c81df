"""Feeds and system, audit log and scorecard: what they say of what is stored."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from desk.pages.system import feed_state
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import Store
from tests.desk.test_pages import page
from tests.sinks.outputs import DAY_MS, START_MS, alert, assessment

HOUR_MS = 3_600_000
Put = Callable[..., None]


@pytest.fixture
def log(engine: EmbeddedEngine) -> Put:
    """Store lines of the log; what a line does not name is empty."""
    count = 0

    def put(*lines: dict[str, Any]) -> None:
        nonlocal count
        empty = {"merchant_id": "m-1", "event_id": "", "actor": "", "alert_id": ""}
        empty |= {"decision_id": "", "reason": "", "body": "{}"}
        for line in lines:
            count += 1
            row = {**empty, **line, "kafka_topic": "risk.events", "kafka_offset": count, "line": 1}
            row["kafka_timestamp_ms"] = time.time_ns() // 1_000_000  # rows go when they are old
            engine.insert(
                "events", list(row), [[value] for value in row.values()], token=str(count)
            )

    return put


@pytest.fixture
def audit(engine: EmbeddedEngine) -> Put:
    """Store audit entries."""

    def put(*entries: dict[str, Any]) -> None:
        for number, entry in enumerate(entries):
            row = {
                "audit_id": f"a{number}",
                "role": "analyst",
                "subject": "",
                "reason": "",
                **entry,
            }
            row = {"detail": "", **row, "kafka_topic": "desk.audit", "kafka_offset": number}
            engine.insert(
                "desk_audit", list(row), [[value] for value in row.values()], token=f"{row}"
            )

    return put


def event(number: int, topic: str, at: int) -> dict[str, Any]:
    kind = {"merchant.transactions": "order.paid", "merchant.logistics": "shipment.dispatched"}
    return {
        "event_id": f"e-{number}",
        "type": kind[topic],
        "input_topic": topic,
        "occurred_at": at,
    }


def test_a_feed_that_stopped_is_silent_and_one_that_never_came_says_so(
    analyst: TestClient, log: Put
) -> None:
    hours = range(0, 20 * 24)
    log(*(event(h, "merchant.transactions", START_MS + h * HOUR_MS) for h in hours if h % 6 == 0))
    log(event(9_999, "merchant.logistics", START_MS + 3 * HOUR_MS))
    shown = page(analyst, "/system").text
    assert "Flowing merchant.transactions" in shown
    assert "Quiet merchant.logistics" in shown
    assert "Never merchant.payments" in shown


@pytest.mark.parametrize(
    ("last_day", "usual_day", "state"),
    [
        (0, 100.0, "silent"),
        (19, 100.0, "quiet"),
        (20, 100.0, "flowing"),
        (0, 5.0, "quiet"),
        (1, 5.0, "flowing"),
    ],
)
def test_the_state_of_a_feed_by_its_usual_day(last_day: int, usual_day: float, state: str) -> None:
    row = {"latest_ms": 1, "last_day": last_day, "usual_day": usual_day}
    assert feed_state(row, 1)["state"] == state


def test_a_pause_stands_on_the_page_with_who_and_why(analyst: TestClient, log: Put) -> None:
    assert "never paused" in page(analyst, "/system").text
    command = {"merchant_id": "*", "input_topic": "desk.commands", "actor": "omar"}
    log(
        {
            **command,
            "type": "automation.pause",
            "occurred_at": START_MS,
            "reason": "carrier strike",
        },
    )
    shown = page(analyst, "/system").text
    assert "Automation is paused" in shown
    assert "by omar" in shown and "carrier strike" in shown
    log({**command, "type": "automation.resume", "occurred_at": START_MS + HOUR_MS})
    assert "Automation runs" in page(analyst, "/system").text


def test_refused_input_is_counted_by_reason(analyst: TestClient, engine: EmbeddedEngine) -> None:
    assert "Every record was taken." in page(analyst, "/system").text
    for number in range(3):
        row = {"reason": "negative_money", "detail": f"`amount` is -{number}"}
        row |= {"source_topic": "merchant.payments", "kafka_topic": "t", "kafka_offset": number}
        engine.insert("dead_letters", list(row), [[v] for v in row.values()], token=str(number))
    shown = page(analyst, "/system").text
    assert "negative_money Intake merchant.payments 3" in shown
    assert "`amount` is -2" in shown


def test_the_audit_log_is_filtered_and_paged(analyst: TestClient, audit: Put) -> None:
    audit(
        {"at": START_MS, "actor": "mei", "action": "unmask", "subject": "m-7", "reason": "called"},
        {"at": START_MS + 1, "actor": "omar", "action": "denied", "subject": "/policy"},
    )
    assert "mei" in page(analyst, "/audit").text and "omar" in page(analyst, "/audit").text
    assert "/policy" not in page(analyst, "/audit?actor=mei").text.replace("Log out", "")
    assert "called" in page(analyst, "/audit?subject=m-").text
    assert "Nothing is stored that fits." in page(analyst, "/audit?action=login").text
    assert "Nothing is stored that fits." in page(analyst, f"/audit?before={START_MS}").text


def test_the_audit_log_goes_on_where_a_page_ends(analyst: TestClient, audit: Put) -> None:
    audit(
        *(
            {"at": START_MS + n, "actor": "mei", "action": "login", "subject": f"n-{n:03d}"}
            for n in range(130)
        )
    )
    first = analyst.get("/audit")
    assert "n-129" in first.text and "n-029" not in first.text
    assert f"before={START_MS + 30}" in first.text
    second = page(analyst, f"/audit?before={START_MS + 30}").text
    assert "n-029" in second and "n-030" not in second


def test_commands_that_the_log_took_are_a_log_of_their_own(analyst: TestClient, log: Put) -> None:
    log(
        {
            "type": "alert.close",
            "input_topic": "desk.commands",
            "actor": "mei",
            "alert_id": "al-9",
            "occurred_at": START_MS,
            "outcome": "confirmed",
            "reason": "the shop is shut",
        }
    )
    shown = page(analyst, "/audit?source=log").text
    assert "al-9" in shown and "the shop is shut" in shown and "confirmed" in shown


def test_recall_lead_and_money_by_what_was_found_before(analyst: TestClient, store: Store) -> None:
    day = START_MS + 100 * DAY_MS

    def fell(number: int, merchant: str, minor: int) -> Any:
        return assessment(
            number,
            merchant_id=merchant,
            as_of=day,
            outcome="late_30",
            outcome_of=f"loan-{merchant}",
            exposure_minor=minor,
        )

    def opened(number: int, merchant: str, days_before: int, **over: Any) -> Any:
        at = day - days_before * DAY_MS
        return alert(number, merchant_id=merchant, opened_at=at, updated_at=at, **over)

    store(
        fell(1, "found-and-worked", 300_00),
        fell(2, "found", 200_00),
        fell(3, "missed", 500_00),
        fell(4, "too-late", 0),
        fell(5, "long-ago", 0),
        opened(1, "found-and-worked", 20),
        opened(1, "found-and-worked", 20, version=2, state="acknowledged", actor="mei"),
        opened(2, "found", 10),
        opened(4, "too-late", -1),
        opened(5, "long-ago", 181),
    )
    shown = page(analyst, "/scorecard?days=365").text
    assert "5 merchants fell 1,000.00 CNY" in shown
    assert "40.0 % found before: recall 500.00 CNY" in shown
    assert "20.0 % worked before: recall at capacity 300.00 CNY" in shown


def test_verdicts_give_the_precision_of_a_kind(analyst: TestClient, store: Store) -> None:
    closed = {"version": 2, "state": "closed", "actor": "mei", "kind": "sales_silence"}
    store(
        assessment(1, as_of=START_MS + 90 * DAY_MS),
        *(alert(n, kind="sales_silence") for n in range(1, 6)),
        alert(1, outcome="confirmed", **closed),
        alert(2, outcome="defaulted", **closed),
        alert(3, outcome="false_alarm", **closed),
        alert(4, outcome="cured", **closed),
    )
    assert "Sales silence 5 1 1 1 1 1 66.7 %" in page(analyst, "/scorecard").text


def test_without_anything_stored_the_pages_say_so(analyst: TestClient) -> None:
    assert "Nobody fell in this time." in page(analyst, "/scorecard").text
    assert "Nothing was published" in page(analyst, "/system").text
    assert "Nothing is stored that fits." in page(analyst, "/audit").text

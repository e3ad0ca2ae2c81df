"""The page of an alert: why, what was done, and what each action sends and what becomes of it."""

import re
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from desk.identity import Viewer
from desk.outbox import OutboxUnavailable
from desk.working import Sent as Asked
from desk.working import became
from schemas import topics
from schemas.outputs import Reason
from tests.desk.conftest import NOW_S, Sent, Store, session_of
from tests.desk.test_pages import Page
from tests.desk.test_queue import HOUR_MS, NOW_MS, due
from tests.sinks.outputs import alert, assessment, limit_change

HTMX = {"hx-request": "true"}


def csrf(client: TestClient) -> str:
    return Page(client.get("/").text).csrf


def act(client: TestClient, action: str, alert_id: str = "al-1", **fields: str) -> Any:
    data = {"csrf": csrf(client), "request_id": "r-1", **fields}
    return client.post(f"/alerts/{alert_id}/{action}", data=data, headers=HTMX)


def waiting_address(html: str) -> str:
    found = re.search(r'hx-get="([^"]+/waiting[^"]+)"', html)
    assert found is not None, html
    return found[1].replace("&amp;", "&")


def test_the_page_says_what_why_and_what_was_done(analyst: TestClient, store: Store) -> None:
    reason = Reason(
        code="refunds", text="Refunds rose", feature="refund_share_28d", value=0.4, usual=0.1
    )
    first = {"merchant_id": "m", "reasons": [reason], "exposure_minor": 100_00}
    store(
        due(1, **first),
        due(1, **first, version=2, state="assigned", assignee="li", actor="mei", note="his"),
        due(1, **first, version=3, state="assigned", assignee="li", severity="critical"),
        due(
            1,
            **first,
            version=4,
            state="acknowledged",
            severity="critical",
            assignee="li",
            actor="li",
            acknowledged_at=NOW_MS,
            evidence_count=5,
        ),
        assessment(2, merchant_id="m", features={"refund_share_28d_peer_percentile": 0.97}),
        limit_change(3, merchant_id="m", line_id="line-x", version=1, drawn_minor=77_00),
        due(4, merchant_id="m", kind="late_shipments"),
    )
    text = Page(analyst.get("/alerts/al-1").text).text
    assert "Refunds rose" in text and "40.0 % 10.0 % above 97.0 %" in text
    assert "Opened as warning" in text and "mei Assigned to li his" in text
    assert "Tideline Severity rose to critical" in text
    assert "li Acknowledged; 3 more events as evidence" in text
    assert text.index("Acknowledged;") < text.index("Assigned to li"), "the latest first"
    assert "line-x flex-90" in text and "77.00 CNY" in text
    assert "Other alerts of the merchant" in text and "Late shipments" in text


def test_evidence_is_shown_from_the_log(analyst: TestClient, store: Store, engine: Any) -> None:
    store(due(1, merchant_id="m", evidence=["e-1", "e-9"]))
    engine.execute(
        "INSERT INTO events (merchant_id, occurred_at, type, event_id, amount_minor, currency,"
        " order_id, kafka_timestamp_ms) VALUES"
        " ('m', '2025-10-01 10:00:00', 'order.refunded', 'e-1', 12345, 'CNY', 'o-7', {now}),"
        " ('other', '2025-10-01 10:00:00', 'order.paid', 'e-9', 1, 'CNY', 'o-8', {now})".replace(
            "{now}", str(int(time.time() * 1000))
        )
    )
    text = Page(analyst.get("/alerts/al-1").text).text
    assert "Order refunded e-1 123.45 CNY o-7" in text
    assert "o-8" not in text, "an event of another merchant is none of the evidence"


def test_a_cohort_shows_the_alerts_of_its_members(analyst: TestClient, store: Store) -> None:
    store(
        due(1, merchant_id="north-1"),
        due(2, merchant_id="north-2"),
        due(3, merchant_id="south-1"),
        due(
            4,
            merchant_id="cohort:region:north",
            kind="cohort_region",
            evidence=["x", "al-1", "al-2"],
        ),
    )
    page = Page(analyst.get("/alerts/al-4").text)
    assert "Alerts of its members 2" in page.text
    assert "north-1" in page.text and "north-2" in page.text and "south-1" not in page.text


def test_an_unknown_alert_is_a_page_that_says_so(analyst: TestClient) -> None:
    assert analyst.get("/alerts/nothing").status_code == 404
    assert act(analyst, "close", "nothing", outcome="cured", reason="x").status_code == 404


@pytest.mark.parametrize(
    ("action", "fields", "sent"),
    [
        ("assign", {}, {"assignee": "desk"}),
        ("assign", {"assignee": "mei"}, {"assignee": "mei"}),
        ("acknowledge", {}, {}),
        ("snooze", {"days": "3"}, {"until_at": NOW_MS + 72 * HOUR_MS}),
        (
            "close",
            {"outcome": "false_alarm", "reason": "a promotion"},
            {"outcome": "false_alarm", "reason": "a promotion"},
        ),
    ],
)
def test_an_action_is_a_command_with_who_and_when(
    analyst: TestClient,
    store: Store,
    outbox: Sent,
    action: str,
    fields: dict[str, str],
    sent: dict[str, Any],
) -> None:
    store(due(1, merchant_id="m"))
    answer = act(analyst, action, **fields)
    assert answer.status_code == 202 and "waiting for it to take effect" in answer.text
    (command,) = outbox.of(topics.COMMANDS)
    assert command["type"] == f"alert.{action}"
    assert command["occurred_at"] == int(NOW_S * 1000)
    expected = {"alert_id": "al-1", "merchant_id": "m", "actor": "desk", **sent}
    assert expected.items() <= command.items()


def test_a_double_click_is_one_command(analyst: TestClient, store: Store, outbox: Sent) -> None:
    store(due(1))
    act(analyst, "acknowledge")
    act(analyst, "acknowledge")
    assert len({command["event_id"] for command in outbox.of(topics.COMMANDS)}) == 1


@pytest.mark.parametrize(
    ("action", "fields", "field"),
    [
        ("snooze", {"days": "2"}, "days"),
        ("snooze", {"days": "many"}, "days"),
        ("close", {"reason": "x"}, "outcome"),
        ("close", {"outcome": "lost", "reason": "x"}, "outcome"),
        ("close", {"outcome": "cured", "reason": " "}, "reason"),
        ("assign", {"assignee": "x" * 200}, "assignee"),
        ("acknowledge", {"reason": "x" * 3_000}, "reason"),
    ],
)
def test_a_wrong_field_sends_nothing_and_is_named(
    analyst: TestClient,
    store: Store,
    outbox: Sent,
    action: str,
    fields: dict[str, str],
    field: str,
) -> None:
    store(due(1))
    answer = act(analyst, action, **fields)
    assert answer.status_code == 400 and f"`{field}`" in answer.text
    assert answer.headers["x-desk-notice"] == "failed"
    assert outbox.of(topics.COMMANDS) == []


def test_a_command_is_waited_for_until_it_has_taken_effect(
    analyst: TestClient, store: Store
) -> None:
    store(due(1))
    sent = act(analyst, "close", outcome="confirmed", reason="seen")
    address = waiting_address(sent.text)
    assert "waiting for it to take effect" in analyst.get(address).text
    store(due(1, version=2, state="assigned", assignee="li", actor="li"))
    assert "waiting for it to take effect" in analyst.get(address).text, "that is another's"
    store(due(1, version=3, state="closed", outcome="confirmed", actor="desk"))
    answer = analyst.get(address)
    assert "Close: done as of" in answer.text and "hx-get" not in answer.text
    assert answer.headers["hx-trigger"] == "desk:changed"


def test_an_alert_that_somebody_closed_first_is_a_conflict(
    analyst: TestClient, store: Store, outbox: Sent
) -> None:
    store(due(1))
    address = waiting_address(act(analyst, "close", outcome="cured", reason="seen").text)
    store(due(1, version=2, state="closed", outcome="defaulted", actor="li"))
    text = Page(analyst.get(address).text).text
    assert "no effect. li closed the alert" in text and "Defaulted" in text
    again = act(analyst, "acknowledge", request_id="r-2")
    assert again.status_code == 409 and "no effect. li closed the alert" in again.text
    assert len(outbox.of(topics.COMMANDS)) == 1, "nothing is sent about what is closed"
    plain = analyst.post(
        "/alerts/al-1/acknowledge", data={"csrf": csrf(analyst), "request_id": "r-3"}
    )
    assert plain.status_code == 409 and "was not sent" in plain.text


def test_an_alert_that_closed_by_itself_is_said_to_have(analyst: TestClient, store: Store) -> None:
    store(due(1))
    address = waiting_address(act(analyst, "acknowledge").text)
    store(due(1, version=2, state="closed", outcome="cured"))
    assert "The alert closed by itself" in analyst.get(address).text


def test_what_became_of_a_command_is_decided_by_the_first_that_settles_it() -> None:
    def row(version: int, state: str, actor: str, **more: str) -> dict[str, Any]:
        fields = {"version": version, "state": state, "actor": actor, "assignee": "", "outcome": ""}
        return {**fields, **more}

    mine = row(2, "assigned", "mei", assignee="li")
    closed = row(3, "closed", "li", outcome="cured")
    assign = Asked("assign", "mei", "li", 1)
    assert became(assign, [mine, closed]).state == "done"
    assert became(assign, [closed]).state == "conflict"
    assert became(assign, [row(2, "assigned", "mei", assignee="wu")]).state == "waiting"
    assert became(assign, []).state == "waiting"
    close = Asked("close", "li", "false_alarm", 1)
    assert became(close, [closed]).state == "conflict", "closed by the same person otherwise"


def test_a_viewer_may_look_and_not_act(analyst: TestClient, store: Store, outbox: Sent) -> None:
    store(due(1))
    viewer = session_of(analyst, Viewer("guest", "viewer"))
    page = viewer.get("/alerts/al-1")
    assert "Your role may look, not act" in page.text and "data-act-form" not in page.text
    token = Page(page.text).csrf
    answer = viewer.post(
        "/alerts/al-1/acknowledge", data={"csrf": token, "request_id": "r"}, headers=HTMX
    )
    assert answer.status_code == 403
    assert outbox.of(topics.COMMANDS) == []
    assert [e["action"] for e in outbox.of(topics.DESK_AUDIT)][-1] == "denied"


def test_another_funders_alert_takes_no_command(
    analyst: TestClient, store: Store, outbox: Sent
) -> None:
    store(due(1, merchant_id="theirs"), limit_change(2, merchant_id="ours"))
    funder = session_of(analyst, Viewer("fund", "analyst", ("own",)))
    assert act(funder, "acknowledge").status_code == 404
    assert outbox.of(topics.COMMANDS) == []


def test_kafka_that_does_not_answer_is_said_in_the_notice(
    analyst: TestClient, store: Store, outbox: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(due(1))

    def down(*_: Any) -> None:
        raise OutboxUnavailable("Kafka takes nothing")

    monkeypatch.setattr(outbox, "send", down)
    answer = act(analyst, "acknowledge")
    assert answer.status_code == 503 and "Kafka takes nothing" in answer.text
    assert answer.headers["x-desk-notice"] == "failed"


def test_without_a_csrf_token_nothing_is_sent(
    analyst: TestClient, store: Store, outbox: Sent
) -> None:
    store(due(1))
    answer = analyst.post("/alerts/al-1/acknowledge", data={"request_id": "r"}, headers=HTMX)
    assert answer.status_code == 403 and outbox.of(topics.COMMANDS) == []


def test_the_live_part_of_the_page_answers_only_to_news(analyst: TestClient, store: Store) -> None:
    store(due(1))
    html = analyst.get("/alerts/al-1/state").text
    seen = re.search(r'name="seen" value="([0-9a-f]{16})"', html)
    assert seen is not None and 'data-alert-state="open"' in html
    assert analyst.get("/alerts/al-1/state", params={"seen": seen[1]}).status_code == 204
    store(due(1, version=2, state="closed", outcome="cured", actor="li"))
    answer = analyst.get("/alerts/al-1/state", params={"seen": seen[1]})
    assert (
        'data-alert-state="closed"' in answer.text and "li Closed: Cured" in Page(answer.text).text
    )


@pytest.mark.parametrize(
    "query", ["", "?action=close", "?action=x&want=&since=1&event_id=e&sent_ms=1"]
)
def test_waiting_for_no_command_is_refused(analyst: TestClient, store: Store, query: str) -> None:
    store(alert(1))
    assert analyst.get(f"/alerts/al-1/waiting{query}").status_code == 400

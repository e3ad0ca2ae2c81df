"""Commands by the API: checked as at the desk, one for each intent, within the scope."""

from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from desk.api.commands import SET_BY_THE_DESK, command_schemas
from desk.commanding import GLOBAL_TYPES, NEEDS
from schemas import topics
from schemas.documents import example
from schemas.events import BY_TAG
from tests.desk.api_store import OURS, PEOPLE, THEIRS, Call, call, filled
from tests.desk.conftest import TOKEN, Sent
from tests.desk.test_api import problem
from tests.sinks.outputs import DAY_MS, START_MS

__all__ = ["call", "filled"]

COMMANDS = "/api/v1/commands"
FREEZE = {"type": "merchant.freeze", "merchant_id": OURS, "reason": "the shop was seen empty"}


def send(client: TestClient, body: Any, key: str | None = "intent-1", **headers: str) -> Any:
    given = headers if key is None else {"idempotency-key": key, **headers}
    return client.post(COMMANDS, json=body, headers=given)


def command(kind: str) -> dict[str, Any]:
    """A valid command of a type, with every field."""
    fields = {n: v for n, v in example(BY_TAG[kind]).items() if n not in SET_BY_THE_DESK}
    fields["merchant_id"] = "*" if kind in GLOBAL_TYPES else OURS
    return fields


@pytest.mark.parametrize("kind", sorted(NEEDS))
@pytest.mark.parametrize("token", sorted(PEOPLE))
def test_a_command_goes_out_for_those_who_may_send_it(
    call: Call, outbox: Sent, kind: str, token: str
) -> None:
    viewer = PEOPLE[token]
    answer = send(call(token), command(kind))
    sent = outbox.of(topics.COMMANDS)
    audited = [entry["action"] for entry in outbox.of(topics.DESK_AUDIT)]
    if not viewer.may(NEEDS[kind]):
        problem(answer, 403)
        assert (sent, audited) == ([], ["denied"])
        return
    assert answer.status_code == 202, answer.text
    (event,) = sent
    assert event == {**command(kind), **{name: event[name] for name in SET_BY_THE_DESK}}
    assert event["actor"] == viewer.name
    assert answer.json() == {
        "event_id": event["event_id"],
        "type": kind,
        "merchant_id": event["merchant_id"],
        "occurred_at": event["occurred_at"],
    }
    assert audited == ["command"]


def test_it_counts_at_the_event_time_of_what_is_stored(call: Call, outbox: Sent) -> None:
    send(call("analyst-token"), FREEZE)
    assert outbox.of(topics.COMMANDS)[0]["occurred_at"] == START_MS + 13 * DAY_MS // 3


def test_a_repeat_is_the_same_command_and_another_key_another(call: Call) -> None:
    client = call("analyst-token")
    first, again, other = (send(client, FREEZE, key).json()["event_id"] for key in ("a", "a", "b"))
    assert first == again != other
    assert send(call("approver-token"), FREEZE, "a").json()["event_id"] != first


def test_nothing_is_sent_about_a_merchant_out_of_sight(call: Call, outbox: Sent) -> None:
    problem(send(call("funder-token"), {**FREEZE, "merchant_id": THEIRS}), 404)
    problem(send(call("approver-token"), {**FREEZE, "merchant_id": "none-such"}), 404)
    assert send(call("funder-token"), FREEZE).status_code == 202
    assert [event["merchant_id"] for event in outbox.of(topics.COMMANDS)] == [OURS]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({**FREEZE, "actor": "somebody else"}, "actor"),
        ({**FREEZE, "event_id": "e-1"}, "event_id"),
        ({**FREEZE, "occurred_at": 1}, "occurred_at"),
        ({**FREEZE, "colour": "red"}, "colour"),
        ({**FREEZE, "reason": ["a"]}, "reason"),
        ({**FREEZE, "reason": True}, "reason"),
        ({**FREEZE, "reason": 7}, "reason"),
        ({**FREEZE, "reason": ""}, "reason"),
        ({**FREEZE, "type": "alert.eat"}, "type"),
        ({**FREEZE, "type": "cohort.alerted"}, "type"),
        ({**FREEZE, "type": "order.paid"}, "type"),
        ({"type": "merchant.freeze"}, "merchant_id"),
        ({"type": "automation.pause", "merchant_id": OURS}, "merchant_id"),
        ([FREEZE], "object"),
        ("freeze", "object"),
        (17, "object"),
    ],
)
def test_a_wrong_field_is_named(call: Call, outbox: Sent, body: Any, named: str) -> None:
    answer = send(call("approver-token"), body)
    assert named in problem(answer, 400).detail
    assert outbox.of(topics.COMMANDS) == []


@pytest.mark.parametrize("key", [None, "", " ", "k" * 201])
def test_a_command_needs_a_key(call: Call, outbox: Sent, key: str | None) -> None:
    assert "Idempotency-Key" in problem(send(call("analyst-token"), FREEZE, key), 400).detail
    assert outbox.records == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"type=merchant.freeze"])
def test_a_body_that_is_no_json_is_refused(call: Call, body: bytes) -> None:
    answer = call("analyst-token").post(
        COMMANDS, content=body, headers={"idempotency-key": "a", "content-type": "application/json"}
    )
    problem(answer, 400)


def test_a_session_needs_the_token_against_forgery(call: Call, outbox: Sent) -> None:
    client = call(None)
    problem(send(client, FREEZE), 401)
    assert client.get("/login", params={"token": TOKEN}).status_code == 303
    problem(send(client, FREEZE), 403)
    problem(send(client, FREEZE, **{"x-csrf-token": "guessed"}), 403)
    assert outbox.of(topics.COMMANDS) == []
    page = client.get("/models").text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    assert send(client, FREEZE, **{"x-csrf-token": csrf}).status_code == 202
    elsewhere = {"x-csrf-token": csrf, "origin": "https://evil.example"}
    problem(send(client, FREEZE, **elsewhere), 403)


def test_the_description_of_each_command_has_its_fields() -> None:
    schemas = command_schemas("#/")
    for kind in NEEDS:
        schema = schemas[BY_TAG[kind].__name__]
        fields = {field.name for field in msgspec.structs.fields(BY_TAG[kind])} | {"type"}
        assert set(schema["properties"]) == fields - set(SET_BY_THE_DESK)
        assert set(schema["required"]) <= set(schema["properties"])

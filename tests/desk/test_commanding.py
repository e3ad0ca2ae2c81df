"""Commands: who sends them is the viewer, one request is one command, and all is written down."""

import pytest

from desk.commanding import Commanding, InvalidCommand, NotAllowed
from desk.identity import Viewer
from schemas import topics
from tests.desk.conftest import NOW_S, Sent

MEI = Viewer("mei", "analyst")


@pytest.fixture
def commands(outbox: Sent) -> Commanding:
    return Commanding(outbox, lambda: int(NOW_S * 1000))


def freeze(commands: Commanding, viewer: Viewer = MEI, **fields: str) -> str:
    return commands.send(
        viewer,
        "merchant.freeze",
        "m-1",
        {"reason": "the shop is shut", **fields},
        request_id="r-1",
        occurred_at=int(NOW_S * 1000),
    )


def test_the_same_request_is_the_same_command_and_another_persons_is_another(
    commands: Commanding, outbox: Sent
) -> None:
    first, again = freeze(commands), freeze(commands)
    assert first == again != freeze(commands, Viewer("omar", "approver"))
    assert [event["actor"] for event in outbox.of(topics.COMMANDS)] == ["mei", "mei", "omar"]


@pytest.mark.parametrize("name", ["actor", "type", "merchant_id", "event_id"])
def test_no_field_of_a_request_says_who_sends_what_about_whom(
    commands: Commanding, outbox: Sent, name: str
) -> None:
    freeze(commands)
    freeze(commands, **{name: "somebody-else"})
    honest, forged = outbox.of(topics.COMMANDS)
    assert forged == honest


def test_a_role_that_may_not_is_refused_and_that_is_written_down(
    commands: Commanding, outbox: Sent
) -> None:
    with pytest.raises(NotAllowed, match=r"viewer may not send merchant\.freeze"):
        freeze(commands, Viewer("vera", "viewer"))
    assert outbox.of(topics.COMMANDS) == []
    (entry,) = outbox.of(topics.DESK_AUDIT)
    assert (entry["actor"], entry["action"], entry["subject"]) == ("vera", "denied", "m-1")


@pytest.mark.parametrize(
    ("kind", "merchant", "fields", "told"),
    [
        ("cohort.alerted", "m-1", {}, "no command of the desk"),
        ("automation.pause", "m-1", {}, "does not go with"),
        ("merchant.freeze", "*", {"reason": "x"}, "does not go with"),
        ("merchant.freeze", "m-1", {}, "reason"),
        ("merchant.freeze", "m-1", {"reason": "x", "colour": "red"}, "`colour` is no field"),
        ("alert.close", "m-1", {"alert_id": "al-1", "outcome": "maybe"}, "outcome"),
    ],
)
def test_what_is_no_command_is_refused_by_name(
    commands: Commanding, outbox: Sent, kind: str, merchant: str, fields: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidCommand, match=told):
        commands.send(
            Viewer("omar", "approver"),
            kind,
            merchant,
            fields,
            request_id="r",
            occurred_at=int(NOW_S * 1000),
        )
    assert outbox.records == []

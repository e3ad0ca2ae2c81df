"""A look at personal data: for a stated reason, one merchant, one session, a quarter of an hour."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from desk import unmasking
from desk.commanding import Commanding
from desk.identity import Viewer
from desk.outbox import OutboxUnavailable
from desk.services import Desk
from desk.unmasking import GRANT_S, Grants
from schemas import topics
from tests.desk.attacked import MARK, NoEngine, app, filled
from tests.desk.conftest import Sent
from tests.desk.surface import Browser

__all__ = ["app", "filled"]

MERCHANT = f"m-{MARK}"
REASON = "The merchant called back about its address."
MEI = Viewer("mei", "analyst")


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Unavailable(Sent):
    """An outbox whose Kafka does not answer."""

    def send(self, topic: str, key: str, value: bytes) -> None:
        raise OutboxUnavailable("Kafka takes nothing")


def desk_at(clock: Clock, outbox: Sent) -> Desk:
    return Desk(NoEngine(), Commanding(outbox, lambda: 0), labels={}, kinds={}, clock=clock)


def request(viewer: Viewer = MEI, session_id: str | None = "s-1") -> Request:
    state = {"viewer": viewer} | ({"session_id": session_id} if session_id else {})
    return Request({"type": "http", "path": "/merchants/m-1", "headers": [], "state": state})


def test_a_grant_is_for_one_session_and_one_merchant_and_ends_after_its_time(outbox: Sent) -> None:
    clock = Clock()
    desk = desk_at(clock, outbox)
    assert not desk.may_see_unmasked(request(), "m-1")
    desk.grants.give("s-1", "m-1", REASON)
    assert desk.may_see_unmasked(request(), "m-1")
    assert not desk.may_see_unmasked(request(), "m-2")
    assert not desk.may_see_unmasked(request(session_id="s-2"), "m-1")
    clock.now_s += GRANT_S - 1
    assert desk.may_see_unmasked(request(), "m-1")
    clock.now_s += 1
    assert not desk.may_see_unmasked(request(), "m-1")


def test_every_look_is_written_down_once_a_request_with_its_reason(outbox: Sent) -> None:
    desk = desk_at(Clock(), outbox)
    desk.grants.give("s-1", "m-1", REASON)
    for _ in range(2):
        one = request()
        assert desk.may_see_unmasked(one, "m-1") and desk.may_see_unmasked(one, "m-1")
    looks = outbox.of(topics.DESK_AUDIT)
    assert len(looks) == 2
    for look in looks:
        assert (look["actor"], look["action"], look["subject"]) == ("mei", "unmask", "m-1")
        assert (look["reason"], look["detail"]) == (REASON, "look /merchants/m-1")


def test_nothing_is_shown_that_cannot_be_written_down() -> None:
    desk = desk_at(Clock(), Unavailable())
    desk.grants.give("s-1", "m-1", REASON)
    with pytest.raises(OutboxUnavailable):
        desk.may_see_unmasked(request(), "m-1")


@pytest.mark.parametrize(
    ("viewer", "session_id"),
    [
        (Viewer("vera", "viewer"), "s-1"),
        (Viewer("ada", "administrator"), "s-1"),
        (Viewer("token:worker", "analyst", None, "token"), None),
    ],
)
def test_a_grant_helps_nobody_without_the_permission_and_no_token(
    outbox: Sent, viewer: Viewer, session_id: str | None
) -> None:
    desk = desk_at(Clock(), outbox)
    desk.grants.give("s-1", "m-1", REASON)
    assert not desk.may_see_unmasked(request(viewer, session_id), "m-1")
    assert outbox.records == []


def test_grants_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmasking, "GRANTS_MAX", 3)
    clock = Clock()
    grants = Grants(clock)
    for number in range(5):
        grants.give("s-1", f"m-{number}", REASON)
    held = [number for number in range(5) if grants.of("s-1", f"m-{number}")]
    assert held == [2, 3, 4]


def test_the_form_grants_after_it_was_written_down_and_can_be_taken_back(
    app: Starlette, outbox: Sent
) -> None:
    mei = Browser(app).log_in("mei")
    form = {"merchant_id": MERCHANT, "reason": f"  {REASON} \n", "back": f"/merchants/{MERCHANT}"}
    answer = mei.ask("POST", "/unmask", form=form)
    assert (answer.status, answer.header("location")) == (303, f"/merchants/{MERCHANT}")
    entry = outbox.of(topics.DESK_AUDIT)[-1]
    assert (entry["action"], entry["subject"], entry["reason"]) == ("unmask", MERCHANT, REASON)
    assert entry["detail"] == "granted for 15 minutes"
    assert mei.ask("POST", "/mask", form={"merchant_id": MERCHANT}).status == 303


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"reason": "because"}, 400),
        ({"reason": "a" + " " * 20 + "b"}, 400),
        ({"reason": "x" * 501}, 400),
        ({"reason": ""}, 400),
        ({"merchant_id": ""}, 400),
        ({"merchant_id": "m-nobody"}, 404),
    ],
)
def test_a_look_without_a_reason_or_a_merchant_is_refused_and_grants_nothing(
    app: Starlette, outbox: Sent, fields: dict[str, str], status: int
) -> None:
    mei = Browser(app).log_in("mei")
    form = {"merchant_id": MERCHANT, "reason": REASON, **fields}
    assert mei.ask("POST", "/unmask", form=form).status == status
    assert [entry["action"] for entry in outbox.of(topics.DESK_AUDIT)] == ["login"]


def test_a_viewer_is_refused_and_that_is_written_down(app: Starlette, outbox: Sent) -> None:
    vera = Browser(app).log_in("vera")
    form = {"merchant_id": MERCHANT, "reason": REASON}
    assert vera.ask("POST", "/unmask", form=form).status == 403
    assert outbox.of(topics.DESK_AUDIT)[-1]["action"] == "denied"

"""How often somebody may ask, and for how long what was begun goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from desk.access import Guard
from desk.admission import COOKIE, Admission, Rules
from desk.app import create_app
from desk.identity import Viewer
from desk.rate import Limits, Rate
from desk.users_file import UsersFile
from sinks.embedded import EmbeddedEngine
from tests.desk.attacked import UNLIMITED
from tests.desk.conftest import NOW_S, TOKEN, Sent
from tests.desk.people import PASSWORD, TOKENS, stamp_of, users_text
from tests.desk.surface import Browser


@pytest.fixture
def limited(
    engine: EmbeddedEngine, outbox: Sent, users_path: Path
) -> Callable[[Limits], Starlette]:
    """A desk with limits."""

    def make(limits: Limits) -> Starlette:
        rules = Rules(users=UsersFile(users_path), limits=limits)
        return create_app(engine, outbox, token=TOKEN, rules=rules, clock=lambda: NOW_S)

    return make


def test_passwords_are_tried_only_so_often_by_name_and_by_address(
    limited: Callable[[Limits], Starlette],
) -> None:
    slow = Rate(3, 0.01)
    wrong = {"password": "x"}
    by_name = Browser(limited(UNLIMITED._replace(logins_by_name=slow)))
    statuses = [by_name.ask("POST", "/login", form={"name": "mei", **wrong}) for _ in range(4)]
    assert [each.status for each in statuses] == [401, 401, 401, 429]
    assert 1 <= int(statuses[-1].header("retry-after")) <= 100
    right = {"name": "mei", "password": PASSWORD}
    assert by_name.ask("POST", "/login", form=right).status == 429, "the right one is not told"
    assert by_name.ask("POST", "/login", form={**right, "name": "omar"}).status == 303
    by_address = Browser(limited(UNLIMITED._replace(logins_by_address=slow)))
    tried = [
        by_address.ask("POST", "/login", form={"name": f"n{number}", **wrong}).status
        for number in range(4)
    ]
    assert tried == [401, 401, 401, 429]
    assert by_address.ask("GET", "/login", query={"token": TOKEN}).status == 429
    forged = {"x-forwarded-for": "10.9.8.7", "forwarded": "for=10.9.8.7"}
    assert by_address.ask("POST", "/login", form=right, headers=forged).status == 429


def test_changes_are_taken_only_so_often_by_person(
    limited: Callable[[Limits], Starlette],
) -> None:
    app = limited(UNLIMITED._replace(changes_by_viewer=Rate(2, 0.5)))
    mei, omar = Browser(app).log_in("mei"), Browser(app).log_in("omar")
    form = {"language": "zh"}
    answers = [mei.ask("POST", "/preferences", form=form) for _ in range(3)]
    assert [each.status for each in answers] == [303, 303, 429]
    assert answers[-1].header("retry-after") in ("1", "2")
    again = Browser(app).log_in("mei")
    assert again.ask("POST", "/preferences", form=form).status == 429, (
        "another session is no way out"
    )
    assert omar.ask("POST", "/preferences", form=form).status == 303
    assert mei.ask("GET", "/").status == 200, "looking goes on"


def test_the_api_is_asked_only_so_often_by_token(limited: Callable[[Limits], Starlette]) -> None:
    app = limited(UNLIMITED._replace(api_by_token=Rate(2, 0.1)))
    stranger = Browser(app)

    def status(token: str) -> int:
        bearer = {"authorization": f"Bearer {token}"}
        return stranger.ask("GET", "/api/v1/none", headers=bearer).status

    assert [status(TOKENS["reader"]) for _ in range(3)] == [404, 404, 429]
    assert status(TOKENS["worker"]) == 404
    assert status("tdl_forged") == 401


def test_a_token_that_has_expired_opens_nothing(
    engine: EmbeddedEngine, outbox: Sent, users_path: Path
) -> None:
    ends = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
    bearer = {"authorization": f"Bearer {TOKENS['worker']}"}
    for at, status in ((ends - 1, 404), (ends, 401)):
        rules = Rules(users=UsersFile(users_path))
        app = create_app(engine, outbox, token=None, rules=rules, clock=lambda at=at: at)
        assert Browser(app).ask("GET", "/api/v1/none", headers=bearer).status == status


def test_a_stream_ends_with_the_session_it_was_begun_in(users_path: Path) -> None:
    now = [0.0]
    admission = Admission(Rules(users=UsersFile(users_path, clock=lambda: now[0])))
    cookie = admission.sessions.begin(Viewer("mei", "analyst"), stamp_of(users_path))
    parts: list[dict[str, Any]] = []

    def remove() -> None:
        users_path.write_text(users_text(without="mei"))
        now[0] += 1

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def told() -> AsyncIterator[str]:
            for number in range(6):
                if number == 3:
                    remove()
                yield f"part {number}\n"

        await StreamingResponse(told())(scope, receive, send)

    guard = Guard(app, admission=admission, refuse=lambda r, s: PlainTextResponse("", s))

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(5)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            parts.append(message)

        headers = [(b"host", b"localhost"), (b"cookie", f"{COOKIE}={cookie}".encode())]
        scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
        scope |= {"scheme": "http", "query_string": b"", "server": None}
        await guard(scope, receive, send)

    asyncio.run(ask())
    body = b"".join(part.get("body", b"") for part in parts)
    assert body == b"part 0\npart 1\npart 2\n"
    assert parts[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

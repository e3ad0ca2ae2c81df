"""No page without the login, and safe headers on every answer."""

import pytest
from starlette.testclient import TestClient

from desk.access import COOKIE
from desk.app import create_app
from desk.identity import Viewer
from desk.sessions import IDLE_S, SESSION_S, Sessions
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import TOKEN, Sent

PATHS = [
    "/",
    "/?refresh=off",
    "/merchants/m-1",
    "/models",
    "/static/desk.css",
    "/nowhere",
    "/login/",
    "//",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_route_answers_without_a_login(visitor: TestClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 401
    assert "Please log in" in answer.text
    assert "merchants/" not in answer.text


@pytest.mark.parametrize("cookie", ["", "x", "Zm9yZ2Vk" * 6, TOKEN])
def test_a_forged_cookie_opens_nothing(visitor: TestClient, cookie: str) -> None:
    visitor.cookies.set(COOKIE, cookie)
    assert visitor.get("/").status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "ü" * 30])
def test_a_wrong_token_opens_nothing(visitor: TestClient, token: str) -> None:
    answer = visitor.get("/login", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert visitor.get("/login", params={"token": TOKEN}).status_code == 303


def test_the_token_works_once_and_leaves_the_address(visitor: TestClient) -> None:
    answer = visitor.get("/login", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert visitor.get("/").status_code == 200
    assert visitor.get("/login", params={"token": TOKEN}).status_code == 303, "still logged in"
    visitor.cookies.clear()
    assert visitor.get("/login", params={"token": TOKEN}).status_code == 401


def test_a_session_ends_after_its_time_or_without_requests() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    viewer = Viewer("mei", "analyst")
    idle, used, ended = (sessions.begin(viewer) for _ in range(3))
    sessions.end(ended)
    assert sessions.of(ended) is None
    while now[0] < SESSION_S - IDLE_S:
        now[0] += IDLE_S - 1
        assert sessions.of(used) is not None
    assert sessions.of(idle) is None
    now[0] = SESSION_S
    assert sessions.of(used) is None


def test_a_short_token_is_refused(engine: EmbeddedEngine, outbox: Sent) -> None:
    with pytest.raises(ValueError, match="16"):
        create_app(engine, outbox, token="short")


@pytest.mark.parametrize("path", ["/healthz", "/", "/login", "/nowhere", "/static/desk.css"])
@pytest.mark.parametrize("logged_in", [True, False])
def test_every_answer_has_safe_headers(visitor: TestClient, path: str, logged_in: bool) -> None:
    if logged_in:
        visitor.get("/login", params={"token": TOKEN})
    headers = visitor.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_healthz_needs_no_login_and_no_store(visitor: TestClient, engine: EmbeddedEngine) -> None:
    answer = visitor.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_desk_only_shows(analyst: TestClient, method: str) -> None:
    assert getattr(analyst, method)("/").status_code == 405

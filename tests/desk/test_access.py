"""Logins, sessions and cookies: who comes in, for how long, and what every answer carries."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from desk.access import COOKIE
from desk.admission import SECURE_COOKIE, Rules
from desk.app import create_app
from desk.identity import Viewer
from desk.sessions import IDLE_S, SESSION_S, Sessions
from desk.users_file import UsersFile
from schemas import topics
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import TOKEN, Sent, csrf_of, log_in
from tests.desk.people import PASSWORD, users_text

PATHS = ["/", "/?refresh=off", "/merchants/m-1", "/models", "/nowhere", "/login/", "//"]


@pytest.mark.parametrize("path", PATHS)
def test_no_route_answers_without_a_login(visitor: TestClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 401
    assert "Please log in" in answer.text
    assert "merchants/" not in answer.text


def test_only_what_the_login_shows_is_served_to_strangers(visitor: TestClient) -> None:
    assert visitor.get("/static/desk.css").status_code == 200
    assert visitor.get("/static/icon.svg").status_code == 200
    for path in ("/static/desk.js", "/static/vendor/htmx.min.js", "/static/../desk/app.py"):
        assert visitor.get(path).status_code == 401


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


def test_to_ask_whether_a_session_goes_on_does_not_prolong_it() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    session = sessions.of(sessions.begin(Viewer("mei", "analyst")))
    assert session is not None
    now[0] = IDLE_S - 1
    assert sessions.lives(session.session_id)
    now[0] = IDLE_S
    assert not sessions.lives(session.session_id)


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
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_healthz_needs_no_login_no_store_and_no_name(visitor: TestClient) -> None:
    answer = visitor.get("/healthz", headers={"host": "10.0.0.7:8088"})
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_a_page_takes_nothing(analyst: TestClient, method: str) -> None:
    send = getattr(analyst, method)
    assert send("/").status_code == 403, "without the token of the forms"
    assert send("/", headers={"x-csrf-token": csrf_of(analyst)}).status_code == 405


def test_name_and_password_open_a_session_of_that_role(
    desk_of: Callable[..., TestClient], outbox: Sent
) -> None:
    client = desk_of()
    assert 'name="password"' in client.get("/login").text
    answer = log_in(client, "mei", back="/models")
    assert (answer.status_code, answer.headers["location"]) == (303, "/models")
    assert "mei" in client.get("/").text and "Analyst" in client.get("/").text
    [entry] = outbox.of(topics.DESK_AUDIT)
    assert (entry["actor"], entry["role"], entry["action"]) == ("mei", "analyst", "login")


def test_a_wrong_password_and_an_unknown_name_are_told_alike(
    desk_of: Callable[..., TestClient], outbox: Sent
) -> None:
    client = desk_of()
    wrong, unknown = log_in(client, "mei", "wrong password"), log_in(client, "hunter2", "x")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text and "Name or password is wrong." in wrong.text
    assert "set-cookie" not in wrong.headers
    entries = outbox.of(topics.DESK_AUDIT)
    assert [(e["actor"], e["action"], e.get("role", "")) for e in entries] == [
        ("mei", "login_failed", ""),
        ("unknown", "login_failed", ""),
    ], "a password typed as a name is not written down"


def test_a_login_ends_the_session_before_it_and_changes_the_cookie(
    desk_of: Callable[..., TestClient],
) -> None:
    client = desk_of()
    client.cookies.set(COOKIE, "chosen-by-somebody-else", domain="127.0.0.1", path="/")
    log_in(client, "mei")
    held = [c.value for c in client.cookies.jar if c.name == COOKIE]
    assert "chosen-by-somebody-else" not in held
    [first] = held
    answer = log_in(client, "omar", csrf=csrf_of(client))
    assert answer.status_code == 303
    assert "omar" in client.get("/").text
    client.cookies.clear()
    client.cookies.set(COOKIE, first)
    assert client.get("/").status_code == 401


def test_a_logout_ends_the_session_and_is_written_down(
    desk_of: Callable[..., TestClient], outbox: Sent
) -> None:
    client = desk_of()
    log_in(client, "mei")
    held = client.cookies[COOKIE]
    assert client.post("/logout").status_code == 403, "another site cannot log people out"
    assert client.post("/logout", data={"csrf": csrf_of(client)}).status_code == 303
    client.cookies.set(COOKIE, held)
    assert client.get("/").status_code == 401
    assert outbox.of(topics.DESK_AUDIT)[-1]["action"] == "logout"


@pytest.mark.parametrize("change", ["removed", "password"])
def test_whoever_was_removed_or_has_another_password_is_out_at_once(
    desk_of: Callable[..., TestClient], users_path: Path, change: str
) -> None:
    now = [0.0]
    users = UsersFile(users_path, clock=lambda: now[0])
    client = desk_of(Rules(users=users))
    log_in(client, "mei")
    assert client.get("/").status_code == 200
    if change == "removed":
        users_path.write_text(users_text(without="mei"))
    else:
        users_path.write_text(users_text(password=PASSWORD + "!"))
    assert client.get("/").status_code == 200, "the file is looked at once a second"
    now[0] += 1
    assert client.get("/").status_code == 401


def test_another_role_counts_from_the_next_request(
    desk_of: Callable[..., TestClient], users_path: Path
) -> None:
    now = [0.0]
    client = desk_of(Rules(users=UsersFile(users_path, clock=lambda: now[0])))
    log_in(client, "mei")
    users_path.write_text(users_path.read_text().replace("role: analyst", "role: viewer"))
    now[0] += 1
    assert "mei · Viewer" in client.get("/").text


def test_the_printed_address_works_beside_a_users_file_only_where_there_is_a_token(
    desk_of: Callable[..., TestClient],
) -> None:
    assert desk_of().get("/login", params={"token": TOKEN}).status_code == 303
    without = desk_of(token=None)
    for given in ("", "None", TOKEN):
        assert without.get("/login", params={"token": given}).status_code == 401


@pytest.mark.parametrize("by", ["scheme", "setting"])
def test_over_tls_the_cookie_is_secure_and_of_this_host_alone(
    desk_of: Callable[..., TestClient], users_path: Path, by: str
) -> None:
    rules = Rules(users=UsersFile(users_path), secure_cookies=by == "setting")
    scheme = "https" if by == "scheme" else "http"
    client = desk_of(rules, base_url=f"{scheme}://127.0.0.1:8088")
    answer = log_in(client, "mei")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SECURE_COOKIE}=") and "; Secure" in cookie
    assert "Path=/" in cookie and "Domain" not in cookie
    assert "max-age" in answer.headers["strict-transport-security"]
    value = cookie.partition("=")[2].partition(";")[0]
    assert client.get("/", headers={"cookie": f"{SECURE_COOKIE}={value}"}).status_code == 200
    assert client.get("/", headers={"cookie": f"{COOKIE}={value}"}).status_code == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8088",
        "127.0.0.1.evil.example",
        "127.0.0.1/healthz?",
        "[::1",
        "",
    ],
)
def test_the_desk_does_not_answer_to_another_name(analyst: TestClient, host: str) -> None:
    answer = analyst.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "TIDELINE_DESK__ALLOWED_HOSTS" in answer.text and "merchants/" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8088", "LOCALHOST", "[::1]:8088", "127.0.0.1"])
def test_the_desk_answers_to_the_names_of_its_own_machine(analyst: TestClient, host: str) -> None:
    assert analyst.get("/", headers={"host": host}).status_code == 200


def test_what_breaks_is_told_with_safe_headers_and_its_cause_only_in_the_log(
    desk_of: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def query(self, sql: str, params: object = None) -> list[dict[str, object]]:
            raise RuntimeError("what broke")

    client = desk_of(engine=Broken())
    log_in(client, "mei")
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text and "what broke" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "what broke" in caplog.text


def test_an_htmx_request_without_a_session_goes_to_the_login(visitor: TestClient) -> None:
    answer = visitor.get("/", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


def test_the_login_reads_in_chinese_for_whoever_asks_for_it(
    desk_of: Callable[..., TestClient],
) -> None:
    client = desk_of()
    client.headers["accept-language"] = "zh-CN,zh;q=0.9"
    assert "请登录" in client.get("/").text and "密码" in client.get("/login").text
    assert "用户名或密码错误" in log_in(client, "mei", "wrong").text

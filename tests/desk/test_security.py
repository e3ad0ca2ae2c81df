"""Every route of the desk under attack: strangers, wrong roles, forgeries, other sites.

Routes are those of the app, so that a new page is attacked from the day on which it exists.
"""

from pathlib import Path

import pytest
from starlette.applications import Starlette

from desk.admission import COOKIE, Admission, Rules
from desk.identity import MAY, PERMISSIONS, Viewer
from desk.sessions import IDLE_S
from desk.users_file import UsersFile
from schemas import topics
from tests.desk.attacked import (
    CHANGES,
    DESIGNED,
    READS,
    ROUTES,
    VALID,
    app,
    assert_safe,
    filled,
    named,
    says_nothing,
)
from tests.desk.conftest import TOKEN, Sent
from tests.desk.people import PASSWORD, PEOPLE, TOKENS, stamp_of
from tests.desk.surface import OPEN, Browser, Target

__all__ = ["app", "filled"]

NOT_MADE_BY_DESK = {"/healthz"}
TYPE_DECIDES = {"/api/v1/commands", "/merchants/{merchant_id:path}/commands"}
"""Routes that take commands of every type: what the type needs is asked in ``desk.commanding``."""
SENDS_NOTHING = {"/queue/hours", "/merchants/{merchant_id:path}/preview"}
FOR_EVERYBODY = {
    *("/healthz", "/login", "/logout", "/preferences"),
    *("/api/v1/me", "/api/v1/openapi.json", "/api/v1/commands"),
}
"""Routes that need no permission; all but the first two need a login."""


# --- the list itself -----------------------------------------------------------------------------


def test_every_route_states_what_it_takes_to_use_it() -> None:
    assert {each.path for each in ROUTES if not each.made_by_desk} == NOT_MADE_BY_DESK
    assert {each.path for each in ROUTES if each.permission is None} <= FOR_EVERYBODY
    assert {each.permission for each in ROUTES} <= {None, *PERMISSIONS}


def test_whoever_can_change_something_needs_more_than_to_read() -> None:
    found = {each.path for each in CHANGES if each.permission in (None, "read")}
    assert found <= FOR_EVERYBODY | TYPE_DECIDES | SENDS_NOTHING


# --- who asks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ROUTES, ids=named)
def test_a_stranger_gets_nothing(app: Starlette, outbox: Sent, target: Target) -> None:
    stranger = Browser(app)
    for method in {target.method, "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}:
        answer = stranger.ask(method, target.at(VALID), query=VALID, form=VALID)
        assert_safe(answer)
        assert says_nothing(answer, target.at(VALID))
        assert answer.status == 401 or target.path in OPEN, f"{method}: {answer.status}"
    assert outbox.of(topics.COMMANDS) == []


@pytest.mark.parametrize("name", PEOPLE)
def test_a_role_reaches_what_it_may_and_is_refused_the_rest(
    app: Starlette, outbox: Sent, name: str
) -> None:
    role, funders = PEOPLE[name]
    viewer = Viewer(name, role, tuple(funders) if funders else None)
    person = Browser(app).log_in(name)
    for target in ROUTES:
        if target.permission is None:
            continue
        outbox.records.clear()
        answer = person.ask(
            target.method, target.at(VALID), form=VALID if target in CHANGES else None
        )
        assert_safe(answer)
        if viewer.may(target.permission):  # type: ignore[arg-type]
            # A page may be closed to whoever is bound to funders, and a command to a role.
            assert answer.status != 403 or target in CHANGES or funders, target
            assert answer.status < 500 or (answer.status, target.path) in DESIGNED, target
        else:
            assert answer.status == 403, target
            assert says_nothing(answer, target.at(VALID))
            assert outbox.of(topics.COMMANDS) == []
            [entry] = outbox.of(topics.DESK_AUDIT)
            assert (entry["action"], entry["actor"]) == ("denied", name)


def test_who_administers_neither_proposes_nor_approves_and_a_viewer_only_reads() -> None:
    money = {"propose_limit", "approve_limit", "freeze", "release", "unmask", "work_alerts"}
    assert not MAY["administrator"] & money
    assert MAY["viewer"] == {"read"}
    assert not Viewer("bank-b", "approver", ("bank-b",)).may("publish_policy")


# --- forgeries -----------------------------------------------------------------------------------


@pytest.fixture
def forged(app: Starlette) -> list[str]:
    """Cookies that open nothing."""
    held = Browser(app).log_in("omar").cookie
    flipped = ("A" if held[0] != "A" else "B") + held[1:]
    ended = Browser(app).log_in("omar")
    ended.ask("POST", "/logout", form={})
    return ["x", "", flipped, held[:-1], held + "A", held.swapcase(), ended.cookie, TOKEN, PASSWORD]


@pytest.mark.parametrize("target", ROUTES, ids=named)
def test_a_forged_or_ended_cookie_is_a_strangers(
    app: Starlette, forged: list[str], target: Target
) -> None:
    for cookie in forged:
        asking = Browser(app)
        asking.cookie = cookie
        answer = asking.ask(target.method, target.at(VALID), form=VALID)
        assert answer.status == 401 or target.path in OPEN
        assert says_nothing(answer, target.at(VALID))


def test_a_session_that_was_not_used_ends(users_path: Path) -> None:
    now = [100.0]
    rules = Rules(users=UsersFile(users_path, clock=lambda: now[0]))
    admission = Admission(rules, clock=lambda: now[0])
    cookie = admission.sessions.begin(Viewer("mei", "analyst"), stamp_of(users_path))
    now[0] += IDLE_S - 1
    assert admission.session_of(cookie) is not None
    now[0] += IDLE_S
    assert admission.session_of(cookie) is None


@pytest.mark.parametrize("target", ROUTES, ids=named)
def test_a_token_counts_in_one_header_of_the_api_only(app: Starlette, target: Target) -> None:
    token = TOKENS["worker"]
    stranger = Browser(app)
    tries = [
        {"authorization": f"Bearer {token[:-1]}"},
        {"authorization": f"Bearer {token}x"},
        {"authorization": f"Basic {token}"},
        {"authorization": token},
        {"authorization": "Bearer "},
        {"authorization": "Bearer \udcff\u0000"},
        {"cookie": f"{COOKIE}={token}"},
        {"x-api-key": token, "x-forwarded-user": "omar", "remote-user": "omar"},
    ]
    for headers in tries:
        answer = stranger.ask(
            target.method, target.at(VALID), query={"token": token}, headers=headers
        )
        assert answer.status == 401 or target.path in OPEN, headers
    if not target.path.startswith("/api/"):
        bearer = {"authorization": f"Bearer {token}"}
        answer = stranger.ask(target.method, target.at(VALID), headers=bearer)
        assert answer.status == 401 or target.path in OPEN


# --- other sites ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [t for t in CHANGES if t.path not in OPEN], ids=named)
def test_another_site_changes_nothing(app: Starlette, outbox: Sent, target: Target) -> None:
    omar, other = Browser(app).log_in("omar"), Browser(app).log_in("omar")
    outbox.records.clear()
    theirs = "https://evil.example"
    tries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"csrf": ""}, {}),
        ({"csrf": "x" * 43}, {}),
        ({"csrf": other.csrf}, {}),
        ({"csrf": omar.cookie}, {}),
        ({"csrf": omar.csrf}, {"origin": theirs}),
        ({"csrf": omar.csrf}, {"origin": "null"}),
        ({"csrf": omar.csrf}, {"origin": "http://127.0.0.1:8089"}),
        ({"csrf": omar.csrf}, {"sec-fetch-site": "cross-site"}),
        ({"csrf": omar.csrf}, {"sec-fetch-site": "same-site"}),
        ({"csrf": ""}, {"content-type": "text/plain"}),
        ({"csrf": ""}, {"content-type": "application/json"}),
    ]
    for fields, headers in tries:
        answer = omar.ask(
            target.method, target.at(VALID), form={**VALID, **fields}, headers=headers
        )
        assert answer.status == 403, (fields, headers)
        assert_safe(answer)
    assert outbox.records == []


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_another_site_cannot_log_its_visitors_in(app: Starlette, headers: dict[str, str]) -> None:
    form = {"name": "mei", "password": PASSWORD}
    answer = Browser(app).ask("POST", "/login", form=form, headers=headers)
    assert answer.status == 403 and not answer.header("set-cookie")


@pytest.mark.parametrize("target", READS, ids=named)
def test_to_look_sends_no_command_whatever_the_address_says(
    app: Starlette, outbox: Sent, target: Target
) -> None:
    omar = Browser(app).log_in("omar")
    omar.ask("GET", target.at(VALID), query=VALID)
    omar.ask("GET", target.at(VALID), query={**VALID, "_method": "POST", "csrf": omar.csrf})
    omar.ask("HEAD", target.at(VALID), headers={"x-http-method-override": "POST"})
    assert outbox.of(topics.COMMANDS) == []


# --- secrets -------------------------------------------------------------------------------------


def test_no_secret_is_logged_audited_or_in_an_address(
    app: Starlette, outbox: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    stranger = Browser(app)
    assert stranger.ask("POST", "/login", form={"name": PASSWORD, "password": "x"}).status == 401
    assert (
        stranger.ask("POST", "/login", form={"name": "mei", "password": "sEcret-1"}).status == 401
    )
    opened = stranger.ask("GET", "/login", query={"token": TOKEN})
    assert opened.status == 303
    mei = Browser(app).log_in("mei")
    answers = [opened, *(mei.ask("GET", target.at(VALID)) for target in READS)]
    bearer = {"authorization": "Bearer tdl_SECRET"}
    answers.append(mei.ask("GET", "/api/v1/alerts", headers=bearer))
    secrets = [PASSWORD, "sEcret-1", TOKEN, mei.cookie, "tdl_SECRET", "scrypt$"]
    for secret in secrets:
        assert secret not in caplog.text
        assert secret not in str(outbox.records)
        for answer in answers:
            assert secret not in answer.text
            assert secret not in answer.header("location")
    assert mei.csrf not in caplog.text and mei.csrf not in str(outbox.records)

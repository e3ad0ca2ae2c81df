"""Injections in every path, query, form, body and header of every route, and in what is stored."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from desk.admission import COOKIE
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
)
from tests.desk.conftest import Sent
from tests.desk.surface import Answer, Browser, Target, described, names

__all__ = ["app", "filled"]

SCRIPT = "<script>alert(7)</script>"
ATTACKS = [
    SCRIPT,
    '"><img src=x onerror=alert(7)>',
    "'><svg/onload=alert(7)>",
    "javascript:alert(7)",
    "{{ 123456 * 1000001 }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "${123456*1000001}",
    "' OR 1=1 --",
    "\\' OR 1=1 --",
    "1; DROP TABLE alerts",
    "') UNION ALL SELECT name, 1 FROM system.tables --",
    "{merchant_id:String}",
    "{x:Identifier}",
    "../../../../etc/passwd",
    "..%2f..%2fetc/passwd",
    "//evil.example/",
    "/\\evil.example",
    "https://evil.example",
    "x\r\nx-smuggled: 1\r\n\r\n<html>",
    "\x00",
    "a\x00b",
    "\ud800",
    "𝕫\u202e\u0000\ufeff名",
    "🏦" * 2_000,
    "A" * 100_000,
    "-1",
    "9" * 400,
    "1e999",
    "nan",
    "[]",
    '{"a": 1}',
    "",
    " ",
    "*",
    "%",
    "_",
    "0x7f",
    "١٢",
]


class Script(HTMLParser):
    """Whether a page would run or load something that the desk did not write."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.foreign.append(f"{tag} {given}")
        self.foreign += [f"{tag} {k}" for k in given if k.startswith("on") or k == "style"]
        for name in ("src", "href", "action", "formaction", "hx-get", "hx-post", "sse-connect"):
            value = given.get(name) or "/"
            if not value.startswith(("/", "#", "?")) or value[1:2] in ("/", "\\"):
                self.foreign.append(f"{tag} {name}={value[:80]}")


def assert_harmless(answer: Answer, what: object, path: str = "") -> None:
    """No data of the machine, no unhandled error, nothing that would run."""
    assert answer.status < 500 or (answer.status, path) in DESIGNED, what
    assert_safe(answer)
    text = answer.text
    assert "root:x:0" not in text and "DB::Exception" not in text and "Traceback" not in text, what
    assert "123456123456" not in text, what
    location = answer.header("location")
    assert not location or (location.startswith("/") and location[1:2] not in ("/", "\\")), what
    if answer.header("content-type").startswith("text/html"):
        assert Script(text).foreign == [], what
        assert SCRIPT not in text, what


NAMES = names()
QUERY_NAMES: dict[str, list[str]] = {}


@pytest.fixture
def omar(app: Starlette) -> Browser:
    """An approver, who may do most."""
    browser = Browser(app).log_in("omar")
    if not QUERY_NAMES:
        answer = browser.ask("GET", "/api/v1/openapi.json")
        QUERY_NAMES.update(described(json.loads(answer.body)) if answer.status == 200 else {})
    return browser


def test_the_names_that_are_attacked_were_found() -> None:
    assert {"merchant_id", "reason", "back", "password", "name", "token"} <= set(NAMES)


@pytest.mark.parametrize("target", ROUTES, ids=named)
def test_an_injection_anywhere_gives_neither_data_nor_an_error(
    omar: Browser, outbox: Sent, target: Target
) -> None:
    known = QUERY_NAMES.get(target.path) or NAMES
    parameters = sorted(target.convertors) or ["none"]
    attack = st.sampled_from(ATTACKS) | st.text(max_size=30)
    asking = Browser(omar.app) if target.path == "/logout" else omar

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        path=st.dictionaries(st.sampled_from(parameters), attack, max_size=2),
        query=st.dictionaries(st.sampled_from(known), attack, max_size=3),
        form=st.dictionaries(st.sampled_from(NAMES), attack, max_size=3),
    )
    def attacked(path: dict[str, str], query: dict[str, str], form: dict[str, str]) -> None:
        try:
            where = target.at({**VALID, **path})
            answer = asking.ask(
                target.method,
                where,
                query=query,
                form={**VALID, **form} if target.method != "GET" else None,
            )
        except UnicodeEncodeError:
            return  # cannot be written into a request at all
        assert_harmless(answer, (where[:200], query, form), target.path)

    attacked()
    for sent in outbox.of(topics.COMMANDS):
        assert sent["actor"] == "omar"


@pytest.mark.parametrize("attack", range(len(ATTACKS)))
def test_every_attack_stands_alone_in_every_path_of_a_page(omar: Browser, attack: int) -> None:
    text = ATTACKS[attack].encode("utf-8", "replace").decode()
    for target in READS:
        for name in target.convertors:
            where = target.at({**VALID, name: text})
            assert_harmless(omar.ask("GET", where), where[:200])


RAW_PATHS = [
    "/static/../desk/app.py",
    "/static/%2e%2e/%2e%2e/pyproject.toml",
    "/static/..%5c..%5cpyproject.toml",
    "/static/%00",
    "/static/desk.css%00.html",
    "/static/" + "a/" * 2_000,
    "/static//etc/passwd",
    "/static/",
    "/%00",
    "/%ff%fe",
    "/merchants/%c0%ae%c0%ae/",
    "/merchants/" + "%f0%9f%8f%a6" * 3_000,
    "//evil.example/%2f..",
    "/\\evil.example",
    "/login?token[]=x",
    "/;/etc",
]


@pytest.mark.parametrize("path", RAW_PATHS)
@pytest.mark.parametrize("logged_in", [True, False])
def test_a_hostile_path_leads_nowhere(omar: Browser, path: str, logged_in: bool) -> None:
    asking = omar if logged_in else Browser(omar.app)
    answer = asking.ask("GET", path)
    assert_harmless(answer, path)
    assert answer.status in (400, 401, 404, 405)
    assert "create_app" not in answer.text and "[project]" not in answer.text


BODIES = [
    b"",
    b"\xff\xfe",
    b"a",
    b"=&=&=",
    b"&".join(b"a%d=1" % number for number in range(1_000)),
    b"csrf=%ff&merchant_id=%00",
    b"{" * 10_000,
    b'{"type": "merchant.freeze", "merchant_id": "\\ud800", "reason": "\\u0000"}',
    b"[" * 100_000,
    b"x" * (1 << 20),
    b"x" * ((1 << 20) + 1),
    b'{"type": "merchant.freeze", "amount": 1e999}',
    b"null",
]
KINDS = [
    "application/x-www-form-urlencoded",
    "application/json",
    "multipart/form-data; boundary=x",
    "text/xml",
    "",
]


@pytest.mark.parametrize("target", CHANGES, ids=named)
def test_a_hostile_body_is_refused(omar: Browser, outbox: Sent, target: Target) -> None:
    outbox.records.clear()
    if target.path == "/logout":
        omar = Browser(omar.app)
    for body in BODIES:
        for kind in KINDS:
            answer = omar.ask(
                target.method, target.at(VALID), body=body, headers={"content-type": kind}
            )
            assert_harmless(answer, (body[:80], kind), target.path)
    assert outbox.of(topics.COMMANDS) == []


HEADERS = [
    {"accept-language": "zh;q=nan,en;q=1e999," * 500},
    {"accept-language": "\ud800,*;q=-1"},
    {"cookie": "tideline_language=<script>; tideline_theme=../../x; " + "a=b; " * 2_000},
    {"cookie": f"{COOKIE}=\x00\udcff"},
    {"x-csrf-token": "\udcff" * 50},
    {"origin": "\x00"},
    {"content-length": "-1"},
    {"authorization": "Bearer " + "\udcff" * 5_000},
    {"hx-request": SCRIPT, "hx-target": SCRIPT, "hx-current-url": "javascript:alert(7)"},
    {"last-event-id": "9" * 400, "if-none-match": "\udcff", "range": "bytes=0-,,-9"},
    {"x-forwarded-for": "1.2.3.4", "x-forwarded-host": "evil.example", "forwarded": "host=evil"},
]


@pytest.mark.parametrize("target", READS, ids=named)
def test_a_hostile_header_breaks_nothing(omar: Browser, target: Target) -> None:
    for headers in HEADERS:
        answer = omar.ask("GET", target.at(VALID), headers=headers)
        assert_harmless(answer, headers)
        assert "evil.example" not in answer.text + str(answer.headers)

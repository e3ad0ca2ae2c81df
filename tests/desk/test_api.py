"""The JSON API: the same data as the desk, described, paged, bounded and within the scope."""

import itertools
import json
import re
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from starlette.routing import Route
from starlette.testclient import TestClient

from desk.api.openapi import ENDPOINTS, document, render
from desk.api.problems import Problem
from desk.api.rows import columns_of
from desk.app import create_app
from schemas import topics
from schemas.outputs import Alert, Assessment, LimitChange
from sinks.embedded import EmbeddedEngine
from sinks.engine import EngineUnavailable
from tests.desk.api_store import (
    OURS,
    PARTY,
    PEOPLE,
    THEIRS,
    Call,
    call,
    caller,
    everything,
    filled,
)
from tests.desk.conftest import TOKEN, Sent

__all__ = ["call", "filled"]

ROOT = Path(__file__).parents[2]
V1 = "/api/v1"
READS = [
    "/alerts",
    "/alerts?state=any&severity=critical&kind=order_collapse&segment=wholesale",
    "/alerts/al-3",
    "/merchants",
    "/merchants?band=C&segment=wholesale",
    "/merchants/m-1",
    "/merchants/m-1/assessments",
    "/merchants/m-1/limit-changes",
    "/merchants/m-1/series",
    "/merchants/m-1/events",
    "/limit-changes",
    "/limit-changes?state=sent&product=flex-90",
    "/proposals",
    "/portfolio",
    "/models",
    "/policies",
    "/audit",
    "/health",
    "/me",
]


class Down:
    """A store that does not answer."""

    def query(self, sql: str, params: Any = None) -> Any:
        raise EngineUnavailable("gone")


def got(client: TestClient, path: str, **more: Any) -> Any:
    answer = client.get(V1 + path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def follow(client: TestClient, path: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    """Pages of a list to its end."""
    cursor = ""
    for _ in range(50):
        page = got(client, f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
        yield page["items"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("the list has no end")


# --- the description -------------------------------------------------------------------------


def validator(path: str, method: str, status: int) -> Draft202012Validator:
    """What the document says of an answer."""
    described = document()
    (operation,) = [
        operations[method]
        for template, operations in described["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    (content,) = operation["responses"][str(status)]["content"].values()
    resource = Resource(described, DRAFT202012)
    schema = json.loads(json.dumps(content["schema"]).replace("#/", "urn:api#/"))
    return Draft202012Validator(schema, registry=Registry().with_resource("urn:api", resource))


@pytest.mark.parametrize("path", READS)
def test_every_answer_is_what_the_description_says(call: Call, path: str) -> None:
    answer = call("approver-token").get(V1 + path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    validator((V1 + path).partition("?")[0], "get", 200).validate(answer.json())
    for name in ("items", "transitions", "in_force", "published", "segments", "funders"):
        if path != "/me":
            assert answer.json().get(name, [1]), f"{name} is empty, so nothing was validated"


def test_every_operation_that_reads_is_among_those_validated() -> None:
    templates = [V1 + e.path for e in ENDPOINTS if e.method == "GET"]
    paths = [(V1 + path).partition("?")[0] for path in READS]
    for template in templates:
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        assert any(re.fullmatch(pattern, path) for path in paths), template


def test_the_committed_description_is_the_one_made_now(call: Call) -> None:
    assert (ROOT / "docs" / "openapi.json").read_text("utf-8") == render()
    assert got(call("viewer-token"), "/openapi.json") == document()


def test_every_schema_of_the_description_is_one_and_every_reference_leads_somewhere() -> None:
    described = document()
    schemas = described["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for target in set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described))):
        assert target in schemas


def test_every_route_of_the_api_is_described(outbox: Sent) -> None:
    app = create_app(Down(), outbox, token=TOKEN)
    served = {
        (re.sub(r":path\}", "}", route.path), method.lower())
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in route.methods or ()
    }
    described = {(p, m) for p, operations in document()["paths"].items() for m in operations}
    unsaid = {("/api/v1/openapi.json", "get")}
    assert {each for each in served if each[1] != "head"} == described | unsaid


# --- the data --------------------------------------------------------------------------------


def test_records_come_back_as_they_were_said(call: Call) -> None:
    stored = {
        topics.ALERTS: (Alert, "/alerts?state=any&limit=500"),
        topics.LIMIT_CHANGES: (LimitChange, "/limit-changes?limit=500"),
        topics.ASSESSMENTS: (Assessment, "/merchants/m-1/assessments"),
    }
    said = [(t, msgspec.json.decode(v, type=stored[t][0])) for t, v in everything() if t in stored]
    for topic, (struct, path) in stored.items():
        wanted = [record for t, record in said if t == topic]
        if struct is Alert:
            wanted = list({a.alert_id: a for a in wanted}.values())  # the latest state of each
        if struct is Assessment:
            wanted = [a for a in wanted if a.merchant_id == "m-1"]
        items = msgspec.convert(got(call("viewer-token"), path)["items"], list[struct])  # type: ignore[valid-type]
        key = lambda record: msgspec.json.encode(record)  # noqa: E731
        assert sorted(items, key=key) == sorted(wanted, key=key)


@pytest.mark.parametrize("struct", [Alert, Assessment, LimitChange])
def test_every_field_of_an_output_is_stored(filled: EmbeddedEngine, struct: Any) -> None:
    tables = {Alert: "alerts_current", Assessment: "assessments", LimitChange: "limit_changes"}
    assert filled.query(f"SELECT {columns_of(struct)} FROM {tables[struct]} LIMIT 1")


@pytest.mark.parametrize("limit", [1, 3, 500])
@pytest.mark.parametrize(
    ("path", "rows", "name"),
    [
        ("/alerts?state=any", 14, "alert_id"),
        ("/alerts", 13, "alert_id"),
        ("/merchants", 7, "merchant_id"),
        ("/merchants/m-1/assessments", 2, "assessment_id"),
        ("/merchants/m-1/events", 7, "event_id"),
        ("/merchants/m-1/series", 7, "day currency"),
        ("/limit-changes", 4, "decision_id"),
        ("/audit", 14, "audit_id"),
    ],
)
def test_pages_give_each_row_once(call: Call, path: str, rows: int, name: str, limit: int) -> None:
    pages = list(follow(call("approver-token"), path, limit))
    key = itemgetter(*name.split())
    found = [key(item) for page in pages for item in page]
    assert len(found) == len(set(found)) == rows
    assert all(len(page) == limit for page in pages[:-1])
    whole = got(call("approver-token"), f"{path}{'&' if '?' in path else '?'}limit=500")
    assert [key(item) for item in whole["items"]] == found


def test_alerts_are_filtered(call: Call) -> None:
    client = call("viewer-token")
    for wanted in ({"severity": "critical"}, {"merchant_id": "m-1"}, {"state": "closed"}):
        items = got(client, "/alerts", params={"limit": 500, **wanted})["items"]
        assert items
        for item, (name, value) in itertools.product(items, wanted.items()):
            assert item[name] == value
    assert got(client, "/alerts", params={"kind": "none-such"})["items"] == []
    assert got(client, "/alerts", params={"kind": "x' OR 1=1 --"})["items"] == []


def test_an_alert_has_its_transitions(call: Call) -> None:
    found = got(call("viewer-token"), "/alerts/al-3")
    assert [state["version"] for state in found["transitions"]] == [1, 2]
    assert found["alert"] == found["transitions"][-1]
    assert found["alert"]["outcome"] == "cured"


def test_a_merchant_has_its_assessment_lines_and_open_alerts(call: Call) -> None:
    found = got(call("viewer-token"), f"/merchants/{OURS}")
    assert found["assessment"]["assessment_id"] == "as-8"
    assert found["lines"][0]["limit_minor"] == 1_500_000
    assert [alert["alert_id"] for alert in found["alerts"]] == ["al-8", "al-1"]


def test_a_proposal_waits_until_a_later_version_answers_it(call: Call) -> None:
    client = call("viewer-token")
    assert {p["decision_id"] for p in got(client, "/proposals")["items"]} == {"d-8", "d-9"}


def test_the_portfolio_adds_up(call: Call) -> None:
    found = got(call("viewer-token"), "/portfolio")
    (segment,) = found["segments"]
    merchants = got(call("viewer-token"), "/merchants")["items"]
    assert segment["exposure_minor"] == sum(m["exposure_minor"] for m in merchants)
    expected = sum(
        0.65 * m["exposure_minor"] * (m["probability_of_default"] or 0) for m in merchants
    )
    assert segment["expected_loss_minor"] == pytest.approx(expected)
    assert sum(band["merchants"] for band in found["bands"]) == segment["merchants"] == 7
    assert {f["name"]: f["drawn_minor"] for f in found["funders"]} == {
        "north-bank": 1_250_000,
        "south-bank": 1_250_000,
    }


def test_policies_and_models_in_force_have_their_time(call: Call) -> None:
    items = got(call("viewer-token"), "/policies")["items"]
    assert [item["version"] for item in items] == ["v3", "starter-2"]
    assert items[0]["until"] is None and items[1]["until"] == items[0]["activated_at"]
    assert got(call("viewer-token"), "/models")["in_force"][0]["version"] == "prior-2"


def test_an_answer_that_is_known_is_not_sent_again(call: Call) -> None:
    client = call("viewer-token")
    first = client.get(f"{V1}/merchants")
    tag = first.headers["etag"]
    again = client.get(f"{V1}/merchants", headers={"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{V1}/alerts", headers={"if-none-match": tag}).status_code == 200
    assert first.headers["cache-control"] == "no-store"


# --- what is not given ------------------------------------------------------------------------


def problem(answer: Any, status: int) -> Problem:
    """The problem of an answer, which must be one of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = msgspec.json.decode(answer.content, type=Problem)
    assert found.status == status and found.title and found.detail
    return found


@pytest.mark.parametrize("path", [*READS, "/openapi.json", "/commands", "/nowhere"])
@pytest.mark.parametrize("token", [None, "", "forged-token", "viewer-token x"])
def test_nobody_unknown_is_answered(call: Call, path: str, token: str | None) -> None:
    answer = call(token).get(V1 + path)
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "m-1" not in answer.text.replace(path, "")


def test_errors_are_problems(call: Call) -> None:
    client = call("approver-token")
    problem(client.get(f"{V1}/nowhere"), 404)
    problem(client.get(f"{V1}/alerts/none-such"), 404)
    problem(client.get(f"{V1}/merchants/none-such"), 404)
    answer = client.delete(f"{V1}/alerts")
    problem(answer, 405)
    assert "GET" in answer.headers["allow"]
    problem(client.post(f"{V1}/commands", content=b"x" * (1 << 21)), 413)
    problem(call("viewer-token").get(f"{V1}/audit"), 403)


def test_a_store_that_does_not_answer_is_a_problem(
    outbox: Sent,
) -> None:
    client = caller(create_app(Down(), outbox, token=TOKEN), "viewer-token")
    assert "gone" not in problem(client.get(f"{V1}/alerts"), 503).detail


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("severity=huge", "severity"),
        ("cursor=xx", "cursor"),
        ("cursor=WzFd", "cursor"),
        ("cursor=WyJhIiwiYiJd", "cursor"),
        ("state=open&state=closed", "twice"),
        ("sevrity=info", "sevrity"),
        ("kind=", "kind"),
    ],
)
def test_a_wrong_parameter_is_named(call: Call, query: str, named: str) -> None:
    assert named in problem(call("viewer-token").get(f"{V1}/alerts?{query}"), 400).detail


@pytest.mark.parametrize("path", READS)
def test_injection_gives_no_data_and_no_unhandled_error(call: Call, path: str) -> None:
    client = call("approver-token")
    for text in ("' OR 1=1 --", "{x:String}", "\x00", "../../me", "%27", "😀" * 50):
        base = path.partition("?")[0].replace("m-1", text).replace("al-3", text)
        params = {"limit": "5", "cursor": text, "kind": text, "subject": text}
        for given in ({}, params):
            answer = client.get(V1 + quote(base, safe="/", errors="replace"), params=given)
            assert answer.status_code in (200, 400, 403, 404), answer.text


# --- the scope -------------------------------------------------------------------------------


def test_a_funder_sees_its_own_alone(call: Call) -> None:
    client = call("funder-token")
    assert [m["merchant_id"] for m in got(client, "/merchants")["items"]] == [OURS]
    for path in ("/alerts?state=any", "/limit-changes", "/proposals"):
        items = got(client, path)["items"]
        assert items and {item["merchant_id"] for item in items} == {OURS}
    portfolio = got(client, "/portfolio")
    assert [f["name"] for f in portfolio["funders"]] == ["north-bank"]
    assert sum(b["merchants"] for b in portfolio["bands"]) == 1
    for path in ("", "/assessments", "/limit-changes", "/series", "/events"):
        got(client, f"/merchants/{OURS}{path}")
        problem(client.get(f"{V1}/merchants/{THEIRS}{path}"), 404)
    problem(client.get(f"{V1}/alerts/al-2"), 404)
    problem(client.get(f"{V1}/audit"), 403)
    assert got(client, "/alerts", params={"merchant_id": THEIRS})["items"] == []
    assert got(client, "/limit-changes", params={"merchant_id": THEIRS})["items"] == []


def test_events_are_masked_until_a_reason_is_stated(call: Call, outbox: Sent) -> None:
    path = f"/merchants/{OURS}/events"
    for token in ("viewer-token", "analyst-token"):
        masked = call(token).get(V1 + path)
        assert masked.json()["masked"]
        assert PARTY not in masked.text and "Elm Road" not in masked.text
    assert outbox.of(topics.DESK_AUDIT) == []
    client = call(None)
    client.get("/login", params={"token": TOKEN})
    assert got(client, path)["masked"]
    csrf = client.get("/models").text.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": csrf, "merchant_id": OURS, "reason": "the customer disputes a payment"}
    assert client.post("/unmask", data=form).status_code == 303
    clear = client.get(V1 + path)
    assert not clear.json()["masked"] and PARTY in clear.text and "Elm Road" in clear.text
    looks = [e for e in outbox.of(topics.DESK_AUDIT) if e["action"] == "unmask"]
    assert looks[-1]["subject"] == OURS and looks[-1]["detail"] == f"look {V1}{path}"


def test_everybody_learns_what_they_may(call: Call) -> None:
    for token, viewer in PEOPLE.items():
        found = got(call(token), "/me")
        assert (found["name"], found["role"]) == (viewer.name, viewer.role)
        assert all(viewer.may(permission) for permission in found["permissions"])

"""A desk of the pages of credit for somebody with a role and a scope, and lines of the log."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from desk.app import _handlers
from desk.commanding import Commanding
from desk.forms import fields_of
from desk.identity import Role, Viewer
from desk.pages import limits, policy, portfolio
from desk.policy_books import PolicyBook, WithoutBook
from desk.ports import Engine
from desk.services import Desk
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from schemas.audit import AuditEntry
from schemas.codec import encode
from sinks.embedded import EmbeddedEngine
from sinks.sink import Sink
from tests.desk.conftest import LABELS, NOW_S, Sent
from tests.sinks.fake_kafka import Clock, FakeConsumer, FakeKafka

CSRF = "the-token-of-the-session"


class As:
    """Lets a viewer in without a session; what guards the door has tests of its own."""

    def __init__(self, app: ASGIApp, viewers: Callable[[], Viewer]) -> None:
        self._app = app
        self._viewers = viewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = await Request(scope, receive).body()
            state = {"viewer": self._viewers(), "csrf": CSRF, "body": body}
            scope["state"] = {**state, "form": fields_of(body)}

            async def again() -> dict[str, Any]:
                return {"type": "http.request", "body": body, "more_body": False}

            await self._app(scope, again, send)
            return
        await self._app(scope, receive, send)


class CreditDesk:
    """Pages of credit over an engine; ``become`` changes who asks."""

    def __init__(
        self,
        engine: Engine,
        outbox: Sent,
        book: PolicyBook | None = None,
        folder: Path | None = None,
    ) -> None:
        self.viewer = Viewer("mei", "approver")
        self.outbox = outbox
        commands = Commanding(outbox, lambda: int(NOW_S * 1000))
        desk = Desk(engine, commands, labels=LABELS, kinds={}, clock=lambda: NOW_S)
        book = book or WithoutBook()
        routes = [
            *portfolio.routes(desk),
            *limits.routes(desk, book),
            *policy.routes(desk, book, folder),
        ]
        app = Starlette(routes=routes, exception_handlers=_handlers(desk))
        self.client = TestClient(
            As(app, lambda: self.viewer),
            base_url="http://127.0.0.1:8088",
            follow_redirects=False,
        )

    def become(self, name: str, role: Role, *funders: str) -> "CreditDesk":
        """Ask as somebody else; with funders, bounded to them."""
        self.viewer = Viewer(name, role, funders or None)
        return self

    def get(self, path: str, **headers: str) -> httpx.Response:
        """An answer to a GET."""
        return self.client.get(path, headers=headers)

    def text(self, path: str, status: int = 200) -> str:
        """The words of a page."""
        return words(self.get(path), status)

    def post(self, path: str, **fields: str) -> httpx.Response:
        """An answer to a form; it has the id of its rendering unless told otherwise."""
        return self.client.post(path, data={"request_id": "r-1", "csrf": CSRF, **fields})

    def commands(self) -> list[dict[str, Any]]:
        """Commands that were sent."""
        return self.outbox.of("desk.commands")


def words(answer: httpx.Response, status: int = 200) -> str:
    """The text of a page that has nothing that the CSP forbids."""
    assert answer.status_code == status
    html = answer.text
    assert not re.findall(r"\s(?:on\w+|style)=", html)
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", text)
    for name, sign in (("&#39;", "'"), ("&#34;", '"'), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(name, sign)
    return re.sub(r"\s+", " ", text.replace("&amp;", "&"))


def line(kind: str, number: int, **over: object) -> dict[str, Any]:
    """A line of the log."""
    return {
        "type": kind,
        "event_id": f"e-{kind}-{number}",
        "merchant_id": "*",
        "occurred_at": 1_700_000_000_000 + number,
        **over,
    }


def ndjson(lines: list[dict[str, Any]]) -> bytes:
    """A record of the log."""
    return b"\n".join(json.dumps(each).encode() for each in lines)


Log = Callable[..., None]


@pytest.fixture
def log(engine: EmbeddedEngine, metrics: Metrics, health: HealthServer) -> Log:
    """Store lines of the log, and entries of the audit, by way of the sink."""
    kafka, clock = FakeKafka(), Clock()

    def put(*lines: dict[str, Any], audit: tuple[AuditEntry, ...] = ()) -> None:
        for entry in audit:
            kafka.publish(topics.DESK_AUDIT, 0, entry.actor.encode(), encode(entry))
        if lines:
            kafka.publish(topics.EVENTS, 0, b"0", ndjson(list(lines)))
        consumer = FakeConsumer(kafka)
        sink = Sink(Settings(), engine, metrics, health, consumer=consumer, clock=clock)  # type: ignore[arg-type]
        kafka.give(consumer)
        for _ in range(3):
            clock.now += 5
            sink.run_once(0)
        sink.close()

    return put


@pytest.fixture
def credit(engine: EmbeddedEngine, outbox: Sent) -> CreditDesk:
    """A desk without a book of policies."""
    return CreditDesk(engine, outbox)

"""All that can be asked of the desk, found from its routes and sources, and a way to ask it raw.

Starlette's test client cleans what it sends, and waits for the end of streams that have none. Here
a request is what is written, byte by byte, and a stream is left after its first parts.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from starlette.applications import Starlette
from starlette.convertors import Convertor
from starlette.routing import BaseRoute, Mount, Route

from desk.admission import COOKIE
from tests.desk.people import PASSWORD
from tests.test_imports import ROOT

HOST = "127.0.0.1:8088"
OPEN = frozenset({"/healthz", "/login"})
"""Routes for people without a login."""
STREAM_S = 0.3
ANSWER_S = 20.0


class Target(NamedTuple):
    """One route and one of its methods."""

    path: str
    method: str
    convertors: Mapping[str, Convertor[Any]]
    permission: str | None
    made_by_desk: bool

    def at(self, values: Mapping[str, str], otherwise: str = "1") -> str:
        """The path with its parameters filled by name, as it stands on the wire."""

        def filled(match: re.Match[str]) -> str:
            value = values.get(match[1], otherwise)
            numeric = "int" in type(self.convertors[match[1]]).__name__.lower()
            return value if numeric and value.isdigit() else "1" if numeric else quote(value, "")

        return re.sub(r"\{(\w+)(?::\w+)?\}", filled, self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str:
        """A header's value, empty where it is absent."""
        return next((value for key, value in self.headers if key == name), "")


def targets(app: Starlette) -> list[Target]:
    """Every route of an app by method, without files and without HEAD, which is GET."""
    return list(_targets(app.routes, ""))


def _targets(routes: list[BaseRoute], prefix: str) -> Iterator[Target]:
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            yield from _targets(route.routes, prefix + route.path)
        elif isinstance(route, Route):
            made = hasattr(route.endpoint, "permission")
            permission = getattr(route.endpoint, "permission", None)
            for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                yield Target(prefix + route.path, method, route.param_convertors, permission, made)


def names() -> list[str]:
    """Names of query parameters, form fields and event fields that the desk's sources read."""
    found: set[str] = set()
    for path in sorted((ROOT / "desk").rglob("*.py")):
        text = path.read_text("utf-8")
        found |= set(re.findall(r"(?:query_params|form|params|values)\.get\(\s*[\"'](\w+)", text))
        found |= set(re.findall(r"(?:needed|integer|\w*param\w*)\(\s*\w+,\s*[\"'](\w+)", text))
    for path in sorted((ROOT / "desk" / "templates").rglob("*.html")):
        found |= set(re.findall(r"""\bname=["'](\w+)["']""", path.read_text("utf-8")))
        found |= set(re.findall(r"[?&](\w+)=", path.read_text("utf-8")))
    for event in re.findall(r"^    (\w+): ", _source("schemas/events.py"), re.MULTILINE):
        found.add(event)
    return sorted(found - {"csrf"})


def _source(name: str) -> str:
    return Path(ROOT / name).read_text("utf-8")


def described(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Query parameters by path of an OpenAPI document."""
    return {
        path: [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        for path, operations in document.get("paths", {}).items()
        for operation in operations.values()
        if isinstance(operation, dict)
    }


class Browser:
    """Asks an app; keeps a session's cookie and the token of its forms."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.cookie = ""
        self.csrf = ""

    def log_in(self, name: str) -> "Browser":
        """Log in as somebody of ``tests.desk.people``."""
        answer = self.ask("POST", "/login", form={"name": name, "password": PASSWORD})
        assert answer.status == 303, f"{name} could not log in: {answer.status}"
        self.cookie = answer.header("set-cookie").partition("=")[2].partition(";")[0]
        found = re.search(r'name="csrf" value="([^"]+)"', self.ask("GET", "/login/none").text)
        assert found is not None
        self.csrf = found[1]
        return self

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | bytes = b"",
        form: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. ``path`` is percent-encoded; a form gets the token where there is one."""
        given = {"host": HOST, **(headers or {})}
        if self.cookie and "cookie" not in given:
            given["cookie"] = f"{COOKIE}={self.cookie}"
        if form is not None:
            token = {"csrf": self.csrf} if self.csrf and "csrf" not in form else {}
            body = urlencode({**token, **form}, errors="surrogatepass").encode()
            given.setdefault("content-type", "application/x-www-form-urlencoded")
        elif self.csrf and method != "GET":
            given.setdefault("x-csrf-token", self.csrf)
        raw_query = query if isinstance(query, bytes) else _encoded(query)
        return asyncio.run(_ask(self.app, method, path, raw_query, given, body))


def _encoded(values: Mapping[str, str]) -> bytes:
    return urlencode(values, errors="surrogatepass").encode()


async def _ask(
    app: Starlette,
    method: str,
    path: str,
    query: bytes,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("utf-8", "surrogatepass"))
            for name, value in headers.items()
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8088),
    }
    sent: list[dict[str, Any]] = []
    given, leaving = [False], asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not given[0]:
            given[0] = True
            return {"type": "http.request", "body": body, "more_body": False}
        await leaving.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    task = asyncio.ensure_future(app(scope, receive, send))  # type: ignore[arg-type]
    for wait_s in (STREAM_S, ANSWER_S):
        await asyncio.wait({task}, timeout=wait_s)
        if task.done() or (sent and _is_stream(sent[0])):
            break
    leaving.set()
    await asyncio.wait({task}, timeout=5)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)
    elif task.exception() is not None:
        raise task.exception() or AssertionError
    assert sent, f"no answer to {method} {path}"
    return Answer(
        sent[0]["status"],
        [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in sent[0]["headers"]],
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def _is_stream(start: Mapping[str, Any]) -> bool:
    kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return any(value.startswith(b"text/event-stream") for value in kinds)

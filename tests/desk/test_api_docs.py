"""docs/api.md says what is so: its commands are run by curl against a desk."""

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import uvicorn

from desk.api.endpoint import ROOT as V1
from desk.api.openapi import ENDPOINTS
from desk.app import create_app
from sinks.embedded import EmbeddedEngine
from tests.conftest import require
from tests.desk.api_store import caller, filled
from tests.desk.conftest import NOW_S, TOKEN, Sent

__all__ = ["filled"]

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
CALLS = [
    call.replace("\\\n", " ").strip()
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for call in re.split(r"^(?=curl )", block, flags=re.MULTILINE)
    if call.strip()
]


@pytest.fixture
def address(filled: EmbeddedEngine, outbox: Sent) -> Iterator[str]:
    """A desk on a port of its own that knows the token of an analyst."""
    app = create_app(filled, outbox, token=TOKEN, clock=lambda: NOW_S)
    caller(app, None)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_every_command_of_the_page_is_answered(address: str, outbox: Sent) -> None:
    require("curl", None if shutil.which("curl") else "curl is not installed")
    assert len(CALLS) > 6
    for call in CALLS:
        done = subprocess.run(
            ["sh", "-c", call + " -w '\n%{http_code}'"],
            env={"DESK": address, "TIDELINE_TOKEN": "analyst-token", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        body, status = done.stdout.rsplit("\n", 1)
        assert status in ("200", "202"), f"{call}\n{body}"
        answer = msgspec.json.decode(body)
        assert answer.get("items", [1]), f"{call} gives nothing"
    (command,) = outbox.of("desk.commands")
    assert (command["type"], command["actor"]) == ("alert.acknowledge", "ann")


def test_the_table_of_paths_is_complete() -> None:
    named = set(re.findall(r"`(/[a-z{}_/-]+)`", PAGE.split("| path |")[1].split("\n\n")[0]))
    assert named == {e.path for e in ENDPOINTS if e.method == "GET"}
    assert V1 in PAGE


def test_every_filter_of_the_page_is_one() -> None:
    known = {e.path: set(e.query.__struct_fields__) for e in ENDPOINTS}
    for path, text in re.findall(r"^\| `(/[a-z-]+)` \| (.*by .*) \|$", PAGE, re.MULTILINE):
        named = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)|needs `\w+`", "", text)))
        assert named <= known[path], path
        assert known[path] - {"limit", "cursor"} <= named, path

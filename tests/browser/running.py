"""The running demo as the tests see it: where it is, who may log in, and what its store has."""

import gzip
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.test_imports import ROOT
from tideline.sources.sample import sample_path

START_S = 120.0
ANSWER_S = 240.0
STOP_S = 40.0
WAIT_S = 60.0
FIRST_PART = 0.6
"""Share of the sample that is there before the tests look."""


class RunningDemo:
    """``tests.browser.host`` as a child process: started on entry, ended by its id on exit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> "RunningDemo":
        self._log = (self._folder / "demo.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.host"],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            said = self._next(START_S)
        except BaseException:
            self.__exit__()
            raise
        self.desk, self.silent = _origin(said["desk"]), _origin(said["silent"])
        self.passwords = {each["name"]: each["password"] for each in said["people"]}
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        self._log.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _next(self, wait_s: float) -> Any:
        try:
            line = self._answers.get(timeout=wait_s)
        except queue.Empty:
            line = ""
        if not line:
            words = (self._folder / "demo.log").read_text("utf-8", "replace")[-4000:]
            raise AssertionError(f"the demo gave no answer within {wait_s:.0f} s:\n{words}")
        return json.loads(line)

    def tell(self, **request: Any) -> None:
        """Have something done without waiting for it; ``done`` waits."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def done(self) -> Any:
        """The answer to what was told last."""
        return self._next(ANSWER_S)

    def query(self, sql: str, **params: str | int | float) -> list[dict[str, Any]]:
        """Rows of the store."""
        self.tell(do="query", sql=sql, params=params)
        rows: list[dict[str, Any]] = self.done()
        return rows

    def eventually(self, sql: str, **params: str) -> list[dict[str, Any]]:
        """Rows of the store, once there are any."""
        rows: list[dict[str, Any]] = until(lambda: self.query(sql, **params), sql)
        return rows

    def total(self, role: str, metric: str, **labels: str) -> float:
        """Sum of the samples of a role's metric that have these labels."""
        self.tell(do="total", role=role, metric=metric, labels=labels)
        return float(self.done())


def _environment() -> dict[str, str]:
    """This process's environment without settings of its own: the demo brings those it needs."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TIDELINE_")}
    return kept | {"PYTHONPATH": str(ROOT)}


def until(look: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> Any:
    """What ``look`` gives once it gives something."""
    deadline = time.monotonic() + wait_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {wait_s:.0f} s: {what}"
        time.sleep(0.25)
    return found


def sample_parts(folder: Path) -> tuple[Path, Path]:
    """The bundled sample in two files, the earlier events first."""
    with gzip.open(sample_path(), "rt", encoding="utf-8") as sample:
        lines = sample.readlines()
    cut = int(len(lines) * FIRST_PART)
    first, second = folder / "first.ndjson", folder / "second.ndjson"
    first.write_text("".join(lines[:cut]), "utf-8")
    second.write_text("".join(lines[cut:]), "utf-8")
    return first, second


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"

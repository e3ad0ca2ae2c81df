"""Roles as child processes of one command: started together, ended by their ids."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

STOP_S = 15.0


class Child(NamedTuple):
    """A running role: its process, where its metrics are, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Samples of ``/metrics`` by name and sorted labels; empty while it does not answer."""
        try:
            url = f"http://127.0.0.1:{self.port}/metrics"
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def last_words(self) -> str:
        """The end of its log; of a crash the stacks, not the list of extension modules."""
        return self.log.read_text("utf-8", "replace").partition("Extension modules:")[0][-4000:]

    def total(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric that have these labels."""
        wanted = set(labels.items())
        return sum(
            v for (n, have), v in self.metrics().items() if n == name and wanted <= set(have)
        )


def free_port() -> int:
    """A loopback port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start(name: str, arguments: list[str], environment: dict[str, str], folder: Path) -> Child:
    """Start ``tideline <arguments>`` with its log in ``folder``."""
    port = free_port()
    log = folder / f"{name}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "tideline.cli", *arguments],
            env={**os.environ, **environment, "TIDELINE_METRICS__PORT": str(port)},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name, process, port, log)


def stop(children: list[Child]) -> None:
    """End the children by their ids: politely, then for good."""
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait(5)

"""Asking running monitors what they show."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from tideline.children import Child

WAIT_S = 90.0
PREFIX = "tideline_monitor_"
DERIVED = "feed_staleness_seconds"
"""Follows from the clock of the host where ticks are live; tested on the state alone."""


def shown(*children: Child) -> dict[tuple[str, tuple[str, ...]], float]:
    """The monitors' figures by name and label values: sums, but the latest of times."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for child in children:
        for (name, labels), value in child.metrics().items():
            if name.startswith(PREFIX) and not name.endswith(DERIVED):
                key = (name.removeprefix(PREFIX), tuple(v for _, v in labels))
                if name.endswith("timestamp_seconds"):
                    found[key] = max(found.get(key, 0.0), value)
                else:
                    found[key] = found.get(key, 0.0) + value
    return found


def difference(found: dict[Any, float], expected: dict[Any, float]) -> dict[Any, object]:
    """What is shown and expected where the two differ, for a failing test."""
    return {
        key: (found.get(key), expected.get(key))
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    }


def is_ready(child: Child) -> bool:
    """Whether ``/readyz`` says so."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{child.port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait(until: Callable[[], bool], why: Callable[[], object], *children: Child) -> None:
    """Until something holds, at most ``WAIT_S``."""
    deadline = time.monotonic() + WAIT_S
    while not until():
        if time.monotonic() > deadline:
            logs = "\n".join(c.log.read_text("utf-8", "replace")[-4000:] for c in children)
            raise AssertionError(f"{why()}\n{logs}")
        time.sleep(0.2)


def until_ready(child: Child) -> None:
    """Wait for ``/readyz``."""
    wait(lambda: is_ready(child), lambda: "never ready", child)

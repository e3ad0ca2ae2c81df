"""How the roles of one process start."""

import time
from itertools import pairwise
from typing import Any

import pytest

from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import load_settings
from ops.signals import StopFlag
from tideline import service
from tideline.service import Service, run_hosts


def test_roles_of_one_process_are_built_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """msgspec crashes the interpreter when two threads prepare the same type at once."""
    spans: list[tuple[float, float]] = []
    ran: list[object] = []

    class Built:
        def __init__(self, host: object, **_: Any) -> None:
            self._host = host

        def run(self, should_stop: object) -> None:
            ran.append(self._host)

    def build() -> object:
        began = time.monotonic()
        time.sleep(0.05)
        spans.append((began, time.monotonic()))
        return spans[-1]

    monkeypatch.setattr(service, "Runtime", Built)
    metrics = Metrics()
    health = HealthServer(metrics, "127.0.0.1", 0)
    try:
        run_hosts(Service(load_settings(), metrics, health, StopFlag()), [build] * 4)  # type: ignore[list-item]
    finally:
        health.stop()
    spans.sort()
    assert len(ran) == 4
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))

"""/metrics, /healthz and /readyz over real HTTP."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from ops import health
from ops.errors import ConfigurationError
from ops.health import REQUESTS_MAX, HealthServer
from ops.metrics import Metrics


@pytest.fixture
def server() -> Iterator[HealthServer]:
    """A server on a free port."""
    found = HealthServer(Metrics(), "127.0.0.1", 0)
    yield found
    found.stop()


def _get(server: HealthServer, path: str, **headers: str) -> tuple[int, str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_are_served_in_both_text_formats() -> None:
    metrics = Metrics()
    metrics.events.labels("intake", "in").inc(41)
    server = HealthServer(metrics, "127.0.0.1", 0)
    try:
        status, kind, body = _get(server, "/metrics")
        assert status == 200 and kind.startswith("text/plain")
        assert 'tideline_events_total{outcome="in",stage="intake"} 41.0' in body
        _, kind, body = _get(server, "/metrics", Accept="application/openmetrics-text")
        assert kind.startswith("application/openmetrics-text") and body.endswith("# EOF\n")
    finally:
        server.stop()


def test_it_is_ready_when_every_component_is_and_says_what_it_waits_for(
    server: HealthServer,
) -> None:
    assert _get(server, "/readyz")[0] == 503
    server.ready("intake", True, "")
    server.ready("scoring", False, "restoring partition 2")
    status, kind, body = _get(server, "/readyz")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body) == {"ok": False, "waiting_for": {"scoring": "restoring partition 2"}}
    server.ready("scoring", True, "")
    status, _, body = _get(server, "/readyz?probe=1")
    assert (status, json.loads(body)["ok"]) == (200, True)


def test_a_component_without_progress_makes_the_process_unhealthy(
    server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _get(server, "/healthz")[0] == 200
    server.beat("scoring")
    server.beat("sink")
    assert _get(server, "/healthz")[0] == 200
    monkeypatch.setattr(health, "STALL_S", -1.0)
    status, _, body = _get(server, "/healthz")
    assert status == 503
    assert set(json.loads(body)["waiting_for"]) == {"scoring", "sink"}
    monkeypatch.undo()
    assert _get(server, "/healthz")[0] == 200


def test_other_paths_and_methods_are_refused(server: HealthServer) -> None:
    assert _get(server, "/../etc/passwd")[0] == 404
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/metrics", data=b"x")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310 - loopback
    assert caught.value.code == 501


def test_idle_connections_are_bounded_and_do_not_shut_others_out_for_good(
    server: HealthServer,
) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(REQUESTS_MAX)]
    try:
        with socket.create_connection(("127.0.0.1", server.port), 10) as extra:
            assert extra.recv(1) == b"", "closed at once"
    finally:
        for connection in idle:
            connection.close()
    for _ in range(100):
        try:
            assert _get(server, "/healthz")[0] == 200
            return
        except OSError:
            continue
    pytest.fail("the slots of closed connections are not free again")


def test_a_port_in_use_is_a_configuration_error_with_the_remedy(server: HealthServer) -> None:
    with pytest.raises(ConfigurationError, match="TIDELINE_METRICS__PORT"):
        HealthServer(Metrics(), "127.0.0.1", server.port)


def test_nothing_listens_after_stop() -> None:
    server = HealthServer(Metrics(), "127.0.0.1", 0)
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 5)

"""``/metrics``, ``/healthz`` and ``/readyz`` of one process, on a thread of their own."""

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder

from ops.metrics import Metrics

log = logging.getLogger(__name__)

STALL_S = 300.0
"""A component without a heartbeat for so long makes the process unhealthy."""


class HealthServer:
    """Serves on ``host``:``port`` (0 = a free port) until stopped."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._ready: dict[str, tuple[bool, str]] = {}
        self._beats: dict[str, float] = {}
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    def ready(self, component: str, is_ready: bool, why: str) -> None:
        """Say whether a component is ready, and if not why."""
        with self._lock:
            self._ready[component] = (is_ready, why)

    def beat(self, component: str) -> None:
        """A component made progress."""
        self._beats[component] = time.monotonic()

    def readiness(self) -> tuple[bool, dict[str, str]]:
        """Whether all components are ready, and why the others are not."""
        with self._lock:
            waiting = {name: why for name, (ok, why) in self._ready.items() if not ok}
            return bool(self._ready) and not waiting, waiting

    def liveness(self) -> tuple[bool, dict[str, str]]:
        """Whether every component that ever beat did so lately."""
        now = time.monotonic()
        stalled = {
            name: f"no progress for {now - at:.0f} s"
            for name, at in list(self._beats.items())
            if now - at > STALL_S
        }
        return not stalled, stalled

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10
            server_version = "tideline"
            sys_version = ""

            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                if path == "/metrics":
                    encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(200, content_type, encoder(outer._metrics.registry))
                elif path in ("/healthz", "/readyz"):
                    ok, why = outer.liveness() if path == "/healthz" else outer.readiness()
                    body = json.dumps({"ok": ok, "waiting_for": why}).encode()
                    self._answer(200 if ok else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"not found\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Content-Type-Options", "nosniff")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                log.debug("http", extra={"line": format % args})

        return Handler

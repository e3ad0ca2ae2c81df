"""``/metrics``, ``/healthz`` and ``/readyz`` of one process, on a thread of their own."""

import json
import logging
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder

from ops.errors import ConfigurationError
from ops.metrics import Metrics

log = logging.getLogger(__name__)

STALL_S = 300.0
"""A component without a heartbeat for so long makes the process unhealthy."""

REQUESTS_MAX = 16
"""At one time; further connections are closed at once."""
REQUEST_TIMEOUT_S = 10.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._slots = threading.BoundedSemaphore(REQUESTS_MAX)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer asks the name service who the host is, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self,
        request: socket.socket,  # type: ignore[override]
        client_address: tuple[str, int],
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        log.warning("http_request_failed", exc_info=True)


class HealthServer:
    """Serves on ``host``:``port`` (0 = a free port) until stopped.

    Raises ``ConfigurationError`` when the address cannot be had.
    """

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._ready: dict[str, tuple[bool, str]] = {}
        self._beats: dict[str, float] = {}
        try:
            self._server = _Server((host, port), self._handler())
        except OSError as error:
            raise ConfigurationError(
                f"cannot serve metrics at {host}:{port} ({error}); set TIDELINE_METRICS__HOST and "
                "TIDELINE_METRICS__PORT to a free address, port 0 chooses one"
            ) from None
        self.port: int = self._server.server_port
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
            timeout = REQUEST_TIMEOUT_S
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

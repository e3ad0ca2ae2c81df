"""Receivers on loopback: an HTTP server and a mail server that write down what comes."""

import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Posted(NamedTuple):
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """An HTTP endpoint. ``answers`` are used up in order, then it answers 204."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.posted: list[Posted] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.stall_s = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posted.append(Posted(self.path, headers, body))
                time.sleep(receiver.stall_s)
                status, more = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(status)
                for name, value in {"content-length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}/hook?a=1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def ids(self) -> list[str]:
        """``webhook-id`` of every request, in the order in which they came."""
        return [each.headers["webhook-id"] for each in self.posted]

    def close(self) -> None:
        """Stop answering: the port refuses connections from here on."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver for a while."""
    receiver = Receiver(context)
    try:
        yield receiver
    finally:
        receiver.close()


class MailServer:
    """As much of SMTP (RFC 5321, 3207, 4954) as the relay speaks. ``replies`` override by verb."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.mails: list[bytes] = []
        self.verbs: list[str] = []
        self.replies: dict[str, str] = {}
        mail_server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                mail_server.converse(self, context)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def converse(self, handler: socketserver.StreamRequestHandler, context: object) -> None:
        def say(text: str) -> None:
            handler.wfile.write(text.encode() + b"\r\n")
            handler.wfile.flush()

        say("220 test")
        secure = False
        while line := handler.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            self.verbs.append(f"{verb} over TLS" if secure else verb)
            if verb in self.replies:
                say(self.replies[verb])
            elif verb == "EHLO":
                offers = ["AUTH PLAIN"] if secure else []
                offers += ["STARTTLS"] if isinstance(context, ssl.SSLContext) and not secure else []
                for offer in ["test", *offers]:
                    say(f"250-{offer}")
                say("250 SIZE 1000000")
            elif verb == "STARTTLS":
                assert isinstance(context, ssl.SSLContext)
                say("220 go on")
                handler.connection = context.wrap_socket(handler.connection, server_side=True)
                handler.rfile = handler.connection.makefile("rb")
                handler.wfile = handler.connection.makefile("wb")
                secure = True
            elif verb == "DATA":
                say("354 go on")
                lines = iter(handler.rfile.readline, b".\r\n")
                self.mails.append(b"".join(lines))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("235 welcome" if verb == "AUTH" else "250 yes")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def mail_server(context: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """A mail server for a while."""
    server = MailServer(context)
    try:
        yield server
    finally:
        server.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The context of a server at 127.0.0.1 with a certificate of its own, and that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "ca.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    whole = folder / "server.pem"
    whole.write_bytes(
        path.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole)
    return context, path


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)

"""A private ClickHouse server on loopback, and a connection to it that can be cut."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from sinks.engine import EngineUnavailable
from sinks.native import NativeEngine

CONFIG = """<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><log>{folder}/server.log</log>
    <errorlog>{folder}/error.log</errorlog></logger>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{port}</tcp_port>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <users_config>{folder}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size>
  <timezone>UTC</timezone>
</yandex>
"""

USERS = """<?xml version="1.0"?>
<yandex>
  <profiles><default><max_threads>1</max_threads></default></profiles>
  <quotas><default></default></quotas>
  <users><default>
    <password></password><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota>
  </default></users>
</yandex>
"""

START_S = 30.0


def missing() -> str | None:
    """What the server needs and is not here."""
    found = shutil.which("clickhouse-server")
    return None if found else "clickhouse-server is not on the PATH"


class Server:
    """Runs until ``stop``; ``kill`` and ``start`` again keep port and data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        (folder / "config.xml").write_text(CONFIG.format(folder=folder, port=self.port))
        (folder / "users.xml").write_text(USERS)
        self.start()

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self.folder / "output.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["clickhouse-server", f"--config-file={self.folder}/config.xml"],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"]},
                start_new_session=True,
            )
        engine = self.engine("default")
        deadline = time.monotonic() + START_S
        while True:
            try:
                engine.query("SELECT 1 AS one")
                break
            except EngineUnavailable:
                assert self.process.poll() is None, (self.folder / "output.log").read_text()
                assert time.monotonic() < deadline, "the ClickHouse server did not start"
        engine.close()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """End the server by its id."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def engine(self, database: str, port: int | None = None) -> NativeEngine:
        """An engine on the server, or on a proxy in front of it."""
        return NativeEngine(
            "127.0.0.1", port or self.port, user="default", password="", database=database
        )


class Proxy:
    """Forwards a port to the server; cuts the connection when an answer is on its way back."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.cut_answers = 0
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            for source, target, answer in ((client, server, False), (server, client, True)):
                thread = threading.Thread(
                    target=self._forward, args=(source, target, answer), daemon=True
                )
                thread.start()
                self._threads.append(thread)

    def _forward(self, source: socket.socket, target: socket.socket, answer: bool) -> None:
        try:
            while data := source.recv(65_536):
                # An insert is answered twice: with the table's structure, and at its end.
                if answer and self.cut_answers and data[-1:] == b"\x05":
                    self.cut_answers -= 1
                    break
                target.sendall(data)
        except OSError:
            pass
        finally:
            for side in (source, target):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
                side.close()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

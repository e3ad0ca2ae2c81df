"""A real Apache Kafka (KRaft, one node) for tests and developers.

Jars come through Maven once, into a cache folder; the broker runs on Java 17 with free loopback ports
and a data directory of its own, and is ended by its process id.

    python deploy/kafka/local.py start [--data DIR]    prints the bootstrap address
    python deploy/kafka/local.py stop | status [--data DIR]
"""

import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

VERSION = "4.1.0"
HERE = Path(__file__).resolve().parent
HEAP = "-Xmx512m"
READY_S = 60.0
STOP_S = 20.0
FETCH_S = 600.0
STATE_FILE = "local-kafka.json"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}/log
num.partitions=4
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A dead worker's open transaction holds read_committed readers back until it is aborted.
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
log.cleaner.dedupe.buffer.size=16777216
"""


class LocalKafkaError(RuntimeError):
    """Kafka cannot be fetched or started; the message has the end of its log."""


def missing_tools() -> str | None:
    """What this machine lacks to run a local Kafka, or None."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    return f"{', '.join(missing)} not found" if missing else None


def fetch_jars() -> Path:
    """Folder of Kafka's jars, fetched through Maven on first use (one process at a time)."""
    base = os.environ.get("TIDELINE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tideline"
    )
    folder = Path(base) / f"kafka-{VERSION}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"kafka-{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "complete").exists():
            return folder
        command = [
            *("mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"),
            *(f"-DoutputDirectory={folder}", "-DincludeScope=runtime"),
        ]
        done = subprocess.run(command, capture_output=True, timeout=FETCH_S, check=False)  # noqa: S603
        if done.returncode != 0:
            raise LocalKafkaError(f"Maven failed: {done.stdout.decode()[-2000:]}")
        (folder / "complete").touch()
    return folder


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free just now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class LocalKafka:
    """One broker. As a context manager it starts on entry and leaves nothing behind on exit."""

    def __init__(self, data: Path | None = None) -> None:
        self._own_data = data is None
        self.data = Path(tempfile.mkdtemp(prefix="local-kafka-")) if data is None else data
        self._broker, self._controller = 0, 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients; stays the same over a restart."""
        return f"127.0.0.1:{self._broker}"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "LocalKafka":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._own_data:
            shutil.rmtree(self.data, ignore_errors=True)

    def start(self) -> None:
        """Format the data directory if it is new, start, and wait until the broker answers."""
        jars = fetch_jars()
        self.data.mkdir(parents=True, exist_ok=True)
        properties = self.data / "server.properties"
        if properties.exists():
            found = re.search(r"^listeners=.*?:(\d+),.*?:(\d+)$", properties.read_text(), re.M)
            assert found is not None
            self._broker, self._controller = int(found[1]), int(found[2])
        else:
            self._broker, self._controller = free_ports(2)
            properties.write_text(
                PROPERTIES.format(
                    broker=self._broker, controller=self._controller, data=self.data.resolve()
                )
            )
            cluster = ["format", "--standalone", "-t", uuid.uuid4().hex[:22], "-c", str(properties)]
            command = self._java(jars, "kafka.tools.StorageTool", cluster)
            done = subprocess.run(command, capture_output=True, timeout=READY_S, check=False)  # noqa: S603
            if done.returncode != 0:
                properties.unlink()
                raise LocalKafkaError(f"format failed: {done.stdout.decode()}{done.stderr.decode()}")
        with (self.data / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._java(jars, "kafka.Kafka", [str(properties)]),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.data,
                start_new_session=True,
            )
        self._wait_until_ready()

    def restart(self) -> None:
        """Stop and start on the same ports and data."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL: a power cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)

    def stop(self) -> None:
        """End the broker by its id: politely, then for good."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _java(self, jars: Path, main: str, arguments: list[str]) -> list[str]:
        java = shutil.which("java")
        if java is None:
            raise LocalKafkaError("java is not on the PATH; install Java 17 or later")
        return [java, HEAP, "-cp", f"{HERE}:{jars}/*", main, *arguments]

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        admin = AdminClient(
            {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, "logger": _Silent()}
        )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                time.sleep(0.1)
        tail = (self.data / "broker.log").read_text("utf-8", "replace")[-3000:]
        self.kill()
        raise LocalKafkaError(f"Kafka did not start in {READY_S:.0f} s:\n{tail}")


class _Silent:
    """Swallows librdkafka's connection noise while the broker is not up yet."""

    def log(self, *_: object, **__: object) -> None:
        """Nothing to say."""


def main() -> int:
    """Start, stop or look at a broker that outlives this command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["start", "stop", "status"])
    parser.add_argument("--data", type=Path, default=Path(".tideline/kafka"))
    arguments = parser.parse_args()
    state = arguments.data / STATE_FILE
    running = json.loads(state.read_text()) if state.exists() else None
    if running is not None and not _alive(running["pid"]):
        running = None
    if arguments.action == "start":
        if running is None:
            kafka = LocalKafka(arguments.data)
            kafka.start()
            running = {"pid": kafka.pid, "bootstrap_servers": kafka.bootstrap_servers}
            state.write_text(json.dumps(running))
        sys.stdout.write(running["bootstrap_servers"] + "\n")
        return 0
    if running is None:
        sys.stdout.write("not running\n")
        return 0 if arguments.action == "stop" else 1
    if arguments.action == "stop":
        os.kill(running["pid"], signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while _alive(running["pid"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        state.unlink()
        sys.stdout.write("stopped\n")
        return 0
    sys.stdout.write(f"running at {running['bootstrap_servers']}\n")
    return 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

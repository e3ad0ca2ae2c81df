"""A real Apache Kafka (KRaft, one node) for tests and developers.

Jars come through Maven once, into a cache folder; the broker runs on Java 17 with free loopback
ports and a data directory of its own, and is ended by its process id. Ports and data survive a
restart.

    python deploy/kafka/local.py start [--data DIR]    prints the bootstrap address
    python deploy/kafka/local.py stop | status [--data DIR]
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import random
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
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

VERSION = "4.1.0"
HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"
HEAP = "-Xmx512m"
READY_S = 60.0
STOP_S = 20.0
FETCH_S = 600.0
STATE_FILE = "local-kafka.json"
LOG_TAIL_CHARS = 3_000
STARTS = 3
"""A port may be taken between choosing and using it: a new broker then starts on others."""
PORTS = range(15_000, 30_000)
"""Below the ports that systems give to outgoing connections: one of those could take a broker's
port while it restarts."""

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
    tools = ("java",) if _fetched(POM, _jars(f"kafka-{VERSION}")) else ("java", "mvn")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return f"{', '.join(missing)} not found" if missing else None


def fetch_jars(pom: Path = POM, name: str = f"kafka-{VERSION}") -> Path:
    """Folder of the jars that ``pom`` lists, by default Kafka's, fetched through Maven on first use
    into the cache folder ``name`` (one process at a time).

    Raises ``LocalKafkaError`` when Maven is missing, fails or takes too long.
    """
    folder = _jars(name)
    if _fetched(pom, folder):
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalKafkaError("mvn is not on the PATH; install Maven 3")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _fetched(pom, folder):
            return folder
        command = [
            *(maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"),
            *(f"-DoutputDirectory={folder}", "-DincludeScope=runtime"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=FETCH_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise LocalKafkaError(f"Maven did not finish in {FETCH_S:.0f} s") from None
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise LocalKafkaError(f"Maven failed: {said[-LOG_TAIL_CHARS:]}")
        (folder / "complete").write_text(_wanted(pom))
    return folder


def _jars(name: str) -> Path:
    base = os.environ.get("TIDELINE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tideline"
    )
    return Path(base) / name


def _wanted(pom: Path) -> str:
    return hashlib.sha256(pom.read_bytes()).hexdigest()


def _fetched(pom: Path, folder: Path) -> bool:
    complete = folder / "complete"
    return complete.exists() and complete.read_text() == _wanted(pom)


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free just now."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise LocalKafkaError(f"no {count} free ports in {PORTS.start}-{PORTS.stop - 1}")


class LocalKafka:
    """One broker. As a context manager it starts on entry and leaves nothing behind on exit."""

    def __init__(self, data: Path | None = None) -> None:
        self._own_data = data is None
        self.data = Path(tempfile.mkdtemp(prefix="local-kafka-")) if data is None else data
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients; stays the same over a restart."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the running broker. Raises ``LocalKafkaError`` when there is none."""
        if self._process is None:
            raise LocalKafkaError("this Kafka is not running")
        return self._process.pid

    def __enter__(self) -> "LocalKafka":
        try:
            self.start()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._discard()

    def start(self) -> None:
        """Format the data directory if it is new, start, and wait until the broker answers.

        Raises ``LocalKafkaError`` with the end of its log when it does not, and leaves no process.
        """
        if self._process is not None:
            raise LocalKafkaError(f"this Kafka runs already, as process {self.pid}")
        jars = fetch_jars()
        self.data.mkdir(parents=True, exist_ok=True)
        properties = self.data / "server.properties"
        formatted = properties.exists()
        for attempt in range(STARTS):
            if not properties.exists():
                self._format(jars, properties)
            found = re.search(r"^listeners=.*?:(\d+),", properties.read_text(), re.M)
            if found is None:
                raise LocalKafkaError(f"{properties} has no listeners; remove {self.data}")
            self._port = int(found[1])
            try:
                return self._run(jars, properties)
            except LocalKafkaError:
                if formatted or attempt == STARTS - 1:
                    raise
                properties.unlink()
                shutil.rmtree(self.data / "log", ignore_errors=True)

    def restart(self) -> None:
        """Stop and start on the same ports and data."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL: a power cut."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(STOP_S)
            (self.data / STATE_FILE).unlink(missing_ok=True)

    def stop(self) -> None:
        """End the broker by its id: politely, then for good."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.kill()

    def _discard(self) -> None:
        if self._own_data:
            shutil.rmtree(self.data, ignore_errors=True)

    def _format(self, jars: Path, properties: Path) -> None:
        """Write the configuration and Kafka's own marks of a new log directory."""
        broker, controller = free_ports(2)
        text = PROPERTIES.format(broker=broker, controller=controller, data=self.data.resolve())
        draft = properties.with_suffix(".draft")
        draft.write_text(text)
        cluster = ["format", "--standalone", "-t", uuid.uuid4().hex[:22], "-c", str(draft)]
        command = _java(jars, "kafka.tools.StorageTool", cluster)
        done = subprocess.run(command, capture_output=True, timeout=READY_S, check=False)  # noqa: S603
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise LocalKafkaError(f"format failed: {said[-LOG_TAIL_CHARS:]}")
        draft.rename(properties)

    def _run(self, jars: Path, properties: Path) -> None:
        with (self.data / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                _java(jars, "kafka.Kafka", [str(properties.resolve())]),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.data,
                start_new_session=True,
            )
        try:
            state = Running(self.pid, self.bootstrap_servers)
            (self.data / STATE_FILE).write_text(json.dumps(state._asdict()))
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        marks = (self.data / "log" / "meta.properties").read_text()
        cluster_id = re.search(r"^cluster\.id=(.*)$", marks, re.M)
        admin = AdminClient(
            {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, "logger": _Silent()}
        )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                answer = admin.list_topics(timeout=1)
            except KafkaException:
                time.sleep(0.1)
                continue
            # Another broker may have taken the port just before; ours then ends in a moment.
            if cluster_id is not None and answer.cluster_id == cluster_id[1] and answer.brokers:
                return
            time.sleep(0.1)
        tail = (self.data / "broker.log").read_text("utf-8", "replace")[-LOG_TAIL_CHARS:]
        ended = process.poll()
        how = f"did not answer in {READY_S:.0f} s" if ended is None else f"ended with {ended}"
        raise LocalKafkaError(f"Kafka {how}; the end of its log:\n{tail}")


class _Silent:
    """Swallows librdkafka's connection noise while the broker is not up yet."""

    def log(self, *_: object, **__: object) -> None:
        """Nothing to say."""


def _java(jars: Path, main: str, arguments: list[str]) -> list[str]:
    java = shutil.which("java")
    if java is None:
        raise LocalKafkaError("java is not on the PATH; install Java 17 or later")
    logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
    return [java, HEAP, logging, "-cp", f"{jars}/*", main, *arguments]


class Running(NamedTuple):
    """A broker that was started, maybe by another process."""

    pid: int
    bootstrap_servers: str


def running(data: Path) -> Running | None:
    """The broker of this data directory, or None when it has ended."""
    try:
        state = Running(**json.loads((data / STATE_FILE).read_text()))
    except FileNotFoundError:
        return None
    # The id of an ended broker may belong to another process by now; what runs tells.
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{state.pid}/cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            return None
    else:
        listed = subprocess.run(  # noqa: S603
            ["ps", "-ww", "-o", "args=", "-p", str(state.pid)],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=STOP_S,
            check=False,
        )
        command = listed.stdout
    return state if str((data / "server.properties").resolve()) in command else None


def stop_running(data: Path) -> bool:
    """End the broker of this data directory by its id; returns whether there was one."""
    state = running(data)
    if state is None:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, number)
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline:
            if running(data) is None:
                (data / STATE_FILE).unlink(missing_ok=True)
                return True
            time.sleep(0.1)
    raise LocalKafkaError(f"process {state.pid} does not end")


def main() -> int:
    """Start, stop or look at a broker that outlives this command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["start", "stop", "status"])
    parser.add_argument("--data", type=Path, default=Path(".tideline/kafka"))
    arguments = parser.parse_args()
    data: Path = arguments.data
    data.mkdir(parents=True, exist_ok=True)
    try:
        with (data / "command.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _act(arguments.action, data)
    except LocalKafkaError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _act(action: str, data: Path) -> int:
    if action == "stop":
        sys.stdout.write("stopped\n" if stop_running(data) else "not running\n")
        return 0
    state = running(data)
    if action == "start":
        if state is None:
            kafka = LocalKafka(data)
            kafka.start()
            state = Running(kafka.pid, kafka.bootstrap_servers)
        sys.stdout.write(f"{state.bootstrap_servers}\n")
        return 0
    sys.stdout.write(f"running at {state.bootstrap_servers}\n" if state else "not running\n")
    return 0 if state else 1


if __name__ == "__main__":
    sys.exit(main())

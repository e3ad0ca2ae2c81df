"""Run the peers, each as a process of its own in an environment of its own.

A peer that cannot be had on this machine gives a reason instead of a figure.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from deploy.kafka.local import LocalKafkaError, fetch_jars

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
ENVIRONMENT = ROOT / ".venv-bench"
INSTALL_S = 600.0
START_S = 120.0
"""Bound on a peer's time beside its measured seconds: start, assignment, first fetch."""
STREAMS_JARS = "kafka-streams-4.1.0"


class PeerError(RuntimeError):
    """A peer cannot be installed or gave no figure; the message says why."""


class Backlog(NamedTuple):
    """What a peer is to drain."""

    bootstrap: str
    topics: list[str]
    partitions: int
    events: int
    seconds: float
    """A peer that is not done by then reports what it has."""


class PeerResult(Struct, kw_only=True, frozen=True):
    """``events_per_s`` is None where ``error`` says why. The totals are over all merchants."""

    events_per_s: float | None = None
    events: int = 0
    merchants: int = 0
    count: int = 0
    amount: int = 0
    error: str | None = None


def run_peer(name: str, backlog: Backlog) -> PeerResult:
    """Let one of ``PEERS`` drain the backlog; what goes wrong is in the result."""
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as folder:
        try:
            return _run(PEERS[name](folder), backlog, folder)
        except (PeerError, LocalKafkaError) as error:
            return PeerResult(error=str(error))


def _run(command: list[str], backlog: Backlog, folder: str) -> PeerResult:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "BENCH_BROKER": backlog.bootstrap,
        "BENCH_TOPICS": ",".join(backlog.topics),
        "BENCH_PARTITIONS": str(backlog.partitions),
        "BENCH_EVENTS": str(backlog.events),
        "BENCH_SECONDS": str(backlog.seconds),
        "BENCH_NAME": f"bench-{uuid.uuid4().hex[:12]}",
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            capture_output=True,
            timeout=START_S + backlog.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stderr or b"").decode("utf-8", "replace")[-500:]
        raise PeerError(f"did not end in time: {said}") from None
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith("{")]
    if not lines:
        raise PeerError(f"gave no figure: {done.stderr.decode('utf-8', 'replace')[-1000:]}")
    return msgspec.json.decode(lines[-1], type=PeerResult)


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=INSTALL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"cannot be installed: {error}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace")[-500:]
        raise PeerError(f"cannot be installed: {said}")


def peer_python() -> Path:
    """Python of the peers' environment, made from the locked list on first use and after a change.

    Raises ``PeerError`` when it cannot be installed.
    """
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / "installed.txt"
    if done.exists() and done.read_bytes() == REQUIREMENTS.read_bytes():
        return python
    _call([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)])
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    installer = (
        [uv, "pip", "install", "--python", str(python)]
        if uv
        else [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    )
    _call([*installer, "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)])
    shutil.copyfile(REQUIREMENTS, done)
    return python


def _faust(_: str) -> list[str]:
    return [sys.executable, "-m", "bench.peers.faust_peer", "worker"]


def _quix(_: str) -> list[str]:
    return [str(peer_python()), "-m", "bench.peers.quix_peer"]


def _bytewax(_: str) -> list[str]:
    return [str(peer_python()), "-m", "bench.peers.bytewax_peer"]


def _bytewax_recovery(_: str) -> list[str]:
    return [*_bytewax(_), "--recovery"]


def _kafka_streams(folder: str) -> list[str]:
    java = shutil.which("java")
    if java is None:
        raise PeerError("java is not on the PATH")
    listed = subprocess.run(
        [java, "--list-modules"], capture_output=True, timeout=START_S, check=False
    )
    if b"jdk.compiler" not in listed.stdout:
        raise PeerError("this Java has no compiler (jdk.compiler); install a JDK 17 or later")
    jars = fetch_jars(HERE / "pom.xml", STREAMS_JARS)
    return [
        *(java, "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
        *("-cp", f"{jars}/*", str(HERE / "KafkaStreamsPeer.java"), folder),
    ]


PEERS: dict[str, Callable[[str], list[str]]] = {
    "faust_table": _faust,
    "quix_streams": _quix,
    "bytewax": _bytewax,
    "bytewax_recovery": _bytewax_recovery,
    "kafka_streams": _kafka_streams,
}
"""Name -> the command that runs it, given a folder of its own."""
PYTHON_PEERS = ("faust_table", "quix_streams", "bytewax", "bytewax_recovery")
DURABLE_PYTHON_PEERS = ("faust_table", "quix_streams", "bytewax_recovery")
"""Those whose state survives a restart, as it does with Kafka Streams and with Tideline."""

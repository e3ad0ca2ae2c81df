"""A worker whose host is timed: ``python -m bench.hosted ROLE OUT`` runs like ``tideline worker``.

The runtime, its consumer and its transactional producer are those of the product. What wraps them
is a host that notes how long each call takes, and how long a commit keeps the host from its next
call: from the moment the runtime asks for the rest of a transaction's outputs to the moment it
hands over the next record. At the end the figures go to OUT as JSON.
"""

import sys
import time
from pathlib import Path

import msgspec
from msgspec import Struct, field

from ops.settings import load_settings, privacy_key
from streams.artifacts import KafkaArtifacts
from streams.host import Committed, Host, RunHost, Source
from streams.intake_host import IntakeHost
from streams.records import Output, Record
from streams.scoring_host import ScoringHost
from tideline.service import Service, run_hosts, service


class Figures(Struct):
    """Seconds by what the host did; all from the first record taken to the last."""

    records: int = 0
    take_s: float = 0.0
    drain_s: float = 0.0
    tick_s: float = 0.0
    tick_max_s: float = 0.0
    """The longest tick: where a checkpoint begins."""
    commits: int = 0
    commit_s: float = 0.0
    """From the end of ``drain`` to the end of the commit."""
    wall_s: float = 0.0
    pauses_s: list[float] = field(default_factory=list)
    """Per commit: ``drain``, the transaction, and the way to the next record."""
    assign_s: float = 0.0


class TimedHost:
    """Hosts another host and times its calls."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.role, self.inputs = host.role, host.inputs
        self.records_max, self.instance = host.records_max, host.instance
        self.aligned = host.aligned
        self.figures = Figures()
        self._first = 0.0
        self._drained: tuple[float, float] | None = None

    def assign(self, committed: dict[Source, Committed]) -> None:
        """Restore; its time is what a start costs."""
        started = time.perf_counter()
        self._host.assign(committed)
        self.figures.assign_s += time.perf_counter() - started

    def revoke(self, sources: list[Source]) -> None:
        """Pass on."""
        self._host.revoke(sources)

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Time the processing of a record."""
        started = self._begin()
        outputs = self._host.take(record, now_ms)
        self._end(started, 1)
        return outputs

    def tick(self, now_ms: int) -> list[Output]:
        """Time a tick."""
        started = time.perf_counter()
        self._drained = None
        outputs = self._host.tick(now_ms)
        if self._first:
            took = time.perf_counter() - started
            self.figures.tick_s += took
            self.figures.tick_max_s = max(self.figures.tick_max_s, took)
        return outputs

    def drain(self) -> list[Output]:
        """Time what is still to be computed for a transaction; a pause begins."""
        started = time.perf_counter()
        outputs = self._host.drain()
        ended = time.perf_counter()
        if self._first:
            self.figures.drain_s += ended - started
            self._drained = (started, ended)
        return outputs

    def metadata(self, source: Source) -> str:
        """Pass on."""
        return self._host.metadata(source)

    def _begin(self) -> float:
        started = time.perf_counter()
        if not self._first:
            self._first = started
        self._end_pause(started)
        return started

    def _end(self, started: float, records: int) -> None:
        ended = time.perf_counter()
        self.figures.records += records
        self.figures.take_s += ended - started
        self.figures.wall_s = ended - self._first

    def _end_pause(self, now: float) -> None:
        if self._drained is not None:
            started, drained = self._drained
            self._drained = None
            self.figures.commits += 1
            self.figures.commit_s += now - drained
            self.figures.pauses_s.append(now - started)


class TimedRunHost(TimedHost):
    """Hosts a host that takes runs of records."""

    def __init__(self, host: RunHost) -> None:
        super().__init__(host)
        self._take_run = host.take_run

    def take_run(self, records: list[Record], now_ms: int) -> None:
        """Time the processing of a run."""
        started = self._begin()
        self._take_run(records, now_ms)
        self._end(started, len(records))


def _timed(host: Host) -> TimedHost:
    return TimedRunHost(host) if isinstance(host, RunHost) else TimedHost(host)


def _build(role: str, process: Service) -> Host:
    artifacts = KafkaArtifacts(process.settings)
    if role == "intake":
        key = privacy_key(process.settings)
        return IntakeHost(process.settings, process.metrics, artifacts, key)
    return ScoringHost(process.settings, process.metrics, artifacts)


def main(role: str, out: str) -> None:
    """Run until told to stop, then write the figures."""
    hosts: list[TimedHost] = []

    def build() -> Host:
        hosts.append(_timed(_build(role, process)))
        return hosts[0]

    with service(load_settings(), "worker") as process:
        run_hosts(process, [build])
    draft = Path(out).with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(hosts[0].figures))
    draft.rename(out)


if __name__ == "__main__":
    main(*sys.argv[1:])

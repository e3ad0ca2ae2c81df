"""Workers on a real Kafka as a test runs them: started, killed, stopped, restarted, and checked."""

import contextlib
import os
import random
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from ops.kafka import producer_config, topic_name
from ops.model_keys import create_key_files
from ops.settings import Settings, load_settings
from schemas import topics
from streams.reading import read_partition
from streams.verify import committed_positions
from tideline.children import Child, start, stop
from tideline.commands.topics import apply_catalogue

PARTITIONS = 4
DRAIN_S = 120.0
READY_S = 20.0


class Cluster:
    """Roles over one topic prefix of a broker; every process is ended by its id."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, **settings: str) -> None:
        key = folder / "privacy.key"
        key.write_bytes(bytes(range(32)))
        self.environment = {
            "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "TIDELINE_KAFKA__TOPIC_PREFIX": prefix,
            "TIDELINE_KAFKA__PARTITIONS": str(PARTITIONS),
            "TIDELINE_PRIVACY__KEY_FILE": str(key),
            **create_key_files(folder),
            **settings,
        }
        saved = dict(os.environ)
        os.environ.update(self.environment)
        try:
            self.settings: Settings = load_settings()
        finally:
            os.environ.clear()
            os.environ.update(saved)
        self.folder = folder
        self.children: dict[str, Child] = {}
        self._arguments: dict[str, list[str]] = {}
        apply_catalogue(self.settings)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGCONT)
        stop(list(self.children.values()))

    def start(self, name: str, *arguments: str) -> Child:
        """Start a role under a name of its own."""
        self._arguments[name] = list(arguments)
        self.children[name] = start(name, list(arguments), self.environment, self.folder)
        return self.children[name]

    def kill(self, name: str) -> None:
        """SIGKILL, at whatever point the process is."""
        child = self.children[name]
        child.process.kill()
        child.process.wait(10)

    def revive(self) -> int:
        """Restart what has ended, as a supervisor would. Returns how many."""
        ended = [n for n, c in self.children.items() if c.process.poll() is not None]
        for name in ended:
            self.start(name, *self._arguments[name])
        return len(ended)

    def wait_ready(self, name: str) -> None:
        """Until a role is ready, ``READY_S`` at most: a loaded machine starts slowly."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self.children[name].process.poll() is None:
            with contextlib.suppress(OSError):
                url = f"http://127.0.0.1:{self.children[name].port}/readyz"
                with urllib.request.urlopen(url, timeout=2):
                    return
            time.sleep(0.2)

    def end(self, name: str) -> None:
        """SIGTERM and forget."""
        stop([self.children.pop(name)])

    def publish(
        self, records: list[tuple[str, bytes | None, bytes]], at_ms: list[int] | None = None
    ) -> None:
        """Publish (topic, key, value), at these Kafka timestamps; wait until Kafka has them."""
        producer = Producer(producer_config(self.settings))
        for number, (topic, key, value) in enumerate(records):
            producer.produce(
                topic_name(self.settings, topic),
                key=key,
                value=value,
                timestamp=at_ms[number] if at_ms else 0,
            )
            producer.poll(0)
        assert producer.flush(90) == 0

    def values(self, topic: str, partition: int | None = None) -> Iterator[bytes]:
        """Committed values of a topic, of one partition or one after the other."""
        count = 1 if topics.BY_NAME[topic].single_partition else PARTITIONS
        for each in range(count) if partition is None else (partition,):
            for message in read_partition(self.settings, topic, each):
                yield message.value()

    def log_lines(self, partition: int | None = None) -> list[dict[str, object]]:
        """All lines of the log, or of a partition of it, except ticks."""
        decode = msgspec.json.Decoder().decode_lines
        lines = [line for value in self.values(topics.EVENTS, partition) for line in decode(value)]
        return [line for line in lines if line["type"] != "clock.tick"]

    def logs(self) -> str:
        """What the processes said, for a failing test."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text('utf-8', 'replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def drain(self, lines: int) -> None:
        """Wait until so many lines are in the log and scoring has committed past all of them."""
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            self.revive()
            if len(self.log_lines()) >= lines and self._scored():
                return
            time.sleep(1.0)
        raise AssertionError(f"not drained in {DRAIN_S:.0f} s\n{self.logs()}")

    def wait_logged(self, lines: int) -> None:
        """Wait until so many lines are in the log."""
        deadline = time.monotonic() + DRAIN_S
        while len(self.log_lines()) < lines:
            self.revive()
            if time.monotonic() > deadline:
                raise AssertionError(f"not logged in {DRAIN_S:.0f} s\n{self.logs()}")
            time.sleep(1.0)

    def drain_learner(self) -> None:
        """Wait until the learner has committed past every assessment there is."""
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            positions = committed_positions(self.settings, "learner", topics.ASSESSMENTS)
            if not any(
                any(read_partition(self.settings, topics.ASSESSMENTS, partition, start=position))
                for partition, (position, _) in positions.items()
            ):
                return
            time.sleep(1.0)
        raise AssertionError(f"the learner lags after {DRAIN_S:.0f} s\n{self.logs()}")

    def _scored(self) -> bool:
        """Whether scoring's committed positions are past every event line."""
        decode = msgspec.json.Decoder().decode_lines
        positions = committed_positions(self.settings)
        for partition, (position, _) in positions.items():
            for message in read_partition(
                self.settings, topics.EVENTS, partition, start=position or -2
            ):
                if any(line["type"] != "clock.tick" for line in decode(message.value())):
                    return False
        return True


class Storm:
    """Kills at random points, from a seed that is printed on failure."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.random = random.Random(seed)
        self.cluster = cluster

    def kills(self, count: int, names: list[str], pause_s: tuple[float, float]) -> None:
        """SIGKILL one of the roles ``count`` times, each a random while after the last.

        Two of three victims are let get to work first; the others die wherever they are.
        """
        for _ in range(count):
            self.cluster.revive()
            victim = self.random.choice(names)
            if self.random.random() < 2 / 3:
                self.cluster.wait_ready(victim)
            time.sleep(self.random.uniform(*pause_s))
            self.cluster.revive()
            self.cluster.kill(victim)
        self.cluster.revive()

"""``demo``: the main job in one command, on real data, with nothing to install and nothing kept.

The embedded broker is librdkafka's mock cluster: it is volatile, keeps about 5 MiB a partition and
knows nothing of aborted transactions, so it shows the job and proves nothing about delivery.
"""

import os
import secrets
import sys
import tempfile
import threading
import time
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer
from confluent_kafka import Producer

from ops.errors import FatalError
from ops.health import HealthServer
from ops.kafka import producer_config, topic_name
from ops.metrics import Metrics
from ops.model_keys import create_key_files
from ops.settings import Settings, load_settings
from ops.signals import StopFlag
from schemas import topics
from tideline.children import Child, start, stop
from tideline.commands.desk import desk_server
from tideline.console import console, progress, show
from tideline.demo_people import demo_people, shown, write_demo_users
from tideline.sources import open_sources
from tideline.sources.sample import sample_path

AHEAD_MAX = 5_000
"""Events that publishing may be ahead of intake: far below what the broker keeps."""
READY_S = 120.0
DRAIN_S = 180.0
MOCK_PARTITIONS = 4
ROLES = (
    ("worker",),
    ("learner",),
    ("monitor", "--no-declare"),
    ("lending-core", "--draw"),
)

_SENT_BY_CORE = {"stage": "lending-core", "outcome": "out"}


def demo(
    exit_when_done: Annotated[bool, typer.Option(help="end when all is processed")] = False,
    json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
    limit: Annotated[int | None, typer.Option(help="publish only so many events", min=1)] = None,
) -> None:
    """Real merchants, end to end: broker, workers, ClickHouse and the desk in one command."""
    stopping = StopFlag.install()
    with (
        tempfile.TemporaryDirectory(prefix="tideline-demo-") as folder,
        Demo(Path(folder), stopping) as running,
    ):
        if not json:
            console.print(f"The desk: {running.address}", soft_wrap=True)
            for person in running.people:
                said = f"  or log in as {person.name} ({person.role}): {person.password}"
                console.print(said, highlight=False, markup=False)
        if not exit_when_done and not json:
            _open_in_browser(running.address)
        running.publish(sample_path(), limit, quiet=json)
        show(running.drain(), as_json=json, title="All sample events are processed")
        if not exit_when_done:
            if not json:
                console.print(f"The desk stays open at {running.address} until Ctrl-C")
            while not stopping.wait(0.5):
                running.check()


def _open_in_browser(address: str) -> None:
    """Show the desk where there is a screen; the address is printed in any case."""
    if sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        webbrowser.open(address)


class Demo:
    """Everything the demo runs, started on entry and ended on exit."""

    def __init__(self, folder: Path, stopping: StopFlag) -> None:
        self._folder = folder
        self._stopping = stopping
        self._children: list[Child] = []
        self._published = 0
        self._started = time.monotonic()

    def __enter__(self) -> "Demo":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._children)
        if hasattr(self, "_sink_stop"):
            self._sink_stop.set()
            self._sink_thread.join(15)
            self._server.should_exit = True
            self._desk_thread.join(10)
            self._engine.close()
            self._health.stop()

    def _start(self) -> None:
        from sinks.engine import open_engine
        from sinks.migrate import migrate
        from sinks.sink import Sink

        # The mock cluster lives as long as this client.
        self._broker = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
        broker = next(iter(self._broker.list_topics(timeout=10).brokers.values()))
        key = self._folder / "privacy.key"
        key.write_bytes(secrets.token_bytes(32))
        users = self._folder / "users.yaml"
        self.people = demo_people()
        write_demo_users(users, self.people)
        environment = {
            "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": f"{broker.host}:{broker.port}",
            "TIDELINE_KAFKA__PARTITIONS": str(MOCK_PARTITIONS),
            "TIDELINE_KAFKA__TOPIC_PREFIX": "",
            "TIDELINE_CLICKHOUSE__URL": f"chdb://{self._folder / 'clickhouse'}",
            "TIDELINE_PRIVACY__KEY_FILE": str(key),
            "TIDELINE_LOG__LEVEL": "INFO",
            "TIDELINE_DESK__USERS_FILE": str(users),
            "TIDELINE_DESK__ONE_TIME_LOGIN": "true",
            **create_key_files(self._folder),
        }
        os.environ.update(environment)
        self._settings: Settings = load_settings()
        self._create_topics()
        for name, *options in ROLES:
            self._children.append(start(name, [name, *options], environment, self._folder))
        self._engine = open_engine(self._settings.clickhouse)
        migrate(self._engine)
        metrics = Metrics()
        self._health = HealthServer(metrics, "127.0.0.1", 0)
        self._sink = Sink(self._settings, self._engine, metrics, self._health)
        self._sink_stop = threading.Event()
        self._sink_thread = threading.Thread(target=self._run_sink, name="sink")
        self._sink_thread.start()
        self._server, self.address = desk_server(self._settings, self._engine, metrics)
        self._desk_thread = threading.Thread(target=self._server.run, name="desk")
        self._desk_thread.start()

    def _create_topics(self) -> None:
        """Topics appear on the mock cluster when first asked for."""
        for topic in topics.CATALOGUE:
            self._broker.list_topics(topic_name(self._settings, topic.name), timeout=10)

    def _run_sink(self) -> None:
        self._sink.run(self._sink_stop)

    def check(self) -> None:
        """Raise ``FatalError`` with the tail of its log when a role has ended."""
        for child in self._children:
            if child.process.poll() is not None:
                raise FatalError(
                    f"{child.name} ended with {child.process.returncode}:\n{child.last_words()}"
                )
        if not self._sink_thread.is_alive():
            raise FatalError("the sink ended; its error is above")

    def publish(self, path: Path, limit: int | None, *, quiet: bool) -> None:
        """Publish a file of events, at most ``limit`` of them, never far ahead of intake."""
        producer = Producer(producer_config(self._settings))
        total = sum(1 for _ in open_sources([path]))
        total = min(total, limit) if limit else total
        before = self._published
        with progress(quiet) as display:
            task = display.add_task("publishing real merchants' orders", total=total)
            for record in open_sources([path]):
                if self._published - before >= total or self._stopping.is_set():
                    break
                topic = topic_name(self._settings, record.topic or topics.TRANSACTIONS)
                producer.produce(topic, key=record.key, value=record.value)
                self._published += 1
                if self._published % 500 == 0:
                    producer.flush(30)
                    self._hold_back()
                    display.update(task, completed=self._published - before)
            display.update(task, completed=self._published - before)
        if producer.flush(30):
            raise FatalError("the embedded broker did not take all events")

    @property
    def _worker(self) -> Child:
        return self._children[0]

    @property
    def _core(self) -> Child:
        return self._children[-1]

    def _hold_back(self) -> None:
        deadline = time.monotonic() + READY_S
        while self._published - self._taken() > AHEAD_MAX and not self._stopping.is_set():
            self.check()
            if time.monotonic() > deadline:
                raise FatalError(f"intake makes no progress; its log is {self._worker.log}")
            self._stopping.wait(0.1)

    def _taken(self) -> int:
        """Events that intake has taken, less all that the lending core has sent."""
        if not self._core.metrics():
            return 0  # what it has sent is not known just now
        taken = sum(
            self._worker.total("tideline_events_total", stage="intake", outcome=outcome)
            for outcome in ("in", "dead_letter")
        )
        # Asked for last: what the core sends between the two only makes the figure smaller.
        return int(taken - self._core.total("tideline_events_total", **_SENT_BY_CORE))

    def drain(self) -> dict[str, Any]:
        """Wait until every published event is scored and stored, every limit change booked.

        Returns what came of them.
        """
        deadline = time.monotonic() + DRAIN_S
        until: float | None = None
        while not self._stopping.is_set():
            self.check()
            until = self._logged() if until is None else until
            if until is not None and self._scored_and_stored(until):
                break
            if time.monotonic() > deadline:
                raise FatalError(f"not drained in {DRAIN_S:.0f} s; the logs are in {self._folder}")
            self._stopping.wait(0.3)
        return {
            "published": self._published,
            "stored": self._counts(),
            "lending_core": self._booked(),
            "desk": self.address,
            "users": shown(self.people),
            "seconds": round(time.monotonic() - self._started, 1),
        }

    def _logged(self) -> float | None:
        """Lines of the log once intake has taken all that was published, else None."""
        if self._taken() < self._published:
            return None
        # The last lines are counted a moment after the events that they are made of.
        self._stopping.wait(1.0)
        return self._worker.total("tideline_events_total", stage="intake", outcome="out")

    def _scored_and_stored(self, lines: float) -> bool:
        worker = self._worker
        if worker.total("tideline_events_total", stage="scoring", outcome="in") < lines:
            return False
        stored = self._counts()
        booked = self._core.total("tideline_core_changes_total")
        return (
            booked >= worker.total("tideline_limit_changes_total")
            and stored["assessments"] >= worker.total("tideline_assessments_total")
            and stored["limit_changes"] >= worker.total("tideline_limit_changes_total")
            and stored["alerts"] >= worker.total("tideline_alerts_total")
        )

    def _booked(self) -> dict[str, int]:
        """What the lending core did with the limit changes."""
        booked = self._core.total("tideline_core_changes_total", outcome="booked")
        refused = self._core.total("tideline_core_changes_total", outcome="refused")
        return {"booked": int(booked), "refused": int(refused)}

    def _counts(self) -> dict[str, int]:
        tables = ("assessments", "alerts", "limit_changes", "dead_letters")
        counts = {}
        for table in tables:
            rows = self._engine.query(f"SELECT count() FROM {table}", {})  # noqa: S608 - constants
            counts[table] = int(next(iter(rows[0].values())))
        return counts

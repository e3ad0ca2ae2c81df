"""The sink on Kafka: kills, zombies and rebalances on a real one, wiring on the mock cluster."""

import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.kafka.local import LocalKafka
from ops.health import HealthServer
from ops.kafka import admin_config, consumer_config, producer_config, topic_name
from ops.metrics import Metrics
from ops.settings import ClickHouse, Kafka, Settings
from schemas import topics
from sinks.embedded import EmbeddedEngine
from sinks.engine import Engine
from sinks.migrate import migrate
from sinks.rows import Record
from sinks.sink import Sink, group_id, sink_consumer
from sinks.store import Batch, Store
from tests.sinks.derived_rows import derived_rows
from tests.sinks.fake_kafka import FaultyEngine
from tests.sinks.log_lines import events_equal
from tests.sinks.outputs import ID_COLUMNS, RECORD_TABLES, output

PARTITIONS = 2
KILLS = 20
OUTAGES = 3
PACE_S = 1.0
LOST_S = 3
"""Session of a sink that is killed often: the next one waits for its end."""
SEED_OF_KILLS = 20
ROOT = Path(__file__).parents[2]


def settings_of(bootstrap: str, prefix: str, folder: Path, rows_max: int = 500) -> Settings:
    return Settings(
        kafka=Kafka(bootstrap_servers=bootstrap, topic_prefix=prefix, session_timeout_ms=6_000),
        clickhouse=ClickHouse(url=f"chdb://{folder}", batch_age_ms=100, batch_rows_max=rows_max),
    )


@pytest.fixture
def real(kafka: LocalKafka, tmp_path: Path) -> Settings:
    """Settings with topics of their own on a real Kafka."""
    settings = settings_of(kafka.bootstrap_servers, f"t{uuid.uuid4().hex[:8]}.", tmp_path / "ch")
    admin = AdminClient(admin_config(settings))
    made = admin.create_topics(
        [NewTopic(topic_name(settings, t), PARTITIONS, 1) for t in topics.STORED_TOPICS]
    )
    for future in made.values():
        future.result(20)
    return settings


class Publisher:
    """Publishes outputs in transactions, some of which are aborted, and poison among them."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._draw = random.Random(seed)
        self._producer = Producer(producer_config(settings, f"p-{uuid.uuid4().hex}"))
        self._producer.init_transactions(20)
        self.number = 0

    def publish(self, transactions: int) -> None:
        for _ in range(transactions):
            self._producer.begin_transaction()
            for _ in range(self._draw.randrange(1, 120)):
                topic = self._draw.choice(topics.STORED_TOPICS)
                key, value = output(topic, self.number)
                if self._draw.random() < 0.01:
                    value = b"\xff poison %d" % self.number
                self.number += 1
                self._producer.produce(topic_name(self._settings, topic), key=key, value=value)
            if self._draw.random() < 0.2:
                self._producer.flush(20)
                self._producer.abort_transaction(20)
            else:
                self._producer.commit_transaction(20)

    def for_a_while(self, seconds: float) -> None:
        """Publish at a steady pace, at least once."""
        ends = time.monotonic() + seconds
        while True:
            self.publish(1)
            if time.monotonic() >= ends:
                return
            time.sleep(PACE_S)


def written(settings: Settings) -> dict[tuple[str, int, int], Record]:
    """Every committed record of the output topics by its position."""
    consumer = Consumer(
        consumer_config(settings, f"check-{uuid.uuid4().hex}", **{"enable.partition.eof": True})
    )
    places = [
        TopicPartition(topic_name(settings, topic), partition, 0)
        for topic in topics.STORED_TOPICS
        for partition in range(PARTITIONS)
    ]
    consumer.assign(places)
    found: dict[tuple[str, int, int], Record] = {}
    ended: set[tuple[str, int]] = set()
    deadline = time.monotonic() + 60
    while len(ended) < len(places):
        assert time.monotonic() < deadline
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                ended.add((message.topic(), message.partition()))
            else:
                place = (message.topic(), message.partition(), message.offset())
                found[place] = Record(
                    *place, message.timestamp()[1], message.key(), message.value()
                )
    consumer.close()
    return found


def stored(engine: Engine) -> Counter[tuple[str, int, int]]:
    """How often each position is in ClickHouse; a record of the log has a row of its own."""
    rows = [
        row
        for table in (*RECORD_TABLES, "sink_rejects")
        for row in engine.query(
            f"SELECT kafka_topic t, kafka_partition p, kafka_offset o FROM {table}"
        )
        if table != "sink_rejects" or not row["t"].endswith(topics.EVENTS)
    ]
    return Counter((row["t"], row["p"], row["o"]) for row in rows)


def drained(settings: Settings, log: Iterable[tuple[str, int, int]]) -> bool:
    """Whether the group has committed behind the last record of every partition of the log."""
    consumer = Consumer(consumer_config(settings, group_id(settings)))
    last: dict[tuple[str, int], int] = {}
    for topic, partition, offset in log:
        last[topic, partition] = max(offset, last.get((topic, partition), -1))
    answers = consumer.committed([TopicPartition(t, p) for t, p in last], 20)
    consumer.close()
    return all(a.offset == last[a.topic, a.partition] + 1 and not a.metadata for a in answers)


def check(settings: Settings, engine: Engine) -> None:
    """Rows and topics are equal: positions, identities and poison."""
    log = {place: record.value or b"" for place, record in written(settings).items()}
    assert stored(engine) == Counter(list(log))
    logical = {topic_name(settings, t): t for t in topics.STORED_TOPICS}
    poison = {v for v in log.values() if v.startswith(b"\xff poison")}
    assert poison, "the seed draws some poison"
    kept = engine.query("SELECT hex(assumeNotNull(value)) AS bytes FROM sink_rejects")
    assert sorted(bytes.fromhex(r["bytes"]) for r in kept) == sorted(poison)
    of_log = {
        (partition, offset): b"" if value in poison else value
        for (name, partition, offset), value in log.items()
        if logical[name] == topics.EVENTS
    }
    events_equal(engine, of_log)
    for name, topic in logical.items():
        if topic == topics.EVENTS:
            continue
        table, column = ID_COLUMNS[topic]
        good = [p for p, value in log.items() if p[0] == name and value not in poison]
        rows = engine.query(f"SELECT uniqExact({column}) AS ids, count() AS n FROM {table}")
        assert rows == [{"ids": len(good), "n": len(good)}]


def stored_whole(settings: Settings, engine: Engine) -> None:
    """Store the topics in one go: a batch for each partition, no break."""
    store = Store(engine, Metrics())
    logs: dict[tuple[str, int], list[Record]] = {}
    for _, record in sorted(written(settings).items()):
        logs.setdefault((record.topic, record.partition), []).append(record)
    logical = {topic_name(settings, t): t for t in topics.STORED_TOPICS}
    for (topic, partition), records in logs.items():
        first, last = records[0].offset, records[-1].offset
        store.put(Batch(logical[topic], topic, partition, first, last, records), look=False)


class Life:
    """A sink as a process, which may be cut off from its ClickHouse, until it is killed."""

    def __init__(self, settings: Settings, folder: Path, rows_max: int) -> None:
        self.outage = folder / "outage"
        self._log = folder / "sink.log"
        self._from = self._log.stat().st_size if self._log.exists() else 0
        environment = {
            **os.environ,
            "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
            "TIDELINE_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
            "TIDELINE_KAFKA__SESSION_TIMEOUT_MS": str(LOST_S * 1_000),
            "TIDELINE_CLICKHOUSE__URL": settings.clickhouse.url,
            "TIDELINE_CLICKHOUSE__BATCH_AGE_MS": "100",
            "TIDELINE_CLICKHOUSE__BATCH_ROWS_MAX": str(rows_max),
        }
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.sinks.sink_process", str(self.outage)],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    def said(self) -> str:
        """What it has logged."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode()

    def until(self, word: str, publisher: Publisher) -> None:
        """Publish until it logs a word."""
        deadline = time.monotonic() + 60
        while word not in self.said():
            assert self.process.poll() is None, self.said()[-3_000:]
            assert time.monotonic() < deadline, self.said()[-3_000:]
            publisher.for_a_while(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.outage.unlink(missing_ok=True)


@pytest.mark.kafka
@pytest.mark.kill
@pytest.mark.timeout(600)
def test_rows_equal_the_topics_through_kills_and_outages_at_random_points(
    real: Settings, tmp_path: Path
) -> None:
    print(f"seed {SEED_OF_KILLS}")
    draw = random.Random(SEED_OF_KILLS)
    with_outage = set(draw.sample(range(KILLS), OUTAGES))
    while_starting = set(draw.sample(sorted(set(range(KILLS)) - with_outage), KILLS // 4))
    publisher = Publisher(real, 1)
    for number in range(KILLS):
        life = Life(real, tmp_path, draw.choice([20, 100, 1_000]))
        try:
            if number in while_starting:
                publisher.for_a_while(draw.uniform(0.5, 3.0))
                continue
            life.until("assigned", publisher)
            if number in with_outage:
                publisher.for_a_while(draw.uniform(0.0, 0.5))
                length_s = draw.uniform(0.5, 4.0)
                print(f"life {number}: an outage of {length_s:.1f} s")
                life.outage.touch()
                publisher.for_a_while(length_s)
                life.until("sink_holds", publisher)
                life.outage.unlink()
                life.until("sink_resumed", publisher)
            publisher.for_a_while(draw.uniform(0.0, 0.7))
        finally:
            life.kill()
    life = Life(real, tmp_path, 5_000)
    try:
        log = written(real)
        deadline = time.monotonic() + 120
        while not drained(real, log):
            assert life.process.poll() is None, life.said()[-3_000:]
            assert time.monotonic() < deadline, life.said()[-3_000:]
            time.sleep(0.5)
        life.process.terminate()
        assert life.process.wait(20) == 0
    finally:
        life.kill()
    with closing(EmbeddedEngine(str(tmp_path / "ch"), "tideline")) as engine:
        check(real, engine)
        derived = derived_rows(engine)
    with closing(EmbeddedEngine(str(tmp_path / "ch"), "whole")) as engine:
        migrate(engine)
        stored_whole(real, engine)
        assert all(derived.values())
        assert derived == derived_rows(engine)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    """An engine that two sinks of this process share."""
    engine = EmbeddedEngine(str(tmp_path / "ch"), "tideline")
    migrate(engine)
    yield engine
    engine.close()


@pytest.mark.kafka
@pytest.mark.timeout(180)
def test_a_member_that_kafka_gave_up_and_that_goes_on_in_its_insert_doubles_nothing(
    real: Settings, shared: EmbeddedEngine, metrics: Metrics, health: HealthServer
) -> None:
    publisher = Publisher(real, 2)
    publisher.publish(20)
    held, release, stop = threading.Event(), threading.Event(), threading.Event()
    slow = FaultyEngine(shared)

    def hold(_token: str) -> None:
        if not held.is_set():
            held.set()
            release.wait(90)

    slow.before = hold
    zombie = Sink(
        real,
        slow,  # type: ignore[arg-type]
        metrics,
        health,
        consumer=sink_consumer(real, **{"max.poll.interval.ms": 6_000}),
    )
    thread = threading.Thread(target=zombie.run, args=(stop,))
    thread.start()
    try:
        assert held.wait(60)
        publisher.publish(20)
        successor = Sink(real, shared, metrics, health)
        log = written(real)
        deadline = time.monotonic() + 60
        while not drained(real, log):
            for _ in range(20):
                successor.run_once()
            assert time.monotonic() < deadline
        before = stored(shared)
        release.set()
        time.sleep(1.0)
        publisher.publish(20)
        log = written(real)
        deadline = time.monotonic() + 60
        while not drained(real, log):
            for _ in range(20):
                successor.run_once()
            assert time.monotonic() < deadline
        assert sum(before.values()) > 0
        successor.close()
    finally:
        release.set()
        stop.set()
        thread.join(60)
    check(real, shared)


def test_wiring_on_the_mock_cluster(tmp_path: Path) -> None:
    broker = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    address = next(iter(broker.list_topics(timeout=10).brokers.values()))
    settings = settings_of(f"{address.host}:{address.port}", "", tmp_path / "ch")
    for topic in topics.STORED_TOPICS:
        broker.list_topics(topic, timeout=10)
    producer = Producer(producer_config(settings))
    for topic in topics.STORED_TOPICS:
        for number in range(200):
            key, value = output(topic, number)
            producer.produce(topic, key=key, value=value)
    assert producer.flush(20) == 0
    engine = EmbeddedEngine(str(tmp_path / "ch"), "tideline")
    migrate(engine)
    metrics = Metrics()
    health = HealthServer(metrics, "127.0.0.1", 0)
    sink = Sink(settings, engine, metrics, health)
    deadline = time.monotonic() + 60
    total = 0
    while total < 200 * len(topics.STORED_TOPICS):
        total += sink.run_once()
        assert time.monotonic() < deadline
    assert health.readiness() == (True, {})
    sink.close()
    health.stop()
    assert sum(stored(engine).values()) == len(stored(engine)) == 200 * len(topics.STORED_TOPICS)
    for table, column in ID_COLUMNS.values():
        assert engine.query(f"SELECT uniqExact({column}) AS n FROM {table}") == [{"n": 200}]
    engine.close()

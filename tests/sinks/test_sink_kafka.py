"""The sink on Kafka: kills, zombies and rebalances on a real one, wiring on the mock cluster."""

import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
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
from sinks.sink import Sink, group_id, sink_consumer
from tests.sinks.fake_kafka import FaultyEngine
from tests.sinks.log_lines import events_equal
from tests.sinks.outputs import ID_COLUMNS, RECORD_TABLES, output

PARTITIONS = 2
KILLS = 8
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


def written(settings: Settings) -> dict[tuple[str, int, int], bytes]:
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
    found: dict[tuple[str, int, int], bytes] = {}
    ended: set[tuple[str, int]] = set()
    deadline = time.monotonic() + 60
    while len(ended) < len(places):
        assert time.monotonic() < deadline
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                ended.add((message.topic(), message.partition()))
            else:
                found[message.topic(), message.partition(), message.offset()] = message.value()
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


def drained(settings: Settings) -> bool:
    """Whether the group has committed behind the last record of every partition."""
    consumer = Consumer(consumer_config(settings, group_id(settings)))
    last: dict[tuple[str, int], int] = {}
    for topic, partition, offset in written(settings):
        last[topic, partition] = max(offset, last.get((topic, partition), -1))
    answers = consumer.committed([TopicPartition(t, p) for t, p in last], 20)
    consumer.close()
    return all(a.offset == last[a.topic, a.partition] + 1 and not a.metadata for a in answers)


def check(settings: Settings, engine: Engine) -> None:
    """Rows and topics are equal: positions, identities and poison."""
    log = written(settings)
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


def start(settings: Settings, folder: Path, rows_max: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "TIDELINE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "TIDELINE_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "TIDELINE_CLICKHOUSE__URL": settings.clickhouse.url,
        "TIDELINE_CLICKHOUSE__BATCH_AGE_MS": "100",
        "TIDELINE_CLICKHOUSE__BATCH_ROWS_MAX": str(rows_max),
    }
    with (folder / "sink.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.sinks.sink_process"],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )


@pytest.mark.kafka
@pytest.mark.kill
@pytest.mark.timeout(300)
def test_rows_equal_the_topics_through_kills_at_random_points(
    real: Settings, tmp_path: Path
) -> None:
    draw = random.Random(20)
    publisher = Publisher(real, 1)
    for _ in range(KILLS):
        process = start(real, tmp_path, draw.choice([20, 100, 1_000]))
        try:
            # The engine loads for a second or two; the kills fall into joining and storing.
            ends = time.monotonic() + draw.uniform(1.0, 5.0)
            while time.monotonic() < ends:
                publisher.publish(2)
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait(10)
    process = start(real, tmp_path, 5_000)
    try:
        deadline = time.monotonic() + 120
        while not drained(real):
            assert process.poll() is None, (tmp_path / "sink.log").read_text()[-3_000:]
            assert time.monotonic() < deadline, (tmp_path / "sink.log").read_text()[-3_000:]
            time.sleep(0.5)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(10)
    with closing(EmbeddedEngine(str(tmp_path / "ch"), "tideline")) as engine:
        check(real, engine)


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
        deadline = time.monotonic() + 60
        while not drained(real):
            for _ in range(20):
                successor.run_once()
            assert time.monotonic() < deadline
        before = stored(shared)
        release.set()
        time.sleep(1.0)
        publisher.publish(20)
        deadline = time.monotonic() + 60
        while not drained(real):
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

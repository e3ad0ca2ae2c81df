"""deploy/kafka: a real broker that starts, keeps its word over restarts, and leaves nothing."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from deploy.kafka import local
from deploy.kafka.local import LocalKafka, LocalKafkaError, missing_tools
from tests.conftest import require

SCRIPT = Path(local.__file__)
WAIT_S = 30.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _create(kafka: LocalKafka, **config: str) -> str:
    topic = f"t-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.create_topics([NewTopic(topic, 1, 1, config=config)]).values():
        future.result(WAIT_S)
    return topic


def _producer(kafka: LocalKafka, **config: object) -> Producer:
    return Producer({"bootstrap.servers": kafka.bootstrap_servers, **config})


def _write(kafka: LocalKafka, topic: str, values: list[bytes], *, commit: bool) -> None:
    producer = _producer(kafka, **{"transactional.id": uuid.uuid4().hex})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    # Aborted records must be in the log too, or nobody would have to hide them.
    assert producer.flush(WAIT_S) == 0
    if commit:
        producer.commit_transaction(WAIT_S)
    else:
        producer.abort_transaction(WAIT_S)


def _read(kafka: LocalKafka, topic: str, count: int, isolation: str = "read_committed") -> list:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "isolation.level": isolation,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    found: list[bytes | None] = []
    deadline = time.monotonic() + WAIT_S
    try:
        while len(found) < count and time.monotonic() < deadline:
            messages: list[Message] = consumer.consume(100, 0.5)
            found += [m.value() for m in messages if m.error() is None]
    finally:
        consumer.close()
    return found


def _command(action: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), action, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.kafka
def test_a_committed_transaction_is_read_and_an_aborted_one_is_not(kafka: LocalKafka) -> None:
    topic = _create(kafka)
    _write(kafka, topic, [b"aborted"], commit=False)
    _write(kafka, topic, [b"one", b"two"], commit=True)
    assert _read(kafka, topic, 2) == [b"one", b"two"]
    assert _read(kafka, topic, 3, "read_uncommitted") == [b"aborted", b"one", b"two"]


@pytest.mark.kafka
def test_records_of_16_mebibytes_pass_and_topics_do_not_appear_by_themselves(
    kafka: LocalKafka,
) -> None:
    topic = _create(kafka)
    large = os.urandom((16 << 20) - 1024)
    producer = _producer(kafka, **{"message.max.bytes": 16 << 20})
    producer.produce(topic, large)
    assert producer.flush(WAIT_S) == 0
    assert _read(kafka, topic, 1) == [large]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    absent = admin.list_topics("no-such-topic", timeout=WAIT_S).topics["no-such-topic"]
    assert absent.error is not None and not absent.partitions


@pytest.mark.kafka
def test_the_broker_runs_with_the_settings_that_the_tests_rely_on(kafka: LocalKafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    (future,) = admin.describe_configs([ConfigResource(ResourceType.BROKER, "1")]).values()
    found = {name: entry.value for name, entry in future.result(WAIT_S).items()}
    expected = {
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "3000",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.num.partitions": "8",
        "transaction.state.log.min.isr": "1",
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(16 << 20),
    }
    assert {name: found[name] for name in expected} == expected
    hosts = set(re.findall(r"//([\d.]+):", found["listeners"] + found["advertised.listeners"]))
    assert hosts == {"127.0.0.1"}


@pytest.mark.kafka
def test_data_and_address_survive_a_restart_and_a_power_cut(own_kafka: LocalKafka) -> None:
    address, first = own_kafka.bootstrap_servers, own_kafka.pid
    topic = _create(own_kafka)
    _write(own_kafka, topic, [b"before"], commit=True)
    own_kafka.restart()
    assert own_kafka.bootstrap_servers == address
    assert own_kafka.pid != first and not _alive(first)
    _write(own_kafka, topic, [b"between"], commit=True)
    second = own_kafka.pid
    own_kafka.kill()
    assert not _alive(second)
    with pytest.raises(LocalKafkaError, match="not running"):
        _ = own_kafka.pid
    own_kafka.start()
    assert _read(own_kafka, topic, 2) == [b"before", b"between"]
    with pytest.raises(LocalKafkaError, match="runs already"):
        own_kafka.start()


@pytest.mark.kafka
def test_nothing_is_left_after_the_block() -> None:
    require("kafka", missing_tools())
    with LocalKafka() as kafka:
        pid, data, address = kafka.pid, kafka.data, kafka.bootstrap_servers
        assert _alive(pid) and data.is_dir()
    assert not _alive(pid) and not data.exists()
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=1)


@pytest.mark.kafka
def test_a_broker_that_cannot_start_says_why_and_leaves_no_process(tmp_path: Path) -> None:
    require("kafka", missing_tools())
    kafka = LocalKafka(tmp_path)
    kafka.start()
    kafka.stop()
    port = int(kafka.bootstrap_servers.split(":")[1])
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(LocalKafkaError, match="Address already in use"),
    ):
        kafka.start()
    assert local.running(tmp_path) is None
    kafka.start()
    kafka.stop()


@pytest.mark.kafka
def test_a_new_broker_starts_elsewhere_when_its_port_was_taken(
    kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(kafka.bootstrap_servers.split(":")[1])
    good = local.free_ports(2)
    offers = [[taken, good[0]], good]
    monkeypatch.setattr(local, "free_ports", lambda _count: offers.pop(0))
    other = LocalKafka(tmp_path)
    other.start()
    try:
        assert other.bootstrap_servers == f"127.0.0.1:{good[0]}"
        assert other.pid != kafka.pid
    finally:
        other.stop()


@pytest.mark.kafka
def test_the_command_starts_once_reports_and_ends_a_broker(tmp_path: Path) -> None:
    require("kafka", missing_tools())
    assert _command("status", tmp_path).returncode == 1
    try:
        started = _command("start", tmp_path)
        assert started.returncode == 0, started.stderr
        address = started.stdout.strip()
        state = local.running(tmp_path)
        assert state is not None and state.bootstrap_servers == address
        assert _command("start", tmp_path).stdout.strip() == address
        again = local.running(tmp_path)
        assert again == state
        assert _command("status", tmp_path).stdout.strip() == f"running at {address}"
        assert AdminClient({"bootstrap.servers": address}).list_topics(timeout=WAIT_S).brokers
        # A broker that does not listen to SIGTERM is ended all the same.
        os.kill(state.pid, signal.SIGSTOP)
        local_stop_s, local.STOP_S = local.STOP_S, 1.0
        try:
            assert local.stop_running(tmp_path)
        finally:
            local.STOP_S = local_stop_s
    finally:
        _command("stop", tmp_path)
    assert local.running(tmp_path) is None
    assert _command("stop", tmp_path).stdout.strip() == "not running"


def test_another_process_with_the_id_of_an_ended_broker_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state = f'{{"pid": {other.pid}, "bootstrap_servers": "127.0.0.1:1"}}'
        (tmp_path / local.STATE_FILE).write_text(state)
        assert local.running(tmp_path) is None
        assert not local.stop_running(tmp_path)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(10)


def test_the_version_said_is_the_version_fetched() -> None:
    pom = local.POM.read_text("utf-8")
    found = re.search(r"<artifactId>kafka_2.13</artifactId>\s*<version>(.*?)</version>", pom)
    assert found is not None and found[1] == local.VERSION


def test_without_java_the_missing_tool_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TIDELINE_CACHE", str(tmp_path))
    assert missing_tools() == "java, mvn not found"
    with pytest.raises(LocalKafkaError, match="mvn is not on the PATH"):
        local.fetch_jars()


@pytest.mark.parametrize(
    ("required", "outcome"),
    [("", "Skipped"), ("all", "Failed"), ("browser, kafka", "Failed"), ("browser", "Skipped")],
)
def test_a_missing_component_skips_unless_it_is_required(
    required: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDELINE_REQUIRE", required)
    require("kafka", None)
    with pytest.raises(BaseException) as caught:
        require("kafka", "java not found")
    assert type(caught.value).__name__ == outcome
    assert "java not found" in str(caught.value)

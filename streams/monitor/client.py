"""The Faust app's side towards Kafka: credentials, bounds, and committed records only."""

import logging
import ssl
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver

from ops.settings import Settings

BUFFERED_RECORDS_MAX = 128
"""Per agent; a record of the log has up to 256 KiB."""
HEARTBEATS_PER_SESSION = 4
_LOG = logging.getLogger("faust.monitor")
"""Faust names a logger after the module of a subclass, where its chatter is not turned down."""


class _Thread(driver.AIOKafkaConsumerThread):
    """Faust reads committed records only where it is itself transactional; here scoring is."""

    logger = _LOG

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer

    def highwater(self, tp: Any) -> Any:
        """The end of what can be read: records behind an open transaction cannot."""
        return self._ensure_consumer().last_stable_offset(tp)


class _Consumer(driver.Consumer):
    """Commits what was acknowledged last.

    Faust looks for offsets without a gap, and a transaction leaves one behind: each commit would
    move by one transaction, and positions and memory would fall behind for good. Here a partition
    has one agent that acknowledges in order, so the last acknowledged record is the position;
    only what belongs to an earlier assignment must not count, for its records are read again
    (Faust acknowledges those that it skips).
    """

    logger = _LOG

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """Start from the committed positions."""
        self._acked.clear()
        self._acked_index.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    def ack(self, message: Any) -> bool:
        """A record was processed."""
        if message.generation_id != self.app.consumer_generation_id:
            return False
        return bool(super().ack(message))

    def _new_offset(self, tp: Any) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        position = max(acked) + 1
        acked.clear()
        self._acked_index[tp].clear()
        return int(position)

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Gaps are of no interest."""


class _Transport(driver.Transport):
    Consumer = _Consumer


class MonitorApp(faust.App):
    """A Faust app that reads what was committed and keeps nothing on disk.

    ``check_crcs`` False is for the embedded broker, which leaves the checksums of its own control
    records at 0.
    """

    logger = _LOG

    def __init__(self, settings: Settings, *, check_crcs: bool = True) -> None:
        kafka = settings.kafka
        session_s = kafka.session_timeout_ms / 1000
        super().__init__(
            app_id(settings),
            broker=[f"kafka://{address}" for address in kafka.bootstrap_servers.split(",")],
            broker_credentials=credentials(settings),
            broker_session_timeout=session_s,
            broker_heartbeat_interval=session_s / HEARTBEATS_PER_SESSION,
            broker_commit_interval=1.0,
            broker_check_crcs=check_crcs,
            consumer_auto_offset_reset="earliest",
            store="memory://",
            table_standby_replicas=0,
            topic_partitions=kafka.partitions,
            topic_replication_factor=kafka.replication_factor,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            web_tables_enabled=False,
            stream_buffer_maxsize=BUFFERED_RECORDS_MAX,
            stream_wait_empty=False,
        )

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """None: tables are in memory, and a container's file system may be read-only."""


def app_id(settings: Settings) -> str:
    """The app's name, which is its consumer group's too."""
    return f"{settings.kafka.topic_prefix}monitor"


def changelog_name(settings: Settings, table: str) -> str:
    """The topic that Faust keeps a table in."""
    return f"{app_id(settings)}-{table}-changelog"


def credentials(settings: Settings) -> Any:
    """How to authenticate, in Faust's terms; None for plaintext."""
    kafka = settings.kafka
    if kafka.security_protocol == "plaintext":
        return None
    context = None
    if "ssl" in kafka.security_protocol:
        path = kafka.ssl_ca_location
        context = ssl.create_default_context(cafile=str(path) if path else None)
    if kafka.sasl_mechanism is None:
        return faust.SSLCredentials(context)
    password = kafka.sasl_password
    return faust.SASLCredentials(
        mechanism=kafka.sasl_mechanism,
        username=kafka.sasl_username,
        password=password.get_secret_value() if password else "",
        ssl_context=context,
    )

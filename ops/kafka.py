"""Configuration of Kafka clients: every option that matters, set explicitly, in one place."""

import logging
from typing import Any

from ops.settings import Settings

FETCH_BYTES_MAX = 16 << 20
QUEUED_KBYTES_MAX = 65_536
MAX_POLL_INTERVAL_MS = 900_000
"""A restore runs inside a poll; it may take minutes at millions of merchants."""
_LOG = logging.getLogger("librdkafka")


def topic_name(settings: Settings, logical: str) -> str:
    """Name of a topic on this Kafka."""
    return settings.kafka.topic_prefix + logical


def admin_config(settings: Settings) -> dict[str, Any]:
    """How to connect."""
    kafka = settings.kafka
    config: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol,
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        # Client telemetry to the broker (KIP-714); ours goes to Prometheus.
        "enable.metrics.push": False,
        "logger": _LOG,
    }
    if kafka.sasl_mechanism:
        config["sasl.mechanism"] = kafka.sasl_mechanism
        config["sasl.username"] = kafka.sasl_username or ""
        password = kafka.sasl_password
        config["sasl.password"] = password.get_secret_value() if password else ""
    if kafka.ssl_ca_location:
        config["ssl.ca.location"] = str(kafka.ssl_ca_location)
    return config


def consumer_config(settings: Settings, group_id: str, **over: Any) -> dict[str, Any]:
    """A read-committed consumer that never commits by itself."""
    session_ms = settings.kafka.session_timeout_ms
    return {
        **admin_config(settings),
        "group.id": group_id,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": session_ms // 4,
        "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
        "fetch.wait.max.ms": 50,
        "fetch.error.backoff.ms": 100,
        "fetch.message.max.bytes": FETCH_BYTES_MAX,
        "receive.message.max.bytes": 128 << 20,
        "fetch.max.bytes": 64 << 20,
        "queued.max.messages.kbytes": QUEUED_KBYTES_MAX,
        "allow.auto.create.topics": False,
        **over,
    }


def producer_config(
    settings: Settings, transactional_id: str | None = None, **over: Any
) -> dict[str, Any]:
    """An idempotent producer that partitions like every other client (murmur2)."""
    config: dict[str, Any] = {
        **admin_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        "max.in.flight.requests.per.connection": 5,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
        "message.max.bytes": FETCH_BYTES_MAX,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 262_144,
    }
    if transactional_id is not None:
        config["transactional.id"] = transactional_id
        config["transaction.timeout.ms"] = settings.kafka.transaction_timeout_ms
    return {**config, **over}

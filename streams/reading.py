"""Reading stretches of Kafka topics outside any consumer group: restore, artifacts, capture."""

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from ops.errors import FatalError
from ops.kafka import consumer_config, topic_name
from ops.settings import Settings
from schemas import topics
from streams.records import Record

POLL_S = 0.2
BATCH = 500


def reader(settings: Settings) -> Consumer:
    """A consumer that never commits and says when it reaches the end of a partition."""
    return Consumer(
        consumer_config(
            settings,
            f"{settings.kafka.topic_prefix}reader",
            **{"enable.partition.eof": True},
        )
    )


def read_partition(
    settings: Settings,
    topic: str,
    partition: int,
    *,
    start: int = OFFSET_BEGINNING,
    end: int | None = None,
) -> Iterator[Message]:
    """Committed messages of a partition from ``start`` up to ``end`` (excluded).

    ``end`` None means the end as it is now; an open transaction before it is waited for. Raises
    ``FatalError`` when that takes longer than the restore time-out without any progress.
    """
    consumer = reader(settings)
    name = topic_name(settings, topic)
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
        until = high if end is None else end
        begin = low if start == OFFSET_BEGINNING else start
        if begin < low:
            raise FatalError(
                f"{name}/{partition} starts at {low}, {begin} is needed: retention is too short"
            )
        if begin >= until:
            return
        consumer.assign([TopicPartition(name, partition, begin)])
        patience_s = settings.worker.restore_timeout_ms / 1000
        deadline = time.monotonic() + patience_s
        while True:
            for message in consumer.consume(BATCH, POLL_S):
                error = message.error()
                if error is None:
                    if message.offset() >= until:
                        return
                    deadline = time.monotonic() + patience_s
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    if message.offset() >= until:
                        return
                elif error.fatal():
                    raise FatalError(f"reading {name}/{partition}: {error}")
            if time.monotonic() > deadline:
                raise FatalError(f"reading {name}/{partition} up to {until} made no progress")
    finally:
        consumer.close()


def log_records(
    settings: Settings, partition: int, *, start: int = OFFSET_BEGINNING, end: int | None = None
) -> Iterator[Record]:
    """``risk.events`` of a partition as scoring takes it; see ``read_partition``."""
    for message in read_partition(settings, topics.EVENTS, partition, start=start, end=end):
        yield Record(topics.EVENTS, partition, message.offset(), None, message.value(), [], 0)


def partitions_of(settings: Settings, topic: str) -> int:
    """Number of partitions of a topic as Kafka has it. Raises ``FatalError`` if it is missing."""
    name = topic_name(settings, topic)
    consumer = reader(settings)
    try:
        found = consumer.list_topics(name, timeout=10).topics[name]
        if found.error is not None:
            raise FatalError(f"topic {name}: {found.error}; run `tideline topics apply`")
        return len(found.partitions)
    finally:
        consumer.close()

"""Kafka to ClickHouse: every output record is one row, every line of the log is one, once.

A batch of a partition is stored in three steps:

1. *Claim*: commit the position where it starts, with its offsets as metadata. Kafka takes that
   only from the partition's present owner, so a process that was stopped past its session and
   goes on cannot begin a batch.
2. *Insert* its rows under a token made of these offsets.
3. *Commit* the position behind it.

An owner that finds a claim does the same batch again: same rows, same token. So whoever was killed,
stopped or cut off between the steps, and whenever it goes on, ClickHouse knows the rows. What an
earlier insert may have stored is looked for first, which also covers an engine that has no tokens
or was killed itself. While ClickHouse cannot be reached the partitions are paused and Kafka keeps
the data.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ops.errors import FatalError
from ops.health import HealthServer
from ops.kafka import consumer_config, topic_name
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from sinks.engine import Engine, EngineUnavailable
from sinks.migrate import require_current
from sinks.partition import Claim, Partition, read_claim, write_claim
from sinks.rows import Record
from sinks.store import Batch, Store

log = logging.getLogger(__name__)

COMPONENT = "sink"
RECORDS_PER_TURN = 500
"""A record of the log may be 256 KiB, so that this bounds what is read ahead."""
KAFKA_CALL_S = 10.0
LAG_EVERY_S = 1.0
MAX_POLL_INTERVAL_MS = 300_000
BACKOFF_S = 0.2
BACKOFF_MAX_S = 10.0

_WAITING_FOR_TOPIC = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
)

Source = tuple[str, int]


class Stop(Protocol):
    """Tells when to end: ``ops.signals.StopFlag`` or ``threading.Event``."""

    def is_set(self) -> bool:
        """Whether the stop was asked for."""
        ...


def group_id(settings: Settings) -> str:
    """The consumer group of the sink."""
    return f"{settings.kafka.topic_prefix}{COMPONENT}"


def sink_consumer(settings: Settings, **over: object) -> Consumer:
    """A consumer as the sink needs it."""
    return Consumer(
        consumer_config(
            settings,
            group_id(settings),
            **{
                "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
                "topic.metadata.refresh.interval.ms": 10_000,
                **over,
            },
        )
    )


class Sink:
    """Stores the log and the output topics in ClickHouse. One thread; ``run`` or ``run_once``.

    Raises ``MigrationError`` at once when the database lacks a migration, ``FatalError`` when it
    cannot go on; after either a restart continues where it was.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        metrics: Metrics,
        health: HealthServer,
        *,
        consumer: Consumer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        require_current(engine)
        self._limits = settings.clickhouse
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._store = Store(engine, metrics)
        self._logical = {topic_name(settings, t): t for t in topics.STORED_TOPICS}
        self._group = group_id(settings)
        self._consumer = consumer or sink_consumer(settings)
        self._partitions: dict[Source, Partition] = {}
        self._positions: dict[Source, int] = {}
        self._joined = False
        self._failures = 0
        self._resume_at = 0.0
        self._lag_due = 0.0
        health.ready(COMPONENT, False, "joining the group")
        self._consumer.subscribe(
            sorted(self._logical),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def run(self, stop: Stop) -> None:
        """Work until told to stop, then store what was read and leave the group."""
        try:
            while not stop.is_set():
                self.run_once()
            self._store_the_rest()
        finally:
            self._leave()

    def run_once(self, timeout_s: float = 0.1) -> int:
        """One turn: read, store what is due. Returns the number of records stored."""
        for message in self._consumer.consume(RECORDS_PER_TURN, timeout_s):
            self._take(message)
        now = self._clock()
        self._health.beat(COMPONENT)
        self._metrics.last_processed(COMPONENT, time.time_ns() // 1_000_000)
        stored = 0 if now < self._resume_at else self._attempt(lambda: self._turn(now))
        if now >= self._lag_due:
            self._lag_due = now + LAG_EVERY_S
            self._report_lag()
        return stored

    def close(self) -> None:
        """Store what was read, as far as that works at once, and leave the group."""
        try:
            self._store_the_rest()
        finally:
            self._leave()

    def _store_the_rest(self) -> None:
        if not self._failures:
            self._attempt(lambda: self._flush(self._partitions.values()))

    def _leave(self) -> None:
        self._health.ready(COMPONENT, False, "stopped")
        self._consumer.close()

    # --- reading -----------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise FatalError(f"{COMPONENT}: {error}")
            level = logging.INFO if error.code() in _WAITING_FOR_TOPIC else logging.WARNING
            log.log(level, "kafka_says", extra={"error": str(error)})
            return
        topic, number = message.topic(), message.partition()
        partition = self._partitions.get((topic, number))
        if partition is None:
            return
        timestamp_ms = message.timestamp()[1]
        record = Record(
            topic, number, message.offset(), timestamp_ms, message.key(), message.value()
        )
        partition.add(record, self._clock())
        self._metrics.event_seen(COMPONENT, timestamp_ms)

    # --- storing -----------------------------------------------------------------------------

    def _attempt(self, step: Callable[[], int]) -> int:
        """Do a step; when Kafka or ClickHouse cannot, pause and try again later."""
        try:
            stored = step()
        except EngineUnavailable as error:
            self._hold(str(error))
            return 0
        except KafkaException as exception:
            error_of_kafka: KafkaError = exception.args[0]
            if error_of_kafka.fatal():
                raise FatalError(f"{COMPONENT}: {error_of_kafka}") from exception
            self._hold(f"Kafka: {error_of_kafka.str()}")
            return 0
        if self._failures:
            self._failures = 0
            self._consumer.resume(self._assigned())
            log.info("sink_resumed")
        waiting = not self._joined or any(not p.opened for p in self._partitions.values())
        self._health.ready(COMPONENT, not waiting, "joining the group" if waiting else "")
        return stored

    def _turn(self, now: float) -> int:
        self._open_new()
        stored = more = self._flush(self._due(now))
        while more:  # one turn may read more than a batch holds
            more = self._flush(self._due(now))
            stored += more
        self._commit_positions()
        return stored

    def _open_new(self) -> None:
        """Settle where each newly assigned partition starts."""
        new = [p for p in self._partitions.values() if not p.opened]
        if not new:
            return
        asked = [TopicPartition(p.topic, p.number) for p in new]
        for partition, answer in zip(
            new, self._consumer.committed(asked, KAFKA_CALL_S), strict=True
        ):
            if answer.error is not None:
                raise KafkaException(answer.error)
            self._open(partition, answer.offset, read_claim(answer.metadata))

    def _open(self, partition: Partition, committed: int, claim: Claim | None) -> None:
        stored = self._store.last_offset(partition.logical, partition.topic, partition.number)
        # Every record has a row that says so. A database that ends before the committed position
        # has lost rows, or is a new one: what Kafka still has is read again.
        if committed > 0 and (stored is None or stored < committed - 1):
            place = TopicPartition(partition.topic, partition.number)
            low, _ = self._consumer.get_watermark_offsets(place, KAFKA_CALL_S)
            start = low if stored is None else max(low, stored + 1)
            if start < committed:
                log.warning(
                    "clickhouse_is_behind",
                    extra={"topic": partition.topic, "partition": partition.number, "from": start},
                )
                place.offset = start
                self._consumer.seek(place)
                partition.rewind(start)
        elif committed > 0 and not partition.records:
            partition.rewind(committed)
        look_until = max(-1 if stored is None else stored, claim.last if claim else -1)
        partition.open(claim, look_until)

    def _due(self, now: float) -> list[Partition]:
        """Partitions of the topics whose batch is full or old enough."""
        due = []
        for topic in self._logical:
            held = [p for p in self._partitions.values() if p.topic == topic and p.records]
            if held and (
                sum(len(p.records) for p in held) >= self._limits.batch_rows_max
                or sum(p.bytes for p in held) >= self._limits.batch_bytes_max
                or now - min(p.since for p in held) >= self._limits.batch_age_ms / 1000
            ):
                due += held
        return due

    def _flush(self, partitions: Iterable[Partition]) -> int:
        limits = self._limits
        batches = [
            (partition, batch)
            for partition in partitions
            if partition.opened
            and (batch := partition.cut(limits.batch_rows_max, limits.batch_bytes_max))
        ]
        self._claim(batches)
        stored = 0
        for partition, batch in batches:
            try:
                self._store.put(batch, look=batch.first <= partition.look_until)
            except EngineUnavailable:
                partition.look_until = max(partition.look_until, batch.last)
                raise
            partition.drop(batch)
            self._positions[partition.topic, partition.number] = batch.last + 1
            stored += len(batch.records)
        if stored:
            self._commit_positions()
        return stored

    def _claim(self, batches: list[tuple[Partition, Batch]]) -> None:
        new = [(p, b) for p, b in batches if not p.claimed]
        self._commit(
            TopicPartition(b.topic, b.partition, b.first, write_claim(Claim(b.first, b.last)))
            for _, b in new
        )
        for partition, batch in new:
            self._positions.pop((batch.topic, batch.partition), None)
            partition.claim = Claim(batch.first, batch.last)
            partition.claimed = True

    def _commit_positions(self) -> None:
        """Commit what is stored; what cannot be committed now is tried again at the next turn."""
        self._commit(TopicPartition(t, p, offset) for (t, p), offset in self._positions.items())
        self._positions.clear()

    def _commit(self, places: Iterable[TopicPartition]) -> None:
        offsets = list(places)
        if not offsets:
            return
        for answer in self._consumer.commit(offsets=offsets, asynchronous=False):
            if answer.error is not None:
                raise KafkaException(answer.error)

    def _hold(self, why: str) -> None:
        """Pause reading and try again after a pause that doubles, spread at random."""
        pause = min(BACKOFF_S * 2 ** min(self._failures, 10), BACKOFF_MAX_S)
        self._resume_at = self._clock() + pause * (0.5 + random.random() / 2)  # noqa: S311 - spread
        if not self._failures:
            self._consumer.pause(self._assigned())
        self._failures += 1
        self._health.ready(COMPONENT, False, why)
        log.warning("sink_holds", extra={"why": why, "pause_s": round(pause, 1)})

    # --- assignment --------------------------------------------------------------------------

    def _assigned(self) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic, number in self._partitions]

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        self._joined = True
        for place in assigned:
            self._partitions[place.topic, place.partition] = Partition(
                self._logical[place.topic], place.topic, place.partition
            )
        consumer.incremental_assign(assigned)
        if self._failures:
            consumer.pause(assigned)
        else:
            consumer.resume(assigned)  # one that was lost while paused comes back paused
        log.info("assigned", extra={"role": COMPONENT, "sources": len(assigned)})

    def _on_revoke(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        try:
            self._commit_positions()
        except KafkaException as exception:
            # Not needed for exactness: the next owner finds the claim and looks.
            log.info("commit_at_revocation_failed", extra={"error": str(exception.args[0])})
        self._forget(revoked)

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._forget(lost)

    def _forget(self, places: list[TopicPartition]) -> None:
        for place in places:
            self._partitions.pop((place.topic, place.partition), None)
            self._positions.pop((place.topic, place.partition), None)
        log.info("revoked", extra={"role": COMPONENT, "sources": len(places)})

    def _report_lag(self) -> None:
        for (topic, number), partition in self._partitions.items():
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(topic, number), cached=True
            )
            position = partition.records[0].offset if partition.records else partition.next_offset
            if partition.opened and high >= max(low, 0):
                lag = max(high - max(position, low), 0)
                self._metrics.consumer_lag.labels(self._group, topic, str(number)).set(lag)

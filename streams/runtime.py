"""The exactly-once runtime: consume, process, produce in Kafka transactions (KIP-447).

1. On assignment the host restores its state as of the committed position.
2. Per commit: a transaction begins, outputs are produced, positions join it, it commits. It is open
   for that long only, however long the processing took: readers and time-outs do not wait for it.
3. On revocation: commit, then the host drops its state.
4. When a commit falls into a rebalance, Kafka refuses it because the group has moved on. The
   transaction is aborted, and once the rebalance is over the host starts over from the committed
   positions, as a restart would.
5. On any other abort, on fencing, or loss of partitions the process ends: a restart restores.

Delivery is tested on real Kafka only; the embedded broker shows aborted records to everyone.
"""

import logging
import os
import sys
import time
import uuid
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from ops.errors import FatalError
from ops.health import HealthServer
from ops.kafka import consumer_config, producer_config, topic_name
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from streams.alignment import Aligner
from streams.host import Committed, Host, RunHost, Source
from streams.intake import InputStopped
from streams.records import Headers, Output, Record

log = logging.getLogger(__name__)

POLL_S = 0.02
"""Longest wait for a first record: bounds the delay of ticks and commits."""
KAFKA_CALL_S = 30.0
"""Bound on one blocking Kafka call; past it the process ends and restarts."""
OUTPUT_BYTES_MAX = 8 << 20
"""A transaction is committed early once it holds so much output."""
BACKLOG_COMMITS = 4
"""Commit intervals that make one while there is a backlog: nobody waits for the latest of it."""
LAG_EVERY_S = 1.0
REBALANCE_S = 30.0
"""Longest wait for a rebalance that refused a commit; past it the process ends and restarts."""
EXIT_RESTART = 1
"""Exit code of a worker that ended itself and wants to be restarted."""
_ALIGNED = {
    # Range gives the same partition numbers of all topics to the same member.
    "partition.assignment.strategy": "range",
    "enable.partition.eof": True,
}
_NO_HEADERS: Headers = []
"""Of nearly all input records; nobody changes it."""
_SOURCE = itemgetter(0, 1)
"""Of a record: its topic and partition."""
_NOT_OWNED = sys.maxsize
"""Position of a source that is not ours: past every offset."""
_GROUP_MOVED_ON = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS})


class _GroupMovedOnError(Exception):
    """A commit was refused because a rebalance is under way; nothing of it was written."""


def wall_clock_ms() -> int:
    """Now, in epoch milliseconds: the only clock of the runtime."""
    return time.time_ns() // 1_000_000


class Runtime:
    """Hosts one role on one consumer and one transactional producer, in one thread."""

    def __init__(
        self,
        host: Host,
        *,
        settings: Settings,
        metrics: Metrics,
        health: HealthServer,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.host = host
        self._run_host = host if isinstance(host, RunHost) else None
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._clock_ms = clock_ms
        self._logical = {topic_name(settings, t): t for t in host.inputs}
        self._names = {t: topic_name(settings, t) for t in topics.BY_NAME}
        self.group = f"{settings.kafka.topic_prefix}{host.role}"
        member = {"group.instance.id": host.instance} if host.instance else {}
        self._consumer = Consumer(
            consumer_config(settings, self.group, **member, **(_ALIGNED if host.aligned else {}))
        )
        self._aligner = Aligner(self._high) if host.aligned else None
        self._more = False
        # A new id per process: fencing comes from the consumer group's generation (KIP-447).
        transactional_id = f"{self.group}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._producer = Producer(producer_config(settings, transactional_id=transactional_id))
        self._positions: dict[Source, int | None] = {}
        self._stopped: set[Source] = set()
        self._touched: dict[Source, None] = {}
        self._pending: list[Output] = []
        self._pending_bytes = 0
        self._committed_at = 0.0
        self._backlog = False
        self._tick_due = 0.0
        self._lag_due = 0.0
        self._start_over_by: float | None = None
        self._rebalanced = False

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Work until told to stop, then commit and leave the group. Raises on anything fatal."""
        self._health.ready(self.host.role, False, "joining the group")
        try:
            self._producer.init_transactions(KAFKA_CALL_S)
            self._consumer.subscribe(
                [topic_name(self._settings, t) for t in self.host.inputs],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while not should_stop():
                self.run_once()
            self._commit_the_rest()
        except KafkaException as error:
            raise FatalError(f"{self.host.role}: {error.args[0]}") from error
        finally:
            self._health.ready(self.host.role, False, "stopped")
        self._consumer.close()

    def _commit_the_rest(self) -> None:
        """At the end; what a rebalance refuses is left to whoever comes next."""
        if self._start_over_by is None:
            self._commit_or_abort()

    def run_once(self) -> None:
        """One turn: take what is there, tick, commit when due."""
        now_ms = self._clock_ms()
        records = self._poll()
        if self._aligner is not None:
            records = self._aligned(self._aligner, records)
        self._health.beat(self.host.role)
        if self._start_over_by is not None:
            # What was polled is read again from the committed positions.
            self._start_over_when_rebalanced(self._start_over_by)
            return
        try:
            self._turn(records, now_ms)
        except _GroupMovedOnError:
            self._abort()

    def _turn(self, records: list[Record], now_ms: int) -> None:
        for source, run in groupby(records, _SOURCE):
            position = self._positions.get(source, _NOT_OWNED) or 0
            left = [r for r in run if r.offset >= position and (position := r.offset + 1)]
            if left and source not in self._stopped:
                self._take(source, left, now_ms)
        clock = time.monotonic()
        if clock >= self._tick_due:
            self._tick_due = clock + self._settings.worker.tick_interval_ms / 1000
            self._keep(self.host.tick(now_ms))
        self._commit_when_due()
        if clock >= self._lag_due:
            self._lag_due = clock + LAG_EVERY_S
            self._report_lag()

    def _take(self, source: Source, records: list[Record], now_ms: int) -> None:
        """Records of one source that are ours and new."""
        try:
            if self._run_host is not None:
                self._run_host.take_run(records, now_ms)
                self._took(source, records[-1].offset + 1)
                return
            for record in records:
                outputs = self.host.take(record, now_ms)
                self._keep(outputs)
                self._took(source, record.offset + 1)
        except InputStopped as stopped:
            if stopped.record.offset > records[0].offset:
                self._took(source, stopped.record.offset)
            self._stop_source(source, stopped)

    def _took(self, source: Source, position: int) -> None:
        self._positions[source] = position
        self._touched[source] = None
        self._commit_when_due()

    # --- input -------------------------------------------------------------------------------

    def _aligned(self, aligner: Aligner, records: list[Record]) -> list[Record]:
        """Those whose turn has come."""
        for record in records:
            aligner.add(record)
        taken = aligner.take(self.host.records_max, time.monotonic())
        self._more = bool(taken)
        return taken

    def _high(self, source: Source) -> int:
        """End of a source's log as of the last fetch; negative while it is not known."""
        return int(self._consumer.get_watermark_offsets(self._place(source), cached=True)[1])

    def _poll(self) -> list[Record]:
        first = self._consumer.poll(0 if self._more else POLL_S)
        if first is None:
            self._backlog = False
            return []
        messages = [first, *self._consumer.consume(self.host.records_max - 1, 0)]
        self._backlog = self._backlog and len(messages) >= self.host.records_max
        logical = self._logical
        return [
            Record(
                logical[message.topic()],
                message.partition(),
                message.offset(),
                message.key(),
                message.value(),
                message.headers() or _NO_HEADERS,
                message.timestamp()[1],
            )
            for message in messages
            if (error := message.error()) is None or self._is_record(message, error)
        ]

    def _is_record(self, message: Message, error: KafkaError) -> bool:
        """No: what came in place of one is logged. Raises ``FatalError`` if it ends the client."""
        if error.fatal():
            raise FatalError(f"{self.host.role}: {error}")
        if error.code() == KafkaError._PARTITION_EOF and self._aligner is not None:
            source = (self._logical[message.topic()], message.partition())
            self._aligner.end(source, message.offset())
        else:
            log.warning("consumer_error", extra={"role": self.host.role, "error": str(error)})
        return False

    def _stop_source(self, source: Source, stopped: InputStopped) -> None:
        """Too much bad input: this partition waits for a person, the others go on."""
        self._stopped.add(source)
        if self._aligner is not None:
            self._aligner.drop(source)
        self._consumer.pause([self._place(source)])
        self._metrics.partition_stopped.labels(*map(str, source)).set(1)
        self._health.ready(f"{self.host.role}:{source[0]}/{source[1]}", False, str(stopped))
        log.error("input_stopped", extra={"why": str(stopped)})

    # --- output and commit -------------------------------------------------------------------

    def _keep(self, outputs: list[Output]) -> None:
        """Outputs wait for the next commit."""
        self._pending += outputs
        self._pending_bytes += sum(len(output.value or b"") for output in outputs)

    def _commit_when_due(self) -> None:
        clock = time.monotonic()
        interval_s = self._settings.worker.commit_interval_ms / 1000
        if self._backlog:
            interval_s *= BACKLOG_COMMITS
        if clock >= self._committed_at + interval_s or self._pending_bytes > OUTPUT_BYTES_MAX:
            self._commit()
            self._committed_at = clock
            # Until a poll brings less than it may.
            self._backlog = True

    def _produce(self, output: Output) -> None:
        deadline = time.monotonic() + KAFKA_CALL_S
        while True:
            try:
                self._producer.produce(
                    self._names[output.topic],
                    value=output.value,
                    key=output.key,
                    partition=output.partition,
                    headers=output.headers or None,
                )
                return
            except BufferError:
                if time.monotonic() > deadline:
                    raise FatalError(f"{self.host.role}: the producer queue stays full") from None
                self._producer.poll(0.05)

    def _commit(self) -> None:
        """Outputs and positions become visible together, or not at all."""
        self._keep(self.host.drain())
        if not self._pending and not self._touched:
            return
        started = time.monotonic()
        self._producer.begin_transaction()
        for output in self._pending:
            self._produce(output)
        self._producer.poll(0)
        if self._touched:
            offsets = [
                self._place(source, self._positions[source] or 0, self.host.metadata(source))
                for source in self._touched
            ]
            self._retrying(
                lambda: self._producer.send_offsets_to_transaction(
                    offsets, self._consumer.consumer_group_metadata(), KAFKA_CALL_S
                )
            )
        self._retrying(lambda: self._producer.commit_transaction(KAFKA_CALL_S))
        self._forget_pending()
        self._metrics.commit_seconds.labels(self.host.role).observe(time.monotonic() - started)
        self._metrics.transactions.labels(self.host.role, "committed").inc()

    def _commit_or_abort(self) -> None:
        try:
            self._commit()
        except _GroupMovedOnError:
            self._abort()

    def _forget_pending(self) -> None:
        self._touched.clear()
        self._pending.clear()
        self._pending_bytes = 0

    def _place(self, source: Source, *position: int | str) -> TopicPartition:
        """As the client wants it: real name, partition, and where given offset and metadata."""
        return TopicPartition(self._names[source[0]], source[1], *position)

    def _retrying(self, call: Callable[[], None]) -> None:
        """Retry what Kafka calls retriable, within a bound; anything else ends the process."""
        deadline = time.monotonic() + KAFKA_CALL_S
        while True:
            try:
                call()
                return
            except KafkaException as exception:
                error = exception.args[0]
                if error.code() in _GROUP_MOVED_ON and error.txn_requires_abort():
                    raise _GroupMovedOnError from exception
                if not error.retriable() or time.monotonic() > deadline:
                    self._metrics.transactions.labels(self.host.role, "failed").inc()
                    raise FatalError(
                        f"{self.host.role}: transaction failed ({error.name()}); "
                        "ending so that a restart restores"
                    ) from exception

    # --- a commit that fell into a rebalance ---------------------------------------------------

    def _abort(self) -> None:
        """Give the transaction up; state is ahead of the committed positions from here on."""
        self._retrying(lambda: self._producer.abort_transaction(KAFKA_CALL_S))
        self._metrics.transactions.labels(self.host.role, "aborted").inc()
        self._forget_pending()
        self._rebalanced = False
        self._start_over_by = time.monotonic() + REBALANCE_S
        log.info("commit_refused_by_rebalance", extra={"role": self.host.role})

    def _start_over_when_rebalanced(self, deadline: float) -> None:
        if not self._rebalanced:
            if time.monotonic() > deadline:
                raise FatalError(f"{self.host.role}: no end of the rebalance that refused a commit")
            return
        sources = list(self._positions)
        names = [self._place(source) for source in sources]
        self.host.revoke(sources)
        committed = self._committed(self._consumer, names) if names else {}
        self.host.assign(committed)
        for source, position in committed.items():
            self._positions[source] = position.offset
            offset = OFFSET_BEGINNING if position.offset is None else position.offset
            self._consumer.seek(self._place(source, offset))
            if self._aligner is not None and source not in self._stopped:
                self._aligner.assign(source, position.offset)
        self._start_over_by = None
        log.info("started_over", extra={"role": self.host.role, "sources": len(sources)})

    # --- assignment --------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalanced = True
        if not partitions:
            if all(topics.BY_NAME[t].single_partition for t in self.host.inputs):
                self._health.ready(self.host.role, True, "")  # standing by is all there is to do
            return
        try:
            committed = self._committed(consumer, partitions)
            self.host.assign(committed)
        except Exception as error:
            # librdkafka would log and swallow it: a worker without its state must not go on.
            self._die(f"restore failed: {error!r}")
        starts = []
        for source, position in committed.items():
            self._positions[source] = position.offset
            self._stopped.discard(source)
            at = () if position.offset is None else (position.offset,)
            starts.append(self._place(source, *at))
        if self._aligner is None:
            consumer.incremental_assign(starts)
        else:
            consumer.assign(starts)
            for source, position in committed.items():
                self._aligner.assign(source, position.offset)
        self._health.ready(self.host.role, True, "")
        log.info("assigned", extra={"role": self.host.role, "sources": len(starts)})

    def _committed(
        self, consumer: Consumer, partitions: list[TopicPartition]
    ) -> dict[Source, Committed]:
        """Committed positions; waits while a dead worker's open transaction holds them back."""
        deadline = time.monotonic() + self._settings.worker.restore_timeout_ms / 1000
        while True:
            try:
                answers = consumer.committed(partitions, 10.0)
                break
            except KafkaException as exception:
                # librdkafka tells retriable errors from others for transactions only.
                if time.monotonic() > deadline:
                    raise
                log.info("waiting_for_committed", extra={"error": str(exception.args[0])})
        result = {}
        for answer in answers:
            if answer.error is not None:
                raise FatalError(f"no committed position for {answer.topic}: {answer.error}")
            source = (self._logical[answer.topic], answer.partition)
            offset = answer.offset if answer.offset >= 0 else None
            result[source] = Committed(offset, answer.metadata or "")
        return result

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            if self._start_over_by is None:
                self._commit_or_abort()
        except Exception as error:
            self._die(f"commit at revocation failed: {error!r}")
        self._rebalanced = True
        self._drop(partitions)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._die(f"lost {len(partitions)} partitions")

    def _drop(self, partitions: list[TopicPartition]) -> None:
        sources = [(self._logical[p.topic], p.partition) for p in partitions]
        self.host.revoke(sources)
        for source in sources:
            self._positions.pop(source, None)
            self._touched.pop(source, None)
            if self._aligner is not None:
                self._aligner.drop(source)
            self._metrics.forget_source(self.group, *source)
        log.info("revoked", extra={"role": self.host.role, "sources": len(sources)})

    def _die(self, why: str) -> None:
        """End the process at once: nothing of an unknown state may be written."""
        log.critical("worker_ends", extra={"role": self.host.role, "why": why})
        logging.shutdown()
        os._exit(EXIT_RESTART)

    def _report_lag(self) -> None:
        for source, position in self._positions.items():
            if position is None:
                continue
            low, high = self._consumer.get_watermark_offsets(self._place(source), cached=True)
            if high >= max(low, 0):
                lag = max(high - position, 0)
                self._metrics.consumer_lag.labels(self.group, *map(str, source)).set(lag)

"""One endpoint: what it has not been told yet, in order, until it has it or is given up.

Each endpoint is a consumer group of its own, so its queue is Kafka itself: one that does not answer
holds up nobody else, loses nothing within the topics' retention, and a restart goes on where it
was. A position is committed after the endpoint took the message, or it was given up; whoever stops
in between tells it again under the same id.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ops.errors import FatalError, RetryableError
from ops.health import HealthServer
from ops.kafka import consumer_config, topic_name
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from sinks.webhooks import messages
from sinks.webhooks.document import ALERT_TYPES, CHANGE_TYPES, Endpoint
from sinks.webhooks.outcome import Failed, Refused
from sinks.webhooks.targets import Target

log = logging.getLogger(__name__)

RECORDS_PER_TURN = 100
KAFKA_CALL_S = 10.0
PAUSE_S = 1.0
PAUSE_MAX_S = 300.0
OPEN_AFTER_FAILURES = 5
"""Failures in a row from which on the endpoint counts as down."""

FundersOf = Callable[[str], frozenset[str]]
"""The funders of a merchant's lines; raises a ``RetryableError`` when they cannot be told now."""


class _Waiting(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    message: messages.Message | None
    """None for a record that the endpoint is not told of."""


def group_id(settings: Settings, endpoint: Endpoint) -> str:
    """The consumer group of an endpoint."""
    return f"{settings.kafka.topic_prefix}webhooks.{endpoint.name}"


def topics_of(endpoint: Endpoint) -> list[str]:
    """Logical names of the topics that an endpoint needs."""
    wanted = set(endpoint.filter.types)
    found = [topics.ALERTS] if wanted & set(ALERT_TYPES) else []
    return found + ([topics.LIMIT_CHANGES] if wanted & set(CHANGE_TYPES) else [])


def courier_consumer(settings: Settings, endpoint: Endpoint) -> Consumer:
    """A consumer as a courier needs it."""
    return Consumer(consumer_config(settings, group_id(settings, endpoint)))


class Courier:
    """Delivers to one endpoint. One thread; ``run_once`` until ``close``.

    ``clock`` gives monotonic seconds, ``wall_clock`` epoch seconds, ``draw`` numbers of 0-1 that
    spread retries. Raises ``FatalError`` when it cannot go on; a restart continues where it was.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        metrics: Metrics,
        health: HealthServer,
        *,
        funders_of: FundersOf,
        consumer: Consumer | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._target = target
        self._endpoint = target.endpoint
        self._name = target.endpoint.name
        self._funders = frozenset(target.endpoint.filter.funders)
        self._metrics, self._health = metrics, health
        self._funders_of = funders_of
        self._clock, self._wall_clock, self._draw = clock, wall_clock, draw
        self._logical = {topic_name(settings, t): t for t in topics_of(target.endpoint)}
        self._consumer = consumer or courier_consumer(settings, target.endpoint)
        self._assigned: set[tuple[str, int]] = set()
        self._queue: deque[_Waiting] = deque()
        self._positions: dict[tuple[str, int], int] = {}
        self._failures = 0
        self._attempt_at = 0.0
        self._component = f"webhooks-{self._name}"
        health.ready(self._component, False, "joining the group")
        self._consumer.subscribe(
            sorted(self._logical),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def run_once(self, timeout_s: float = 0.1) -> bool:
        """One turn: read if nothing waits, and attempt what is due. Whether one was settled."""
        due = bool(self._queue) and self._clock() >= self._attempt_at
        for record in self._consumer.consume(RECORDS_PER_TURN, 0.0 if due else timeout_s):
            self._take(record)
        self._health.beat(self._component)
        settled = False
        while self._queue and self._queue[0].message is None:
            self._done()
        if self._queue:
            if self._clock() >= self._attempt_at:
                settled = self._attempt(self._queue[0])
        elif self._assigned:
            self._consumer.resume(self._places())
        self._commit()
        self._report()
        return settled

    def close(self) -> None:
        """Commit what was delivered, as far as that works at once, and leave the group."""
        try:
            self._commit()
        finally:
            self._health.ready(self._component, False, "stopped")
            self._consumer.close()

    # --- reading -----------------------------------------------------------------------------

    def _take(self, record: Message) -> None:
        error = record.error()
        if error is not None:
            if error.fatal():
                raise FatalError(f"{self._component}: {error}")
            log.info("kafka_says", extra={"endpoint": self._name, "error": str(error)})
            return
        place = (record.topic(), record.partition())
        if place not in self._assigned:
            return
        if not self._queue:
            self._consumer.pause(self._places())
        waiting = _Waiting(*place, record.offset(), record.timestamp()[1], None)
        try:
            message = messages.message_of(self._logical[place[0]], record.value() or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            self._count("unreadable")
            log.error("webhook_unreadable", extra={**self._where(waiting), "why": str(failure)})
            self._queue.append(waiting)
            return
        wanted = messages.passes(self._endpoint.filter, message)
        self._queue.append(waiting._replace(message=message if wanted else None))

    # --- delivering --------------------------------------------------------------------------

    def _attempt(self, waiting: _Waiting) -> bool:
        message = waiting.message
        assert message is not None
        try:
            shown = self._for_its_funders(message)
            if shown is not None:
                self._target.send(shown, self._wall_clock())
                self._count("delivered")
        except Refused as error:
            self._give_up(waiting, "refused", str(error))
        except RetryableError as error:
            self._failed(waiting, error)
            return False
        else:
            self._done()
        if self._failures:
            log.info("webhook_resumed", extra={"endpoint": self._name})
        self._failures, self._attempt_at = 0, 0.0
        return True

    def _for_its_funders(self, message: messages.Message) -> messages.Message | None:
        """The message as the endpoint's funders may see it; None where it concerns none of them.

        Raises as ``FundersOf`` does: what is not known is not sent.
        """
        if not self._funders:
            return message
        known = message.funders
        if known is None:
            known = self._funders_of(message.merchant_id)
        if not known & self._funders:
            return None
        return messages.for_funders(message, self._funders)

    def _failed(self, waiting: _Waiting, error: RetryableError) -> None:
        """Try again after a pause that doubles, spread at random, or give the message up."""
        self._count("failed")
        asked_s = error.wait_s if isinstance(error, Failed) else 0.0
        doubled = PAUSE_S * 2 ** min(self._failures, 20)
        pause = max(min(doubled, PAUSE_MAX_S) * (0.5 + self._draw() / 2), asked_s)
        self._attempt_at = self._clock() + pause
        self._failures += 1
        log.warning(
            "webhook_failed",
            extra={**self._where(waiting), "why": str(error), "pause_s": round(pause, 1)},
        )
        if self._age_s(waiting) >= self._endpoint.give_up_after_s:
            self._give_up(waiting, "given_up", str(error))

    def _give_up(self, waiting: _Waiting, outcome: str, why: str) -> None:
        self._count(outcome)
        log.error("webhook_given_up", extra={**self._where(waiting), "why": why})
        self._done()

    def _done(self) -> None:
        done = self._queue.popleft()
        self._positions[done.topic, done.partition] = done.offset + 1

    def _age_s(self, waiting: _Waiting) -> float:
        return max(self._wall_clock() - waiting.timestamp_ms / 1000, 0.0)

    # --- positions ---------------------------------------------------------------------------

    def _commit(self) -> None:
        """Commit what is done; what cannot be committed now is tried again at the next turn."""
        if not self._positions:
            return
        places = [TopicPartition(t, p, offset) for (t, p), offset in self._positions.items()]
        try:
            for answer in self._consumer.commit(offsets=places, asynchronous=False):
                if answer.error is not None:
                    raise KafkaException(answer.error)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.fatal():
                raise FatalError(f"{self._component}: {error}") from exception
            log.warning("commit_failed", extra={"endpoint": self._name, "error": str(error)})
            return
        self._positions.clear()

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic, number in self._assigned]

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        try:
            places = self._starts(consumer, assigned)
        except KafkaException as exception:
            raise FatalError(f"{self._component}: {exception.args[0]}") from exception
        self._assigned |= {(place.topic, place.partition) for place in places}
        consumer.incremental_assign(places)
        if self._queue:
            consumer.pause(places)
        self._health.ready(self._component, True, "")
        log.info("assigned", extra={"role": self._component, "sources": len(assigned)})

    def _starts(self, consumer: Consumer, assigned: list[TopicPartition]) -> list[TopicPartition]:
        """Where to begin. A new endpoint commits that at once, or a restart would skip records."""
        if not assigned:
            return []
        places = consumer.committed(assigned, KAFKA_CALL_S)
        for place in places:
            if place.error is not None:
                raise KafkaException(place.error)
            if place.offset < 0:
                low, high = consumer.get_watermark_offsets(place, KAFKA_CALL_S)
                place.offset = low if self._endpoint.start == "earliest" else high
                self._positions[place.topic, place.partition] = place.offset
        return places

    def _on_revoke(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._commit()
        self._forget(revoked)

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._forget(lost)

    def _forget(self, places: Iterable[TopicPartition]) -> None:
        gone = {(place.topic, place.partition) for place in places}
        self._assigned -= gone
        self._queue = deque(w for w in self._queue if (w.topic, w.partition) not in gone)
        for place in gone:
            self._positions.pop(place, None)

    # --- telling -----------------------------------------------------------------------------

    def _where(self, waiting: _Waiting) -> dict[str, object]:
        return {
            "endpoint": self._name,
            "webhook_id": waiting.message.message_id if waiting.message else None,
            "topic": waiting.topic,
            "partition": waiting.partition,
            "offset": waiting.offset,
        }

    def _count(self, outcome: str) -> None:
        self._metrics.webhook_deliveries.labels(self._name, outcome).inc()

    def _report(self) -> None:
        waiting = max((self._age_s(w) for w in self._queue if w.message is not None), default=0.0)
        self._metrics.webhook_waiting.labels(self._name).set(waiting)
        is_down = self._failures >= OPEN_AFTER_FAILURES
        self._metrics.webhook_down.labels(self._name).set(is_down)

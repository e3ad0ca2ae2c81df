"""Kafka as the sink sees it, in memory and in steps: logs, committed offsets, generations.

A member whose generation has passed is fenced at its commits and learns of its loss only at its
next ``consume``, as with Kafka.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

TIMESTAMP_MS = 1_760_000_000_000


class FakeMessage:
    def __init__(
        self, topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None
    ) -> None:
        self._place = (topic, partition, offset)
        self._key, self._value = key, value

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def timestamp(self) -> tuple[int, int]:
        return 1, TIMESTAMP_MS + self._place[2]

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value


class FakeKafka:
    """One group over some logs. ``give`` names the member that owns everything from then on."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, int], list[FakeMessage]] = {}
        self.committed: dict[tuple[str, int], tuple[int, str]] = {}
        self.owner: FakeConsumer | None = None

    def publish(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, gap: int = 0
    ) -> None:
        """Append a record; ``gap`` offsets before it belong to transaction markers."""
        messages = self.logs.setdefault((topic, partition), [])
        offset = (messages[-1].offset() + 1 if messages else 0) + gap
        messages.append(FakeMessage(topic, partition, offset, key, value))

    def give(self, member: "FakeConsumer") -> None:
        self.owner = member


class FakeConsumer:
    def __init__(self, kafka: FakeKafka) -> None:
        self.kafka = kafka
        self.owned: dict[tuple[str, int], int] = {}
        self.paused: set[tuple[str, int]] = set()
        self.commits: list[list[tuple[str, int, int, str]]] = []
        self.fail_commits = 0
        self.closed = False

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:
        self.topics = topics
        self.callbacks = callbacks

    def consume(self, count: int, timeout: float) -> list[FakeMessage]:
        if self.kafka.owner is not self:
            if self.owned:
                lost = [TopicPartition(t, p) for t, p in self.owned]
                self.owned.clear()
                self.callbacks["on_lost"](self, lost)
            return []
        new = [source for source in self.kafka.logs if source not in self.owned]
        if new:
            self.callbacks["on_assign"](self, [TopicPartition(t, p) for t, p in new])
        found: list[FakeMessage] = []
        for source, position in list(self.owned.items()):
            if source in self.paused:
                continue
            ahead = [m for m in self.kafka.logs[source] if m.offset() >= position]
            taken = ahead[: count - len(found)]
            if taken:
                self.owned[source] = taken[-1].offset() + 1
                found += taken
        return found

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        for place in places:
            source = (place.topic, place.partition)
            committed = self.kafka.committed.get(source, (0, ""))[0]
            self.owned[source] = place.offset if place.offset >= 0 else committed

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        answers = []
        for place in places:
            offset, metadata = self.kafka.committed.get(
                (place.topic, place.partition), (OFFSET_INVALID, "")
            )
            answers.append(TopicPartition(place.topic, place.partition, offset, metadata))
        return answers

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous
        if self.kafka.owner is not self:
            raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION))
        if self.fail_commits:
            self.fail_commits -= 1
            raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))
        for place in offsets:
            self.kafka.committed[place.topic, place.partition] = (
                place.offset,
                place.metadata or "",
            )
        self.commits.append([(o.topic, o.partition, o.offset, o.metadata or "") for o in offsets])
        return offsets

    def seek(self, place: TopicPartition) -> None:
        self.owned[place.topic, place.partition] = place.offset

    def pause(self, places: list[TopicPartition]) -> None:
        self.paused |= {(p.topic, p.partition) for p in places}

    def resume(self, places: list[TopicPartition]) -> None:
        self.paused -= {(p.topic, p.partition) for p in places}

    def get_watermark_offsets(
        self, place: TopicPartition, timeout: float = 0.0, cached: bool = False
    ) -> tuple[int, int]:
        messages = self.kafka.logs[place.topic, place.partition]
        return messages[0].offset(), messages[-1].offset() + 1

    def close(self) -> None:
        self.closed = True
        self.owned.clear()


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class FaultyEngine:
    """An engine whose inserts may be made to fail before or after they take place."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.before: Callable[[str], None] | None = None
        self.after: Callable[[str], None] | None = None
        self.tokens: list[str] = []

    def reopen(self, folder: Path) -> None:
        """Open the database again after ``close``, in place."""
        self._engine.__init__(str(folder), self._engine.database)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def insert(self, table: str, columns: Any, data: Any, *, token: str) -> None:
        if self.before:
            self.before(token)
        self._engine.insert(table, columns, data, token=token)
        self.tokens.append(token)
        if self.after:
            self.after(token)

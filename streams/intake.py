"""Intake: every input of a merchant becomes a valid line of the one ordered log.

A pure object: records, wall clock and key come in as arguments, ``risk.events`` micro-batches and
dead letters come out. The runtime hosts it on Kafka, ``replay`` hosts it on files.
"""

import base64
from collections import deque
from collections.abc import Iterator
from typing import Literal

import msgspec
from confluent_kafka import murmur2
from msgspec import Struct, field

from credit.bundle import bundle
from credit.policy import PolicyError, load_policy
from detectors.rule_file import RulesError
from detectors.rule_loading import load_rules
from schemas import topics
from schemas.codec import InvalidEvent, Limits, decode_event, encode
from schemas.digests import content_digest
from schemas.events import (
    GLOBAL_MERCHANT,
    BudgetLeased,
    ClockTick,
    Control,
    Event,
    ModelActivated,
    ModelRollback,
    PolicyActivated,
    PolicyPublish,
    tag_of,
)
from schemas.fast_codec import FastCodec
from schemas.outputs import DeadLetter, Header
from schemas.strict_yaml import top_level_keys
from streams.artifacts import builtin_products
from streams.records import Artifacts, Output, Record, artifact_record_key, model_kind

SOURCE_TIME_HEADER = "tideline-source-ms"
"""Header of a ``risk.events`` record: earliest Kafka timestamp among the input of its lines."""
NDJSON = b"application/x-ndjson"
ANYWHERE = -1
"""Partition of a record from a file: the merchant decides, and any event type may come."""
_PARTITION_CACHE_MAX = 1_000_000
_GLOBAL_COMMANDS = frozenset(
    {"policy.publish", "model.rollback", "automation.pause", "automation.resume"}
)


class DeadLetterLimit(Struct, kw_only=True, frozen=True):
    """How much bad input a partition takes before it stops, loudly.

    It stops when ``run_max`` records in a row are bad, or when more than ``share_max`` of the last
    ``window`` records are.
    """

    share_max: float = 0.5
    window: int = 1000
    run_max: int = 1000


class InputStopped(Exception):
    """A partition has had more bad input than its limit allows; ``record`` was not taken."""

    def __init__(self, record: Record, why: str) -> None:
        super().__init__(f"{record.topic}/{record.partition} stopped at {record.offset}: {why}")
        self.record = record


class InputHealth(Struct):
    """Good and bad of one input partition, kept across restarts in the commit's metadata."""

    run: int = 0
    recent: deque[bool] = field(default_factory=deque)
    bad: int = 0
    """Bad ones among ``recent``."""

    def note(self, bad: bool, limit: DeadLetterLimit) -> None:
        """Count one record."""
        if not (bad or self.bad) and len(self.recent) == limit.window:
            self.run = 0
            return  # a good one goes, a good one comes
        self.run = self.run + 1 if bad else 0
        self.recent.append(bad)
        self.bad += bad
        if len(self.recent) > limit.window:
            self.bad -= self.recent.popleft()

    def exceeded(self, limit: DeadLetterLimit) -> str | None:
        """Why no further record may be taken, or None."""
        if not (self.run or self.bad):
            return None
        if self.run >= limit.run_max:
            return f"{self.run} bad records in a row"
        if len(self.recent) >= limit.window:
            share = self.bad / len(self.recent)
            if share > limit.share_max:
                return f"{share:.0%} of the last {len(self.recent)} records are bad"
        return None

    def pack(self) -> str:
        """Short text for the commit's metadata (the window as counts of its halves)."""
        return f"{self.run},{self.bad},{len(self.recent)}"

    @staticmethod
    def unpack(text: str | None) -> "InputHealth":
        """Inverse of ``pack``; the order within the window is not kept. Bad text starts afresh."""
        try:
            run, bad, seen = (int(part) for part in (text or "").split(","))
        except ValueError:
            return InputHealth()
        return InputHealth(run=run, recent=deque([True] * bad + [False] * (seen - bad)), bad=bad)


class _Buffer(Struct):
    """Lines of one partition that wait for the next flush."""

    lines: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    source_ms: int = 0


class Intake:
    """Validates, normalises and merges input records into micro-batches of the log."""

    def __init__(
        self,
        *,
        partitions: int,
        privacy_key: bytes,
        artifacts: Artifacts,
        limits: Limits | None = None,
        dead_letter_limit: DeadLetterLimit | None = None,
        lines_max: int = 250,
        batch_bytes_max: int = 256 * 1024,
    ) -> None:
        self.partitions = partitions
        self.dead_letters: dict[str, int] = {}
        self.accepted = 0
        self.health: dict[tuple[str, int], InputHealth] = {}
        self._privacy_key = privacy_key
        self._artifacts = artifacts
        self._limits = limits or Limits()
        self._fast_codec = FastCodec(self._limits, privacy_key)
        self._dead_letter_limit = dead_letter_limit or DeadLetterLimit()
        self._lines_max = lines_max
        self._batch_bytes_max = batch_bytes_max
        self._buffers: dict[int, _Buffer] = {}
        self._ready: list[Output] = []
        self._partition_of: dict[str, int] = {}

    def take(self, record: Record, now_ms: int) -> None:
        """Take one record, valid or not. Raises ``InputStopped`` instead when over the limit."""
        self.take_run([record], now_ms)

    def take_run(self, records: list[Record], now_ms: int) -> None:
        """Take records of one input partition in their order, valid or not.

        Raises ``InputStopped`` when over the limit: those before its ``record`` are taken.
        """
        limit = self._dead_letter_limit
        source = (records[0].topic, records[0].partition)
        health = self.health.setdefault(source, InputHealth())
        for record in records:
            why = health.exceeded(limit)
            if why:
                raise InputStopped(record, why)
            if record.headers and self._is_ndjson(record):
                bad = False
                for number, line in enumerate(self._lines(record), 1):
                    if line.strip():
                        bad |= not self._take_line(record, line, number, now_ms)
            else:
                bad = not self._take_line(record, record.value or b"", None, now_ms)
            health.note(bad, limit)

    def tick(self, partition: int, now_ms: int) -> None:
        """Write the wall clock into the log of one partition."""
        tick = ClockTick(
            event_id=f"tick-{partition}-{now_ms}", merchant_id=GLOBAL_MERCHANT, occurred_at=now_ms
        )
        self._append(partition, encode(tick), 0)

    def flush(self) -> list[Output]:
        """Everything that waits, as records; lines of a partition keep their order."""
        for partition in sorted(self._buffers):
            self._close(partition)
        ready, self._ready = self._ready, []
        return ready

    def _lines(self, record: Record) -> list[bytes]:
        value = record.value or b""
        lines = value.rstrip(b"\n").split(b"\n")
        if len(lines) > self._limits.lines_max:
            self._refuse(record, None, value, InvalidEvent("too_many_lines", f"{len(lines)} lines"))
            return []
        return lines

    @staticmethod
    def _is_ndjson(record: Record) -> bool:
        return any(
            name == "content-type" and value is not None and value.startswith(NDJSON)
            for name, value in record.headers
        )

    def _take_line(self, record: Record, raw: bytes, number: int | None, now_ms: int) -> bool:
        taken = self._fast_codec.decode(raw, now_ms)
        if taken is not None:
            merchant, topic, line = taken
            partition = self._own_place(merchant, topic, record, in_batch=number is not None)
            if partition is not None:
                self._append(partition, line, record.timestamp_ms)
                self.accepted += 1
                return True
        try:
            event, fields = decode_event(
                raw, now_ms=now_ms, limits=self._limits, privacy_key=self._privacy_key
            )
            partition = self._check_place(event, record, in_batch=number is not None)
            self._route(event, msgspec.json.encode(fields), partition, record.timestamp_ms)
        except InvalidEvent as invalid:
            self._refuse(record, number, raw, invalid)
            return False
        self.accepted += 1
        return True

    def _own_place(
        self, merchant: str, topic: str, record: Record, *, in_batch: bool
    ) -> int | None:
        """Partition of a merchant's own event that came where it belongs, else None.

        ``_check_place`` says what is wrong with the others.
        """
        if merchant == GLOBAL_MERCHANT:
            return None
        partition = self._partition_of.get(merchant)
        if partition is None:
            partition = self.partition_of(merchant)
        if record.partition == ANYWHERE:
            return partition
        if topic != record.topic or partition != record.partition:
            return None
        return partition if in_batch or record.key == merchant.encode() else None

    def _check_place(self, event: Event, record: Record, *, in_batch: bool) -> int:
        """Type on its topic, key and partition those of its merchant. Returns the partition."""
        from_file = record.partition == ANYWHERE
        tag = tag_of(type(event))
        control = isinstance(event, Control)
        if isinstance(event, ClockTick) or (control if from_file else event.topic != record.topic):
            raise InvalidEvent(
                "wrong_topic", f"{tag} belongs on {event.topic}, it came on {record.topic}"
            )
        merchant = event.merchant_id
        broadcast = control or tag in _GLOBAL_COMMANDS
        if (merchant == GLOBAL_MERCHANT) != broadcast:
            raise InvalidEvent(
                "bad_value",
                f"`merchant_id` is {merchant!r}; {GLOBAL_MERCHANT!r} is for global commands only",
            )
        if broadcast:
            return ANYWHERE
        partition = self.partition_of(merchant)
        if from_file:
            return partition
        if not in_batch and record.key != merchant.encode():
            raise InvalidEvent("wrong_key", "the Kafka key must be the `merchant_id`")
        if partition != record.partition:
            raise InvalidEvent(
                "wrong_partition",
                f"murmur2 puts {merchant!r} on partition {partition} of {self.partitions}; "
                "set the producer's partitioner to murmur2_random",
            )
        return partition

    def partition_of(self, merchant_id: str) -> int:
        """The partition number of a merchant on every topic."""
        partition = self._partition_of.get(merchant_id)
        if partition is None:
            if len(self._partition_of) >= _PARTITION_CACHE_MAX:
                self._partition_of.clear()
            partition = murmur2(merchant_id.encode(), self.partitions)
            self._partition_of[merchant_id] = partition
        return partition

    def _route(self, event: Event, line: bytes, partition: int, source_ms: int) -> None:
        if partition != ANYWHERE:
            self._append(partition, line, source_ms)
            return
        if isinstance(event, PolicyPublish):
            line = encode(self._publish(event))
        elif isinstance(event, ModelRollback):
            line = encode(self._rollback(event))
        elif isinstance(event, BudgetLeased):
            self._append(self._leased(event), line, source_ms)
            return
        for each in range(self.partitions):
            self._append(each, line, source_ms)

    def _publish(self, event: PolicyPublish) -> PolicyActivated:
        """A policy or a rule file, told by its content, becomes its activation in the log."""
        kind: Literal["policy", "rules"]
        kind = "rules" if "rules" in top_level_keys(event.document) else "policy"
        reason, document = f"invalid_{kind}", event.document
        try:
            if kind == "rules":
                version = load_rules(document).version
            else:
                document = bundle(document, builtin_products())
                version = load_policy(document, set(self._kinds())).version
        except (PolicyError, RulesError) as error:
            raise InvalidEvent(reason, str(error)) from None
        raw = document.encode()
        digest = content_digest(raw)
        known = self._artifacts.digest_of(kind, version)
        if known is not None and known != digest:
            raise InvalidEvent(
                reason, f"version {version} is in use with another text; choose a new version"
            )
        self._ready.append(Output(topics.POLICIES, 0, artifact_record_key(kind, version), raw))
        return PolicyActivated(
            event_id=event.event_id,
            merchant_id=GLOBAL_MERCHANT,
            occurred_at=event.occurred_at,
            version=version,
            digest=digest,
            artifact=kind,
        )

    def _kinds(self) -> Iterator[str]:
        """Kinds of alert that a policy may name: those of any rule file that may be in force."""
        for raw in self._artifacts.all_of("rules"):
            yield from load_rules(raw.decode()).kinds

    def _rollback(self, event: ModelRollback) -> ModelActivated:
        kind = model_kind(event.version)
        digest = self._artifacts.digest_of(kind, event.version)
        if digest is None or event.digest not in (None, digest):
            raise InvalidEvent(
                "bad_value", f"`version` {event.version!r} is not a published model version"
            )
        return ModelActivated(
            event_id=event.event_id,
            merchant_id=GLOBAL_MERCHANT,
            occurred_at=event.occurred_at,
            version=event.version,
            digest=digest,
            artifact=kind,
        )

    def _leased(self, event: BudgetLeased) -> int:
        """The one partition that a lease is for."""
        if event.partition >= self.partitions:
            raise InvalidEvent(
                "bad_value",
                f"`partition` is {event.partition}; there are {self.partitions}, counted from 0",
            )
        return event.partition

    def _append(self, partition: int, line: bytes, source_ms: int) -> None:
        buffer = self._buffers.get(partition)
        if buffer is None:
            buffer = self._buffers[partition] = _Buffer()
        size_bytes = buffer.size_bytes + len(line) + 1
        lines = buffer.lines
        if lines and (len(lines) >= self._lines_max or size_bytes > self._batch_bytes_max):
            self._close(partition)
            buffer = self._buffers[partition] = _Buffer()
            lines, size_bytes = buffer.lines, len(line) + 1
        lines.append(line)
        buffer.size_bytes = size_bytes
        if source_ms and (not buffer.source_ms or source_ms < buffer.source_ms):
            buffer.source_ms = source_ms

    def _close(self, partition: int) -> None:
        buffer = self._buffers.pop(partition)
        value = b"\n".join(buffer.lines) + b"\n"
        headers: list[tuple[str, bytes | None]] = [("content-type", NDJSON)]
        if buffer.source_ms:
            headers.append((SOURCE_TIME_HEADER, str(buffer.source_ms).encode()))
        self._ready.append(Output(topics.EVENTS, partition, None, value, headers))

    def _refuse(
        self, record: Record, number: int | None, raw: bytes, invalid: InvalidEvent
    ) -> None:
        self.dead_letters[invalid.reason] = self.dead_letters.get(invalid.reason, 0) + 1
        letter = DeadLetter(
            reason=invalid.reason,
            detail=invalid.detail,
            topic=record.topic,
            partition=max(record.partition, 0),
            offset=record.offset,
            line=number,
            key=None if record.key is None else base64.b64encode(record.key).decode(),
            value=None if record.value is None else base64.b64encode(raw).decode(),
            headers=[
                Header(name=n, value=None if v is None else base64.b64encode(v).decode())
                for n, v in record.headers
            ],
        )
        self._ready.append(
            Output(topics.DEAD_LETTERS, max(record.partition, 0), record.key, encode(letter))
        )

"""Intake, scoring and learner in one process, without Kafka: replay, backtest and tests.

Lines of input are taken in arrival order; every ``CHUNK_LINES`` of them the log is advanced, so
that micro-batches, activations and hence all outputs depend on the input alone.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from features.engine import EngineConfig
from schemas import topics
from streams.artifacts import MemoryArtifacts, genesis
from streams.intake import ANYWHERE, Intake
from streams.learner import Learner
from streams.partitions import Partitions
from streams.records import Artifacts, Output, Record, artifact_of
from streams.versions import Genesis

CHUNK_LINES = 1000
DAY_MS = 86_400_000

Emit = Callable[[str, bytes], None]
"""Told the logical topic and the value of every output, in order."""
Make = Callable[[int, Artifacts, Genesis, EngineConfig], Partitions]
"""Makes the scoring of all partitions: their number, where versions are, the start, the clock."""
Tap = Callable[[Record], None]
"""Told every record of the log, before it is scored."""


class Pipeline:
    """The whole job over one ordered input."""

    def __init__(
        self,
        intake: Intake,
        artifacts: MemoryArtifacts,
        emit: Emit,
        *,
        learner: Learner | None,
        config: EngineConfig | None = None,
        start: Genesis | None = None,
        tap: Tap | None = None,
        scoring_artifacts: Artifacts | None = None,
        make: Make = Partitions,
    ) -> None:
        self._intake = intake
        self._artifacts = artifacts
        self._emit = emit
        self._learner = learner
        self._tap = tap
        self._config = config or EngineConfig()
        self._scored = make(
            intake.partitions, scoring_artifacts or artifacts, start or genesis(), self._config
        )
        self.scoring = self._scored.scoring
        self._offsets: Counter[int] = Counter()
        self._learned = 0
        self._waiting = 0

    def feed(self, source: str, number: int, raw: bytes, now_ms: int) -> None:
        """Take one line of a file. May raise ``InputStopped``."""
        self._intake.take(Record(source, ANYWHERE, number, None, raw, [], 0), now_ms)
        self._waiting += 1
        if self._waiting >= CHUNK_LINES:
            self._advance(now_ms)

    def settle(self, now_ms: int) -> None:
        """Run the log with all that was fed so far; a micro-batch ends here."""
        self._advance(now_ms)

    def vector_of(self, merchant_id: str, as_of: int) -> NDArray[np.float64] | None:
        """What an assessment of the merchant at ``as_of`` (epoch ms) would see, by what is settled.

        In catalogue order, NaN where not available; None for a merchant without events.
        """
        scoring = self.scoring[self._intake.partition_of(merchant_id)]
        slot = scoring.engine.index.slot_of(merchant_id)
        return None if slot is None else scoring.vector_at(slot, as_of)

    def finish(self, now_ms: int) -> None:
        """Let the clock run to the end of the last day, so that its buckets close."""
        self._advance(now_ms)
        for partition, scoring in enumerate(self.scoring):
            if not len(scoring.engine.index):
                continue
            at = scoring.engine.high
            end = (at // DAY_MS + 1) * DAY_MS + self._config.lateness_ms
            while at < end:
                at = min(at + self._config.live_distance_ms, end)
                self._intake.tick(partition, at)
        self._advance(now_ms)

    def _advance(self, now_ms: int) -> None:
        """Run the log until nothing is left; activations follow what caused them."""
        self._waiting = 0
        pending = self._intake.flush()
        while pending:
            for output in pending:
                self._route(output, now_ms)
            pending = self._intake.flush()

    def _route(self, output: Output, now_ms: int) -> None:
        value = output.value or b""
        if output.topic == topics.EVENTS:
            partition = output.partition
            record = self._record(topics.EVENTS, partition, self._offsets[partition], value)
            self._offsets[partition] += 1
            if self._tap is not None:
                self._tap(record)
            for result in self._scored.process(record):
                self._route(result, now_ms)
            return
        if output.topic in (topics.MODELS, topics.POLICIES):
            self._artifacts.put(*artifact_of(output.topic, output.key), value)
        elif output.topic == topics.CONTROL:
            control = self._record(topics.CONTROL, output.partition, 0, value, key=output.key)
            self._intake.take(control, now_ms)
            return
        self._emit(output.topic, value)
        if output.topic == topics.ASSESSMENTS and self._learner is not None:
            record = self._record(topics.ASSESSMENTS, output.partition, self._learned, value)
            self._learned += 1
            for learned in self._learner.process(record):
                self._route(learned, now_ms)

    @staticmethod
    def _record(
        topic: str, partition: int, offset: int, value: bytes, key: bytes | None = None
    ) -> Record:
        return Record(topic, partition, offset, key, value, [], 0)

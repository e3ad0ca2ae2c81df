"""Scoring on Kafka: one ``Scoring`` a partition, restored on assignment, checkpointed in turns."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable

from features.feeds import FeedHealth
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from streams.artifacts import genesis
from streams.cadence import engine_config
from streams.checkpoints import Checkpointer, Shelf
from streams.host import Committed, Source
from streams.intake import SOURCE_TIME_HEADER
from streams.machine_code import load_machine_code
from streams.records import Artifacts, Output, Record
from streams.restore import restore
from streams.scoring import Scoring

log = logging.getLogger(__name__)

CARRY_BYTES = 4 << 20
"""State of a running checkpoint that is compressed per transaction: keeps its pause short."""

REPORT_EVERY_S = 0.05
"""Metrics of a partition are set at most so often while records come, and at every commit."""


class HostedPartition:
    """A ``Scoring`` with its checkpoints, and what was reported of it."""

    def __init__(self, scoring: Scoring, shelf: Shelf) -> None:
        self.scoring = scoring
        self.checkpointer = Checkpointer(scoring, shelf)
        self.lines_at_checkpoint = 0
        self.checkpoint_at = time.monotonic()
        self.reported: Counter[str] = Counter()
        self.report_due = 0.0


class ScoringHost:
    """Hosts scoring; see ``streams.host.Host``."""

    role = "scoring"
    inputs: tuple[str, ...] = (topics.EVENTS,)
    records_max = 32
    instance: str | None = None
    aligned = False

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        artifacts: Artifacts,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._artifacts = artifacts
        self._beat = beat
        self._partitions: dict[int, HostedPartition] = {}
        self._refusals_told: set[str] = set()
        load_machine_code()

    def assign(self, committed: dict[Source, Committed]) -> None:
        """Restore each partition; the progress is on ``/metrics`` and in the log."""
        for (_, partition), position in sorted(committed.items()):
            hosted = HostedPartition(self._scoring(), self._shelf(partition))
            restore(
                hosted.scoring,
                hosted.checkpointer,
                position,
                self._settings,
                self._restoring,
            )
            hosted.reported = Counter(self._stats(hosted.scoring))
            hosted.lines_at_checkpoint = hosted.scoring.lines
            self._partitions[partition] = hosted

    def _scoring(self) -> Scoring:
        return Scoring(self._artifacts, genesis(), engine_config(self._settings))

    def _shelf(self, partition: int) -> Shelf:
        return Shelf(partition)

    def _restoring(self, partition: int, position: int, until: int) -> None:
        """A long restore is progress, not a stall."""
        self._metrics.restore_progress_of(partition, position, until)
        self._beat()

    def revoke(self, sources: list[Source]) -> None:
        """Drop the state: the log and the checkpoint have it."""
        for _, partition in sources:
            self._partitions.pop(partition, None)
            self._metrics.forget_feeds(partition)

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Process one micro-batch."""
        hosted = self._partitions[record.partition]
        outputs = hosted.scoring.process(record)
        clock = time.monotonic()
        if clock >= hosted.report_due:
            hosted.report_due = clock + REPORT_EVERY_S
            self._report(hosted)
        source_ms = next((v for n, v in record.headers if n == SOURCE_TIME_HEADER), None)
        if source_ms and outputs:
            alert = any(output.topic == topics.ALERTS for output in outputs)
            self._metrics.observe_delay((now_ms - int(source_ms)) / 1000, alert=alert)
        return outputs

    def tick(self, now_ms: int) -> list[Output]:
        """Begin a checkpoint where one is due, one partition at a time."""
        self._metrics.last_processed(self.role, now_ms)
        if not any(h.checkpointer.running for h in self._partitions.values()):
            for hosted in self._partitions.values():
                if self._due(hosted):
                    hosted.checkpointer.begin()
                    hosted.lines_at_checkpoint = hosted.scoring.lines
                    hosted.checkpoint_at = time.monotonic()
                    break
        self._show(now_ms)
        return []

    def _show(self, now_ms: int) -> None:
        for partition, hosted in self._partitions.items():
            scoring = hosted.scoring
            self.report_feeds(partition, scoring.engine.feeds)
            self._metrics.activated(
                model=scoring.model_version,
                policy=scoring.policy_version,
                rules=scoring.rules.version,
                anomaly=scoring.anomaly_version,
            )
        ages = [time.monotonic() - h.checkpoint_at for h in self._partitions.values()]
        self._metrics.checkpoint_age.set(max(ages, default=0.0))
        lags = [now_ms - h.scoring.engine.high for h in self._partitions.values()]
        if lags:
            self._metrics.event_time_lag.labels("scoring").set(max(lags) / 1000)

    def _due(self, hosted: HostedPartition) -> bool:
        lines = hosted.scoring.lines - hosted.lines_at_checkpoint
        age_ms = (time.monotonic() - hosted.checkpoint_at) * 1000
        worker = self._settings.worker
        return lines >= worker.checkpoint_events or (
            lines > 0 and age_ms >= worker.checkpoint_interval_ms
        )

    def report_feeds(self, partition: int, feeds: Iterable[FeedHealth]) -> None:
        """Show the health of a partition's feeds on ``/metrics``."""
        for feed in feeds:
            self._metrics.feed_state(
                partition,
                feed.feed,
                quiet=feed.state == "quiet",
                unavailable=feed.state != "healthy",
                last_event_ms=feed.last_event_at,
                seen=feed.seen,
                expected=feed.expected,
            )

    def drain(self) -> list[Output]:
        """The next portion of the running checkpoint."""
        outputs: list[Output] = []
        for hosted in self._partitions.values():
            self._report(hosted)
            outputs += hosted.checkpointer.carry(CARRY_BYTES)
        self._metrics.checkpoint_bytes.inc(sum(len(o.value or b"") for o in outputs))
        return outputs

    def metadata(self, source: Source) -> str:
        """The running digest of the outputs: what a restore must arrive at."""
        return self._partitions[source[1]].scoring.digest

    def _stats(self, scoring: Scoring) -> dict[str, int]:
        return {**scoring.stats, **scoring.engine.counters}

    def _report(self, hosted: HostedPartition) -> None:
        stats = self._stats(hosted.scoring)
        self._metrics.add_scoring(
            {name: value - hosted.reported[name] for name, value in stats.items()}
        )
        hosted.reported = Counter(stats)
        why = hosted.scoring.refusal
        if why and why not in self._refusals_told:
            # Every partition refuses the same version; one line says it.
            self._refusals_told.add(why)
            log.error("model_refused", extra={"why": why, "in_force": hosted.scoring.model_version})

"""The sample lending core on Kafka: exactly once, its book in a compacted topic."""

import logging
from collections import Counter
from collections.abc import Collection

from credit.core_book import Verdict
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from streams.host import Committed, Source
from streams.lending_core import LendingCore
from streams.reading import read_partition
from streams.records import Output, Record

log = logging.getLogger(__name__)
ROLE = "lending-core"


class LendingCoreHost:
    """Hosts a book per partition; see ``streams.host.Host``.

    ``draw_seed`` None draws nothing. The lines named in ``mend`` leave quarantine once their
    partition is assigned.
    """

    role = ROLE
    inputs: tuple[str, ...] = (topics.LIMIT_CHANGES,)
    records_max = 500
    instance: str | None = None
    aligned = False

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        draw_seed: int | None = None,
        mend: Collection[str] = (),
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._seed = draw_seed
        self._to_mend = dict.fromkeys(mend)
        self._mended: list[str] = []
        self._handed: list[str] = []
        self._cores: dict[int, LendingCore] = {}
        self._reported: Counter[tuple[int, Verdict]] = Counter()
        self._waiting: list[Output] = []
        self._taken = self._given = self._last_timestamp_ms = 0

    def assign(self, committed: dict[Source, Committed]) -> None:
        """The book as of the last commit.

        Without a committed position too: a group that lost its own reads again what is booked, and
        repeats change nothing.
        """
        for (_, partition), position in committed.items():
            core = self._cores[partition] = LendingCore(partition, self._seed)
            book = read_partition(self._settings, topics.CORE_BOOK, partition)
            core.restore((message.key(), message.value()) for message in book)
            log.info("book_restored", extra={"partition": partition, "lines": len(core.lines)})
            self._mend(core, partition, position.offset or 0)
            self._metrics.core_quarantined.labels(str(partition)).set(core.quarantined)

    def _mend(self, core: LendingCore, partition: int, position: int) -> None:
        """What a person asked for, of lines that are here; it goes into the next transaction."""
        for line_id in self._to_mend:
            found = core.lines.get(line_id)
            if found is None or found.quarantine is None:
                continue
            changes = read_partition(self._settings, topics.LIMIT_CHANGES, partition, end=position)
            name = f'"{line_id}"'.encode()
            values = [m.value() for m in changes if m.value() is not None and name in m.value()]
            self._waiting += core.mend(line_id, values)
            self._mended.append(line_id)
            line = core.lines[line_id]
            log.warning(
                "line_mended",
                extra={
                    "line_id": line_id,
                    "booked_version": line.version,
                    "quarantine": line.quarantine.reason if line.quarantine else None,
                },
            )

    def revoke(self, sources: list[Source]) -> None:
        """Forget the books, and what of mending was not committed."""
        for _, partition in sources:
            self._cores.pop(partition, None)
            self._metrics.core_quarantined.remove(str(partition))
            for key in [key for key in self._reported if key[0] == partition]:
                del self._reported[key]
        for forgotten in (self._waiting, self._mended, self._handed):
            forgotten.clear()

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Book one limit change, or refuse it. Raises ``InputStopped``."""
        outputs = self._cores[record.partition].process(record)
        self._taken += 1
        self._last_timestamp_ms = record.timestamp_ms
        self._given += len(outputs)
        return outputs

    def tick(self, now_ms: int) -> list[Output]:
        """Near the present, loans follow the wall clock."""
        self._metrics.last_processed(ROLE, now_ms)
        outputs = [output for core in self._cores.values() for output in core.advance(now_ms)]
        self._given += len(outputs)
        return outputs

    def drain(self) -> list[Output]:
        """The changed lines, and what mending gave."""
        outputs, self._waiting = self._waiting, []
        # What was handed over before is committed by now: else all would have been revoked.
        for line_id in self._handed:
            self._to_mend.pop(line_id, None)
        self._handed, self._mended = self._mended, []
        self._given += len(outputs)
        self._metrics.events.labels(ROLE, "in").inc(self._taken)
        self._metrics.events.labels(ROLE, "out").inc(self._given)
        self._metrics.event_seen(ROLE, self._last_timestamp_ms)
        self._taken = self._given = 0
        for partition, core in self._cores.items():
            outputs += core.dirty()
            self._report(partition, core)
        return outputs

    def metadata(self, source: Source) -> str:
        """The book itself is in the transaction; nothing to add."""
        return ""

    def _report(self, partition: int, core: LendingCore) -> None:
        self._metrics.core_quarantined.labels(str(partition)).set(core.quarantined)
        for verdict, count in core.verdicts.items():
            new = count - self._reported[partition, verdict]
            if new:
                self._metrics.core_changes.labels(verdict.outcome, verdict.reason or "").inc(new)
                self._reported[partition, verdict] = count
        for refusal in core.refusals:
            log.error(
                "limit_change_refused",
                extra={
                    "line_id": refusal.line_id,
                    "version": refusal.version,
                    "booked_version": refusal.booked_version,
                    "decision_id": refusal.decision_id,
                    "reason": refusal.reason,
                },
            )
        core.refusals.clear()

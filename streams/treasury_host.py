"""The treasury on Kafka: one owner at a time, its changed state in every transaction.

The topic of requests has one partition. So of all workers with this role one has it, and the others
stand by: when the owner ends, the group gives the partition to the next.
"""

from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from streams.artifacts import genesis
from streams.host import Committed, Source
from streams.reading import read_partition
from streams.records import Artifacts, Output, Record
from streams.treasury import Treasurer, policies_of

ROLE = "treasury"


class TreasuryHost:
    """Hosts the treasury; see ``streams.host.Host``."""

    role = ROLE
    inputs: tuple[str, ...] = (topics.BUDGET_REQUESTS,)
    records_max = 500
    instance: str | None = None
    aligned = False

    def __init__(self, settings: Settings, metrics: Metrics, artifacts: Artifacts) -> None:
        self._settings = settings
        self._metrics = metrics
        self._policies = policies_of(artifacts, genesis().policy_text)
        self._treasurer: Treasurer | None = None
        self._taken = self._given = self._last_timestamp_ms = 0

    def assign(self, committed: dict[Source, Committed]) -> None:
        """State as of the last commit; nothing is replayed.

        Also without a committed position: what a group that lost its own granted stays granted.
        """
        if not committed:
            return
        treasurer = Treasurer(self._settings.kafka.partitions, self._policies)
        treasurer.restore(
            {
                message.key(): message.value()
                for message in read_partition(self._settings, topics.TREASURY_STATE, 0)
            }
        )
        self._treasurer = treasurer
        self._metrics.budgets(treasurer.figures())

    def revoke(self, sources: list[Source]) -> None:
        """Another worker grants from here on."""
        if sources:
            self._treasurer = None
            self._metrics.budgets(())

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Answer one request."""
        assert self._treasurer is not None
        outputs = self._treasurer.process(record)
        self._taken += 1
        self._given += len(outputs)
        self._last_timestamp_ms = record.timestamp_ms
        return outputs

    def tick(self, now_ms: int) -> list[Output]:
        """No grant depends on the clock."""
        self._metrics.last_processed(ROLE, now_ms)
        return []

    def drain(self) -> list[Output]:
        """The days that changed."""
        if self._treasurer is None or not self._taken:
            return []
        self._metrics.events.labels(ROLE, "in").inc(self._taken)
        self._metrics.events.labels(ROLE, "out").inc(self._given)
        self._metrics.event_seen(ROLE, self._last_timestamp_ms)
        self._metrics.budgets(self._treasurer.figures())
        self._taken = self._given = 0
        changed = self._treasurer.dirty()
        return [Output(topics.TREASURY_STATE, 0, key, raw) for key, raw in changed]

    def metadata(self, source: Source) -> str:
        """The state itself is in the transaction; nothing to add."""
        return ""

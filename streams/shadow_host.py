"""A challenger policy beside the one in force, live: it decides the same log and changes nothing.

It is scoring under a policy that no activation replaces, in a group, with checkpoints and an output
topic of its own. Models and rules are those of the log; loans, answers of the core and commands are
of the lines in force. Assessments and alerts are not written again. Budgets that span partitions
are split evenly: leases in the log are for the policy in force.
"""

from collections.abc import Callable

from credit.policy import load_policy
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from streams.artifacts import genesis
from streams.cadence import engine_config
from streams.checkpoints import Shelf
from streams.partitions import HeldPolicy, held_start
from streams.records import Artifacts, Output, Record
from streams.scoring import Scoring
from streams.scoring_host import HostedPartition, ScoringHost

ROLE = "shadow"


def role_of(version: str) -> str:
    """The role, and so the group, of a challenger of this version."""
    return f"{ROLE}-{version}"


class ShadowHost(ScoringHost):
    """Hosts scoring under the policy of ``text``; see ``streams.host.Host``.

    The group is that of the policy's version: another challenger starts from the log's beginning.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        artifacts: Artifacts,
        text: str,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(settings, metrics, HeldPolicy(artifacts, text), beat)
        self._start = held_start(genesis(), text)
        self._version = load_policy(text).version
        self.role = role_of(self._version)
        self._taken = self._given = 0

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Process one micro-batch; of its outputs, what would become of limits."""
        outputs = self._partitions[record.partition].scoring.process(record)
        changes = [
            output._replace(topic=topics.SHADOW_CHANGES)
            for output in outputs
            if output.topic == topics.LIMIT_CHANGES
        ]
        self._taken += 1
        self._given += len(changes)
        return changes

    def drain(self) -> list[Output]:
        """The next portion of the running checkpoint."""
        self._metrics.events.labels(ROLE, "in").inc(self._taken)
        self._metrics.events.labels(ROLE, "out").inc(self._given)
        self._taken = self._given = 0
        return super().drain()

    def _show(self, now_ms: int) -> None:
        """Its age alone: versions and feeds are shown by scoring."""
        lags = [now_ms - each.scoring.engine.high for each in self._partitions.values()]
        if lags:
            self._metrics.event_time_lag.labels(ROLE).set(max(lags) / 1000)

    def _report(self, hosted: HostedPartition) -> None:
        """Nothing: counts of decisions are those of scoring."""

    def _scoring(self) -> Scoring:
        config = engine_config(self._settings)
        partitions = self._settings.kafka.partitions
        return Scoring(self._artifacts, self._start, config, share_of=partitions)

    def _shelf(self, partition: int) -> Shelf:
        return Shelf(partition, topics.SHADOW_CHECKPOINTS, f"{self._version}/")

"""The learner on Kafka: one process at a time, its changed state in every transaction."""

from msgspec import structs

from detectors.contest import Standing, auc_margin
from detectors.drift_alarms import DIRECTIONS, SIGNALS
from detectors.envelope import Signer
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from streams.host import Committed, Source
from streams.learner import Learner
from streams.machine_code import load_machine_code
from streams.reading import partitions_of, read_partition
from streams.records import Output, Record


def _figures(standing: Standing) -> dict[str, float | None]:
    """A standing as ``/metrics`` has it: times in seconds."""
    lead_days = standing.lead_time_days
    lead_s = None if lead_days is None else lead_days * 86_400
    return {**structs.asdict(standing), "lead_time_s": lead_s}


class LearnerHost:
    """Hosts the learner; see ``streams.host.Host``."""

    role = "learner"
    inputs: tuple[str, ...] = (topics.ASSESSMENTS,)
    records_max = 2000
    instance: str | None = "learner"
    aligned = False

    def __init__(self, settings: Settings, metrics: Metrics, signer: Signer) -> None:
        self._settings = settings
        self._signer = signer
        self._metrics = metrics
        self._learner: Learner | None = None
        self._taken = self._given = self._last_timestamp_ms = 0
        self._unshown = False

    def assign(self, committed: dict[Source, Committed]) -> None:
        """State as of the last commit; nothing is replayed."""
        if self._learner is not None:
            return
        load_machine_code(learns=True)
        self._learner = Learner(self._signer)
        items: dict[bytes, bytes | None] = {}
        if any(position.offset is not None for position in committed.values()):
            for partition in range(partitions_of(self._settings, topics.LEARNER_STATE)):
                for message in read_partition(self._settings, topics.LEARNER_STATE, partition):
                    items[message.key()] = message.value()
        self._learner.restore(items)
        self._unshown = True

    def revoke(self, sources: list[Source]) -> None:
        """Only at the end of the process, or when another learner takes over."""
        self._learner = None

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Process one assessment."""
        assert self._learner is not None
        outputs = self._learner.process(record)
        self._unshown = True
        self._taken += 1
        self._given += len(outputs)
        self._last_timestamp_ms = record.timestamp_ms
        return outputs

    def tick(self, now_ms: int) -> list[Output]:
        """Show what changed; no output depends on the clock."""
        self._metrics.last_processed("learner", now_ms)
        if self._learner is not None and self._unshown:
            self._unshown = False
            self._show(self._learner)
        return []

    def _show(self, learner: Learner) -> None:
        counters, contest = learner.counters, learner.contest
        standings = contest.standings()
        bad = sum(outcome.defaulted for outcome in contest.outcomes)
        self._metrics.learner_state(
            held=counters.labels_held,
            given_up=counters.labels_given_up,
            standings={name: _figures(standing) for name, standing in standings.items()},
            psi=learner.psi(),
            auc_margin=auc_margin(standings),
            contest_labels={"bad": bad, "good": len(contest.outcomes) - bad},
            labels_received=counters.outcomes,
            labels_awaited_ms=learner.reporter.labels_awaited_ms,
            alarms={
                (signal, direction): learner.alarms.count(signal, direction)
                for signal in SIGNALS
                for direction in DIRECTIONS
            },
            pause=learner.pause,
            fates={
                "learnt": counters.learned,
                "ripening": counters.labels_ripening,
                "without_history": counters.outcomes_without_history,
                "repeated": counters.labels_repeated,
                "superseded": counters.labels_superseded,
                "thinned": counters.labels_thinned,
            },
            rollbacks={
                "followed": counters.rolled_back,
                "unknown": counters.rollbacks_unknown,
            },
        )

    def drain(self) -> list[Output]:
        """The changed items of the state."""
        self._metrics.events.labels("learner", "in").inc(self._taken)
        self._metrics.events.labels("learner", "out").inc(self._given)
        self._metrics.event_seen("learner", self._last_timestamp_ms)
        self._taken = self._given = 0
        if self._learner is None:
            return []
        return [Output(topics.LEARNER_STATE, 0, key, raw) for key, raw in self._learner.dirty()]

    def metadata(self, source: Source) -> str:
        """The state itself is in the transaction; nothing to add."""
        return ""

"""Intake on Kafka: stateless but for the health of each input, which travels in the commits."""

from collections import Counter

from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from schemas.codec import Limits
from streams.host import Committed, Source
from streams.intake import DeadLetterLimit, InputHealth, Intake
from streams.records import Artifacts, Output, Record

_NOTHING: list[Output] = []


def intake_of(settings: Settings, privacy_key: bytes, artifacts: Artifacts) -> Intake:
    """An intake as the settings say."""
    bounds = settings.intake
    return Intake(
        partitions=settings.kafka.partitions,
        privacy_key=privacy_key,
        artifacts=artifacts,
        limits=Limits(
            payload_bytes_max=bounds.payload_bytes_max,
            future_bound_ms=bounds.future_bound_ms,
            ancient_before_ms=bounds.ancient_bound_ms,
        ),
        dead_letter_limit=DeadLetterLimit(
            share_max=bounds.dead_letter_share_max,
            window=bounds.dead_letter_share_window,
            run_max=bounds.dead_letter_run_max,
        ),
        lines_max=bounds.log_lines_max,
        batch_bytes_max=bounds.log_bytes_max,
    )


class IntakeHost:
    """Hosts intake; see ``streams.host.Host``."""

    role = "intake"
    inputs: tuple[str, ...] = topics.INPUT_TOPICS
    records_max = 500
    """Few enough to be gone before the garbage collector counts them as old and walks the heap."""
    instance: str | None = None
    aligned = True

    def __init__(
        self, settings: Settings, metrics: Metrics, artifacts: Artifacts, privacy_key: bytes
    ) -> None:
        self._metrics = metrics
        self._intake = intake_of(settings, privacy_key, artifacts)
        self._clock_partitions: set[int] = set()
        self._reported: Counter[str] = Counter()
        self._accepted = 0
        self._last_timestamp_ms = 0

    def assign(self, committed: dict[Source, Committed]) -> None:
        """Take the inputs' health over; the owner of an orders partition also keeps its clock."""
        for source, position in committed.items():
            self._intake.health[source] = InputHealth.unpack(position.metadata)
            if source[0] == topics.TRANSACTIONS:
                self._clock_partitions.add(source[1])

    def revoke(self, sources: list[Source]) -> None:
        """Forget the inputs."""
        for source in sources:
            self._intake.health.pop(source, None)
            if source[0] == topics.TRANSACTIONS:
                self._clock_partitions.discard(source[1])
        if not self._intake.health:
            # Lines of an aborted transaction are read again by whoever comes next.
            self._intake.flush()

    def take(self, record: Record, now_ms: int) -> list[Output]:
        """Validate one record; its lines wait for the next ``drain``."""
        self.take_run([record], now_ms)
        return _NOTHING

    def take_run(self, records: list[Record], now_ms: int) -> None:
        """Validate records of one source; their lines wait for the next ``drain``."""
        self._intake.take_run(records, now_ms)
        self._last_timestamp_ms = records[-1].timestamp_ms

    def tick(self, now_ms: int) -> list[Output]:
        """The wall clock goes into the log, where it is replayed like any event."""
        for partition in sorted(self._clock_partitions):
            self._intake.tick(partition, now_ms)
        self._metrics.last_processed("intake", now_ms)
        return []

    def drain(self) -> list[Output]:
        """The micro-batches and dead letters of this transaction."""
        dead = Counter(self._intake.dead_letters)
        for reason, count in (dead - self._reported).items():
            self._metrics.dead_letters.labels("intake", reason).inc(count)
            self._metrics.events.labels("intake", "dead_letter").inc(count)
        self._reported = dead
        self._metrics.events.labels("intake", "in").inc(self._intake.accepted - self._accepted)
        self._accepted = self._intake.accepted
        self._metrics.event_seen("intake", self._last_timestamp_ms)
        outputs = self._intake.flush()
        self._metrics.events.labels("intake", "out").inc(
            sum((o.value or b"").count(b"\n") for o in outputs if o.topic == topics.EVENTS)
        )
        return outputs

    def metadata(self, source: Source) -> str:
        """Health of the input: a restart does not forgive a bad feed."""
        return self._intake.health.setdefault(source, InputHealth()).pack()

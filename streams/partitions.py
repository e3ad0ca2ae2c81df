"""Scoring of all partitions in one process, with the treasury beside it: replay and backtest.

Where the policy in force has budgets that span partitions, a record of the log is cut where a line
begins a UTC day: its first leases come before that line, and the leases that a record asks for
right behind it. So what is granted depends on the input alone.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, structs

from features.engine import EngineConfig
from features.layout import DAY_MS
from schemas import topics
from schemas.events import BudgetLeased
from streams.artifacts import MemoryArtifacts
from streams.records import Artifacts, Output, Record
from streams.scoring import Scoring
from streams.treasury import Treasurer, policies_of
from streams.versions import Genesis


class HeldPolicy(MemoryArtifacts):
    """Versions of a shared log, but for policies: the one under test is the only one there is."""

    def __init__(self, shared: Artifacts, text: str) -> None:
        super().__init__(shared.trusted)
        self._shared = shared
        self._text = text.encode()

    def get(self, kind: str, version: str, digest: str) -> bytes:
        """See ``streams.records.Artifacts``."""
        return self._text if kind == "policy" else self._shared.get(kind, version, digest)


class Partitions:
    """One ``Scoring`` a partition, over one log."""

    def __init__(
        self, count: int, artifacts: Artifacts, start: Genesis, config: EngineConfig
    ) -> None:
        self.scoring = [Scoring(artifacts, start, config) for _ in range(count)]
        self._treasurer = Treasurer(count, policies_of(artifacts, start.policy_text))
        self._offsets = [0] * count
        self._day = -1

    def process(self, record: Record) -> list[Output]:
        """One micro-batch of the log. Returns its outputs in order.

        Offsets are counted here, since leases of other policies are not in the log.
        """
        outputs: list[Output] = []
        for day, as_of, value in self._cut(record):
            if day > self._day:
                self._day = day
                for version in sorted({each.policy_version for each in self.scoring}):
                    outputs += self._lease(self._treasurer.begin(day, version, as_of))
            outputs += self._run(record.partition, value, record)
        return outputs

    def _cut(self, record: Record) -> Iterator[tuple[int, int, bytes]]:
        """The day and time of the first line of each part, and the part."""
        value = record.value or b""
        if not any(self._treasurer.bounds(each.policy_version) for each in self.scoring):
            yield -1, 0, value
            return
        latest, start, part = self._day, 0, list[bytes]()
        for raw in value.splitlines(keepends=True):
            at = _when(raw).occurred_at
            if at // DAY_MS > latest:
                if part:
                    yield latest, start, b"".join(part)
                latest, start, part = at // DAY_MS, at, []
            part.append(raw)
        yield latest, start, b"".join(part)

    def _run(self, partition: int, value: bytes, record: Record) -> list[Output]:
        offset = self._offsets[partition]
        self._offsets[partition] = offset + 1
        record = record._replace(partition=partition, offset=offset, value=value)
        outputs = self.scoring[partition].process(record)
        asked = [output for output in outputs if output.topic == topics.BUDGET_REQUESTS]
        for request in asked:
            said = Record(request.topic, 0, 0, None, request.value, [], 0)
            outputs += self._lease(self._treasurer.process(said))
        return outputs

    def _lease(self, leases: list[Output]) -> list[Output]:
        """One record for each partition that was granted something."""
        lines: dict[int, list[bytes]] = {}
        for lease in leases:
            value = lease.value or b""
            lines.setdefault(_leased(value).partition, []).append(value)
        outputs: list[Output] = []
        for partition, values in sorted(lines.items()):
            value = b"\n".join(values)
            record = Record(topics.EVENTS, partition, 0, None, value, [], 0)
            outputs += self._run(partition, value, record)
        return outputs


def held_start(start: Genesis, text: str) -> Genesis:
    """The start of a log under another policy."""
    return structs.replace(start, policy_text=text)


class _When(Struct):
    occurred_at: int


_when = msgspec.json.Decoder(_When).decode
_leased = msgspec.json.Decoder(BudgetLeased).decode

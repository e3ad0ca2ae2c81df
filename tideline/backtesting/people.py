"""People who approve, in a backtest: each proposal, some time after it was made.

What a policy proposes it holds to be right, and people mostly agree. A backtest in which nobody
answers would hold it against a policy that it asks; one in which all is granted at once would hide
what asking costs. So as many made-up persons as a proposal needs approve it ``after_ms`` later.
Where the policy's time-out is shorter, nobody does.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from credit.policy import load_policy
from features.engine import EngineConfig
from features.layout import DAY_MS
from schemas import topics
from schemas.codec import encode
from schemas.events import LimitApprove
from schemas.outputs import LimitChange
from streams.partitions import Partitions
from streams.records import Artifacts, Output, Record
from streams.versions import Genesis

PERSONS = ("backtest-1", "backtest-2")
"""As many as a tier may ask for."""


class Waiting(Struct, frozen=True):
    """A proposal that is to be approved at ``at`` (epoch ms)."""

    at: int
    merchant_id: str
    decision_id: str


class Approving(Partitions):
    """Partitions whose proposals are approved: by commands at definite places, of no other policy.

    A record is cut where a line begins a UTC day or an approval is due; the approval comes before
    that line. ``approvals`` counts the commands.
    """

    def __init__(
        self,
        count: int,
        artifacts: Artifacts,
        start: Genesis,
        config: EngineConfig,
        *,
        after_ms: int,
    ) -> None:
        super().__init__(count, artifacts, start, config)
        self.approvals = 0
        self._after_ms = after_ms
        self._asks = bool(load_policy(start.policy_text).approvals.tiers)
        self._waiting: list[list[Waiting]] = [[] for _ in range(count)]
        self._latest = [0] * count

    def process(self, record: Record) -> list[Output]:
        """One micro-batch of the log, with the approvals that fall into it."""
        if not self._asks:
            return super().process(record)
        outputs: list[Output] = []
        for value in self._parts(record):
            outputs += self._approve(record.partition)
            outputs += self._note(super().process(record._replace(value=value)))
        return outputs

    def _parts(self, record: Record) -> Iterator[bytes]:
        """Parts that end before a line of the next day, or at which an approval is due."""
        part: list[bytes] = []
        for raw in (record.value or b"").splitlines(keepends=True):
            before = self._latest[record.partition]
            now = max(before, _when(raw).occurred_at)
            due = self._waiting[record.partition]
            if part and (now // DAY_MS > before // DAY_MS or (due and due[0].at <= now)):
                yield b"".join(part)
                part = []
            self._latest[record.partition] = now
            part.append(raw)
        if part:
            yield b"".join(part)

    def _approve(self, partition: int) -> list[Output]:
        """Say yes to the proposals whose time has come: one person after the other, as needed."""
        outputs: list[Output] = []
        waiting = self._waiting[partition]
        while waiting and waiting[0].at <= self._latest[partition]:
            proposal = waiting.pop(0)
            for actor in PERSONS:
                command = LimitApprove(
                    event_id=f"{proposal.decision_id}/{actor}",
                    merchant_id=proposal.merchant_id,
                    occurred_at=proposal.at,
                    actor=actor,
                    decision_id=proposal.decision_id,
                )
                self.approvals += 1
                record = Record(topics.EVENTS, partition, 0, None, encode(command), [], 0)
                answered = self._note(super().process(record))
                outputs += answered
                if answered:
                    break
        return outputs

    def _note(self, outputs: list[Output]) -> list[Output]:
        """Remember what was proposed."""
        for output in outputs:
            value = output.value or b""
            if output.topic == topics.LIMIT_CHANGES and _PROPOSED in value:
                change = _change(value)
                waiting = self._waiting[output.partition]
                waiting.append(
                    Waiting(
                        change.decided_at + self._after_ms, change.merchant_id, change.decision_id
                    )
                )
                waiting.sort(key=lambda each: each.at)
        return outputs


class _When(Struct):
    occurred_at: int


_PROPOSED = b'"state":"proposed"'
_when = msgspec.json.Decoder(_When).decode
_change = msgspec.json.Decoder(LimitChange).decode

"""One pass over the input, many policies: intake once, a scoring per policy over the same log.

The learner learns from the first policy's assessments, and its versions come into the log, so that
all policies see the same models at the same places. A policy published within the log is not taken:
each runs from the first to the last event.
"""

from collections.abc import Sequence
from functools import partial

import msgspec
from msgspec import Struct

from credit.outcomes import Outcomes, Terms
from features.lines import LogLine, decode_line
from ops.settings import Settings
from schemas import topics
from schemas.outputs import LimitChange
from streams.artifacts import MemoryArtifacts, genesis
from streams.cadence import engine_config
from streams.intake_host import intake_of
from streams.learner import Learner
from streams.partitions import HeldPolicy, Partitions, held_start
from streams.pipeline import Pipeline
from streams.records import Record
from tideline.backtesting.conduct import Conduct
from tideline.backtesting.naive import NAIVE, Naive
from tideline.backtesting.people import Approving

_LENDING = b'"type":"loan.'
_REPAID = b'"type":"repayment.received"'


class Contender(Struct, frozen=True, kw_only=True):
    """A policy under test: its name in the report and its text."""

    name: str
    text: str


class _Seen(Struct):
    """What is read of an assessment: the naive policies need no more."""

    merchant_id: str
    as_of: int
    band: str
    segment: str
    features: dict[str, float | None]


_Item = LogLine | _Seen | tuple[int, LimitChange]
"""Of one record: a loan that moves, an assessment of the first policy, or a policy's change."""


class Backtest:
    """Feeds lines to all policies and keeps their limits, money and conduct.

    ``names`` are the contenders, then the naive policies. People approve what a contender proposes
    ``approve_after_ms`` later; None: nobody does.
    """

    def __init__(
        self,
        settings: Settings,
        privacy_key: bytes,
        contenders: Sequence[Contender],
        terms: Terms,
        *,
        naive: bool,
        learn: bool,
        approve_after_ms: int | None,
    ) -> None:
        shared = MemoryArtifacts()
        config = engine_config(settings)
        intake = intake_of(settings, privacy_key, shared)
        starts = [held_start(genesis(), each.text) for each in contenders]
        self.names = [each.name for each in contenders]
        self._naive = [Naive(name) for name in NAIVE] if naive else []
        self.names += [each.name for each in self._naive]
        self.outcomes = Outcomes(len(self.names), terms)
        self.conduct = [Conduct() for _ in contenders]
        self.segments: dict[str, str] = {}
        self._first = len(contenders)
        made: type[Partitions] | partial[Approving] = Partitions
        if approve_after_ms is not None:
            made = partial(Approving, after_ms=approve_after_ms)
        self._others = [
            made(intake.partitions, HeldPolicy(shared, each.text), start, config)
            for each, start in zip(contenders[1:], starts[1:], strict=True)
        ]
        self._pipeline = Pipeline(
            intake,
            shared,
            lambda topic, value: self._said(0, topic, value),
            learner=Learner() if learn else None,
            config=config,
            start=starts[0],
            tap=self._tap,
            scoring_artifacts=HeldPolicy(shared, contenders[0].text),
            make=made,
        )
        self._last_ms = 0
        self._pending: list[tuple[int, int, _Item]] = []

    def feed(self, source: str, number: int, raw: bytes, now_ms: int) -> None:
        """One line of a file. May raise ``streams.intake.InputStopped``."""
        self._pipeline.feed(source, number, raw, now_ms)

    def finish(self, now_ms: int) -> None:
        """The input ends: the clock runs to the end of the last day, running loans are valued."""
        self._pipeline.finish(now_ms)
        self._settle()
        self.outcomes.finish(self._last_ms)

    @property
    def events(self) -> int:
        """Lines of the log that were scored, each once however many policies."""
        return sum(scoring.lines for scoring in self._pipeline.scoring)

    def _tap(self, record: Record) -> None:
        """A record of the log before the first policy scores it: the others do now."""
        self._settle()
        for raw in _lending_lines(record.value or b""):
            line = decode_line(raw)
            self._pending.append((line.occurred_at, 0, line))
        for i, partitions in enumerate(self._others, 1):
            for output in partitions.process(record):
                self._said(i, output.topic, output.value or b"")

    def _said(self, policy: int, topic: str, value: bytes) -> None:
        if topic == topics.LIMIT_CHANGES:
            change = _change(value)
            self._pending.append((change.decided_at, 1, (policy, change)))
        elif topic == topics.ASSESSMENTS and policy == 0:
            seen = _seen(value)
            self.segments[seen.merchant_id] = seen.segment
            if self._naive:
                self._pending.append((seen.as_of, 1, seen))

    def _settle(self) -> None:
        """Put the loans and limits of one record into one order, by event time.

        What a loan meets is what was granted before it: of equal times the loan comes first.
        """
        self._pending.sort(key=lambda item: item[:2])
        for _, _, item in self._pending:
            if isinstance(item, LogLine):
                self._lend(item)
            elif isinstance(item, _Seen):
                self._assessed(item)
            else:
                self._changed(*item)
        self._pending.clear()

    def _lend(self, line: LogLine) -> None:
        self._last_ms = max(self._last_ms, line.occurred_at)
        if self.outcomes.take(line):
            for each in self.conduct:
                each.defaulted(line.merchant_id)

    def _assessed(self, seen: _Seen) -> None:
        past_due = seen.features.get("days_past_due")
        for i, each in enumerate(self._naive, self._first):
            for line, limit in each.assessed(seen.merchant_id, seen.band, past_due, seen.as_of):
                self.outcomes.limit(i, seen.merchant_id, line, limit)

    def _changed(self, policy: int, change: LimitChange) -> None:
        if change.state != "sent":
            if change.state == "proposed":
                self.conduct[policy].proposed()
            return
        merchant, line, limit = change.merchant_id, change.line_id, change.new_limit_minor
        self.outcomes.limit(policy, merchant, line, limit)
        self.conduct[policy].changed(change)
        if policy == 0 and change.action == "open":
            for i, each in enumerate(self._naive, self._first):
                opened = each.opened(merchant, line, limit, change.decided_at)
                if opened is not None:
                    self.outcomes.limit(i, merchant, line, opened)


def _lending_lines(value: bytes) -> list[bytes]:
    """The lines of a record that draw, repay or end a loan."""
    if _LENDING not in value and _REPAID not in value:
        return []
    return [raw for raw in value.split(b"\n") if _LENDING in raw or _REPAID in raw]


_change = msgspec.json.Decoder(LimitChange).decode
_seen = msgspec.json.Decoder(_Seen).decode

"""The sample lending core: one partition's book, as a pure object over ``risk.limit-changes``.

Answers and simulated loans go to ``lending.events``, changed lines to ``lending.core-book``, all in
the transaction of the position that they come from. Time is that of the changes themselves, so that
old logs give old loans; near the present the wall clock of ``advance`` moves it on.
"""

import contextlib
import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from credit.core_book import (
    BookLine,
    Instruction,
    Verdict,
    decode_instruction,
    decode_line,
    mend,
    open_line,
    take,
)
from credit.drawing import DAY_MS, advance, next_at, plan_draw
from schemas import topics
from schemas.codec import encode
from schemas.events import Event, LimitAcknowledged, LimitRejected
from streams.intake import InputStopped
from streams.records import Output, Record

LIVE_MS = 7 * DAY_MS
"""The wall clock moves the core's time only from within this distance of it."""
_ACKNOWLEDGES = frozenset({"booked", "noted"})


class Refusal(Struct, frozen=True):
    """A refused change, for the log of the process."""

    line_id: str
    version: int
    booked_version: int
    decision_id: str
    reason: str


class LendingCore:
    """Books the limit changes of one partition. ``draw_seed`` None draws nothing."""

    def __init__(self, partition: int, draw_seed: int | None = None) -> None:
        self.lines: dict[str, BookLine] = {}
        self.verdicts: Counter[Verdict] = Counter()
        """Changes taken since the start, by what became of them."""
        self.refusals: list[Refusal] = []
        """Refused changes; whoever logs them clears the list."""
        self._partition = partition
        self._seed = draw_seed
        self._now = 0
        self._changed: dict[str, None] = {}
        self._quarantined: dict[str, None] = {}
        self._timers: list[tuple[int, str]] = []

    @property
    def quarantined(self) -> int:
        """How many lines are in quarantine."""
        return len(self._quarantined)

    def process(self, record: Record) -> list[Output]:
        """One limit change: booked or refused, and answered. Raises ``InputStopped``.

        A record that cannot be read has no line that could be refused, so the partition stops.
        """
        try:
            change = decode_instruction(record.value or b"")
        except msgspec.DecodeError as error:
            raise InputStopped(record, f"not a limit change: {error}") from error
        outputs = self._run_until(change.decided_at)
        line = self.lines.get(change.line_id)
        return outputs + self._take(open_line(change) if line is None else line, change)

    def advance(self, now_ms: int) -> list[Output]:
        """The wall clock moves on, where the core's time is near it."""
        return self._run_until(now_ms) if self._now > now_ms - LIVE_MS else []

    def mend(self, line_id: str, log: Iterable[bytes]) -> list[Output]:
        """End a quarantine: what was refused since is taken from the partition's log, in order.

        What cannot be read was never taken, and is passed by.
        """
        line, waiting = mend(self.lines[line_id], _readable(log))
        self._keep(line)
        return [output for change in waiting for output in self._take(self.lines[line_id], change)]

    def dirty(self) -> list[Output]:
        """Lines that changed since the last call."""
        outputs = [
            Output(topics.CORE_BOOK, self._partition, name.encode(), encode(self.lines[name]))
            for name in self._changed
        ]
        self._changed.clear()
        return outputs

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """The book as of the last commit; of a line the last value counts."""
        self.lines = {key.decode(): decode_line(raw) for key, raw in items}
        self._quarantined = {n: None for n, line in self.lines.items() if line.quarantine}
        self._now = max((line.changed_at for line in self.lines.values()), default=0)
        timers = ((next_at(line), name) for name, line in self.lines.items())
        self._timers = [(at, name) for at, name in timers if at is not None]
        heapq.heapify(self._timers)

    def _take(self, line: BookLine, change: Instruction) -> list[Output]:
        booked_version = line.version
        line, verdict = take(line, change)
        self.verdicts[verdict] += 1
        if verdict.outcome == "repeated":
            return []
        if verdict.outcome == "booked" and self._seed is not None:
            line = plan_draw(line, self._seed, change.decided_at)
        if verdict.outcome == "refused":
            self.refusals.append(
                Refusal(
                    line_id=change.line_id,
                    version=change.version,
                    booked_version=booked_version,
                    decision_id=change.decision_id,
                    reason=verdict.reason or "",
                )
            )
        self._keep(line)
        return [self._output(answer_to(change, verdict))]

    def _keep(self, line: BookLine) -> None:
        self.lines[line.line_id] = line
        self._changed[line.line_id] = None
        if line.quarantine is None:
            self._quarantined.pop(line.line_id, None)
        else:
            self._quarantined[line.line_id] = None
        at = next_at(line)
        if at is not None:
            heapq.heappush(self._timers, (at, line.line_id))

    def _run_until(self, now_ms: int) -> list[Output]:
        """Draw and repay what has come due, in order of time and then of line."""
        outputs: list[Output] = []
        self._now = max(self._now, now_ms)
        if self._seed is None:
            return outputs
        while self._timers and self._timers[0][0] <= self._now:
            at, name = heapq.heappop(self._timers)
            if next_at(self.lines[name]) != at:
                continue  # it has been planned anew since
            line, events = advance(self.lines[name], self._seed, at)
            self._keep(line)
            outputs += map(self._output, events)
        return outputs

    def _output(self, event: Event) -> Output:
        return Output(topics.LENDING, self._partition, event.merchant_id.encode(), encode(event))


def _readable(log: Iterable[bytes]) -> Iterator[Instruction]:
    for raw in log:
        with contextlib.suppress(msgspec.DecodeError):
            yield decode_instruction(raw)


def answer_to(change: Instruction, verdict: Verdict) -> Event:
    """What the core says to a change that is no repeat; the same words have the same event id.

    It is dated as the change, for an old log must not read as if it were answered today.
    """
    booked = verdict.outcome in _ACKNOWLEDGES
    said = (change.line_id, str(change.version), change.decision_id, verdict.reason or "booked")
    digest = hashlib.blake2b("\x00".join(said).encode(), digest_size=12).hexdigest()
    return (LimitAcknowledged if booked else LimitRejected)(
        event_id=f"{'ack' if booked else 'rej'}_{digest}",
        merchant_id=change.merchant_id,
        occurred_at=change.decided_at,
        decision_id=change.decision_id,
        line_id=change.line_id,
        version=change.version,
        reason=verdict.reason,
    )

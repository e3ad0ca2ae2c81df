"""One pass of a data set through intake and scoring, with the vector of each question on the way.

Scoring does what it does in production; at each question the merchant's vector is taken as an
assessment would see it at that time. Outcomes that a protocol withholds are never fed, so that no
feature, of the merchant or of its peers, can have seen one. Features do not depend on labels
otherwise, and so are computed once for all folds, seeds and candidates.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.catalogue import NAMES
from ops.errors import FatalError
from schemas import topics
from streams.intake import InputStopped
from streams.pipeline import Pipeline
from tideline.evaluation.leaks import Guard
from tideline.evaluation.questions import Event, Questions, Told
from tideline.sources.records import SourceRecord

DAY_MS = 86_400_000
MONTH_MS = 30 * DAY_MS


class _Alert(Struct):
    alert_id: str
    merchant_id: str
    kind: str
    updated_at: int
    version: int
    reopened: int


class Opened(NamedTuple):
    """An alert episode that the sentinels opened, or opened again."""

    merchant_id: str
    kind: str
    at: int


class Batch(NamedTuple):
    """Questions of one time, ``first`` to ``last`` (excluded), and their vectors."""

    first: int
    last: int
    vectors: NDArray[np.float64]


class Watched(Struct, kw_only=True):
    """What the pass saw beside the vectors."""

    events: int = 0
    withheld: int = 0
    refused: int = 0
    assessments: int = 0
    opened: list[Opened] = msgspec.field(default_factory=list)
    first_at: dict[str, int] = msgspec.field(default_factory=dict)
    last_at: dict[str, int] = msgspec.field(default_factory=dict)
    reopened: dict[str, int] = msgspec.field(default_factory=dict)

    def alert_volume(self) -> dict[str, float]:
        """Episodes that the sentinels opened per merchant and 30 days, by kind.

        A merchant's time runs from its first event to its last, at least one day.
        """
        lived = sum(max(self.last_at[m] - at, DAY_MS) for m, at in self.first_at.items())
        kinds = Counter(each.kind for each in self.opened)
        return {kind: count * MONTH_MS / lived for kind, count in sorted(kinds.items())}

    def emit(self, topic: str, value: bytes) -> None:
        """Told every output of the pipeline."""
        if topic == topics.ASSESSMENTS:
            self.assessments += 1
        elif topic == topics.DEAD_LETTERS:
            self.refused += 1
        elif topic == topics.ALERTS:
            alert = _alert(value)
            if alert.version == 1 or alert.reopened > self.reopened.get(alert.alert_id, 0):
                self.reopened[alert.alert_id] = alert.reopened
                self.opened.append(Opened(alert.merchant_id, alert.kind, alert.updated_at))


_alert = msgspec.json.Decoder(_Alert).decode


def watch(
    pipeline: Pipeline,
    watched: Watched,
    told: Told,
    asked: Questions,
    withheld: Callable[[SourceRecord, Event], bool],
    now_ms: int,
) -> Iterator[Batch]:
    """Feed the records and answer the questions on the way, in the order of their times.

    A question sees all that arrived up to its time and occurred by then. Raises ``LeakError`` where
    its outcome is among that, and ``FatalError`` where intake stops.
    """
    guard = Guard(asked)
    groups = np.flatnonzero(np.r_[True, asked.at[1:] != asked.at[:-1], True]).tolist()
    turn = 0
    for record, event in told:
        at = record.occurred_at if record.occurred_at is not None else 0
        while turn < len(groups) - 1 and at > asked.at[groups[turn]]:
            yield _answer(pipeline, asked, groups[turn], groups[turn + 1], now_ms)
            turn += 1
        if withheld(record, event):
            watched.withheld += 1
            continue
        guard.fed(event, groups[turn])
        merchant = event["merchant_id"]
        watched.first_at.setdefault(merchant, at)
        watched.last_at[merchant] = at
        watched.events += 1
        try:
            pipeline.feed(record.source, record.line, record.value, now_ms)
        except InputStopped as stopped:
            raise FatalError(f"{stopped}; mend the input, see `tideline replay`") from None
    for first, last in zip(groups[turn:], groups[turn + 1 :], strict=False):
        yield _answer(pipeline, asked, first, last, now_ms)
    pipeline.finish(now_ms)


def _answer(pipeline: Pipeline, asked: Questions, first: int, last: int, now_ms: int) -> Batch:
    pipeline.settle(now_ms)
    vectors = np.full((last - first, len(NAMES)), np.nan)
    at = int(asked.at[first])
    for i in range(first, last):
        vector = pipeline.vector_of(asked.merchants[i], at)
        if vector is not None:
            vectors[i - first] = vector
    return Batch(first, last, vectors)

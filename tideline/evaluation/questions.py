"""What is asked of the detectors: how risky is this merchant at this time, and what came of it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ops.errors import ConfigurationError
from tideline.sources.records import SourceRecord

Event = dict[str, Any]
Told = Iterable[tuple[SourceRecord, Event]]
"""The records of a data set in order of arrival, each with its event."""
NO_TIME = -1


class Questions(NamedTuple):
    """Questions in the order of their times, and their answers, which only the judge may see.

    ``at`` (epoch ms) is the last moment that may be known, ``known_at`` the first moment at which
    the answer is. ``bad_at`` is when it went bad, ``NO_TIME`` where it did not or has no date.
    ``outcome_ids`` names the event that gives the answer, "" where it follows from many.
    ``groups`` splits the results. ``floors`` are scores of the protocol's own, made of what was
    known at ``at``; higher is riskier. ``sizes`` (above 0) match pairs of like size. Questions
    before ``judged_from`` (epoch ms) are learnt from, and not judged.
    """

    merchants: NDArray[np.object_]
    at: NDArray[np.int64]
    labels: NDArray[np.bool_]
    known_at: NDArray[np.int64]
    bad_at: NDArray[np.int64]
    outcome_ids: NDArray[np.object_]
    groups: NDArray[np.object_]
    floors: Mapping[str, NDArray[np.float64]]
    sizes: NDArray[np.float64] | None = None
    judged_from: int = 0

    def take(self, places: NDArray[Any]) -> "Questions":
        """Some of the questions, by place or by flag."""
        return self._replace(
            merchants=self.merchants[places],
            at=self.at[places],
            labels=self.labels[places],
            known_at=self.known_at[places],
            bad_at=self.bad_at[places],
            outcome_ids=self.outcome_ids[places],
            groups=self.groups[places],
            floors={name: column[places] for name, column in self.floors.items()},
            sizes=None if self.sizes is None else self.sizes[places],
        )


def questions(
    merchants: Iterable[str],
    at: Any,
    labels: Any,
    known_at: Any,
    *,
    bad_at: Any = None,
    outcome_ids: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    floors: Mapping[str, Any] | None = None,
    sizes: Any = None,
    judged_from: int = 0,
) -> Questions:
    """Questions of columns in any order."""
    names = np.array(list(merchants), dtype=object)
    count = len(names)
    times = np.asarray(at, np.int64)
    answers = np.asarray(labels, np.bool_)
    made = Questions(
        names,
        times,
        answers,
        np.asarray(known_at, np.int64),
        np.full(count, NO_TIME) if bad_at is None else np.asarray(bad_at, np.int64),
        _texts(outcome_ids, count),
        _texts(groups, count),
        {name: np.asarray(column, np.float64) for name, column in (floors or {}).items()},
        None if sizes is None else np.asarray(sizes, np.float64),
        judged_from,
    )
    return made.take(np.argsort(times, kind="stable"))


def check_judged(asked: Questions) -> None:
    """Raises ``ConfigurationError`` where none is judged, or none of one of the two answers."""
    judged = asked.labels[asked.at >= asked.judged_from]
    if not 0 < int(judged.sum()) < len(judged):
        raise ConfigurationError(
            f"{len(judged)} questions to judge, {int(judged.sum())} of them bad: there is nothing "
            "to tell apart; give more data, with outcomes of both kinds"
        )


def _texts(values: Iterable[str] | None, count: int) -> NDArray[np.object_]:
    return np.array([""] * count if values is None else list(values), dtype=object)


class Reference(Struct, frozen=True, kw_only=True):
    """A figure of others for the same split: published, or of one number."""

    metric: str
    figure: float
    of: str


class Protocol(Struct, frozen=True, kw_only=True):
    """How one labelled data set is judged.

    ``files`` are read by the adapter ``format``. ``ask`` makes the questions of all records.
    ``withheld`` says which records are outcomes that the features must not see.
    ``split`` is ``entity``: folds by merchant, the labels of the other folds come first; or
    ``time``: one pass, each label is learnt once known. ``by`` is how scores are ranked: all
    ``together``, or within each ``period`` of equal ``at``, of which the mean counts. ``capacity``
    is how many can be looked at: a number in each period, or (below 1) a share of all.
    ``negatives`` is the share of the good that are learnt from: where nearly all are good, most of
    them say the same. ``healthy_after_ms`` is how long after a bad one an alert is not false; None
    where alerts in time are not counted. ``trouble_periods`` bad answers make a trouble.
    """

    name: str
    title: str
    format: str
    files: tuple[str, ...]
    ask: Callable[[Told], Questions]
    withheld: Callable[[SourceRecord, Event], bool]
    split: Literal["entity", "time"]
    by: Literal["together", "period"] = "together"
    capacity: float = 0.1
    negatives: float = 1.0
    healthy_after_ms: int | None = None
    trouble_periods: int = 1
    references: tuple[Reference, ...] = ()
    notes: tuple[str, ...] = ()
    fairness: Callable[[Path], Mapping[str, Mapping[str, str]]] | None = None


def nothing_withheld(record: SourceRecord, event: Event) -> bool:
    """Labels that are events of the merchant's business like any other."""
    return False

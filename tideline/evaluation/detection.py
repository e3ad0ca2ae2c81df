"""Alerts in time: how many troubles are found, how soon, at what rate of false alerts."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tideline.evaluation.questions import NO_TIME, Questions
from tideline.evaluation.watch import Opened

DAY_MS = 86_400_000
MONTH_MS = 30 * DAY_MS
FALSE_PER_MONTH = 0.05
"""False alerts per healthy merchant-month at which candidates are compared."""
GRACE_DAYS = 7
"""A trouble may still be found so long after its last bad day."""
SEEN_DAYS = 21
"""A trouble counts if the data goes on for so long after it began."""


class Detection(Struct, frozen=True, kw_only=True):
    """What alerts found: ``days_to_alert`` is the mean over the troubles that were found."""

    found_share: float
    days_to_alert: float | None
    false_alerts_per_month: float
    troubles: int


class Trouble(NamedTuple):
    """One trouble of one merchant: the time that it began, and the first at which it is too late.

    Times are places among those of all questions.
    """

    column: int
    first: int
    last: int


class Calendar:
    """The questions as a table of times by merchants, and the troubles that are in it.

    A trouble is a run of at least ``trouble_periods`` bad answers with pauses of at most
    ``healthy_after_ms``. A merchant is healthy at a time unless an answer was bad within
    ``healthy_after_ms`` up to then.
    """

    def __init__(self, asked: Questions, healthy_after_ms: int, trouble_periods: int) -> None:
        self._times, self._row = np.unique(asked.at, return_inverse=True)
        names, self._column = np.unique(asked.merchants.astype(str), return_inverse=True)
        self._place = {name: i for i, name in enumerate(names.tolist())}
        self._shape = (len(self._times), len(names))
        bad = np.zeros(self._shape, np.bool_)
        bad[self._row, self._column] = asked.labels
        self._judged = self._times >= asked.judged_from
        last_bad = np.where(bad, self._times[:, None], NO_TIME - healthy_after_ms)
        np.maximum.accumulate(last_bad, axis=0, out=last_bad)
        ill = self._times[:, None] - last_bad <= healthy_after_ms
        self._healthy = np.zeros(self._shape, np.bool_)
        self._healthy[self._row, self._column] = True
        self._healthy &= ~ill & self._judged[:, None]
        step = float(np.median(np.diff(self._times)))
        self._healthy_months = max(self._healthy.sum() * step / MONTH_MS, 1e-9)
        self._troubles = [
            trouble
            for column in np.flatnonzero(bad.any(axis=0)).tolist()
            for trouble in self._runs(bad[:, column], column, healthy_after_ms, trouble_periods)
        ]

    def _runs(
        self, bad: NDArray[np.bool_], column: int, pause_ms: int, least: int
    ) -> Iterator[Trouble]:
        rows = np.flatnonzero(bad)
        parts = np.split(rows, np.flatnonzero(np.diff(self._times[rows]) > pause_ms) + 1)
        seen_until = self._times[-1] - SEEN_DAYS * DAY_MS
        for run in parts:
            first, last = int(run[0]), self._times[run[-1]] + GRACE_DAYS * DAY_MS
            if len(run) >= least and self._judged[first] and self._times[first] <= seen_until:
                yield Trouble(column, first, int(np.searchsorted(self._times, last, "right")))

    def of_scores(self, scores: NDArray[np.float64]) -> Detection:
        """Alerts of scores of the judged questions, in their order, at ``FALSE_PER_MONTH``.

        An alert is a score that rises above the threshold; while it stays there, it is the same.
        """
        table = np.full(self._shape, -np.inf)
        judged = self._judged[self._row]
        table[self._row[judged], self._column[judged]] = scores
        levels = np.unique(np.quantile(scores, 1.0 - np.geomspace(1e-5, 0.5, 400)))
        low, high = 0, len(levels) - 1
        while low < high:
            middle = (low + high) // 2
            if self._false(self._raised(table > levels[middle])) <= FALSE_PER_MONTH:
                high = middle
            else:
                low = middle + 1
        return self._measure(self._raised(table > levels[low]), table > levels[low])

    def of_alerts(self, opened: Iterable[Opened]) -> Detection:
        """The episodes that the sentinels opened; each counts from the next question on."""
        raised = np.zeros(self._shape, np.bool_)
        for each in opened:
            column = self._place.get(each.merchant_id)
            row = int(np.searchsorted(self._times, each.at))
            if column is not None and row < len(self._times) and self._judged[row]:
                raised[row, column] = True
        return self._measure(raised, raised)

    @staticmethod
    def _raised(above: NDArray[np.bool_]) -> NDArray[np.bool_]:
        raised = above.copy()
        raised[1:] &= ~above[:-1]
        return raised

    def _false(self, raised: NDArray[np.bool_]) -> float:
        return float((raised & self._healthy).sum() / self._healthy_months)

    def _measure(self, raised: NDArray[np.bool_], above: NDArray[np.bool_]) -> Detection:
        delays = []
        for column, first, last in self._troubles:
            hits = np.flatnonzero(above[first:last, column])
            if len(hits):
                delays.append((self._times[first + hits[0]] - self._times[first]) / DAY_MS)
        return Detection(
            found_share=len(delays) / max(len(self._troubles), 1),
            days_to_alert=float(np.mean(delays)) if delays else None,
            false_alerts_per_month=self._false(raised),
            troubles=len(self._troubles),
        )

"""Checks that no answer is known before its question: each fails with the name of what leaked."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.metrics import Ranking
from ops.errors import TidelineError
from tideline.evaluation.questions import Event, Questions

PERFECT = 0.995
"""A single number with this AUC (or 1 less it) is no finding but the answer itself."""
CLASS_MIN = 10
"""Cases of each class below which a perfect order comes about by chance."""


class LeakError(TidelineError):
    """An answer, or what follows from it, was known before its question."""


def check_times(asked: Questions) -> None:
    """Raises ``LeakError`` where an answer is known before its question is asked.

    At the same moment is right only for an outcome that the features are not shown.
    """
    early = np.flatnonzero(asked.known_at < asked.at)
    if len(early):
        i = int(early[0])
        raise LeakError(
            f"the answer of merchant {asked.merchants[i]!r} ({_outcome(asked, i)}) is known at "
            f"{asked.known_at[i]}, before the question at {asked.at[i]}, as are {len(early) - 1} "
            "others; ask earlier, or mend the time of the outcome"
        )


class Guard:
    """Watches what is fed to the pipeline before each question."""

    def __init__(self, asked: Questions) -> None:
        self._asked = asked
        self._place = {str(e): i for i, e in enumerate(asked.outcome_ids) if e}

    def fed(self, event: Event, answered: int) -> None:
        """An event is about to be fed; the first ``answered`` questions are answered.

        Raises ``LeakError`` if it is the outcome of a question yet to come.
        """
        place = self._place.get(str(event.get("event_id")))
        if place is not None and place >= answered:
            asked = self._asked
            raise LeakError(
                f"event {event['event_id']!r} ({event['type']}) gives the answer of merchant "
                f"{asked.merchants[place]!r} at {event.get('occurred_at')}, before its question at "
                f"{asked.at[place]}; withhold it, or ask earlier"
            )


def check_columns(
    names: Sequence[str],
    columns: NDArray[np.float64],
    labels: NDArray[np.bool_],
    allowed: Collection[str] = (),
) -> None:
    """Raises ``LeakError`` with the columns that alone tell the answers, by value or by absence.

    ``columns`` has one row a case and NaN where not available. Those ``allowed`` may do so.
    """
    found = [
        f"{name!r} ({how})"
        for i, name in enumerate(names)
        if name not in allowed and (how := _tells(columns[:, i], labels)) is not None
    ]
    if found:
        raise LeakError(
            f"{', '.join(found)}: each alone tells the answer of {len(labels)} cases. It follows "
            "from the outcome: ask earlier or keep the outcome's event from the features; or name "
            "it with --allow where it is known in time"
        )


def _tells(column: NDArray[np.float64], labels: NDArray[np.bool_]) -> str | None:
    """How a column alone tells the answers, or None."""
    absent = np.isnan(column)
    parts = (
        ("by absence", absent.astype(np.float64), labels),
        ("by value", column[~absent], labels[~absent]),
    )
    for how, scores, answers in parts:
        if min(int(answers.sum()), int((~answers).sum())) < CLASS_MIN:
            continue
        auc = Ranking(scores, answers).roc_auc()
        assert auc is not None, "both classes are there"
        if not 1.0 - PERFECT < auc < PERFECT:
            return how
    return None


def check_blind(first: NDArray[np.float64], second: NDArray[np.float64], who: str) -> None:
    """Raises ``LeakError`` where scores change though only answers that are not known yet did."""
    if not np.array_equal(first, second):
        raise LeakError(
            f"{who!r} scores {int((first != second).sum())} of {len(first)} cases otherwise when "
            "the answers of the fold that is scored are turned round; it has seen them"
        )


def _outcome(asked: Questions, place: int) -> str:
    return str(asked.outcome_ids[place]) or "a label of many events"

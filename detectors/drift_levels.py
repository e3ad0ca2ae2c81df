"""What each level of drift triggers: the one table, and what follows from it for promotions."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from detectors.drift import ACT, WATCH, Drift
from detectors.drift_alarms import PAUSE_LABELS, DriftAlarms

Level = Literal["none", "watch", "act"]
Pause = Literal["labels_held", "error_rose", "score_moves", "inputs_move"]
INPUTS_SHARE = 0.25
"""Promotions wait while such a share of the inputs moves at once. A single one may move for good
reasons and for long (the age of merchants in a young portfolio); many at once are a broken feed, or
another population."""


class Row(NamedTuple):
    """One line of the table: a signal, from where on, what it means and what is done."""

    signal: str
    found: str
    means: str
    action: str


TABLE: tuple[Row, ...] = (
    Row("PSI of an input or the score", f"below {WATCH}", "none: nothing has moved", "nothing"),
    Row(
        "PSI of an input or the score",
        f"{WATCH} to {ACT}",
        "watch: worth a look",
        "shown; a ticket if it stays for a day (TidelineDriftWatch)",
    ),
    Row(
        "PSI of an input",
        f"{ACT} and above",
        "act: another population, or a broken feed",
        "shown; a ticket within the hour (TidelineDriftAct); while "
        f"{INPUTS_SHARE:.0%} of the inputs or more go on moving, nothing is promoted",
    ),
    Row(
        "PSI of the score",
        f"{ACT} and above",
        "act: the champion sees another population",
        "shown; a ticket within the hour (TidelineDriftAct); "
        "nothing is promoted until the score has settled",
    ),
    Row(
        "ADWIN on the error",
        "upward",
        "the champion has become worse, or labels are wrong",
        "shown; a ticket (TidelineErrorRose): look at the labels; the window in which all are "
        f"compared restarts, and nothing is promoted for {PAUSE_LABELS} labels",
    ),
    Row("ADWIN on the error", "downward", "the champion does better than before", "shown"),
    Row(
        "ADWIN on the score",
        "either way",
        "the mean probability of default has changed",
        "shown; a ticket (TidelineScoreChanged)",
    ),
)
"""Signals, levels and actions; ``docs/drift.md`` has it as it is here."""


def level_of(psi: float) -> Level:
    """The level of a population stability index."""
    return "act" if psi >= ACT else "watch" if psi >= WATCH else "none"


def pause_of(
    drift: Drift,
    alarms: DriftAlarms,
    *,
    inputs: Mapping[str, tuple[str, ...]],
    score: tuple[str, ...],
    labels_held: bool,
) -> Pause | None:
    """Why nothing is promoted now, the gravest reason first, or None.

    ``inputs`` are the bins of each model input, ``score`` those of the score; ``labels_held`` says
    whether the quarantine holds labels.
    """
    if labels_held:
        return "labels_held"
    if alarms.pause_labels:
        return "error_rose"
    if drift.is_moving(score):
        return "score_moves"
    moving = sum(drift.is_moving(bins) for bins in inputs.values())
    return "inputs_move" if moving and moving >= INPUTS_SHARE * len(inputs) else None


def markdown() -> str:
    """The table as Markdown."""
    lines = ["| signal | found | means | what is done |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in TABLE]
    return "\n".join(lines) + "\n"

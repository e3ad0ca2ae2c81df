"""Compromised terminals: each day, which will have a fraudulent transaction that day?"""

import numpy as np
from numpy.typing import NDArray

from tideline.evaluation.questions import (
    Protocol,
    Questions,
    Reference,
    Told,
    nothing_withheld,
    questions,
)

DAY_MS = 86_400_000
KNOWN_AFTER_DAYS = 7
"""A fraud is disputed so long after the transaction; then the answer for a day is complete."""
FIRST_DAY = 15
"""From here on every terminal has a week of days that are known."""
JUDGED_FROM_DAY = 60
SHRINK = 20.0
"""Transactions by which the share of the week is drawn to the mean."""


def ask(told: Told) -> Questions:
    """Each day from ``FIRST_DAY`` on, a question for each terminal that has been seen before."""
    paid: dict[str, list[int]] = {}
    disputed: dict[str, list[int]] = {}
    for _, event in told:
        if event["type"] == "order.paid":
            paid.setdefault(event["merchant_id"], []).append(event["occurred_at"])
        elif event["type"] == "order.disputed":
            disputed.setdefault(event["merchant_id"], []).append(event["ordered_at"])
    names = sorted(paid)
    first = min(times[0] for times in paid.values()) // DAY_MS
    days = max(times[-1] for times in paid.values()) // DAY_MS - first + 1
    counts = _by_day(names, paid, first, days)
    frauds = _by_day(names, disputed, first, days)
    # Column d: before day d, so that the difference of two is what happened between them.
    sales, bad = _before(counts), _before(frauds)
    asked = np.arange(FIRST_DAY, days)
    until = asked - KNOWN_AFTER_DAYS
    since = until - 7
    known_sales, known_bad = sales[:, until] - sales[:, since], bad[:, until] - bad[:, since]
    mean = (bad[:, until].sum(axis=0) + 1e-9) / sales[:, until].sum(axis=0)
    share = (known_bad + SHRINK * mean) / (known_sales + SHRINK)
    traffic = (sales[:, asked] - sales[:, asked - 14]) / 14
    terminal, turn = np.nonzero(sales[:, asked] > 0)
    day = asked[turn] + first
    return questions(
        [names[i] for i in terminal.tolist()],
        day * DAY_MS - 1,
        frauds[terminal, asked[turn]] > 0,
        (day + 1 + KNOWN_AFTER_DAYS) * DAY_MS,
        floors={
            "dispute-share-7d": share[terminal, turn],
            "dispute-share-7d-by-traffic": (share * (traffic + 0.1))[terminal, turn],
        },
        judged_from=int(first + JUDGED_FROM_DAY) * DAY_MS - 1,
    )


def _by_day(
    names: list[str], times: dict[str, list[int]], first: int, days: int
) -> NDArray[np.float64]:
    counts = np.zeros((len(names), days))
    for i, name in enumerate(names):
        placed = np.array(times.get(name, []), np.int64) // DAY_MS - first
        counts[i] = np.bincount(placed, minlength=days)
    return counts


def _before(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, axis=1)], axis=1)


_WEEK = "dispute share of the last 7 known days"
PROTOCOL = Protocol(
    name="terminals",
    title="Compromised terminals, day by day",
    format="terminals",
    files=("terminals_transactions.parquet",),
    ask=ask,
    withheld=nothing_withheld,
    split="time",
    by="period",
    capacity=50,
    negatives=0.05,
    healthy_after_ms=14 * DAY_MS,
    trouble_periods=3,
    references=(
        Reference(metric="roc_auc", figure=0.67, of=_WEEK),
        Reference(metric="average_precision", figure=0.16, of=_WEEK),
        Reference(metric="precision_at_capacity", figure=0.38, of=_WEEK),
        Reference(metric="found_share", figure=0.89, of=_WEEK),
        Reference(metric="days_to_alert", figure=7.7, of=_WEEK),
        Reference(metric="roc_auc", figure=0.72, of=f"{_WEEK}, times traffic"),
    ),
    notes=(
        "The data is simulated. A fraud is disputed 7 days later, so no score of ours can be "
        "earlier than that; a dispute is an event of the terminal, and so is known to the features "
        "from then on.",
        "A compromise is a run of three or more days with fraud and no pause above two weeks; the "
        "data does not name them.",
        "One good terminal-day in twenty is learnt from, drawn under each seed, and probabilities "
        "are corrected for it (King and Zeng, 2001).",
    ),
)

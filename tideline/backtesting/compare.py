"""The figures of a backtest: money by policy, and differences paired by merchant with intervals."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from credit.outcomes import Money, Outcomes
from tideline.backtesting.conduct import Conduct

RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
FIELDS: tuple[str, ...] = (
    "funded",
    "interest",
    "funding_cost",
    "loss",
    "net",
    "loss_avoided",
    "withheld_bad",
    "withheld_good",
    "interest_forgone",
)
"""What is added up of ``credit.outcomes.Money``, in the order in which it is shown."""
_BATCH = 4_000_000
"""Random numbers drawn at a time."""


class Difference(Struct, frozen=True, kw_only=True):
    """A policy less the first one, over the same merchants, minor units.

    The interval is 95 % of a Poisson bootstrap of merchants (Chamandy et al., 2012).
    """

    field: str
    total_minor: float
    low_minor: float
    high_minor: float


class Behaviour(Struct, frozen=True, kw_only=True):
    """How a policy's lines moved. ``cuts`` are decreases and freezes.

    ``approvals`` are changes that waited for people, ``approvals_granted`` those that people sent.
    """

    actions: dict[str, int]
    approvals: int
    approvals_granted: int
    cuts: int
    cuts_reverted: int
    merchants_cut: int
    merchants_cut_good: int


class Currency(Struct, frozen=True, kw_only=True):
    """All of one currency: totals by policy, and differences from the first policy."""

    currency: str
    merchants: int
    totals_minor: dict[str, dict[str, float]]
    differences: dict[str, list[Difference]]
    segments: dict[str, dict[str, float]]
    """Segment -> policy -> net, minor units."""


class Comparison(Struct, frozen=True, kw_only=True):
    """The whole result. ``behaviour`` is there for real policies alone."""

    policies: list[str]
    currencies: list[Currency]
    behaviour: dict[str, Behaviour]
    loans_without_disbursement: int


def compare(
    names: Sequence[str],
    outcomes: Outcomes,
    conduct: Sequence[Conduct],
    segments: dict[str, str],
    seed: int,
) -> Comparison:
    """Add up what a backtest saw. ``seed`` is that of the bootstrap."""
    by_currency: dict[str, list[tuple[str, list[Money]]]] = defaultdict(list)
    for merchant, currency, money in outcomes.results():
        by_currency[currency].append((merchant, money))
    ordered = sorted(by_currency.items(), key=lambda item: (-len(item[1]), item[0]))
    return Comparison(
        policies=list(names),
        currencies=[_currency(names, code, rows, segments, seed) for code, rows in ordered],
        behaviour={
            name: _behaviour(each)
            for name, each in zip(names[: len(conduct)], conduct, strict=True)
        },
        loans_without_disbursement=outcomes.unmatched,
    )


def _behaviour(each: Conduct) -> Behaviour:
    return Behaviour(
        actions=dict(sorted(each.actions.items())),
        approvals=each.approvals,
        approvals_granted=each.approvals_granted,
        cuts=each.cuts,
        cuts_reverted=each.reverted,
        merchants_cut=each.merchants_cut,
        merchants_cut_good=each.merchants_cut_good,
    )


def _currency(
    names: Sequence[str],
    code: str,
    rows: list[tuple[str, list[Money]]],
    segments: dict[str, str],
    seed: int,
) -> Currency:
    table = np.array(
        [[[getattr(each, field) for field in FIELDS] for each in money] for _, money in rows]
    )
    totals = table.sum(axis=0)
    net = FIELDS.index("net")
    by_segment: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(names)))
    for (merchant, _), row in zip(rows, table, strict=True):
        by_segment[segments.get(merchant, "unspecified")] += row[:, net]
    return Currency(
        currency=code,
        merchants=len(rows),
        totals_minor={
            name: dict(zip(FIELDS, map(float, totals[i]), strict=True))
            for i, name in enumerate(names)
        },
        differences={
            name: differences(table[:, i] - table[:, 0], seed) for i, name in enumerate(names) if i
        },
        segments={
            segment: dict(zip(names, map(float, values), strict=True))
            for segment, values in sorted(by_segment.items())
        },
    )


def differences(paired: NDArray[np.float64], seed: int) -> list[Difference]:
    """Sums of ``FIELDS`` with intervals; ``paired`` has a row a merchant.

    Merchants without any difference move no bootstrap.
    """
    moved = paired[np.any(paired != 0, axis=1)]
    totals = paired.sum(axis=0)
    lows, highs = totals, totals
    if len(moved):
        drawn = np.random.default_rng(seed)
        size = max(1, min(RESAMPLES, _BATCH // len(moved)))
        sums = [
            drawn.poisson(1.0, (min(size, RESAMPLES - at), len(moved))) @ moved
            for at in range(0, RESAMPLES, size)
        ]
        lows, highs = np.percentile(np.concatenate(sums), INTERVAL, axis=0)
    return [
        Difference(
            field=field,
            total_minor=float(totals[i]),
            low_minor=float(lows[i]),
            high_minor=float(highs[i]),
        )
        for i, field in enumerate(FIELDS)
    ]

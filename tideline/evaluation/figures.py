"""The figures of a report: what each candidate and floor reached, with intervals."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors.metrics import (
    Bin,
    Ranking,
    brier_score,
    calibration_error,
    log_loss,
    matched_auc,
    reliability,
)
from tideline.evaluation.detection import Calendar, Detection
from tideline.evaluation.judge import Judged
from tideline.evaluation.questions import NO_TIME, Protocol, Questions
from tideline.evaluation.watch import Opened

Numbers = NDArray[np.float64]
Fairness = dict[str, dict[str, dict[str, float]]]
"""Protected attribute -> group -> figure -> value."""
RESAMPLES = 200
INTERVAL = (2.5, 97.5)
GROUP_MIN = 20
"""Bad and good cases of a group below which it has no figure of its own."""
DAY_MS = 86_400_000


class Estimate(Struct, frozen=True, kw_only=True):
    """Mean over the seeds, each seed's value, and the 95 % interval of a bootstrap of merchants.

    Each resample draws merchants with replacement, and a seed.
    """

    mean: float
    seeds: tuple[float, ...]
    low: float | None = None
    high: float | None = None


class Figures(Struct, frozen=True, kw_only=True):
    """What one candidate or floor reached.

    ``kind`` is ``candidate``, ``unlabelled`` or ``floor``. Fields that do not apply are None or
    empty.
    """

    kind: str
    roc_auc: Estimate | None
    average_precision: Estimate | None
    precision_at_capacity: Estimate
    recall_at_capacity: Estimate
    pooled_roc_auc: float | None = None
    pooled_average_precision: float | None = None
    log_loss: Estimate | None = None
    brier: Estimate | None = None
    calibration_error: Estimate | None = None
    reliability: tuple[Bin, ...] = ()
    matched_roc_auc: Estimate | None = None
    matched_pairs: int = 0
    against_best_floor: Estimate | None = None
    detection: Detection | None = None
    lead_time_days: Estimate | None = None
    groups: dict[str, float] = {}


class Result(Struct, frozen=True, kw_only=True):
    """One split of one data set.

    ``best_floor`` is the floor with the greatest AUC, chance where none tells anything.
    """

    split: str
    cases: int
    bad: int
    merchants: int
    best_floor: str
    figures: dict[str, Figures]
    curves: dict[str, dict[str, list[float]]]
    sentinels: Detection | None = None


def measure(
    protocol: Protocol, split: str, judged: Judged, asked: Questions, opened: list[Opened]
) -> Result:
    """All figures of one split. ``asked`` are all questions, also those not judged."""
    cases = judged.asked
    cells = list(_cells(protocol, cases))
    calendar = None
    if protocol.healthy_after_ms is not None and split == "time":
        calendar = Calendar(asked, protocol.healthy_after_ms, protocol.trouble_periods)
    drawn = {name: _aucs(values, cases, cells) for name, values in judged.scores.items()}
    means = {
        name: float(np.mean(found[0]))
        for name, found in drawn.items()
        if found is not None
        and name not in judged.probabilities | judged.unlabelled
        and name != "random"
    }
    best = max(sorted(means), key=means.__getitem__, default="random")
    figures = {
        name: _figures(protocol, name, judged, cells, drawn, best, calendar)
        for name in judged.scores
    }
    return Result(
        split=split,
        cases=len(cases.at),
        bad=int(cases.labels.sum()),
        merchants=len(set(cases.merchants.tolist())),
        best_floor=best,
        figures=figures,
        curves={name: _curve(values[0], cases.labels) for name, values in judged.scores.items()},
        sentinels=None if calendar is None else calendar.of_alerts(opened),
    )


def _cells(protocol: Protocol, cases: Questions) -> Iterator[NDArray[np.int64]]:
    """Places of the cases that are ranked with each other."""
    if protocol.by == "together":
        yield np.arange(len(cases.at))
        return
    edges = np.flatnonzero(np.r_[True, cases.at[1:] != cases.at[:-1], True]).tolist()
    for first, last in pairwise(edges):
        yield np.arange(first, last)


Drawn = tuple[list[float], list[float], Numbers, Numbers]
"""AUC and average precision of each seed; both of each resample."""


def _aucs(values: list[Numbers], cases: Questions, cells: list[Any]) -> Drawn | None:
    """None where the score says the same of all, as of a number that the data does not have."""
    if all(np.ptp(each) == 0 for each in values):
        return None
    names, merchant = np.unique(cases.merchants.astype(str), return_inverse=True)
    rankings: dict[int, list[tuple[Ranking, NDArray[np.int64]]]] = {}
    for seed, scores in enumerate(values):
        same = next((s for s in range(seed) if values[s] is scores), None)
        if same is not None:
            rankings[seed] = rankings[same]
        else:
            rankings[seed] = [(Ranking(scores[c], cases.labels[c]), merchant[c]) for c in cells]
    plain = [_mean_of(rankings[seed], None) for seed in range(len(values))]
    rng = np.random.default_rng(0)
    resampled = []
    for number in range(RESAMPLES):
        weights = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        resampled.append(_mean_of(rankings[number % len(values)], weights.astype(np.float64)))
    aucs, precisions = np.array(resampled).T
    return [p[0] for p in plain], [p[1] for p in plain], aucs, precisions


def _mean_of(
    rankings: list[tuple[Ranking, NDArray[np.int64]]], weights: Numbers | None
) -> tuple[float, float]:
    aucs, precisions = [], []
    for ranking, merchant in rankings:
        each = None if weights is None else weights[merchant]
        auc, precision = ranking.roc_auc(each), ranking.average_precision(each)
        if auc is not None and precision is not None:
            aucs.append(auc)
            precisions.append(precision)
    if not aucs:
        return float("nan"), float("nan")
    return float(np.mean(aucs)), float(np.mean(precisions))


def _figures(
    protocol: Protocol,
    name: str,
    judged: Judged,
    cells: list[Any],
    drawn: Mapping[str, Drawn | None],
    best: str,
    calendar: Calendar | None,
) -> Figures:
    cases, values = judged.asked, judged.scores[name]
    own, floor = drawn[name], drawn[best]
    said = name in judged.probabilities
    pooled = Ranking(values[0], cases.labels) if protocol.by == "period" else None
    at_capacity = [_at_capacity(protocol, scores, cases, cells) for scores in values]
    tables = [reliability(scores, cases.labels) for scores in values] if said else []
    matched = [matched_auc(v, cases.labels, cases.sizes) for v in values if cases.sizes is not None]
    pairs = [auc for auc, _ in matched if auc is not None]
    against = None
    if own is not None and floor is not None and name != best:
        gaps = [auc - float(np.mean(floor[0])) for auc in own[0]]
        against = _estimate(gaps, own[2] - floor[2])
    return Figures(
        kind="candidate" if said else "unlabelled" if name in judged.unlabelled else "floor",
        roc_auc=None if own is None else _estimate(own[0], own[2]),
        average_precision=None if own is None else _estimate(own[1], own[3]),
        precision_at_capacity=_estimate([p for p, _ in at_capacity]),
        recall_at_capacity=_estimate([r for _, r in at_capacity]),
        pooled_roc_auc=pooled.roc_auc() if pooled else None,
        pooled_average_precision=pooled.average_precision() if pooled else None,
        log_loss=_estimate([_log_loss(v, cases.labels) for v in values]) if said else None,
        brier=_estimate([brier_score(v, cases.labels) for v in values]) if said else None,
        calibration_error=_estimate([calibration_error(t) for t in tables]) if said else None,
        reliability=tuple(tables[0]) if said else (),
        matched_roc_auc=_estimate(pairs) if pairs else None,
        matched_pairs=matched[0][1] if matched else 0,
        against_best_floor=against,
        detection=None if calendar is None else calendar.of_scores(values[0]),
        lead_time_days=_lead_time(protocol, values, cases),
        groups=_by_group(values, cases),
    )


def _estimate(seeds: list[float], resampled: Numbers | None = None) -> Estimate:
    low = high = None
    if resampled is not None and not np.isnan(resampled).all():
        low, high = (float(each) for each in np.nanpercentile(resampled, INTERVAL))
    return Estimate(mean=float(np.mean(seeds)), seeds=tuple(seeds), low=low, high=high)


def _log_loss(predictions: Numbers, labels: NDArray[np.bool_]) -> float:
    return log_loss(predictions.tolist(), labels.tolist())


def capacity_of(protocol: Protocol, cases: int) -> int:
    """How many of so many cases can be looked at."""
    if protocol.capacity >= 1:
        return int(protocol.capacity)
    return max(round(protocol.capacity * cases), 1)


def _at_capacity(
    protocol: Protocol, scores: Numbers, cases: Questions, cells: list[Any]
) -> tuple[float, float]:
    """Precision and recall when as many as there is capacity for are looked at."""
    found, looked = 0.0, 0
    for cell in cells:
        capacity = min(capacity_of(protocol, len(cell)), len(cell))
        found += Ranking(scores[cell], cases.labels[cell]).found_at(capacity)
        looked += capacity
    return found / looked, found / int(cases.labels.sum())


def _lead_time(protocol: Protocol, values: list[Numbers], cases: Questions) -> Estimate | None:
    """Median days from the question to the bad end, over the bad found at capacity."""
    if not (cases.bad_at != NO_TIME).any():
        return None
    medians = []
    for scores in values:
        first = np.argsort(-scores, kind="stable")[: capacity_of(protocol, len(scores))]
        found = first[(cases.bad_at[first] != NO_TIME) & cases.labels[first]]
        if len(found):
            medians.append(float(np.median(cases.bad_at[found] - cases.at[found])) / DAY_MS)
    return _estimate(medians) if medians else None


def _by_group(values: list[Numbers], cases: Questions) -> dict[str, float]:
    """AUC within each group that has enough of both; empty where there is only one group."""
    names = sorted(set(cases.groups.tolist()))
    found = {}
    for name in names if len(names) > 1 else []:
        own = np.flatnonzero(cases.groups == name)
        bad = int(cases.labels[own].sum())
        if min(bad, len(own) - bad) < GROUP_MIN:
            continue
        aucs = [_auc(scores[own], cases.labels[own]) for scores in values]
        found[name or "no segment"] = float(np.mean(aucs))
    return found


def _auc(scores: Numbers, labels: NDArray[np.bool_]) -> float:
    """The AUC of cases of both classes."""
    auc = Ranking(scores, labels).roc_auc()
    assert auc is not None, "both classes are there"
    return auc


def _curve(scores: Numbers, labels: NDArray[np.bool_], points: int = 60) -> dict[str, list[float]]:
    """ROC and precision-recall curves, thinned for a plot; of all cases together."""
    wrong, found, precision = Ranking(scores, labels).curve()
    places = np.unique(np.linspace(0, len(wrong) - 1, points).astype(np.int64))
    even = np.unique(np.searchsorted(found, np.linspace(0, 1, points)).clip(0, len(found) - 1))
    return {
        "false_positive_rate": [0.0, *wrong[places].tolist()],
        "true_positive_rate": [0.0, *found[places].tolist()],
        "recall": found[even].tolist(),
        "precision": precision[even].tolist(),
    }


def fairness(
    judged: Judged, attributes: Mapping[str, Mapping[str, str]], name: str = "champion"
) -> Fairness:
    """Of each group of each protected attribute: cases, mean prediction, share bad, and AUC.

    Of the first seed. Groups without ``GROUP_MIN`` of both are left out.
    """
    cases, scores = judged.asked, judged.scores[name][0]
    report: Fairness = {}
    for attribute, group_of in attributes.items():
        groups = np.array([group_of.get(m, "") for m in cases.merchants], dtype=object)
        for group in sorted(set(groups.tolist())):
            own = np.flatnonzero(groups == group)
            bad = int(cases.labels[own].sum())
            if min(bad, len(own) - bad) >= GROUP_MIN:
                report.setdefault(attribute, {})[group] = {
                    "cases": len(own),
                    "predicted": float(scores[own].mean()),
                    "observed": bad / len(own),
                    "roc_auc": _auc(scores[own], cases.labels[own]),
                }
    return report

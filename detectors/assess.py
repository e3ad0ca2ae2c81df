"""The assessment of one merchant: probability, band, anomaly and ranked reasons."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from msgspec import Struct, structs

from detectors.anomaly_score import NO_ANOMALY, Anomaly
from detectors.checks import AnyOf, Check, place
from detectors.default_risk import Model
from detectors.facts import FACTS
from detectors.reasons import GOOD, Currency, insufficient_history, make_reason
from detectors.scorer import leading
from detectors.sentinels import SEVERITY_RANK, Hit
from detectors.transform import INPUT_NAMES, Matrix, input_rows
from detectors.vectors import Vector, as_floats
from features.catalogue import INDEX
from schemas.outputs import Band, Reason

BANDS: tuple[tuple[float, Band], ...] = ((0.01, "A"), (0.03, "B"), (0.07, "C"), (0.15, "D"))
"""Probabilities of default below which a band holds; ``E`` from the last on."""
_KNOWN = Check("tenure_days", "ge", 28)
HISTORY = AnyOf(
    place(checks)
    for checks in (
        (Check("repayment_late_share", "ge", 0),),
        (Check("loans_settled_count", "ge", 1),),
        (Check("days_past_due", "ge", 1),),
        (_KNOWN, Check("turnover_usual_28d_minor", "ge", 1)),
        (_KNOWN, Check("sales_count_28d", "ge", 5)),
    )
)
"""The vectors with enough to judge by: lending history, or 28 days with a usual or five sales."""
REASONS_MAX = 6
_STATED = sorted(name for name in INPUT_NAMES if name in FACTS)
_RANKS = np.array([_STATED.index(name) if name in FACTS else -1 for name in INPUT_NAMES])


class Verdict(Struct, kw_only=True, frozen=True, gc=False):
    """What the detectors say of one merchant at one time. See ``schemas.outputs.Assessment``."""

    probability_of_default: float | None
    anomaly_score: float | None
    band: Band
    reasons: list[Reason]
    unusual: tuple[str, ...] = ()


class Judgement(NamedTuple):
    """What a model says of one merchant.

    ``ranked`` are the features that moved it and by how much (log-odds): towards risk, the largest
    first, then away from it; of equal ones in the order of their names.
    """

    probability: float
    ranked: list[tuple[str, float]]


def judge(vectors: Matrix, model: Model) -> list[Judgement]:
    """What the model says of each merchant; vectors are in catalogue order, NaN = not available.

    A feature that is not available is not stated, though a model may have counted it as the mean.
    """
    rows = input_rows(vectors)
    scored = model.scorer(rows)
    known = np.where(np.isnan(rows), 0.0, scored.contributions)
    columns = np.concatenate(leading(known, _RANKS, REASONS_MAX), axis=1)
    added = np.take_along_axis(known, columns, axis=1)
    each = zip(scored.probabilities.tolist(), columns.tolist(), added.tolist(), strict=True)
    found = []
    for probability, places, parts in each:
        pairs = zip(places, parts, strict=True)
        ranked = [(INPUT_NAMES[place], part) for place, part in pairs if place >= 0]
        found.append(Judgement(probability, ranked))
    return found


def assess(
    vector: Vector,
    model: Model,
    hits: Sequence[Hit],
    *,
    as_of: int,
    currency: Currency = None,
    anomaly: Anomaly = NO_ANOMALY,
) -> Verdict:
    """Judge one merchant. ``vector`` is in catalogue order, NaN = not available.

    ``insufficient_history`` is a result, never "no risk": it holds until the vector is one of
    ``HISTORY``. There is then no probability, and rules that fire still speak.

    Reasons, at most ``REASONS_MAX``, none twice: what rules found, most severe first; then what
    moved the model towards risk, largest first; then what moved it away. The first four are what an
    adverse-action notice may state (12 CFR 1002.9 and its commentary). ``as_of`` is the event
    time (epoch milliseconds); ``currency`` shapes texts alone. ``anomaly`` is what
    ``anomaly_score.rate`` found; it moves neither probability nor band, and so is no reason.
    """
    values = as_floats(vector)
    if not HISTORY.met(values):
        return without_history(values[INDEX["tenure_days"]], hits)
    return with_history(
        values, judge(np.array([values]), model)[0], hits, currency=currency, anomaly=anomaly
    )


def with_history(
    values: list[float],
    judgement: Judgement,
    hits: Sequence[Hit],
    *,
    currency: Currency = None,
    anomaly: Anomaly = NO_ANOMALY,
) -> Verdict:
    """The verdict on a vector that is one of ``HISTORY``, from what ``judge`` says of it."""
    ranked = chain(_rule_reasons(hits), _model_reasons(values, judgement.ranked, currency))
    return Verdict(
        probability_of_default=judgement.probability,
        anomaly_score=anomaly.score,
        band=band_of(judgement.probability),
        reasons=_first(ranked),
        unusual=anomaly.unusual,
    )


def without_history(tenure_days: float, hits: Sequence[Hit]) -> Verdict:
    """The verdict on a vector that is not one of ``HISTORY``."""
    verdict = _thin(tenure_days)
    if not hits:
        return verdict
    return structs.replace(verdict, reasons=_first([*verdict.reasons, *_rule_reasons(hits)]))


@lru_cache(maxsize=1 << 12)
def _thin(tenure_days: float) -> Verdict:
    return Verdict(
        probability_of_default=None,
        anomaly_score=None,
        band="insufficient_history",
        reasons=[insufficient_history(tenure_days)],
    )


def _rule_reasons(hits: Sequence[Hit]) -> list[Reason]:
    return [
        reason
        for hit in sorted(hits, key=lambda hit: -SEVERITY_RANK[hit.severity])
        for reason in hit.reasons
    ]


def band_of(probability: float) -> Band:
    """The band of a probability of default."""
    for bound, band in BANDS:
        if probability < bound:
            return band
    return "E"


def _model_reasons(
    vector: list[float], ranked: list[tuple[str, float]], currency: Currency
) -> Iterator[Reason]:
    for name, part in ranked:
        yield make_reason(name, vector, currency=currency, contribution=part)


def _first(ranked: Iterable[Reason]) -> list[Reason]:
    """The first reasons; of those that state the same fact, the first alone."""
    kept: dict[str, Reason] = {}
    for reason in ranked:
        kept.setdefault(reason.code.removesuffix(GOOD), reason)
        if len(kept) == REASONS_MAX:
            break
    return list(kept.values())

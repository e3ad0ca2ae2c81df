"""The assessment of one merchant: probability, band, anomaly and ranked reasons."""

from collections.abc import Sequence

from msgspec import Struct

from detectors.anomaly import anomaly_score
from detectors.default_risk import Model, score
from detectors.facts import FACTS
from detectors.reasons import GOOD, Currency, insufficient_history, make_reason
from detectors.sentinels import SEVERITY_RANK, Hit
from detectors.transform import model_inputs
from detectors.vectors import Vector, as_floats
from features.catalogue import INDEX
from schemas.outputs import Band, Reason

BANDS: tuple[tuple[float, Band], ...] = ((0.01, "A"), (0.03, "B"), (0.07, "C"), (0.15, "D"))
"""Probabilities of default below which a band holds; ``E`` from the last on."""
TENURE_MIN_DAYS = 28.0
SALES_MIN = 5.0
REASONS_MAX = 6


class Verdict(Struct, kw_only=True, frozen=True, gc=False):
    """What the detectors say of one merchant at one time. See ``schemas.outputs.Assessment``."""

    probability_of_default: float | None
    anomaly_score: float | None
    band: Band
    reasons: list[Reason]


def assess(
    vector: Vector,
    model: Model,
    hits: Sequence[Hit],
    *,
    as_of: int,
    currency: Currency = None,
) -> Verdict:
    """Judge one merchant. ``vector`` is in catalogue order, NaN = not available.

    ``insufficient_history`` is a result, never "no risk": without lending history it holds until
    the merchant has been known for ``TENURE_MIN_DAYS`` and has a usual to compare with or
    ``SALES_MIN`` sales in 28 days. There is then no probability, and rules that fire still speak.

    Reasons, at most ``REASONS_MAX``, none twice: what rules found, most severe first; then what
    moved the model towards risk, largest first; then what moved it away. The first four are what an
    adverse-action notice may state (12 CFR 1002.9 and its commentary). ``as_of`` is the event
    time (epoch milliseconds); ``currency`` shapes texts alone.
    """
    values = as_floats(vector)
    ranked = [
        reason
        for hit in sorted(hits, key=lambda hit: -SEVERITY_RANK[hit.severity])
        for reason in hit.reasons
    ]
    if not has_history(values):
        reasons = _first([insufficient_history(values), *ranked])
        return Verdict(
            probability_of_default=None,
            anomaly_score=None,
            band="insufficient_history",
            reasons=reasons,
        )
    probability, contributions = score(model, model_inputs(values))
    ranked += _model_reasons(values, contributions, currency)
    return Verdict(
        probability_of_default=probability,
        anomaly_score=anomaly_score(values),
        band=band_of(probability),
        reasons=_first(ranked),
    )


def band_of(probability: float) -> Band:
    """The band of a probability of default."""
    for bound, band in BANDS:
        if probability < bound:
            return band
    return "E"


def has_history(vector: list[float]) -> bool:
    """Whether there is enough to judge by; the rule stands at ``assess``."""
    if vector[INDEX["repayment_late_share"]] >= 0 or vector[INDEX["loans_settled_count"]] > 0:
        return True
    if vector[INDEX["days_past_due"]] > 0:
        return True
    known = vector[INDEX["tenure_days"]] >= TENURE_MIN_DAYS
    usual = vector[INDEX["turnover_usual_28d_minor"]] > 0
    return known and (usual or vector[INDEX["sales_count_28d"]] >= SALES_MIN)


def _model_reasons(
    vector: list[float], contributions: dict[str, float], currency: Currency
) -> list[Reason]:
    """Most towards risk first, most away from it after those. Names break ties, for one order."""
    stated = [(name, part) for name, part in contributions.items() if name in FACTS and part]
    stated.sort(key=lambda item: (item[1] < 0, -abs(item[1]), item[0]))
    towards = [item for item in stated if item[1] > 0][:REASONS_MAX]
    away = [item for item in stated if item[1] < 0][:REASONS_MAX]
    return [
        make_reason(name, vector, currency=currency, contribution=part)
        for name, part in (*towards, *away)
    ]


def _first(ranked: list[Reason]) -> list[Reason]:
    """The first reasons; of those that state the same fact, the first alone."""
    kept: dict[str, Reason] = {}
    for reason in ranked:
        kept.setdefault(reason.code.removesuffix(GOOD), reason)
    return list(kept.values())[:REASONS_MAX]

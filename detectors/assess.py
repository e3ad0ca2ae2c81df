"""The assessment of one merchant: probability, band, anomaly and ranked reasons."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain

from msgspec import Struct, structs

from detectors.anomaly_score import NO_ANOMALY, Anomaly
from detectors.checks import AnyOf, Check, place
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


class Verdict(Struct, kw_only=True, frozen=True, gc=False):
    """What the detectors say of one merchant at one time. See ``schemas.outputs.Assessment``."""

    probability_of_default: float | None
    anomaly_score: float | None
    band: Band
    reasons: list[Reason]
    unusual: tuple[str, ...] = ()


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
    ``anomaly_score.judge`` found; it moves neither probability nor band, and so is no reason.
    """
    values = as_floats(vector)
    if not HISTORY.met(values):
        return without_history(values[INDEX["tenure_days"]], hits)
    probability, contributions = score(model, model_inputs(values))
    ranked = chain(_rule_reasons(hits), _model_reasons(values, contributions, currency))
    return Verdict(
        probability_of_default=probability,
        anomaly_score=anomaly.score,
        band=band_of(probability),
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
    vector: list[float], contributions: dict[str, float], currency: Currency
) -> Iterator[Reason]:
    """Most towards risk first, most away from it after those. Names break ties, for one order."""
    stated = [(name, part) for name, part in contributions.items() if name in FACTS and part]
    stated.sort(key=lambda item: (item[1] < 0, -abs(item[1]), item[0]))
    towards = [item for item in stated if item[1] > 0][:REASONS_MAX]
    away = [item for item in stated if item[1] < 0][:REASONS_MAX]
    for name, part in (*towards, *away):
        yield make_reason(name, vector, currency=currency, contribution=part)


def _first(ranked: Iterable[Reason]) -> list[Reason]:
    """The first reasons; of those that state the same fact, the first alone."""
    kept: dict[str, Reason] = {}
    for reason in ranked:
        kept.setdefault(reason.code.removesuffix(GOOD), reason)
        if len(kept) == REASONS_MAX:
            break
    return list(kept.values())

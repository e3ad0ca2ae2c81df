"""Decisions with everything given but what a test is about."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from numpy.typing import NDArray

from credit.changes import DAY_MS, Changed
from credit.decide import command, decide
from credit.lines import Line
from credit.policies import DEFAULT
from credit.policy import Policy, load_policy
from detectors.assess import Verdict, assess
from detectors.default_risk import PRIOR_MODEL
from detectors.sentinels import evaluate
from schemas.outputs import Band
from tests.detectors.merchants import vector_of
from tests.detectors.rulebook import BOOK

POLICY: Policy = load_policy(files("credit.policies").joinpath(DEFAULT).read_text("utf-8"))
START_MS = 1_750_000_000_000
YUAN = 100


def merchant(turnover_yuan: float = 10_000, **changes: float) -> NDArray[Any]:
    """A healthy merchant that sells so much in every 28 days."""
    minor = turnover_yuan * YUAN
    sales = {
        "turnover_7d_minor": minor / 4,
        "turnover_28d_minor": minor,
        "turnover_usual_28d_minor": minor,
    }
    return vector_of(None, **{**sales, **changes})


def verdict_of(vector: NDArray[Any], band: Band | None = None, at: int = START_MS) -> Verdict:
    """The verdict of the prior model, with another band if asked for."""
    found = assess(vector, PRIOR_MODEL, evaluate(BOOK, vector, "s"), as_of=at, currency="CNY")
    if band is None:
        return found
    known = None if band == "insufficient_history" else found.probability_of_default
    return Verdict(
        probability_of_default=known,
        anomaly_score=found.anomaly_score,
        band=band,
        reasons=found.reasons,
    )


def step(
    line: Line | None,
    vector: NDArray[Any],
    *,
    at: int = START_MS,
    band: Band | None = "A",
    policy: Policy = POLICY,
    causes: Sequence[str] = ("e1",),
    **changes: Any,
) -> Changed | None:
    """``decide`` for one merchant; hits are those that its vector gives."""
    given: dict[str, Any] = {
        "merchant_id": "m1",
        "segment": "retail",
        "currency": "CNY",
        "drawn_minor": 0,
        "hits": evaluate(BOOK, vector, "retail"),
        "paused": False,
        "consent": True,
        "applied_minor": None,
        "model_version": "prior-1",
        "feature_version": "f1",
        **changes,
    }
    verdict = verdict_of(vector, band, at)
    return decide(policy, line, verdict, vector, as_of=at, causes=list(causes), **given)


def say(line: Line, kind: str, *, at: int = START_MS, **changes: Any) -> Changed | None:
    """``command`` for the same merchant."""
    given: dict[str, Any] = {
        "merchant_id": "m1",
        "segment": "retail",
        "drawn_minor": 0,
        "actor": "li",
        "reason": "seen on site",
        "cause": "c1",
        "model_version": "prior-1",
        "feature_version": "f1",
        **changes,
    }
    return command(POLICY, line, kind=kind, as_of=at, **given)


def opened(turnover_yuan: float = 10_000, **changes: Any) -> Line:
    """A line that has just opened."""
    found = step(None, merchant(turnover_yuan), **changes)
    assert found is not None
    return found[0]


def later(days: float) -> int:
    """A time after the start."""
    return START_MS + int(days * DAY_MS)

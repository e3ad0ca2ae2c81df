"""Decisions with everything given but what a test is about."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from msgspec import structs
from numpy.typing import NDArray

from credit import commands, products
from credit.bundle import bundle
from credit.capacity.amounts import NO_BOOKS, Seen
from credit.changes import DAY_MS, Case, Changed
from credit.decide import Facts, decide_line
from credit.lines import Line
from credit.opening import Application
from credit.policies import DEFAULT
from credit.policy import DailyBudget, Policy, load_policy
from credit.product import Amounts
from detectors.assess import Verdict, assess
from detectors.default_risk import PRIOR_MODEL
from detectors.sentinels import evaluate
from detectors.vectors import as_floats
from features.lines import LogLine
from schemas.outputs import Band
from tests.detectors.merchants import vector_of
from tests.detectors.rulebook import BOOK

PRODUCTS: dict[str, str] = {
    name.removesuffix(".yaml"): files("credit.products").joinpath(name).read_text("utf-8")
    for name in products.NAMES
}
"""Texts of the shipped products by version."""


def policy_text(name: str = DEFAULT) -> str:
    """A shipped policy with its products."""
    return bundle(files("credit.policies").joinpath(name).read_text("utf-8"), PRODUCTS)


def unshared(policy: Policy) -> Policy:
    """A policy without what spans partitions."""
    terms = {
        name: structs.replace(
            product,
            funders=tuple(structs.replace(each, exposure_cap_minor={}) for each in product.funders),
        )
        for name, product in policy.terms.items()
    }
    rails = structs.replace(policy.guardrails, portfolio=DailyBudget(), segments={})
    return structs.replace(policy, guardrails=rails, terms=terms)


POLICY: Policy = load_policy(policy_text())
PORTFOLIO: Policy = unshared(load_policy(policy_text("portfolio-1.yaml")))
"""All products, without the budgets that need leases."""
NAME = "working-capital"
AMOUNTS: Amounts = POLICY.terms[NAME].currencies["CNY"]
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


def with_terms(policy: Policy = POLICY, name: str = NAME, **changes: Any) -> Policy:
    """The policy with other terms of one product."""
    changed = structs.replace(policy.terms[name], **changes)
    return structs.replace(policy, terms={**policy.terms, name: changed})


def case(
    at: int = START_MS,
    policy: Policy = POLICY,
    causes: Sequence[str] = ("e1",),
    name: str = NAME,
    **changes: Any,
) -> Case:
    """A decision about one merchant's line."""
    given: dict[str, Any] = {
        "merchant_id": "m1",
        "segment": "retail",
        "drawn_minor": 0,
        "model_version": "prior-1",
        "feature_version": "f1",
        **changes,
    }
    return Case(
        policy=policy,
        name=name,
        product=policy.terms.get(name),
        as_of=at,
        causes=list(causes),
        **given,
    )


def facts(
    vector: NDArray[Any],
    *,
    at: int = START_MS,
    band: Band | None = "A",
    books: Any = NO_BOOKS,
    **changes: Any,
) -> Facts:
    """What is known of a merchant; hits are those that its vector gives."""
    given: dict[str, Any] = {
        "currency": "CNY",
        "hits": evaluate(BOOK, vector, "retail"),
        "paused": False,
        **changes,
    }
    return Facts(
        verdict=verdict_of(vector, band, at), seen=Seen(as_floats(vector), at, books), **given
    )


_OF_FACTS = ("currency", "hits", "paused", "held", "consent", "books")


def step(
    line: Line | None,
    vector: NDArray[Any],
    *,
    at: int = START_MS,
    band: Band | None = "A",
    policy: Policy = POLICY,
    causes: Sequence[str] = ("e1",),
    applied_minor: int | None = None,
    channel: str | None = None,
    **changes: Any,
) -> Changed | None:
    """``decide_line`` for one merchant."""
    known = {key: changes.pop(key) for key in _OF_FACTS if key in changes}
    application = None
    if applied_minor is not None:
        currency = known.get("currency", "CNY")
        application = Application(applied_minor, at, causes[0], currency, channel)
    return decide_line(
        case(at, policy, causes, **changes),
        line,
        facts(vector, at=at, band=band, **known),
        application,
    )


def say(line: Line, kind: str, *, at: int = START_MS, **changes: Any) -> Changed | None:
    """A command of the desk for the same merchant."""
    told = ("amount_minor", "currency", "expires_at")
    said = {key: changes.pop(key) for key in told if key in changes}
    cause, actor, reason = changes.pop("cause", "c1"), "li", "seen on site"
    given = case(at, causes=[cause], **changes)
    if kind == "merchant.freeze":
        return commands.freeze(given, line, actor, reason)
    if kind == "merchant.release":
        return commands.release(given, line, actor, reason)
    return commands.override(
        given,
        line,
        LogLine(
            type=kind,
            event_id=cause,
            merchant_id="m1",
            occurred_at=at,
            amount=said.get("amount_minor"),
            currency=said.get("currency"),
            expires_at=said.get("expires_at"),
            actor=actor,
            reason=reason,
        ),
    )


def opened(turnover_yuan: float = 10_000, **changes: Any) -> Line:
    """A line that has just opened."""
    found = step(None, merchant(turnover_yuan), **changes)
    assert found is not None
    return found[0]


def later(days: float) -> int:
    """A time after the start."""
    return START_MS + int(days * DAY_MS)

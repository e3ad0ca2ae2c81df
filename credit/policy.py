"""Credit policies: versioned YAML, checked whole before use.

A policy names the products that it offers and says what holds of all of them. It is decided under
one version: the policy with the texts of its products (``credit.bundle``). Whatever is unknown,
missing, mistyped or contradictory is refused with its line and what to do, so that a bad policy
never replaces a good one.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, field

from credit.bundle import documents, refuse_many
from credit.fields import (
    BAND_ORDER,
    Identifier,
    LendingBand,
    Milliseconds,
    Minor,
    Name,
    PolicyError,
    PositiveDays,
    PositiveShare,
    Share,
    Strict,
    band_at_least,
)
from credit.product import Amounts, Opening, Product, Steps, load_product, step_problems
from detectors.alert_terms import AlertTerms, term_problems
from schemas.currencies import CURRENCIES
from schemas.strict_yaml import Form, Path

__all__ = [
    "BAND_ORDER",
    "Amounts",
    "LendingBand",
    "Opening",
    "Policy",
    "PolicyError",
    "band_at_least",
    "load_policy",
]


class ProbabilityStep(Strict, kw_only=True, frozen=True):
    """The multiplier of probabilities of default below ``below``."""

    below: PositiveShare
    multiplier: Share


class Freeze(Strict, kw_only=True, frozen=True):
    """What stops all drawing at once: days past due, or a critical hit of one of the kinds."""

    days_past_due: Annotated[int, Meta(ge=1, le=3660)]
    critical_kinds: tuple[str, ...]


class Release(Strict, kw_only=True, frozen=True):
    """When an automatic freeze ends: its cause gone, ``after_ms`` since, and a band not worse."""

    after_ms: Milliseconds
    worst_band: LendingBand


class Affordability(Strict, kw_only=True, frozen=True):
    """Bound of all debt by cash flow, for openings and raises (``credit.affordability``).

    At most ``service_share_max`` of ``cash_share`` of the sales of 28 days may go into debt
    service, with own lines repaid over ``line_term_days`` and debts elsewhere over
    ``other_term_days``. With ``needs_bureau`` nothing rises before a bureau has answered.
    """

    service_share_max: PositiveShare
    cash_share: PositiveShare
    line_term_days: PositiveDays
    other_term_days: PositiveDays
    needs_bureau: bool


class Stress(Strict, kw_only=True, frozen=True):
    """The switch for downturns: every capacity times ``portfolio`` and its segment's multiplier.

    With ``cuts`` it is reason enough to cut lines; without, it only holds back what is new.
    """

    portfolio: Share = 1.0
    segments: dict[Name, Share] = field(default_factory=dict)
    cuts: bool = False


Approvable = Literal["open", "increase", "decrease", "override"]


class Tier(Strict, kw_only=True, frozen=True):
    """Changes that need ``approvers`` persons: those of ``actions`` that exceed both bounds.

    Bounds are shares of the product's cap: of the merchant's limits together after the change, and
    of the change itself.
    """

    actions: Annotated[tuple[Approvable, ...], Meta(min_length=1)]
    total_above_ratio: Annotated[float, Meta(ge=0, le=10)]
    change_above_ratio: Annotated[float, Meta(ge=0, le=10)]
    approvers: Annotated[int, Meta(ge=1, le=2)]


class Approvals(Strict, kw_only=True, frozen=True):
    """Who must agree. Of the tiers that fit, the one with most approvers counts.

    A proposal that is not approved within ``timeout_days`` is withdrawn.
    """

    tiers: Annotated[tuple[Tier, ...], Meta(max_length=16)] = ()
    timeout_days: PositiveDays = 7


class DailyBudget(Strict, kw_only=True, frozen=True):
    """What may be cut and raised by rule on one UTC day, in minor units by currency.

    A currency that is not named is not bounded.
    """

    cuts_minor: dict[str, Minor] = field(default_factory=dict)
    raises_minor: dict[str, Minor] = field(default_factory=dict)


class Breaker(Strict, kw_only=True, frozen=True):
    """When a wave of cuts looks like a fault of ours (``credit.guardrails``)."""

    window_ms: Annotated[int, Meta(ge=60_000, le=7 * 86_400_000)]
    lines_min: Annotated[int, Meta(ge=1, le=10**6)]
    lines_share: PositiveShare
    exposure_share: PositiveShare
    reset_ms: Annotated[int, Meta(ge=60_000, le=30 * 86_400_000)]


class Guardrails(Strict, kw_only=True, frozen=True):
    """What bounds automatic changes as a whole.

    ``merchant`` is counted where the merchant is; ``segments`` and ``portfolio`` over all
    partitions, by leases. ``holdout_share`` of merchants are neither cut nor raised by rule, so
    that the effect of doing so can be measured; ``holdout_salt`` chooses which.
    """

    merchant: DailyBudget = DailyBudget()
    segments: dict[Name, DailyBudget] = field(default_factory=dict)
    portfolio: DailyBudget = DailyBudget()
    breaker: Breaker | None = None
    holdout_share: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    holdout_salt: Annotated[str, Meta(max_length=64)] = ""


class PolicyFile(Strict, kw_only=True, frozen=True):
    """A policy as its file has it. What has a default may be left out: then it does not apply.

    Only ``alerts`` always does: what is left out of it stands as its defaults say.
    """

    version: Identifier
    products: Annotated[tuple[Identifier, ...], Meta(min_length=1, max_length=32)]
    risk_multipliers: dict[LendingBand, Share]
    steps: Steps
    cuts_need_evidence: bool
    freeze: Freeze
    release: Release
    override_days: PositiveDays
    probability_multipliers: Annotated[tuple[ProbabilityStep, ...], Meta(max_length=32)] = ()
    minimum_margin: Annotated[float, Meta(ge=-1, le=1)] | None = None
    affordability: Affordability | None = None
    stress: Stress = Stress()
    approvals: Approvals = Approvals()
    guardrails: Guardrails = Guardrails()
    application_days: Annotated[int, Meta(ge=1, le=90)] = 14
    acknowledge_within_ms: Milliseconds | None = None
    alerts: AlertTerms = AlertTerms()


class Policy(PolicyFile, kw_only=True, frozen=True):
    """A policy with its products, by name, in the order of ``products``."""

    terms: dict[str, Product]


POLICY_FORM = Form(
    noun="policy", struct=PolicyFile, error=PolicyError, bytes_max=1 << 16, depth_max=6
)


def load_policy(text: str, kinds: Collection[str] | None = None) -> Policy:
    """Read and check a policy with its products. Raises ``PolicyError``.

    ``kinds`` are the kinds of alert that it may name; without them any will do: a policy that was
    published is not refused afterwards because a later rule file dropped a kind. Such a kind
    freezes nothing.
    """
    parts = documents(text) or [(1, text)]
    refuse_many(len(parts))
    first, head = parts[0]
    file, lines = POLICY_FORM.load(head, first)
    loaded = [(line, load_product(part, line)) for line, part in parts[1:]]
    for path, detail in _problems(file, kinds):
        raise POLICY_FORM.refusal(lines, path, detail)
    given: dict[str, Product] = {}
    for line, product in loaded:
        if product.version not in file.products:
            raise PolicyError(line, f"product {product.version} is not among `products`; name it")
        if product.version in given:
            raise PolicyError(line, f"product {product.version} stands twice; keep one")
        given[product.version] = product
    for path, detail in _product_problems(file, given):
        raise POLICY_FORM.refusal(lines, path, detail)
    terms = {given[version].name: given[version] for version in file.products}
    for path, detail in term_problems(file.alerts, kinds, terms):
        raise POLICY_FORM.refusal(lines, ("alerts", *path), detail)
    return Policy(
        **{name: getattr(file, name) for name in PolicyFile.__struct_fields__}, terms=terms
    )


def _problems(policy: PolicyFile, kinds: Collection[str] | None) -> Iterator[tuple[Path, str]]:
    """What types alone do not say."""
    missing = [band for band in BAND_ORDER if band not in policy.risk_multipliers]
    if missing:
        yield ("risk_multipliers",), f"lacks band {missing[0]}; give all of A to E"
        return
    multipliers = [policy.risk_multipliers[band] for band in BAND_ORDER]
    if any(worse > better for better, worse in pairwise(multipliers)):
        yield ("risk_multipliers",), "rise with risk; a worse band never gets more"
    for i, (better, worse) in enumerate(pairwise(policy.probability_multipliers), 1):
        path: Path = ("probability_multipliers", str(i))
        if worse.below <= better.below:
            yield (*path, "below"), "does not rise; sort by probability"
        if worse.multiplier > better.multiplier:
            yield (*path, "multiplier"), "rises with risk; a worse risk never gets more"
    yield from step_problems(policy.steps)
    for i, kind in enumerate(policy.freeze.critical_kinds):
        if kinds is not None and kind not in kinds:
            yield (
                ("freeze", "critical_kinds", str(i)),
                f"is {kind!r}, no kind of alert; use one of {', '.join(sorted(kinds))}",
            )
    for path, budget in _budgets(policy.guardrails):
        for name in ("cuts_minor", "raises_minor"):
            for code in getattr(budget, name):
                if code not in CURRENCIES:
                    yield (*path, name, code), "is not an ISO 4217 code; use one such as CNY"


def _budgets(guardrails: Guardrails) -> Iterator[tuple[Path, DailyBudget]]:
    yield ("guardrails", "merchant"), guardrails.merchant
    yield ("guardrails", "portfolio"), guardrails.portfolio
    for name, budget in guardrails.segments.items():
        yield ("guardrails", "segments", name), budget


def _product_problems(
    policy: PolicyFile, given: Mapping[str, Product]
) -> Iterator[tuple[Path, str]]:
    """What a policy and its products do not say of each other."""
    names: list[str] = []
    for i, version in enumerate(policy.products):
        path: Path = ("products", str(i))
        product = given.get(version)
        if product is None:
            yield path, f"is {version!r}, which neither ships nor comes with the policy; add it"
            return
        if product.name in names:
            yield path, f"is another version of product {product.name!r}; offer one"
        names.append(product.name)
        if policy.minimum_margin is not None and product.pricing is None:
            yield path, f"is {version!r}, which has no `pricing`, and minimum_margin needs it"

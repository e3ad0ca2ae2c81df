"""Credit products: the terms under which lines of one kind are given. Versioned YAML.

A policy names the products that it offers by version (``credit.policy``); what holds of all
products is there.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, field

from credit.fields import (
    AnnualRate,
    Days,
    Identifier,
    LendingBand,
    Milliseconds,
    Minor,
    Name,
    PolicyError,
    PositiveDays,
    PositiveMinor,
    PositiveShare,
    Share,
    Strict,
)
from credit.kinds import Bills, Capacity, Receivables, Season
from features.catalogue import INDEX
from schemas.currencies import CURRENCIES
from schemas.strict_yaml import Form, Path

FORM_BYTES_MAX = 1 << 16

Feed = Literal["transactions", "logistics", "payments", "signals"]
"""A feed of the merchant's own, as the catalogue names it."""


class Amounts(Strict, kw_only=True, frozen=True):
    """Bounds of a line in one currency, in minor units. Limits are multiples of the rounding."""

    floor_minor: PositiveMinor
    cap_minor: PositiveMinor
    rounding_minor: Annotated[int, Meta(ge=1, le=10**12)]


class Opening(Strict, kw_only=True, frozen=True):
    """When a line opens: by itself (``pre_approved``) or earlier on application.

    ``start_ratio`` is the share of capacity × risk that a new line starts with.
    ``thin_file_start_minor`` gives, by currency, what an applicant may start with of whom too
    little is known to judge: a figure that its peers support. Without it such a merchant waits.
    """

    pre_approved: bool
    pre_approved_tenure_days: Days
    pre_approved_active_days: Annotated[int, Meta(ge=0, le=28)]
    application_tenure_days: Days
    application_active_days: Annotated[int, Meta(ge=0, le=28)]
    worst_band: LendingBand
    start_ratio: PositiveShare
    thin_file_start_minor: dict[str, PositiveMinor] = field(default_factory=dict)


class Steps(Strict, kw_only=True, frozen=True):
    """How far and how often a line moves, as shares of its limit and milliseconds."""

    up_max_ratio: Annotated[float, Meta(gt=0, le=10)]
    down_max_ratio: Annotated[float, Meta(gt=0, le=1)]
    cool_down_up_ms: Milliseconds
    cool_down_down_ms: Milliseconds
    hysteresis_ratio: Annotated[float, Meta(ge=0, lt=1)]


class Eligibility(Strict, kw_only=True, frozen=True):
    """Who may have the product; an empty list means all.

    ``feeds`` must have been seen of the merchant; ``registered`` asks for an entry in the profiles
    (``merchant.registered`` or ``merchant.updated``).
    """

    segments: tuple[Name, ...] = ()
    regions: tuple[Name, ...] = ()
    feeds: tuple[Feed, ...] = ()
    registered: bool = False


class Pricing(Strict, kw_only=True, frozen=True):
    """What a line earns and costs, as ratios of what is drawn and a year.

    ``loss_given_default`` is the share of what is drawn that a default loses.
    """

    annual_rate: AnnualRate
    funding_rate: AnnualRate
    operating_rate: AnnualRate
    loss_given_default: Share


class Funder(Strict, kw_only=True, frozen=True):
    """Who carries a share of every line that it is eligible for.

    ``share`` is its weight among the eligible. Empty ``segments`` and ``bands`` mean all.
    ``line_cap_minor`` bounds its part of one line, by currency; ``exposure_cap_minor`` the sum of
    its parts, for which headroom is leased (``credit.guardrails``).
    """

    name: Identifier
    share: PositiveShare
    segments: tuple[Name, ...] = ()
    bands: tuple[LendingBand, ...] = ()
    line_cap_minor: dict[str, Minor] = field(default_factory=dict)
    exposure_cap_minor: dict[str, Minor] = field(default_factory=dict)


class Channel(Strict, kw_only=True, frozen=True):
    """A platform through which merchants apply, and what one line through it may be at most."""

    name: Name
    line_cap_minor: dict[str, Minor]


class Evidence(Strict, kw_only=True, frozen=True):
    """A feature of the catalogue and the least value that counts as evidence."""

    feature: str
    at_least: float


class Uplift(Strict, kw_only=True, frozen=True):
    """A capacity that is ``multiplier`` times as large where all ``evidence`` is there."""

    multiplier: Annotated[float, Meta(ge=1, le=3)]
    evidence: Annotated[tuple[Evidence, ...], Meta(min_length=1, max_length=12)]


class Product(Strict, kw_only=True, frozen=True):
    """A version of a product. ``name`` stays over versions: a line belongs to it.

    ``steps`` take the place of the policy's: a line on claims moves with each of them.
    """

    version: Identifier
    name: Identifier
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    currencies: dict[str, Amounts]
    opening: Opening
    capacity: Capacity
    term_days: PositiveDays
    eligibility: Eligibility = Eligibility()
    pricing: Pricing | None = None
    funders: Annotated[tuple[Funder, ...], Meta(max_length=16)] = ()
    channels: Annotated[tuple[Channel, ...], Meta(max_length=256)] = ()
    uplift: Uplift | None = None
    steps: Steps | None = None


PRODUCT_FORM = Form(
    noun="product", struct=Product, error=PolicyError, bytes_max=FORM_BYTES_MAX, depth_max=6
)


def load_product(text: str, first_line: int = 1) -> Product:
    """Read and check a product whose text begins at ``first_line``. Raises ``PolicyError``."""
    product, lines = PRODUCT_FORM.load(text, first_line)
    for path, detail in _problems(product):
        raise PRODUCT_FORM.refusal(lines, path, detail)
    return product


def _problems(product: Product) -> Iterator[tuple[Path, str]]:
    """What types alone do not say."""
    yield from _amount_problems(product)
    if product.steps is not None:
        yield from step_problems(product.steps)
    yield from _capacity_problems(product.capacity)
    funders = [funder.name for funder in product.funders]
    for i, name in enumerate(funders):
        if name in funders[:i]:
            yield ("funders", str(i), "name"), f"repeats {name!r}; name each funder once"
    if funders and all(funder.segments or funder.bands for funder in product.funders):
        yield ("funders",), "leave merchants whom nobody funds; let one take all segments and bands"
    channels = [channel.name for channel in product.channels]
    for i, name in enumerate(channels):
        if name in channels[:i]:
            yield ("channels", str(i), "name"), f"repeats {name!r}; name each channel once"
    for i, each in enumerate(product.uplift.evidence if product.uplift else ()):
        if each.feature not in INDEX:
            yield (
                ("uplift", "evidence", str(i), "feature"),
                f"is {each.feature!r}, no feature; see `tideline features`",
            )


def step_problems(steps: Steps) -> Iterator[tuple[Path, str]]:
    """What is wrong with steps, under the key ``steps``."""
    for name in ("up_max_ratio", "down_max_ratio"):
        if getattr(steps, name) <= steps.hysteresis_ratio:
            yield ("steps", name), "is within hysteresis_ratio, so no line would move; raise it"


def _amount_problems(product: Product) -> Iterator[tuple[Path, str]]:
    if not product.currencies:
        yield ("currencies",), "is empty; name at least one currency"
    for code, amounts in product.currencies.items():
        path: Path = ("currencies", code)
        if code not in CURRENCIES:
            yield path, "is not an ISO 4217 code; use one such as CNY"
        if amounts.floor_minor > amounts.cap_minor:
            yield (*path, "floor_minor"), "exceeds cap_minor; lower it"
        for name in ("floor_minor", "cap_minor"):
            if getattr(amounts, name) % amounts.rounding_minor:
                yield (*path, name), "is no multiple of rounding_minor; round it"
    tables: list[tuple[Path, dict[str, int]]] = [
        (("opening", "thin_file_start_minor"), product.opening.thin_file_start_minor)
    ]
    for i, funder in enumerate(product.funders):
        tables.append((("funders", str(i), "line_cap_minor"), funder.line_cap_minor))
        tables.append((("funders", str(i), "exposure_cap_minor"), funder.exposure_cap_minor))
    for i, channel in enumerate(product.channels):
        tables.append((("channels", str(i), "line_cap_minor"), channel.line_cap_minor))
    for path, table in tables:
        for code in table:
            if code not in product.currencies:
                yield (*path, code), "is no currency of this product; add it to `currencies`"


def _capacity_problems(capacity: Capacity) -> Iterator[tuple[Path, str]]:
    if isinstance(capacity, Receivables):
        ages = [each.below_days for each in capacity.advances]
        rates = [each.rate for each in capacity.advances]
        for i in range(1, len(ages)):
            if ages[i] <= ages[i - 1]:
                yield ("capacity", "advances", str(i), "below_days"), "does not rise; sort by age"
            if rates[i] > rates[i - 1]:
                yield ("capacity", "advances", str(i), "rate"), "rises with age; lower it"
        names = [each.id for each in capacity.core_enterprises]
        if capacity.core_only and not names:
            yield ("capacity", "core_only"), "leaves no debtor; name core_enterprises"
        yield from _repeated(("capacity", "core_enterprises"), names)
    elif isinstance(capacity, Bills):
        yield from _repeated(("capacity", "acceptors"), [each.id for each in capacity.acceptors])
    elif isinstance(capacity, Season):
        missing = [f"{m:02d}" for m in range(1, 13) if f"{m:02d}" not in capacity.calendar]
        if missing:
            yield ("capacity", "calendar"), f'lacks month "{missing[0]}"; give all of "01" to "12"'
        elif min(capacity.calendar.values()) <= 0:
            yield ("capacity", "calendar"), "has a month of weight 0; give it a small one"


def _repeated(path: Path, names: list[str]) -> Iterator[tuple[Path, str]]:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (*path, str(i), "id"), f"repeats {name!r}; keep one"

"""Credit policies: versioned YAML, checked whole before use.

A policy is one small document. Whatever is unknown, missing, mistyped or contradictory is refused
with its line and what to do, so that a bad policy never replaces a good one.
"""

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.currencies import CURRENCIES
from schemas.strict_yaml import DocumentError, Form, Path

LendingBand = Literal["A", "B", "C", "D", "E"]
BAND_ORDER: tuple[LendingBand, ...] = ("A", "B", "C", "D", "E")
"""Best first."""

Minor = Annotated[int, Meta(ge=0, le=10**15)]
Days = Annotated[int, Meta(ge=0, le=3660)]
Milliseconds = Annotated[int, Meta(ge=0, le=3660 * 86_400_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class PolicyError(DocumentError):
    """A policy that is refused; the message names line, key and remedy. ``line`` counts from 1."""


class Amounts(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Bounds of a line in one currency, in minor units. Limits are multiples of the rounding."""

    floor_minor: Annotated[int, Meta(ge=1, le=10**15)]
    cap_minor: Annotated[int, Meta(ge=1, le=10**15)]
    rounding_minor: Annotated[int, Meta(ge=1, le=10**12)]


class Opening(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When a line opens: by itself (``pre_approved``) or earlier on application.

    ``start_ratio`` is the share of capacity × risk that a new line starts with.
    """

    pre_approved: bool
    pre_approved_tenure_days: Days
    pre_approved_active_days: Annotated[int, Meta(ge=0, le=28)]
    application_tenure_days: Days
    application_active_days: Annotated[int, Meta(ge=0, le=28)]
    worst_band: LendingBand
    start_ratio: Annotated[float, Meta(gt=0, le=1)]


class Capacity(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What sales can carry: ``months`` of turnover."""

    months: Annotated[float, Meta(gt=0, le=24)]


class Steps(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How far and how often a line moves, as shares of its limit and milliseconds."""

    up_max_ratio: Annotated[float, Meta(gt=0, le=10)]
    down_max_ratio: Annotated[float, Meta(gt=0, le=1)]
    cool_down_up_ms: Milliseconds
    cool_down_down_ms: Milliseconds
    hysteresis_ratio: Annotated[float, Meta(ge=0, lt=1)]


class Freeze(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What stops all drawing at once: days past due, or a critical hit of one of the kinds."""

    days_past_due: Annotated[int, Meta(ge=1, le=3660)]
    critical_kinds: tuple[str, ...]


class Release(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When an automatic freeze ends: its cause gone, ``after_ms`` since, and a band not worse."""

    after_ms: Milliseconds
    worst_band: LendingBand


class Policy(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A version of the rules by which the lines of one product move."""

    version: Identifier
    product: Identifier
    currencies: dict[str, Amounts]
    opening: Opening
    capacity: Capacity
    risk_multipliers: dict[LendingBand, Share]
    steps: Steps
    cuts_need_evidence: bool
    freeze: Freeze
    release: Release
    expiry_days: Annotated[int, Meta(ge=1, le=3660)]
    override_days: Annotated[int, Meta(ge=1, le=3660)]


_FORM = Form(noun="policy", struct=Policy, error=PolicyError, bytes_max=1 << 16, depth_max=6)


def load_policy(text: str, kinds: Collection[str] | None = None) -> Policy:
    """Read and check a policy. Raises ``PolicyError``.

    ``kinds`` are the kinds of alert that it may name; without them any will do: a policy that was
    published is not refused afterwards because a later rule file dropped a kind. Such a kind
    freezes nothing.
    """
    policy, lines = _FORM.load(text)
    for path, detail in _problems(policy, kinds):
        raise _FORM.refusal(lines, path, detail)
    return policy


def band_at_least(band: str, worst: LendingBand) -> bool:
    """Whether a band is one of A-E and not worse than ``worst``."""
    return band in BAND_ORDER[: BAND_ORDER.index(worst) + 1]


def _problems(policy: Policy, kinds: Collection[str] | None) -> Iterator[tuple[Path, str]]:
    """What types alone do not say."""
    if not policy.currencies:
        yield ("currencies",), "is empty; name at least one currency"
    for code, amounts in policy.currencies.items():
        path = ("currencies", code)
        if code not in CURRENCIES:
            yield path, "is not an ISO 4217 code; use one such as CNY"
        if amounts.floor_minor > amounts.cap_minor:
            yield (*path, "floor_minor"), "exceeds cap_minor; lower it"
        for field in ("floor_minor", "cap_minor"):
            if getattr(amounts, field) % amounts.rounding_minor:
                yield (*path, field), "is no multiple of rounding_minor; round it"
    missing = [band for band in BAND_ORDER if band not in policy.risk_multipliers]
    if missing:
        yield ("risk_multipliers",), f"lacks band {missing[0]}; give all of A to E"
        return
    multipliers = [policy.risk_multipliers[band] for band in BAND_ORDER]
    if any(worse > better for better, worse in pairwise(multipliers)):
        yield ("risk_multipliers",), "rise with risk; a worse band never gets more"
    for field in ("up_max_ratio", "down_max_ratio"):
        if getattr(policy.steps, field) <= policy.steps.hysteresis_ratio:
            yield ("steps", field), "is within hysteresis_ratio, so no line would move; raise it"
    for i, kind in enumerate(policy.freeze.critical_kinds):
        if kinds is not None and kind not in kinds:
            yield (
                ("freeze", "critical_kinds", str(i)),
                f"is {kind!r}, no kind of alert; use one of {', '.join(sorted(kinds))}",
            )

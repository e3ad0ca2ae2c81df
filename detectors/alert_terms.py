"""The terms under which alerts are worked: ``alerts`` of a credit policy.

What is left out stands as the defaults below say. A change takes effect from its activation on:
deadlines that an episode already has stay.
"""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from detectors.rules import DAY_MS, HOUR_MS
from schemas.outputs import Severity
from schemas.strict_yaml import Path

CORE_SILENT = "core_silent"
"""Kind of the alert on a lending core that does not answer in time."""
COHORT_PREFIX = "cohort_"
"""Kinds of the alerts on cohorts begin so; no rule book has them, nor the one above."""

_Hours = Annotated[int, Meta(ge=1, le=366 * 24)]
_Name = Annotated[str, Meta(min_length=1, max_length=128)]
_Names = Annotated[tuple[_Name, ...], Meta(max_length=1000)]
_EPOCH = date(1970, 1, 1)


class Hours(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Hours of event time by severity."""

    critical: _Hours
    warning: _Hours
    info: _Hours

    def ms(self, severity: Severity) -> int:
        """The time for a severity, in milliseconds."""
        hours: int = getattr(self, severity)
        return hours * HOUR_MS


class Suppression(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Alerts that do not open until the end of the day ``until`` (UTC).

    Meant are those that meet every list that is given: of one of ``kinds``, about a merchant of
    one of ``segments``, with a line of one of ``products``, or one of ``merchants`` (as outputs
    name them). ``reason`` is for whoever reads the policy.
    """

    until: date
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    kinds: _Names = ()
    segments: _Names = ()
    products: _Names = ()
    merchants: _Names = ()

    @property
    def ends_at(self) -> int:
        """The first moment at which it holds no longer (epoch ms)."""
        return (self.until - _EPOCH).days * DAY_MS + DAY_MS

    def covers(
        self, kind: str, merchant: str, segment: str, products: Collection[str], at: int
    ) -> bool:
        """Whether an alert of the kind about the merchant does not open at ``at`` (epoch ms)."""
        return (
            at < self.ends_at
            and (not self.kinds or kind in self.kinds)
            and (not self.segments or segment in self.segments)
            and (not self.merchants or merchant in self.merchants)
            and (not self.products or any(each in self.products for each in products))
        )


class AlertTerms(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How alerts are worked (docs/alerts.md).

    ``falls_after_hours`` is how long a lower severity must have been met before an episode has it,
    ``reopen_within_days`` how long after a closing as ``cured`` an episode opens again rather than
    a new one (0: never), ``snooze_days_max`` the longest snooze. Within
    ``acknowledge_within_hours`` of its opening an alert should be seen, and within
    ``close_within_hours`` closed.
    """

    falls_after_hours: Annotated[int, Meta(ge=0, le=24 * 92)] = 72
    reopen_within_days: Annotated[int, Meta(ge=0, le=366)] = 14
    snooze_days_max: Annotated[int, Meta(ge=1, le=366)] = 30
    acknowledge_within_hours: Hours = Hours(critical=4, warning=24, info=120)
    close_within_hours: Hours = Hours(critical=72, warning=240, info=720)
    suppress: Annotated[tuple[Suppression, ...], Meta(max_length=100)] = ()

    @property
    def falls_after_ms(self) -> int:
        """How long a lower severity must have been met before an episode has it."""
        return self.falls_after_hours * HOUR_MS

    @property
    def reopen_within_ms(self) -> int:
        """How long after a closing as ``cured`` an episode opens again rather than a new one."""
        return self.reopen_within_days * DAY_MS

    @property
    def snooze_max_ms(self) -> int:
        """The longest snooze."""
        return self.snooze_days_max * DAY_MS

    def suppresses(
        self, kind: str, merchant: str, segment: str, products: Collection[str], at: int
    ) -> bool:
        """Whether no alert of the kind about the merchant opens at ``at`` (epoch ms)."""
        return any(each.covers(kind, merchant, segment, products, at) for each in self.suppress)


def term_problems(
    terms: AlertTerms, kinds: Collection[str] | None, products: Collection[str]
) -> Iterator[tuple[Path, str]]:
    """What types alone do not say: the key at fault, and what to do about it.

    ``kinds`` are those of the rules, None where any will do, ``products`` the names of those that
    the policy offers.
    """
    for name in ("acknowledge_within_hours", "close_within_hours"):
        hours: Hours = getattr(terms, name)
        for worse, milder in (("critical", "warning"), ("warning", "info")):
            if getattr(hours, worse) > getattr(hours, milder):
                yield (name, worse), f"is longer than for {milder}; the graver is done sooner"
    for severity in ("critical", "warning", "info"):
        if getattr(terms.close_within_hours, severity) < getattr(
            terms.acknowledge_within_hours, severity
        ):
            yield (
                ("close_within_hours", severity),
                "is shorter than acknowledge_within_hours; an alert is seen before it is closed",
            )
    for number, each in enumerate(terms.suppress):
        yield from _suppression_problems(each, ("suppress", str(number)), kinds, products)


def _suppression_problems(
    each: Suppression, at: Path, kinds: Collection[str] | None, products: Collection[str]
) -> Iterator[tuple[Path, str]]:
    if not (each.kinds or each.segments or each.products or each.merchants):
        yield at, "would suppress every alert; give kinds, segments, products or merchants"
    for number, kind in enumerate(each.kinds):
        if not (kinds is None or kind in kinds or _has_no_rule(kind)):
            known = ", ".join(sorted((*kinds, CORE_SILENT)))
            yield (*at, "kinds", str(number)), f"is {kind!r}, no kind of alert; use one of {known}"
    for number, name in enumerate(each.products):
        if name not in products:
            yield (
                (*at, "products", str(number)),
                f"is {name!r}, no product of the policy; use one of {', '.join(sorted(products))}",
            )


def _has_no_rule(kind: str) -> bool:
    return kind == CORE_SILENT or kind.startswith(COHORT_PREFIX)

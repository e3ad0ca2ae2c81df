"""Why a rule fires or does not: every test of every rule with the merchant's numbers."""

from collections.abc import Collection, Mapping, Sequence
from math import isfinite, isnan
from typing import Literal

from msgspec import Struct

from detectors.checks import Check, are_met, place
from detectors.holds import standing
from detectors.lasting import lasting
from detectors.rules import Rule, RuleBook
from detectors.sentinels import cleared, met_rules, unyielding
from detectors.vectors import Vector, as_floats
from features.catalogue import INDEX
from schemas.outputs import Severity

Verdict = Literal["fires", "waits", "yields", "feed_quiet", "holds", "not", "other_segment"]
"""``waits`` for its persistence, ``holds`` an episode open below its levels."""


class CheckSeen(Struct, kw_only=True, frozen=True):
    """One test: the value, the bound (threshold, or threshold times a feature) and the outcome.

    Value, bound and outcome are None where they are not available; such a test is not met.
    """

    feature: str
    op: Literal["ge", "le"]
    threshold: float
    times: str | None
    value: float | None
    bound: float | None
    met: bool | None


class LevelSeen(Struct, kw_only=True, frozen=True):
    """One level with its tests, those that are evidence for it first."""

    severity: Severity
    met: bool
    tests: tuple[CheckSeen, ...]


class RuleSeen(Struct, kw_only=True, frozen=True):
    """One rule at one time.

    ``severity`` is that of the highest level met where the condition is; ``met_since`` when the
    condition was first seen met and ``fires_at`` when it will have lasted, for rules that wait
    (epoch milliseconds).
    """

    kind: str
    verdict: Verdict
    severity: Severity | None
    met_since: int | None
    fires_at: int | None
    evidence: tuple[CheckSeen, ...]
    levels: tuple[LevelSeen, ...]
    hold: tuple[tuple[CheckSeen, ...], ...]
    unless: tuple[tuple[CheckSeen, ...], ...] = ()


def trace(
    book: RuleBook,
    vector: Vector,
    segment: str,
    *,
    at: int,
    met_since: Mapping[str, int],
    open_kinds: Collection[str] = (),
    held: Sequence[str] = (),
) -> list[RuleSeen]:
    """Every rule on a vector (catalogue order, NaN = not available) at ``at`` (epoch ms).

    ``met_since`` is what the merchant's conditions are remembered by, ``open_kinds`` the kinds of
    its open episodes, ``held`` the feeds that are quiet for everyone.
    """
    values = as_floats(vector)
    met = met_rules(book, values, segment)
    stand = standing(met, held)
    lasted, since = lasting(book, stand, met_since, at, held)
    fired = {hit.kind for hit in unyielding(book, lasted)}
    severities = {hit.kind: hit.severity for hit in met}

    def verdict(rule: Rule) -> Verdict:
        kind = rule.kind
        if not rule.applies_to(segment):
            return "other_segment"
        if kind in fired:
            return "fires"
        if any(hit.kind == kind for hit in lasted):
            return "yields"
        if any(hit.kind == kind for hit in stand):
            return "waits"
        if kind in severities:
            return "feed_quiet"
        if kind in open_kinds and not cleared(book, kind, values):
            return "holds"
        return "not"

    return [
        _seen(rule, verdict(rule), severities.get(rule.kind), since.get(rule.kind), values)
        for rule in book.rules
    ]


def _seen(
    rule: Rule,
    verdict: Verdict,
    severity: Severity | None,
    since: int | None,
    vector: Sequence[float],
) -> RuleSeen:
    return RuleSeen(
        kind=rule.kind,
        verdict=verdict,
        severity=severity,
        met_since=since,
        fires_at=since + rule.persistence_ms if since is not None and verdict == "waits" else None,
        evidence=_tests(rule.evidence, vector),
        levels=tuple(
            LevelSeen(
                severity=level.severity,
                met=are_met(place((*level.given, *level.tests)), vector),
                tests=_tests((*level.given, *level.tests), vector),
            )
            for level in rule.levels
        ),
        hold=tuple(_tests(tests, vector) for tests in rule.hold),
        unless=tuple(_tests(tests, vector) for tests in rule.unless),
    )


def _tests(checks: tuple[Check, ...], vector: Sequence[float]) -> tuple[CheckSeen, ...]:
    return tuple(_test(check, vector) for check in checks)


def _test(check: Check, vector: Sequence[float]) -> CheckSeen:
    value = vector[INDEX[check.feature]]
    bound = check.threshold * (1.0 if check.times is None else vector[INDEX[check.times]])
    unknown = isnan(value) or isnan(bound)
    return CheckSeen(
        feature=check.feature,
        op=check.op,
        threshold=check.threshold,
        times=check.times,
        value=value if isfinite(value) else None,
        bound=bound if isfinite(bound) else None,
        met=None if unknown else are_met(place((check,)), vector),
    )

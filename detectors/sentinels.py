"""Sentinels: the rules of ``detectors.rules`` over one feature vector."""

from collections.abc import Sequence
from math import isnan
from typing import NamedTuple

from msgspec import Struct

from detectors.checks import AnyOf, Placed, are_met, place
from detectors.reasons import Currency, make_reason
from detectors.rules import KINDS, RULES, SENTINEL_VERSION, Level, Rule
from detectors.vectors import Vector, as_floats
from schemas.outputs import Reason, Severity

__all__ = ["FIRING", "KINDS", "SENTINEL_VERSION", "SEVERITY_RANK", "Hit", "cleared", "evaluate"]

SEVERITY_RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}


class _Rule(NamedTuple):
    """A rule with its tests as they are made."""

    rule: Rule
    evidence: Placed
    levels: tuple[tuple[Level, Placed], ...]
    hold: tuple[Placed, ...]


_BY_KIND: dict[str, _Rule] = {
    rule.kind: _Rule(
        rule,
        place(rule.evidence),
        tuple((level, place((*level.given, *level.tests))) for level in rule.levels),
        tuple(place(tests) for tests in rule.hold),
    )
    for rule in RULES
}

FIRING = AnyOf(
    (*placed.evidence, *tests) for placed in _BY_KIND.values() for _, tests in placed.levels
)
"""The vectors on which a rule fires: ``evaluate`` finds nothing in any other."""


class Hit(Struct, kw_only=True, frozen=True, gc=False):
    """A rule that fires: what an alert episode opens or goes on with."""

    kind: str
    severity: Severity
    reasons: list[Reason]


def evaluate(vector: Vector, segment: str, *, currency: Currency = None) -> list[Hit]:
    """The rules that fire on a vector in catalogue order (NaN = not available).

    ``segment`` is the peer group (these rules compare with the merchant's own usual alone),
    ``currency`` only shapes the reasons' texts. Most severe first, then in the order of the rules.
    """
    values = as_floats(vector)
    hits = {
        kind: hit
        for kind, placed in _BY_KIND.items()
        if (hit := _fire(placed, values, currency)) is not None
    }
    kept = [
        hit
        for kind, hit in hits.items()
        if not any(_outranks(hits.get(other), hit) for other in _BY_KIND[kind].rule.yields_to)
    ]
    return sorted(kept, key=lambda hit: -SEVERITY_RANK[hit.severity])


def cleared(kind: str, vector: Vector) -> bool:
    """Whether the condition behind an open episode is known to be gone.

    Uses the lower ``hold`` thresholds. What is not available proves nothing: an episode does not
    clear because a feed went quiet. Kinds without a rule here never clear by themselves.
    """
    placed = _BY_KIND.get(kind)
    if placed is None:
        return False
    values = as_floats(vector)
    verdicts = [_all(tests, values) for tests in placed.hold]
    return True not in verdicts and False in verdicts


def _fire(placed: _Rule, vector: Sequence[float], currency: Currency) -> Hit | None:
    if not are_met(placed.evidence, vector):
        return None
    met = [level for level, tests in placed.levels if are_met(tests, vector)]
    if not met:
        return None
    severity = max((level.severity for level in met), key=SEVERITY_RANK.__getitem__)
    features = dict.fromkeys(
        test.feature for level in met if level.severity == severity for test in level.tests
    )
    reasons = [make_reason(name, vector, currency=currency) for name in features]
    return Hit(kind=placed.rule.kind, severity=severity, reasons=reasons)


def _outranks(other: Hit | None, hit: Hit) -> bool:
    return other is not None and SEVERITY_RANK[other.severity] >= SEVERITY_RANK[hit.severity]


def _all(tests: Placed, vector: Sequence[float]) -> bool | None:
    """Whether all are met; None = no test is known to fail, but some cannot be made."""
    unknown = False
    for test in tests:
        at, times, *_ = test
        if isnan(vector[at]) or (times >= 0 and isnan(vector[times])):
            unknown = True
        elif not are_met((test,), vector):
            return False
    return None if unknown else True

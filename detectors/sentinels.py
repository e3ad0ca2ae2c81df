"""Sentinels: the rules of ``detectors.rules`` over one feature vector."""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import NamedTuple

from msgspec import Struct

from detectors.reasons import Currency, make_reason
from detectors.rules import KINDS, RULES, SENTINEL_VERSION, Check, Level, Rule
from detectors.vectors import Vector, as_floats
from features.catalogue import INDEX
from schemas.outputs import Reason, Severity

__all__ = ["KINDS", "SENTINEL_VERSION", "SEVERITY_RANK", "Hit", "cleared", "evaluate"]

SEVERITY_RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}
_Tests = tuple[tuple[int, int, float, bool], ...]
"""Place of the feature and of what its threshold is multiplied by (-1 for none), threshold, op."""


def _placed(tests: Iterable[Check]) -> _Tests:
    return tuple(
        (INDEX[t.feature], -1 if t.times is None else INDEX[t.times], t.threshold, t.op == "ge")
        for t in tests
    )


class _Placed(NamedTuple):
    """A rule with its tests as they are made."""

    rule: Rule
    evidence: _Tests
    levels: tuple[tuple[Level, _Tests], ...]
    hold: tuple[_Tests, ...]


_BY_KIND: dict[str, _Placed] = {
    rule.kind: _Placed(
        rule,
        _placed(rule.evidence),
        tuple((level, _placed((*level.given, *level.tests))) for level in rule.levels),
        tuple(_placed(tests) for tests in rule.hold),
    )
    for rule in RULES
}


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


def _fire(placed: _Placed, vector: Sequence[float], currency: Currency) -> Hit | None:
    if not _are_met(placed.evidence, vector):
        return None
    met = [level for level, tests in placed.levels if _are_met(tests, vector)]
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


def _are_met(tests: _Tests, vector: Sequence[float]) -> bool:
    """Whether all are known to be met."""
    for place, times, bound, is_floor in tests:
        if times >= 0:
            bound *= vector[times]
        if not (vector[place] >= bound if is_floor else vector[place] <= bound):
            return False
    return True


def _all(tests: _Tests, vector: Sequence[float]) -> bool | None:
    """Whether all are met; None = no test is known to fail, but some cannot be made."""
    unknown = False
    for test in tests:
        place, times, *_ = test
        if isnan(vector[place]) or (times >= 0 and isnan(vector[times])):
            unknown = True
        elif not _are_met((test,), vector):
            return False
    return None if unknown else True

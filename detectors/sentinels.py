"""Sentinels: the rules of a rule book over one feature vector."""

from collections.abc import Sequence
from math import isnan

from msgspec import Struct

from detectors.checks import Placed, are_met
from detectors.reasons import Currency, make_reason
from detectors.rules import SEVERITY_RANK, EventFeed, PlacedRule, RuleBook
from detectors.vectors import Vector, as_floats
from schemas.outputs import Reason, Severity

__all__ = ["SEVERITY_RANK", "Hit", "cleared", "evaluate", "met_rules", "unyielding"]


class Hit(Struct, kw_only=True, frozen=True, gc=False):
    """A rule that fires: what an alert episode opens or goes on with. ``feeds`` it rests on."""

    kind: str
    severity: Severity
    reasons: list[Reason]
    feeds: tuple[EventFeed, ...] = ()


def evaluate(
    book: RuleBook, vector: Vector, segment: str, *, currency: Currency = None
) -> list[Hit]:
    """The rules whose condition is met, but for those that yield to others.

    ``vector`` is in catalogue order (NaN = not available), ``segment`` the peer group, ``currency``
    only shapes the reasons' texts. Most severe first, then in the order of the rules.
    """
    return unyielding(book, met_rules(book, vector, segment, currency=currency))


def met_rules(
    book: RuleBook, vector: Vector, segment: str, *, currency: Currency = None
) -> list[Hit]:
    """The rules whose condition is met, in their order. Takes what ``evaluate`` takes."""
    values = as_floats(vector)
    found = (
        _met(placed, values, currency)
        for placed in book.placed.values()
        if placed.rule.applies_to(segment)
    )
    return [hit for hit in found if hit is not None]


def unyielding(book: RuleBook, hits: Sequence[Hit]) -> list[Hit]:
    """Those of ``hits`` that yield to no other of them. Most severe first."""
    by_kind = {hit.kind: hit for hit in hits}
    kept = [
        hit
        for hit in hits
        if not any(
            _outranks(by_kind.get(other), hit) for other in book.placed[hit.kind].rule.yields_to
        )
    ]
    return sorted(kept, key=lambda hit: -SEVERITY_RANK[hit.severity])


def cleared(book: RuleBook, kind: str, vector: Vector) -> bool:
    """Whether the condition behind an open episode is known to be gone.

    Uses the lower ``hold`` thresholds. What is not available proves nothing: an episode does not
    clear because a feed went quiet. Kinds without a rule in the book never clear by themselves.
    """
    placed = book.placed.get(kind)
    if placed is None:
        return False
    values = as_floats(vector)
    verdicts = [_all(tests, values) for tests in placed.hold]
    return True not in verdicts and False in verdicts


def _met(placed: PlacedRule, vector: Sequence[float], currency: Currency) -> Hit | None:
    if not are_met(placed.evidence, vector):
        return None
    met = [level for level, tests in placed.levels if are_met(tests, vector)]
    if not met or any(are_met(tests, vector) for tests in placed.unless):
        return None
    severity = max((level.severity for level in met), key=SEVERITY_RANK.__getitem__)
    features = dict.fromkeys(
        test.feature for level in met if level.severity == severity for test in level.tests
    )
    reasons = [make_reason(name, vector, currency=currency) for name in features]
    rule = placed.rule
    return Hit(kind=rule.kind, severity=severity, reasons=reasons, feeds=rule.feeds)


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

"""Sentinels: the rules of ``detectors.rules`` over one feature vector."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from detectors.reasons import Currency, make_reason
from detectors.rules import KINDS, RULES, SENTINEL_VERSION, Check, Rule
from detectors.vectors import Vector, as_floats
from features.catalogue import INDEX
from schemas.outputs import Reason, Severity

__all__ = ["KINDS", "SENTINEL_VERSION", "SEVERITY_RANK", "Hit", "cleared", "evaluate"]

SEVERITY_RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}
_BY_KIND: dict[str, Rule] = {rule.kind: rule for rule in RULES}


class Hit(Struct, kw_only=True, frozen=True):
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
    hits = {rule.kind: hit for rule in RULES if (hit := _fire(rule, values, currency)) is not None}
    kept = [
        hit
        for kind, hit in hits.items()
        if not any(_outranks(hits.get(other), hit) for other in _BY_KIND[kind].yields_to)
    ]
    return sorted(kept, key=lambda hit: -SEVERITY_RANK[hit.severity])


def cleared(kind: str, vector: Vector) -> bool:
    """Whether the condition behind an open episode is known to be gone.

    Uses the lower ``hold`` thresholds. What is not available proves nothing: an episode does not
    clear because a feed went quiet. Kinds without a rule here never clear by themselves.
    """
    rule = _BY_KIND.get(kind)
    if rule is None:
        return False
    values = as_floats(vector)
    verdicts = [_all(tests, values) for tests in rule.hold]
    return True not in verdicts and False in verdicts


def _fire(rule: Rule, vector: Sequence[float], currency: Currency) -> Hit | None:
    if _all(rule.evidence, vector) is not True:
        return None
    met = [level for level in rule.levels if _all((*level.given, *level.tests), vector)]
    if not met:
        return None
    severity = max((level.severity for level in met), key=SEVERITY_RANK.__getitem__)
    features = dict.fromkeys(
        test.feature for level in met if level.severity == severity for test in level.tests
    )
    reasons = [make_reason(name, vector, currency=currency) for name in features]
    return Hit(kind=rule.kind, severity=severity, reasons=reasons)


def _outranks(other: Hit | None, hit: Hit) -> bool:
    return other is not None and SEVERITY_RANK[other.severity] >= SEVERITY_RANK[hit.severity]


def _all(tests: Iterable[Check], vector: Sequence[float]) -> bool | None:
    """Whether all are met; None = no test is known to fail, but some cannot be made."""
    unknown = False
    for test in tests:
        value = vector[INDEX[test.feature]]
        bound = test.threshold
        if test.times is not None:
            bound *= vector[INDEX[test.times]]
        if value != value or bound != bound:
            unknown = True
        elif not (value >= bound if test.op == "ge" else value <= bound):
            return False
    return None if unknown else True

"""How ``rules explain`` puts a merchant: one JSON object, or lines of text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from detectors.checks import Check
from detectors.facts import FACTS
from detectors.reasons import format_value
from detectors.rule_document import text_of
from detectors.rule_trace import CheckSeen, RuleSeen, trace
from features.catalogue import FEATURE_VERSION
from streams.explain import Explained

_SAID = {
    "fires": "fires",
    "waits": "waits to have lasted",
    "yields": "yields to another rule",
    "feed_quiet": "waits for a feed that is quiet for everyone",
    "holds": "holds: an alert is open",
    "not": "does not fire",
    "other_segment": "is for other segments",
}
_MARK = {True: "met", False: "not met", None: "not available"}


def as_json(found: Explained) -> dict[str, Any]:
    """Every rule with its verdict and tests."""
    return {
        "merchant_id": found.merchant_id,
        "as_of": found.as_of,
        "segment": found.segment,
        "currency": found.currency,
        "rules_version": found.rules.version,
        "feature_version": FEATURE_VERSION,
        "quiet_feeds": list(found.held),
        "open_alerts": sorted(found.ledger.episodes),
        "rules": [_rule(found, seen) for seen in _traced(found)],
    }


def as_text(found: Explained, *, every: bool) -> Iterator[str]:
    """The same in lines; the tests of rules that say nothing only where ``every``."""
    yield (
        f"{found.merchant_id} as of {_moment(found.as_of)}: segment {found.segment}, "
        f"rules {found.rules.version}"
    )
    if found.held:
        yield f"Quiet for everyone: {', '.join(found.held)}"
    traced = _traced(found)
    quiet = [seen for seen in traced if seen.verdict in ("not", "other_segment")]
    for seen in traced if every else (seen for seen in traced if seen not in quiet):
        yield ""
        yield from _lines(found, seen)
    yield ""
    yield f"{len(quiet)} of {len(traced)} rules do not fire."
    if quiet and not every:
        yield "With --every each of their tests is shown."


def _traced(found: Explained) -> list[RuleSeen]:
    return trace(
        found.rules,
        found.vector,
        found.segment,
        at=found.as_of,
        met_since=found.ledger.met_since or {},
        open_kinds=found.ledger.episodes,
        held=found.held,
    )


def _rule(found: Explained, seen: RuleSeen) -> dict[str, Any]:
    rule = found.rules.rule(seen.kind)
    assert rule is not None
    shown: dict[str, Any] = msgspec.to_builtins(seen)
    return {"label": rule.label.en, "label_zh": rule.label.zh, **shown}


def _lines(found: Explained, seen: RuleSeen) -> Iterator[str]:
    rule = found.rules.rule(seen.kind)
    assert rule is not None
    severity = f" ({seen.severity})" if seen.severity else ""
    yield f"{seen.kind}: {_SAID[seen.verdict]}{severity}"
    yield f"  {rule.label.en} ({rule.label.zh})"
    if seen.met_since is not None:
        until = f", fires at {_moment(seen.fires_at)}" if seen.fires_at is not None else ""
        yield f"  met since {_moment(seen.met_since)}{until}"
    for check in seen.evidence:
        yield f"  evidence: {_check(found, check)}"
    for level in seen.levels:
        yield f"  {level.severity}: {_MARK[level.met]}"
        for check in level.tests:
            yield f"    {_check(found, check)}"
    for checks in seen.unless:
        yield f"  unless: {'; '.join(_check(found, check) for check in checks)}"
    if seen.verdict == "holds":
        for checks in seen.hold:
            yield f"  hold: {'; '.join(_check(found, check) for check in checks)}"


def _check(found: Explained, seen: CheckSeen) -> str:
    asked = text_of(Check(seen.feature, seen.op, seen.threshold, seen.times))
    value = "not available" if seen.value is None else _number(found, seen.feature, seen.value)
    bound = ""
    if seen.times is not None and seen.bound is not None:
        bound = f" against {_number(found, seen.feature, seen.bound)}"
    return f"{asked}: {value}{bound}, {_MARK[seen.met]}"


def _number(found: Explained, feature: str, value: float) -> str:
    return format_value(FACTS[feature].measure, value, currency=found.currency)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")

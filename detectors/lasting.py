"""How long things last: conditions before they fire, and quiet after an episode closed.

Pure: what is remembered of a merchant goes in, what is to be remembered comes out. Times are event
times in epoch milliseconds. Both memories have at most one entry per kind of the rule book.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from detectors.episodes import Episode
from detectors.rules import SEVERITY_RANK, RuleBook
from detectors.sentinels import Hit
from schemas.outputs import Severity

Since = Mapping[str, int]
"""Kind -> when its condition was first seen met, of kinds with a persistence."""


class Cooling(Struct, frozen=True, gc=False):
    """After an episode closed: no other of its kind before ``until``, unless more severe."""

    until: int
    severity: Severity


def lasting(
    book: RuleBook, hits: Sequence[Hit], since: Since, at: int, held: Sequence[str]
) -> tuple[list[Hit], dict[str, int]]:
    """Those of ``hits`` whose condition has been met for their persistence, and the new memory.

    A condition is looked at when the merchant is assessed; it has lasted if it was met each time.
    One that rests on a feed in ``held`` is neither met nor gone: it goes on from when it began.
    """
    fired: list[Hit] = []
    after: dict[str, int] = {}
    for hit in hits:
        needed_ms = book.placed[hit.kind].rule.persistence_ms
        if needed_ms:
            # A late event may be assessed at an earlier time than the one before it.
            began = after[hit.kind] = min(since.get(hit.kind, at), at)
            if at - began < needed_ms:
                continue
        fired.append(hit)
    for kind, began in since.items():
        placed = book.placed.get(kind)
        if placed is not None and kind not in after and any(f in placed.rule.feeds for f in held):
            after[kind] = began
    return fired, after


def cooling_after(
    book: RuleBook, cooling: Mapping[str, Cooling], closed: Episode, at: int
) -> dict[str, Cooling]:
    """The memory after an episode closed at ``at``; entries that are over are dropped."""
    after = {kind: each for kind, each in cooling.items() if at < each.until}
    rule = book.rule(closed.kind)
    if rule is not None and rule.cool_down_ms:
        after[closed.kind] = Cooling(at + rule.cool_down_ms, closed.severity)
    return after


def may_open(cooling: Mapping[str, Cooling], hit: Hit, at: int) -> bool:
    """Whether an episode may open on ``hit``: not while its kind cools down, unless it is worse."""
    each = cooling.get(hit.kind)
    if each is None or at >= each.until:
        return True
    return SEVERITY_RANK[hit.severity] > SEVERITY_RANK[each.severity]

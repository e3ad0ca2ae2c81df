"""How long things last: conditions before they fire, quiet after an episode closed, and cures.

Pure: what is remembered of a merchant goes in, what is to be remembered comes out. Times are event
times in epoch milliseconds. The memories have at most one entry per kind of alert.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from detectors.alert_terms import AlertTerms
from detectors.episodes import Episode
from detectors.rules import SEVERITY_RANK, RuleBook
from detectors.sentinels import Hit
from schemas.outputs import Severity

Since = Mapping[str, int]
"""Kind -> when its condition was first seen met, of kinds with a persistence."""


CURED_KEPT = 16
"""Cured episodes of a merchant that may open again; past it the ones closed first are forgotten."""


class Cooling(Struct, frozen=True, gc=False):
    """After an episode closed: no other of its kind before ``until``, unless more severe."""

    until: int
    severity: Severity


class Cured(Struct, frozen=True, gc=False):
    """An episode that was closed as ``cured`` and opens again if its kind fires by ``until``."""

    until: int
    episode: Episode


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


def cured_after(
    terms: AlertTerms, cured: Mapping[str, Cured], closed: Episode, at: int
) -> dict[str, Cured]:
    """The memory after an episode closed at ``at``; entries that are over are dropped."""
    after = {k: each for k, each in cured.items() if at <= each.until and k != closed.kind}
    if closed.outcome == "cured" and terms.reopen_within_ms:
        after[closed.kind] = Cured(at + terms.reopen_within_ms, closed)
        if len(after) > CURED_KEPT:
            del after[min(after, key=lambda k: (after[k].until, k))]
    return after


def may_reopen(cured: Mapping[str, Cured], kind: str, at: int) -> Episode | None:
    """The episode that opens again if its kind fires at ``at``, None for a new one."""
    each = cured.get(kind)
    return None if each is None or at > each.until else each.episode

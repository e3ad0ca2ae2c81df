"""What waits while feeds are quiet for everyone: alerts and decisions that rest on them.

Feeds are named as in the catalogue (``features.feature.Feed``); a rule whose ``feeds`` are "any"
rests on every event feed.
"""

from collections.abc import Sequence

from detectors.rules import RULES
from detectors.sentinels import Hit

_EVENT_FEEDS = ("transactions", "logistics", "payments", "signals")


def _feeds(topics: tuple[str, ...]) -> frozenset[str]:
    """Feeds by the topics that a rule names."""
    found = {topic.removeprefix("merchant.").removesuffix(".events") for topic in topics}
    if "any" in found:
        found = {*found, *_EVENT_FEEDS} - {"any"}
    return frozenset(found)


FEEDS_OF: dict[str, frozenset[str]] = {rule.kind: _feeds(rule.feeds) for rule in RULES}
"""The feeds that each kind of alert rests on."""


def rests_on(kind: str, held: Sequence[str]) -> bool:
    """Whether a kind rests on one of these feeds. Kinds without a rule rest on none."""
    return any(feed in FEEDS_OF.get(kind, ()) for feed in held)


def standing(hits: Sequence[Hit], held: Sequence[str]) -> list[Hit]:
    """The hits that stand while the feeds ``held`` are quiet for everyone."""
    return [hit for hit in hits if not rests_on(hit.kind, held)]

"""What waits while feeds are quiet for everyone: alerts and decisions that rest on them.

Feeds are named as in the catalogue (``features.feature.Feed``).
"""

from collections.abc import Sequence

from detectors.rules import RuleBook
from detectors.sentinels import Hit


def rests_on(book: RuleBook, kind: str, held: Sequence[str]) -> bool:
    """Whether a kind rests on one of these feeds. Kinds without a rule rest on none."""
    rule = book.rule(kind)
    return rule is not None and any(feed in rule.feeds for feed in held)


def standing(hits: Sequence[Hit], held: Sequence[str]) -> list[Hit]:
    """The hits that stand while the feeds ``held`` are quiet for everyone."""
    return [hit for hit in hits if not any(feed in hit.feeds for feed in held)]

"""What protocols share whose answer is one outcome event of a merchant."""

from tideline.evaluation.questions import Event
from tideline.sources.records import SourceRecord

OUTCOMES = ("loan.defaulted", "loan.settled")


def is_outcome(record: SourceRecord, event: Event) -> bool:
    """A default or a settlement."""
    return event["type"] in OUTCOMES


def is_bad(event: Event) -> bool:
    """Whether an outcome is a default."""
    return bool(event["type"] == "loan.defaulted")

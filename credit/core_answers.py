"""What the lending core says of changes that were sent to it."""

from typing import NamedTuple

from msgspec import structs

from credit.changes import Case, Changed, change_line
from credit.lines import Line
from credit.reasons import said_reason
from features.lines import LogLine


class Answered(NamedTuple):
    """The line after an answer, the change that it calls for, and whether it meant this line."""

    line: Line
    change: Changed | None
    known: bool


def acknowledged(line: Line, answer: LogLine) -> Answered:
    """The core booked a change. One that was overtaken, or said twice, changes nothing."""
    if not _means_latest(line, answer):
        return Answered(line, None, False)
    booked = structs.replace(line, core_state="acknowledged", booked_minor=line.limit_minor)
    return Answered(booked, None, True)


def rejected(case: Case, line: Line, answer: LogLine) -> Answered:
    """The core refused a change: the line goes back to what the core has, by a new version.

    A freeze stays, and so does a roll-back that is refused in turn: then people must look.
    """
    if not _means_latest(line, answer) or line.core_state == "rejected":
        return Answered(line, None, False)
    refused = structs.replace(line, core_state="rejected")
    stays = line.frozen_by is not None or line.last_action == "rollback"
    back_to = line.before_minor if line.booked_minor is None else line.booked_minor
    if stays or line.limit_minor == back_to:
        return Answered(refused, None, True)
    reasons = [said_reason("core_rejected", answer.reason or "")]
    start = structs.replace(refused, override_until=None)
    changed = change_line(case, start, "rollback", back_to, reasons)
    return Answered(changed[0], changed, True)


def is_overdue(case: Case, line: Line) -> bool:
    """Whether the core should have answered the latest change by now."""
    within_ms = case.policy.acknowledge_within_ms
    return (
        within_ms is not None
        and line.core_state == "sent"
        and case.as_of >= line.sent_at + within_ms
    )


def _means_latest(line: Line, answer: LogLine) -> bool:
    return line.core_state != "none" and answer.decision_id == line.sent_decision_id

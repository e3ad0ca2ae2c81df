"""Working an alert: from a form to a command, and whether the command took effect. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from desk.alerting import DAY_MS, OUTCOMES
from desk.capacity import Row
from desk.forms import InvalidForm, integer, needed

Action = Literal["assign", "acknowledge", "snooze", "close"]
ACTIONS: dict[str, str] = {
    "assign": "Assign",
    "acknowledge": "Acknowledge",
    "snooze": "Snooze",
    "close": "Close",
}
"""What can be done with an alert, and how it reads in English."""
SNOOZE_DAYS = (1, 3, 7)
NAME_MAX = 128
REASON_MAX = 2_000

_STATE_AFTER = {
    "assign": "assigned",
    "acknowledge": "acknowledged",
    "snooze": "snoozed",
    "close": "closed",
}


class Sent(NamedTuple):
    """A command that was sent and is waited for.

    ``since`` is the version of the alert that the person saw, ``want`` the assignee or outcome.
    """

    action: str
    actor: str
    want: str
    since: int


class Found(NamedTuple):
    """What became of a command: ``waiting``, ``done`` or ``conflict``, and the state that says so.

    A conflict is an alert that somebody or something else closed first: the command is about
    none then, and has no effect.
    """

    state: Literal["waiting", "done", "conflict"]
    row: Row | None = None


def fields_of(
    action: str, form: Mapping[str, str], viewer: str, now_ms: int
) -> dict[str, str | int | None]:
    """Fields of the command ``alert.ACTION``, without the alert's id. Raises ``InvalidForm``."""
    reason = form.get("reason", "").strip() or None
    if reason is not None and len(reason) > REASON_MAX:
        raise InvalidForm(f"`reason` is longer than {REASON_MAX} characters")
    fields: dict[str, str | int | None] = {"reason": reason}
    if action == "assign":
        assignee = form.get("assignee", "").strip() or viewer
        if len(assignee) > NAME_MAX:
            raise InvalidForm(f"`assignee` is longer than {NAME_MAX} characters")
        fields["assignee"] = assignee
    elif action == "snooze":
        days = integer(form, "days", least=1, most=max(SNOOZE_DAYS))
        if days not in SNOOZE_DAYS:
            raise InvalidForm(f"`days` is {days}, not one of {', '.join(map(str, SNOOZE_DAYS))}")
        fields["until_at"] = now_ms + days * DAY_MS
    elif action == "close":
        outcome = needed(form, "outcome")
        if outcome not in OUTCOMES:
            raise InvalidForm(f"`outcome` is {outcome[:40]!r}, not one of {', '.join(OUTCOMES)}")
        if reason is None:
            raise InvalidForm("`reason` is missing: say in a few words what was found")
        fields["outcome"] = outcome
    return fields


def became(sent: Sent, later: Sequence[Row]) -> Found:
    """What became of a command, from the states of the alert beyond the one that was seen."""
    for row in later:
        if row["state"] == _STATE_AFTER[sent.action] and row["actor"] == sent.actor:
            said = {"assign": row["assignee"], "close": row["outcome"]}.get(sent.action, "")
            if said == sent.want:
                return Found("done", row)
        if row["state"] == "closed":
            return Found("conflict", row)
    return Found("waiting")

"""What the desk decides about one line by hand."""

from credit.bounds import amounts_of
from credit.changes import DAY_MS, Case, Changed, change_line, freeze_line
from credit.lines import Line
from credit.reasons import desk_reason
from features.lines import LogLine


def freeze(case: Case, line: Line, actor: str, reason: str) -> Changed | None:
    """``merchant.freeze`` holds until the desk releases; over an automatic freeze it takes over."""
    if line.frozen_by == "desk":
        return None
    return freeze_line(case, line, "desk", [desk_reason(reason)], actor=actor)


def release(case: Case, line: Line, actor: str, reason: str) -> Changed | None:
    """``merchant.release`` gives back the limit from before the freeze, at most the cap.

    Automatic freezes then wait ``override_days``, or the next event would undo what a person
    decided.
    """
    if line.frozen_by is None:
        return None
    amounts = amounts_of(case, line.currency, line.band, line.channel)
    limit = line.frozen_limit_minor
    return change_line(
        case,
        line,
        "release",
        limit if amounts is None else min(limit, amounts.cap_minor),
        [desk_reason(reason)],
        approval="manual",
        actor=actor,
        frozen_by=None,
        frozen_limit_minor=0,
        waived_until=case.as_of + case.policy.override_days * DAY_MS,
    )


def override(case: Case, line: Line, said: LogLine) -> Changed | None:
    """``limit.override`` sets an amount until ``expires_at`` (default: ``override_days``).

    Until then no rule moves the limit except a freeze. It has no effect while the line is frozen
    (release it first), in another currency, above the cap, or if ``expires_at`` is past.
    """
    amounts = amounts_of(case, line.currency, line.band, line.channel)
    limit = said.amount
    if limit is None or amounts is None or said.currency not in (None, line.currency):
        return None
    until = said.expires_at
    if until is None:
        until = case.as_of + case.policy.override_days * DAY_MS
    if line.frozen_by is not None or until <= case.as_of:
        return None
    if not 0 <= limit <= amounts.cap_minor or limit == line.limit_minor:
        return None
    return change_line(
        case,
        line,
        "override",
        limit,
        [desk_reason(said.reason or "")],
        approval="manual",
        actor=said.actor or "",
        expires_at=until,
        override_until=until,
    )

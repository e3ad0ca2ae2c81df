"""What the desk decides about a line by hand."""

from typing import Literal

from credit.changes import DAY_MS, Case, Changed, change_line, freeze_line
from credit.lines import Line
from credit.policy import Policy
from credit.reasons import desk_reason

CommandKind = Literal["merchant.freeze", "merchant.release", "limit.override"]


def command(
    policy: Policy,
    line: Line,
    *,
    kind: str,
    merchant_id: str,
    segment: str,
    drawn_minor: int,
    as_of: int,
    actor: str,
    reason: str,
    cause: str,
    amount_minor: int | None = None,
    currency: str | None = None,
    expires_at: int | None = None,
    model_version: str,
    feature_version: str,
    rules_version: str = "",
) -> Changed | None:
    """The line and its change after a desk command, or None where the command has no effect.

    - ``merchant.freeze`` holds until the desk releases; over an automatic freeze it takes over.
    - ``merchant.release`` gives back the limit from before the freeze, at most the policy's cap.
      Automatic freezes then wait ``override_days``, or the next event would undo what a person
      decided.
    - ``limit.override`` sets ``amount_minor`` until ``expires_at`` (default: ``override_days``);
      until then no rule moves the limit except a freeze. It has no effect while the line is frozen
      (release it first), in another currency, above the cap, or if ``expires_at`` is past.

    Raises ``ValueError`` on a kind that is no command of a line.
    """
    case = Case(
        policy=policy,
        merchant_id=merchant_id,
        segment=segment,
        drawn_minor=drawn_minor,
        as_of=as_of,
        causes=[cause],
        model_version=model_version,
        feature_version=feature_version,
        rules_version=rules_version,
    )
    if kind == "merchant.freeze":
        if line.frozen_by == "desk":
            return None
        return freeze_line(case, line, "desk", [desk_reason(reason)], actor=actor)
    if kind == "merchant.release":
        return _release(case, line, actor, reason)
    if kind == "limit.override":
        until = as_of + policy.override_days * DAY_MS if expires_at is None else expires_at
        return _override(case, line, actor, reason, amount_minor, currency, until)
    raise ValueError(f"{kind!r} is no command of a line")


def _release(case: Case, line: Line, actor: str, reason: str) -> Changed | None:
    if line.frozen_by is None:
        return None
    amounts = case.policy.currencies.get(line.currency)
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


def _override(
    case: Case,
    line: Line,
    actor: str,
    reason: str,
    amount_minor: int | None,
    currency: str | None,
    until: int,
) -> Changed | None:
    amounts = case.policy.currencies.get(line.currency)
    if amount_minor is None or amounts is None or currency not in (None, line.currency):
        return None
    if line.frozen_by is not None or until <= case.as_of:
        return None
    if not 0 <= amount_minor <= amounts.cap_minor or amount_minor == line.limit_minor:
        return None
    return change_line(
        case,
        line,
        "override",
        amount_minor,
        [desk_reason(reason)],
        approval="manual",
        actor=actor,
        expires_at=until,
        override_until=until,
    )

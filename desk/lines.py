"""A merchant's credit lines as they stand, folded from what is stored of their changes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from desk.ports import Row

CoreState = str
"""``none`` before any change was sent, then ``sent``, ``acknowledged`` or ``rejected``."""


class Share(NamedTuple):
    """The part of a line that one funder carries, in minor units."""

    funder: str
    limit_minor: int


class LineNow(NamedTuple):
    """One line. Times are epoch milliseconds, money is minor units of ``currency``.

    While frozen, ``limit_minor`` is 0 and ``kept_minor`` what a release may give back. ``latest``
    is the change that moved the limit last, ``pending`` the proposal that waits for people.
    ``core_state`` is the lending core's answer to the former, with ``answered_ms`` and its
    ``answer_reason``. ``drawn_minor`` is what is owed under the line.
    """

    line_id: str
    product: str
    currency: str
    version: int
    limit_minor: int
    kept_minor: int
    frozen_by: str | None
    opened_ms: int
    changed_ms: int
    expires_ms: int | None
    override_until_ms: int | None
    last_action: str
    shares: tuple[Share, ...]
    latest: Row | None
    pending: Row | None
    drawn_minor: int
    core_state: CoreState = "none"
    answered_ms: int | None = None
    answer_reason: str = ""

    @property
    def headroom_minor(self) -> int:
        """What may still be drawn: never below 0, and 0 while frozen."""
        return max(self.limit_minor - self.drawn_minor, 0)

    @property
    def utilisation(self) -> float | None:
        """Drawn over limit; None where nothing is granted."""
        return self.drawn_minor / self.limit_minor if self.limit_minor > 0 else None


def fold(
    changes: Iterable[Row],
    answers: Mapping[str, Row] | None = None,
    owed_minor: Mapping[str, int] | None = None,
    exposure_minor: int | None = None,
) -> list[LineNow]:
    """The lines by product, from their changes in any order.

    ``answers`` are the lending core's by decision, ``owed_minor`` what is owed by line. What of
    ``exposure_minor`` belongs to none of them is the oldest line's, as the lending side counts it.
    Without an exposure, a line's drawn amount is that of its latest change.
    """
    lines: dict[str, LineNow] = {}
    for row in sorted(changes, key=lambda row: (row["line_id"], row["version"])):
        lines[row["line_id"]] = _after(lines.get(row["line_id"]), row)
    found = [_answered(line, answers or {}) for line in lines.values()]
    if exposure_minor is not None:
        found = _drawn(found, owed_minor or {}, exposure_minor)
    return sorted(found, key=lambda line: (line.product, line.line_id))


def _after(line: LineNow | None, row: Row) -> LineNow:
    if line is None:
        line = LineNow(
            line_id=row["line_id"],
            product=row["product"],
            currency=row["currency"],
            version=0,
            limit_minor=row["previous_limit_minor"],
            kept_minor=0,
            frozen_by=None,
            opened_ms=row["decided_ms"],
            changed_ms=row["decided_ms"],
            expires_ms=None,
            override_until_ms=None,
            last_action="",
            shares=(),
            latest=None,
            pending=None,
            drawn_minor=row["drawn_minor"],
        )
    line = line._replace(version=row["version"], drawn_minor=row["drawn_minor"])
    if row["state"] == "proposed":
        return line._replace(pending=row)
    if row["state"] == "withdrawn":
        return line._replace(pending=None, changed_ms=row["decided_ms"])
    return _moved(line, row)


def _moved(line: LineNow, row: Row) -> LineNow:
    """The line after a change that was sent."""
    action = row["action"]
    state: dict[str, Any] = {
        "pending": None,
        "latest": row,
        "limit_minor": row["new_limit_minor"],
        "changed_ms": row["decided_ms"],
        # What an override announces is its own end, not that of the line's term.
        "expires_ms": line.expires_ms if action == "override" else row["expires_ms"],
        "last_action": action,
        "override_until_ms": row["expires_ms"] if action == "override" else line.override_until_ms,
    }
    if action == "rollback":
        state["override_until_ms"] = None
    if action == "freeze":
        state["frozen_by"] = "desk" if row["actor"] else "rule"
        state["kept_minor"] = (
            row["previous_limit_minor"] if line.frozen_by is None else line.kept_minor
        )
    else:
        state |= {"frozen_by": None, "kept_minor": 0}
        # A freeze names no funders: what they carry stays committed behind it.
        state["shares"] = tuple(
            Share(funder, minor)
            for funder, minor in zip(row["funders"], row["funder_limits_minor"], strict=True)
        )
    if action == "open":
        state["opened_ms"] = row["decided_ms"]
    return line._replace(**state)


def _answered(line: LineNow, answers: Mapping[str, Row]) -> LineNow:
    if line.latest is None:
        return line
    answer = answers.get(line.latest["decision_id"])
    if answer is None:
        return line._replace(core_state="sent")
    return line._replace(
        core_state=answer["type"].removeprefix("limit."),
        answered_ms=answer["occurred_ms"],
        answer_reason=answer["reason"],
    )


def _drawn(
    lines: list[LineNow], owed_minor: Mapping[str, int], exposure_minor: int
) -> list[LineNow]:
    if not lines:
        return lines
    oldest = min(
        lines, key=lambda line: (line.last_action == "decline", line.opened_ms, line.product)
    )
    named = sum(owed_minor.get(line.line_id, 0) for line in lines if line is not oldest)
    return [
        line._replace(
            drawn_minor=max(exposure_minor - named, 0)
            if line is oldest
            else owed_minor.get(line.line_id, 0)
        )
        for line in lines
    ]

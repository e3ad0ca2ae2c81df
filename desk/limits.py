"""Proposals, budgets and the breaker in the shape of their page: pure, from rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from desk.identity import Viewer
from desk.policy_books import BreakerBounds, Guardrails, Move
from desk.ports import Row

DAY_MS = 86_400_000


class Stand(NamedTuple):
    """How far a proposal is, and what the viewer may do about it.

    ``needed`` is None where the policy that made the proposal is not known here. ``hindrance`` is
    why the viewer may not approve: ``role``, ``proposer``, ``approved``, ``enough`` or None.
    """

    approved_by: list[str]
    needed: int | None
    hindrance: str | None
    may_reject: bool
    total_minor: int
    total_after_minor: int
    ends_ms: int | None


def move_of(row: Row, total_minor: int) -> Move:
    """A proposal as the move that it is; ``total_minor`` is what all the merchant's lines grant."""
    return Move(
        row["product"],
        row["currency"],
        row["action"],
        row["previous_limit_minor"],
        row["new_limit_minor"],
        total_minor - row["previous_limit_minor"],
    )


def approvers_of(row: Row, said: Sequence[Row]) -> list[str]:
    """Who has approved a proposal, each once; who proposed it counts for nothing.

    As ``credit.approvals`` counts: by the commands that came after the proposal.
    """
    names = [
        each["actor"]
        for each in said
        if each["type"] == "limit.approve" and each["actor"] != row["actor"]
    ]
    return list(dict.fromkeys(names))


def stand(
    viewer: Viewer,
    row: Row,
    said: Sequence[Row],
    total_minor: int,
    needed: int | None,
    guardrails: Guardrails | None,
) -> Stand:
    """The stand of one proposal."""
    approved_by = approvers_of(row, said)
    may = viewer.may("approve_limit")
    hindrance = None
    if not may:
        hindrance = "role"
    elif viewer.name == row["actor"]:
        hindrance = "proposer"
    elif viewer.name in approved_by:
        hindrance = "approved"
    elif needed is not None and len(approved_by) >= needed > 0:
        hindrance = "enough"
    after = total_minor - row["previous_limit_minor"] + row["new_limit_minor"]
    ends = None if guardrails is None else row["decided_ms"] + guardrails.timeout_days * DAY_MS
    return Stand(approved_by, needed, hindrance, may, total_minor, after, ends)


# --- budgets --------------------------------------------------------------------------------------


def budget_rows(
    leased: Sequence[Row], spent: Sequence[Row], guardrails: Guardrails | None
) -> list[dict[str, Any]]:
    """A row for each day and budget, the latest day first: bound, leased, spent.

    The bound is that of the policy in force now; None for a budget that it has not.
    """
    bounds = {} if guardrails is None else guardrails.budgets_minor
    moved: dict[tuple[int, str], int] = defaultdict(int)
    for row in spent:
        for scope, name in (("portfolio", ""), ("segment", row["segment"])):
            moved[row["day"], _budget(scope, row["what"], row["currency"], name)] += int(
                row["moved_minor"]
            )
    given = {(row["day"], row["budget"]): int(row["leased_minor"]) for row in leased}
    used = {key for key in moved if key[1] in bounds}
    rows = []
    for day, budget in sorted(used | given.keys(), key=lambda key: (-key[0], key[1])):
        scope, what, currency, name = (*budget.split(".", 3), "", "", "")[:4]
        rows.append(
            {
                "day_ms": day * DAY_MS,
                "scope": scope,
                "what": what,
                "currency": currency,
                "name": name,
                "bound_minor": bounds.get(budget),
                "leased_minor": given.get((day, budget), 0),
                "spent_minor": moved.get((day, budget), 0),
            }
        )
    return rows


def _budget(scope: str, what: str, currency: str, name: str) -> str:
    """As ``credit.guardrails.budget_id``."""
    return ".".join((scope, what, currency, name) if name else (scope, what, currency))


def headroom_rows(carried: Sequence[Row], guardrails: Guardrails | None) -> list[dict[str, Any]]:
    """What each funder carries, and its cap by the policy in force, None where it has none."""
    caps = {} if guardrails is None else guardrails.headroom_minor
    return [
        {
            **row,
            "cap_minor": caps.get(_budget("funder", "exposure", row["currency"], row["funder"])),
        }
        for row in carried
    ]


# --- the breaker ----------------------------------------------------------------------------------


def wave_rows(waves: Sequence[Row], breaker: BreakerBounds) -> list[dict[str, Any]]:
    """Cuts and freezes by rule within the window, by partition, against the breaker's bounds.

    Scoring keeps the breaker; this is its arithmetic over what is stored, so that it can be seen.
    """
    by_partition: dict[int, list[Row]] = defaultdict(list)
    for row in waves:
        by_partition[row["partition"]].append(row)
    found = []
    for partition, rows in sorted(by_partition.items()):
        cut_lines = sum(row["cut_lines"] for row in rows)
        open_lines = sum(row["open_lines"] for row in rows)
        lines_share = cut_lines / max(open_lines, 1)
        # Limits as they stood before the wave.
        exposure_share = max(
            row["cut_minor"] / max(row["limits_minor"] + row["cut_minor"], 1) for row in rows
        )
        much = lines_share >= breaker.lines_share or exposure_share >= breaker.exposure_share
        found.append(
            {
                "partition": partition,
                "cut_lines": cut_lines,
                "open_lines": open_lines,
                "lines_share": lines_share,
                "exposure_share": exposure_share,
                "trips": cut_lines >= breaker.lines_min and much,
            }
        )
    return found


def shares_of(row: Mapping[str, Any], funders: tuple[str, ...] | None) -> list[tuple[str, int]]:
    """Who carries which part of a change's new limit; to a funder its own part alone."""
    pairs = zip(row["funder_names"], row["funder_parts"], strict=True)
    return [(name, int(part)) for name, part in pairs if funders is None or name in funders]

"""Limit changes as a lending core reads them."""

from typing import Any

from credit.core_book import BookLine, Instruction, Verdict, open_line, take

DAY_MS = 86_400_000
START_MS = 1_750_000_000_000


def change(version: int, limit_minor: int = 100_000, **more: Any) -> Instruction:
    """One change of the line ``ln_a``, a day after the one before it."""
    at = START_MS + version * DAY_MS
    fields: dict[str, Any] = {
        "decision_id": f"dc_{version}",
        "line_id": "ln_a",
        "merchant_id": "m1",
        "product": "working-capital",
        "version": version,
        "action": "open" if version == 1 else "increase",
        "new_limit_minor": limit_minor,
        "currency": "CNY",
        "decided_at": at,
        "effective_at": at,
        "expires_at": at + 365 * DAY_MS,
    }
    return Instruction(**fields | more)


def book(
    changes: list[Instruction], line: BookLine | None = None
) -> tuple[BookLine, list[Verdict]]:
    """Take changes one after the other, onto a new line if none is given."""
    line = line or open_line(changes[0])
    verdicts = []
    for each in changes:
        line, verdict = take(line, each)
        verdicts.append(verdict)
    return line, verdicts

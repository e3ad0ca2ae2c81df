"""What a lending core's statement says, and where it differs from the log of limit changes."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from msgspec import Struct

from credit.core_book import BookLine, Instruction, frozen_after

Kind = Literal["missing", "unknown", "currency", "version", "amount", "frozen", "quarantined"]

REMEDIES: dict[Kind, str] = {
    "missing": "the core has no such line: send its changes to the core again, from version 1",
    "unknown": "Tideline never sent this line: close it in the core, or find who opened it",
    "currency": "the core keeps the line in another currency: close it there and open a new one",
    "version": "changes did not reach the core, or it refused them: look for limit.rejected, then "
    "mend the line (the sample core: tideline lending-core --mend LINE_ID)",
    "amount": "the core refused a change or was altered by hand: look for limit.rejected, then set "
    "the limit again with limit.override",
    "frozen": "the two do not agree on a freeze: until it is found out, freeze the merchant at the "
    "desk (merchant.freeze)",
    "quarantined": "the core was sent a version twice with different contents: find out which one "
    "holds, then mend the line (the sample core: tideline lending-core --mend LINE_ID)",
}


class StatementLine(Struct, kw_only=True, frozen=True):
    """One line in a core's statement. Money is integer minor units of ``currency``."""

    line_id: str
    merchant_id: str
    product: str
    currency: str
    version: int
    limit_minor: int
    drawn_minor: int
    frozen: bool
    quarantined: bool = False


class Totals(Struct, kw_only=True, frozen=True):
    """Sums over the lines of one currency."""

    currency: str
    lines: int
    limit_minor: int
    drawn_minor: int


class Statement(Struct, kw_only=True, frozen=True):
    """The book of a core.

    ``positions`` says by partition of ``risk.limit-changes`` up to which offset (excluded) the core
    has surely read; a partition that is not named counts as read to its end.
    """

    lines: list[StatementLine]
    totals: list[Totals]
    positions: dict[int, int]


class Sent(NamedTuple):
    """A limit change and its place in ``risk.limit-changes``."""

    partition: int
    offset: int
    change: Instruction


class Difference(Struct, kw_only=True, frozen=True):
    """One thing on which the core and Tideline do not agree; ``remedy`` says what to do."""

    kind: Kind
    line_id: str
    merchant_id: str
    core: str
    tideline: str
    remedy: str


def totals_of(lines: Iterable[StatementLine]) -> list[Totals]:
    """Sums by currency, in the order of its code."""
    sums: dict[str, list[int]] = {}
    for line in lines:
        found = sums.setdefault(line.currency, [0, 0, 0])
        for place, value in enumerate((1, line.limit_minor, line.drawn_minor)):
            found[place] += value
    return [
        Totals(currency=currency, lines=count, limit_minor=limit, drawn_minor=drawn)
        for currency, (count, limit, drawn) in sorted(sums.items())
    ]


def statement_of(book: Iterable[BookLine], positions: dict[int, int]) -> Statement:
    """The statement of a book, its lines in the order of their ids."""
    lines = [
        StatementLine(
            line_id=line.line_id,
            merchant_id=line.merchant_id,
            product=line.product,
            currency=line.currency,
            version=line.version,
            limit_minor=line.limit_minor,
            drawn_minor=line.drawn_minor,
            frozen=line.frozen,
            quarantined=line.quarantine is not None,
        )
        for line in sorted(book, key=lambda line: line.line_id)
    ]
    return Statement(lines=lines, totals=totals_of(lines), positions=positions)


def compare(statement: Statement, log: Iterable[Sent]) -> list[Difference]:
    """Where a statement differs from the limit changes sent, by line and then by kind.

    Of changes that the core may not have read yet, those count that its line has. A version that
    was sent twice counts as it was sent first, which is what a core books.
    """
    sent: dict[str, dict[int, Instruction]] = {}
    booked = {line.line_id: line for line in statement.lines}
    for partition, offset, change in log:
        line = booked.get(change.line_id)
        position = statement.positions.get(partition)
        read = position is None or offset < position
        if read or (line is not None and change.version <= line.version):
            sent.setdefault(change.line_id, {}).setdefault(change.version, change)
    found: list[Difference] = []
    for line_id in sorted(booked.keys() | sent.keys()):
        found += _differences(booked.get(line_id), sent.get(line_id, {}))
    return found


class _Expected(NamedTuple):
    version: int
    limit_minor: int
    frozen: bool


def _expected(changes: dict[int, Instruction]) -> _Expected:
    limit, frozen = 0, False
    for version in sorted(changes):
        change = changes[version]
        if change.moves:
            limit = change.new_limit_minor
            frozen = frozen_after(frozen, change.action)
    return _Expected(max(changes), limit, frozen)


def _differences(line: StatementLine | None, changes: dict[int, Instruction]) -> list[Difference]:
    if line is None:
        first = next(iter(changes.values()))
        named = (first.line_id, first.merchant_id)
        return [_difference("missing", named, "no line", f"version {max(changes)}")]
    named = (line.line_id, line.merchant_id)
    if not changes:
        return [_difference("unknown", named, f"version {line.version}", "no change was sent")]
    found = []
    expected = _expected(changes)
    currency = changes[min(changes)].currency
    if line.currency != currency:
        found.append(_difference("currency", named, line.currency, currency))
    if line.version != expected.version:
        found.append(_difference("version", named, str(line.version), str(expected.version)))
    if line.limit_minor != expected.limit_minor:
        core, own = f"{line.limit_minor} {line.currency}", f"{expected.limit_minor} {currency}"
        found.append(_difference("amount", named, core, own))
    if line.frozen != expected.frozen:
        core, own = (("frozen" if each else "open") for each in (line.frozen, expected.frozen))
        found.append(_difference("frozen", named, core, own))
    if line.quarantined and line.version == expected.version:
        found.append(_difference("quarantined", named, "quarantined", "sent"))
    return found


def _difference(kind: Kind, named: tuple[str, str], core: str, tideline: str) -> Difference:
    line_id, merchant_id = named
    return Difference(
        kind=kind,
        line_id=line_id,
        merchant_id=merchant_id,
        core=core,
        tideline=tideline,
        remedy=REMEDIES[kind],
    )

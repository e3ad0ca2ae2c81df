"""How a lending core books limit changes: in order, once, and never in silence.

Rules of one line, by the ``version`` of a change (from 1, without gaps):

- the version after the last one counted is booked, or refused for its terms; either way it counts;
- a version that was counted before, with the same content, is a repeat: nothing happens;
- a version that was counted with another content (``version_conflict``), or that leaves a gap
  (``version_gap``), is refused and puts the line into quarantine.

In quarantine nothing is drawn. After a gap the missing versions are still booked as they come, and
the quarantine ends when all that was refused has been booked. After a conflict everything is
refused (``line_quarantined``) until a person mends the line (``mend``).
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct, structs

from schemas.codec import MONEY_MAX, encode
from schemas.outputs import FunderShare

SEQUENCE_REASONS: dict[str, str] = {
    "version_gap": "a version before this one has not been booked",
    "version_conflict": "this version was booked with another content",
    "line_quarantined": "the line waits for a person after a conflict of versions",
}
"""Refusals that are no judgement of the change: it may still be booked, and no version counts.
Sending further versions mends nothing."""
TERMS_REASONS: dict[str, str] = {
    "merchant_differs": "the line belongs to another merchant",
    "currency_differs": "the line is kept in another currency",
    "bad_amount": "the limit is negative or beyond what is booked",
    "funders_differ": "the funders' shares do not sum to the limit",
    "unknown_state": "the state is none that this core knows",
}
"""Refusals of a change for what it says: its version counts, the booked limit stays."""

_MOVES = "sent"
_NOTED = frozenset({"proposed", "withdrawn"})
"""States of changes that count as versions and move no limit."""


class Instruction(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What a core reads of a limit change; see ``schemas.outputs.LimitChange``.

    ``state`` is ``sent`` (the default: the limit moves), ``proposed`` or ``withdrawn``. Defaults
    are left out of the digest of the content, so that a field added later changes no old one.
    """

    decision_id: str
    line_id: str
    merchant_id: str
    product: str
    version: Annotated[int, Meta(ge=1)]
    action: str
    new_limit_minor: int
    currency: str
    decided_at: int
    effective_at: int
    expires_at: int | None = None
    state: str = _MOVES
    funders: list[FunderShare] = []

    @property
    def moves(self) -> bool:
        """Whether it sets the limit, once it is booked."""
        return self.state == _MOVES


class Quarantine(Struct, kw_only=True, frozen=True, gc=False):
    """Why a line is in quarantine, and the highest version refused for it."""

    reason: Literal["version_gap", "version_conflict"]
    version: int


class Instalment(Struct, kw_only=True, frozen=True, gc=False):
    """One repayment: when it falls due and when it is paid (epoch milliseconds)."""

    due_at: int
    paid_at: int
    amount_minor: int


class Loan(Struct, kw_only=True, frozen=True):
    """Money drawn under a line; ``repaid`` counts the instalments paid so far."""

    loan_id: str
    instalments: tuple[Instalment, ...]
    repaid: int = 0

    @property
    def outstanding_minor(self) -> int:
        """What is still owed."""
        return sum(each.amount_minor for each in self.instalments[self.repaid :])


class BookLine(Struct, kw_only=True, frozen=True):
    """One line as the core has it. Times are epoch milliseconds, money is minor units.

    ``digests`` has one digest a version counted: it tells a repeat from a conflict. ``changed_at``
    is the ``decided_at`` of the last of them, ``booked_by`` the decision that set the limit.
    ``draw_at`` is when the merchant draws next, ``loans_made`` numbers its loans.
    """

    line_id: str
    merchant_id: str
    product: str
    currency: str
    limit_minor: int = 0
    frozen: bool = False
    effective_at: int = 0
    expires_at: int | None = None
    booked_by: str | None = None
    changed_at: int = 0
    digests: tuple[str, ...] = ()
    quarantine: Quarantine | None = None
    loans: tuple[Loan, ...] = ()
    draw_at: int | None = None
    loans_made: int = 0

    @property
    def version(self) -> int:
        """The last version counted; 0 before the first."""
        return len(self.digests)

    @property
    def drawn_minor(self) -> int:
        """What is owed under the line."""
        return sum(loan.outstanding_minor for loan in self.loans)

    def drawable_minor(self, at: int) -> int:
        """What may still be drawn at a time: nothing in a freeze or in quarantine."""
        expired = self.expires_at is not None and at >= self.expires_at
        if self.frozen or self.quarantine is not None or at < self.effective_at or expired:
            return 0
        return max(self.limit_minor - self.drawn_minor, 0)


class Verdict(NamedTuple):
    """What became of a change: ``noted`` counts without moving the limit."""

    outcome: Literal["booked", "noted", "repeated", "refused"]
    reason: str | None = None


Taken = tuple[BookLine, Verdict]


def open_line(change: Instruction) -> BookLine:
    """The line as it is before its first change."""
    return BookLine(
        line_id=change.line_id,
        merchant_id=change.merchant_id,
        product=change.product,
        currency=change.currency,
    )


def content_of(change: Instruction) -> str:
    """Digest of all that a core reads of a change (BLAKE2b, 64 bits, hexadecimal)."""
    return hashlib.blake2b(encode(change), digest_size=8).hexdigest()


def take(line: BookLine, change: Instruction) -> Taken:
    """The line after a change, and what became of it; by the rules of this module."""
    assert line.line_id == change.line_id, "a change of another line"
    if change.version <= line.version:
        if line.digests[change.version - 1] == content_of(change):
            return line, Verdict("repeated")
        return _refuse(line, change, "version_conflict")
    if line.quarantine is not None and line.quarantine.reason == "version_conflict":
        return _refuse(line, change, "line_quarantined")
    if change.version > line.version + 1:
        return _refuse(line, change, "version_gap")
    return _count(line, change)


def mend(line: BookLine, log: Iterable[Instruction]) -> tuple[BookLine, list[Instruction]]:
    """A person ends the quarantine: what is booked stands, the rest is taken from the log.

    ``log`` has the line's changes as they were sent, in any order and with repeats. Returns the
    line without its quarantine, and what to ``take`` next, in order; where the log itself has a
    gap, that puts the line into quarantine again.
    """
    waiting: dict[int, Instruction] = {}
    for change in log:
        if change.line_id == line.line_id and change.version > line.version:
            waiting.setdefault(change.version, change)
    return structs.replace(line, quarantine=None), [waiting[v] for v in sorted(waiting)]


def frozen_after(frozen: bool, action: str) -> bool:
    """Whether drawing is stopped after a change of this action: only a release ends a freeze.

    A line that is closed or opened (again) has none.
    """
    if action == "freeze":
        return True
    return frozen and action not in ("release", "open", "close")


def _refuse(line: BookLine, change: Instruction, reason: str) -> Taken:
    held = line.quarantine
    conflict = reason == "version_conflict" or (held and held.reason == "version_conflict")
    return structs.replace(
        line,
        quarantine=Quarantine(
            reason="version_conflict" if conflict else "version_gap",
            version=max(change.version, held.version if held else 0),
        ),
    ), Verdict("refused", reason)


def _count(line: BookLine, change: Instruction) -> Taken:
    """The next version: booked, noted, or refused for its terms."""
    after = structs.replace(
        line,
        digests=(*line.digests, content_of(change)),
        changed_at=max(line.changed_at, change.decided_at),
    )
    held = line.quarantine
    if held is not None and held.version <= after.version:
        after = structs.replace(after, quarantine=None)
    wrong = _wrong_terms(line, change)
    if wrong is not None:
        return after, Verdict("refused", wrong)
    if not change.moves:
        return after, Verdict("noted", change.state)
    return structs.replace(
        after,
        limit_minor=change.new_limit_minor,
        frozen=frozen_after(line.frozen, change.action),
        effective_at=change.effective_at,
        expires_at=change.expires_at,
        booked_by=change.decision_id,
    ), Verdict("booked")


def _wrong_terms(line: BookLine, change: Instruction) -> str | None:
    if change.merchant_id != line.merchant_id:
        return "merchant_differs"
    if change.currency != line.currency:
        return "currency_differs"
    if not 0 <= change.new_limit_minor <= MONEY_MAX:
        return "bad_amount"
    if not change.moves:
        return None if change.state in _NOTED else "unknown_state"
    if change.funders and sum(f.limit_minor for f in change.funders) != change.new_limit_minor:
        return "funders_differ"
    return None


decode_instruction = msgspec.json.Decoder(Instruction).decode
"""A record of ``risk.limit-changes``, fields of no use here left out. Raises ``DecodeError``."""
decode_line = msgspec.json.Decoder(BookLine).decode
"""A line as ``schemas.codec.encode`` wrote it. Raises ``DecodeError``."""

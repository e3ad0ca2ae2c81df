"""What an outcome teaches, where it comes from, and that nothing is learnt twice.

The event that is learnt is the usual one of retail and small-business credit: a loan that was ever
30 days past due, or was declared in default (Siddiqi, 2006, ch. 4: "ever 30 days", the earlier the
delinquency that stands for loss, the sooner a model learns of a downturn). A loan cured after 30
days stays a bad one. A verdict of the desk that an alert ended in default is one too.

Verdicts *confirmed* and *false alarm* say whether a suspicion was right, not whether money was
lost, and only merchants that the system itself picked have any: selective labels (Lakkaraju et al.,
2017). So they wait as long as good outcomes do, give way to whatever the loans of the merchant
say meanwhile, teach at a quarter of the weight, and never judge: the contest is decided by
loans. A lower weight is given by thinning: of each class one in ``every`` is learnt, which teaches
any learner as the weight would and leaves the balance of the classes as it is (Zadrozny, Langford
and Abe, 2003, by systematic instead of random sampling). *Cured* says that a condition went away
by itself, and teaches nothing.
"""

import hashlib

from msgspec import Struct, field

DAY_MS = 86_400_000
HORIZON_MS = 90 * DAY_MS
"""Bad outcomes of a merchant that name no loan, so long after each other, are one."""
LOANS_KEPT = 16
"""Loans of a merchant whose labels are remembered, of each class; past it the oldest go."""


class Teaching(Struct, frozen=True, kw_only=True):
    """What an outcome teaches.

    ``waits``: learnt only once bad outcomes of its age are known. ``every``: one in so many is
    learnt. ``of_loans``: it is about a loan, and may judge the contest.
    """

    bad: bool
    waits: bool = False
    every: int = 1
    of_loans: bool = True


TEACHINGS: dict[str, Teaching] = {
    "defaulted": Teaching(bad=True),
    "late_30": Teaching(bad=True),
    "settled": Teaching(bad=False, waits=True),
    "verdict_defaulted": Teaching(bad=True),
    "verdict_confirmed": Teaching(bad=True, waits=True, every=4, of_loans=False),
    "verdict_false_alarm": Teaching(bad=False, waits=True, every=4, of_loans=False),
}
"""By ``outcome`` of an assessment. One that is absent here teaches nothing."""


def mark_of(name: str) -> bytes:
    """A loan's name in eight bytes."""
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


class Labelled(Struct, array_like=True, gc=False):
    """What is known of a merchant's outcomes so far; changed by ``admit`` alone.

    ``bad`` and ``good`` are marks of loans, ``loan_at`` when any outcome of a loan came last,
    ``bad_at`` when a bad one did, ``unnamed_bad_at`` when one did that named no loan (epoch ms, -1
    = never).
    """

    bad: list[bytes] = field(default_factory=list)
    good: list[bytes] = field(default_factory=list)
    loan_at: int = -1
    bad_at: int = -1
    unnamed_bad_at: int = -1


def admit(labelled: Labelled, outcome: str, loan: str | None, at: int) -> bool:
    """Whether an outcome that came at ``at`` is a new label; the memory then has it.

    ``loan`` names the loan, None where nothing does. A loan is labelled once: 30 days late and then
    in default, or settled after all, is one bad loan. Verdicts of the second kind are always new.
    """
    teaching = TEACHINGS[outcome]
    if not teaching.of_loans:
        return True
    new = _is_new(labelled, teaching.bad, loan, at)
    labelled.loan_at = max(labelled.loan_at, at)
    if teaching.bad:
        labelled.bad_at = max(labelled.bad_at, at)
        if loan is None:
            labelled.unnamed_bad_at = max(labelled.unnamed_bad_at, at)
    if loan is not None:
        kept, mark = labelled.bad if teaching.bad else labelled.good, mark_of(loan)
        if mark not in kept:
            kept.append(mark)
            del kept[:-LOANS_KEPT]
    return new


def _is_new(labelled: Labelled, bad: bool, loan: str | None, at: int) -> bool:
    if not bad:
        return loan is None or mark_of(loan) not in (*labelled.bad, *labelled.good)
    if loan is None:
        return labelled.bad_at < 0 or at - labelled.bad_at > HORIZON_MS
    covered = labelled.unnamed_bad_at >= 0 and at - labelled.unnamed_bad_at <= HORIZON_MS
    return mark_of(loan) not in labelled.bad and not covered


def stands(labelled: Labelled, outcome: str, loan: str | None, at: int) -> bool:
    """Whether a label that came at ``at`` and waited is still true.

    A loan settled and then in default is a bad one; a verdict gives way to what the loans of the
    merchant said since.
    """
    if TEACHINGS[outcome].of_loans:
        return loan is None or mark_of(loan) not in labelled.bad
    return labelled.loan_at < at

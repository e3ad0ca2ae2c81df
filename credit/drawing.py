"""Merchants that draw and repay, simulated: deterministic for a seed, for demos and tests.

Some days after a limit took effect a share of what may be drawn is drawn, and repaid by equal
monthly instalments (30 days; principal only). One instalment in ten is paid late. After the last
one the merchant draws again. Nobody defaults: the simulator of whole economies is another one
(``tideline simulate``).
"""

import hashlib

from msgspec import structs

from credit.core_book import BookLine, Instalment, Loan
from schemas.events import Event, LoanDisbursed, LoanSettled, RepaymentDue, RepaymentReceived

DAY_MS = 86_400_000
MONTH_MS = 30 * DAY_MS
LOANS_MAX = 4
"""Loans open at a time under one line."""
_WAIT_DAYS_MAX = 5
_SHARE_BP = (3_000, 9_000)
"""Least and greatest share drawn of what may be drawn, in basis points."""
_MONTHS = (3, 6, 12)
_LATE_ONE_IN = 10
_LATE_DAYS_MAX = 20
_ROUND_MINOR = 100

Moved = tuple[BookLine, list[Event]]


def plan_draw(line: BookLine, seed: int, at: int) -> BookLine:
    """The line with a time of its next draw, if it has none and something may be drawn.

    ``at`` is the time of the occasion: a limit was booked, or a loan repaid.
    """
    start = max(at, line.effective_at)
    if line.draw_at is not None or not line.drawable_minor(start):
        return line
    wait_ms = 1 + _number(seed, line.line_id, line.version, at) % (_WAIT_DAYS_MAX * DAY_MS)
    return structs.replace(line, draw_at=start + wait_ms)


def next_at(line: BookLine) -> int | None:
    """When the merchant draws or repays next; None where neither is foreseen."""
    times = [loan.instalments[loan.repaid].paid_at for loan in line.loans]
    if line.draw_at is not None:
        times.append(line.draw_at)
    return min(times, default=None)


def advance(line: BookLine, seed: int, at: int) -> Moved:
    """What happens at the time that ``next_at`` gave: the line after it, and its events."""
    events: list[Event] = []
    repaid = False
    loans = []
    for loan in line.loans:
        due = loan.instalments[loan.repaid]
        after: Loan | None = loan
        if due.paid_at <= at:
            after, paid = _repay(line, loan)
            events += paid
        if after is None:
            repaid = True
        else:
            loans.append(after)
    line = structs.replace(line, loans=tuple(loans))
    if line.draw_at is not None and line.draw_at <= at:
        line, drawn = _draw(structs.replace(line, draw_at=None), seed, at)
        events += drawn
    return (plan_draw(line, seed, at) if repaid else line), events


def _repay(line: BookLine, loan: Loan) -> tuple[Loan | None, list[Event]]:
    """The loan after its next instalment, None once it is settled."""
    due = loan.instalments[loan.repaid]
    after = structs.replace(loan, repaid=loan.repaid + 1)
    events: list[Event] = [
        RepaymentReceived(
            event_id=f"{loan.loan_id}/repaid/{after.repaid}",
            merchant_id=line.merchant_id,
            occurred_at=due.paid_at,
            amount=due.amount_minor,
            currency=line.currency,
            loan_id=loan.loan_id,
            line_id=line.line_id,
            due_at=due.due_at,
        )
    ]
    if after.repaid < len(after.instalments):
        return after, events
    events.append(
        LoanSettled(
            event_id=f"{loan.loan_id}/settled",
            merchant_id=line.merchant_id,
            occurred_at=due.paid_at,
            loan_id=loan.loan_id,
            line_id=line.line_id,
        )
    )
    return None, events


def _draw(line: BookLine, seed: int, at: int) -> Moved:
    """A share of what may be drawn now: a freeze since it was planned lets nothing through."""
    number = _number(seed, line.line_id, line.loans_made, "draw")
    low, high = _SHARE_BP
    share_bp = low + number % (high - low + 1)
    amount = line.drawable_minor(at) * share_bp // 10_000 // _ROUND_MINOR * _ROUND_MINOR
    months = _MONTHS[number // 10_000 % len(_MONTHS)]
    if amount < months * _ROUND_MINOR or len(line.loans) >= LOANS_MAX:
        return line, []
    loan_id = f"lo_{_number(line.line_id, line.loans_made):016x}"
    loan = Loan(loan_id=loan_id, instalments=_instalments(loan_id, seed, at, amount, months))
    common = {"merchant_id": line.merchant_id, "occurred_at": at, "currency": line.currency}
    names = {"loan_id": loan_id, "line_id": line.line_id}
    events: list[Event] = [
        LoanDisbursed(event_id=f"{loan_id}/disbursed", amount=amount, **common, **names)  # type: ignore[arg-type]
    ]
    for count, each in enumerate(loan.instalments, 1):
        due = {"event_id": f"{loan_id}/due/{count}", "due_at": each.due_at}
        events.append(RepaymentDue(amount=each.amount_minor, **due, **common, **names))  # type: ignore[arg-type]
    return structs.replace(line, loans=(*line.loans, loan), loans_made=line.loans_made + 1), events


def _instalments(
    loan_id: str, seed: int, at: int, amount_minor: int, months: int
) -> tuple[Instalment, ...]:
    """Equal parts, the rest in the last one; none is paid before the one due before it."""
    part = amount_minor // months
    found: list[Instalment] = []
    for month in range(1, months + 1):
        due_at = at + month * MONTH_MS
        number = _number(seed, loan_id, month)
        late = number % _LATE_ONE_IN == 0
        paid_at = due_at + (1 + number // _LATE_ONE_IN % _LATE_DAYS_MAX) * DAY_MS * late
        found.append(
            Instalment(
                due_at=due_at,
                paid_at=max(paid_at, found[-1].paid_at) if found else paid_at,
                amount_minor=part if month < months else amount_minor - part * (months - 1),
            )
        )
    return tuple(found)


def _number(*parts: object) -> int:
    """64 bits drawn from what they are for: the same on every machine and in every order."""
    text = "\x00".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

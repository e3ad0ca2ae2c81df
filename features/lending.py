"""What one merchant owes and how punctually it repays."""

from typing import Any

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from features.catalogue import INDEX
from features.layout import DAY_MS, NEVER
from features.lines import LogLine

LOANS_MAX = 64
"""Loans held. Past it the oldest repaid loan is forgotten, else the oldest joins the unnamed one,
so that the exposure stays right."""
DUES_MAX = 64
"""Open dues held; past it the latest is forgotten (the days past due hang on the oldest)."""
SETTLED_MAX = 64
"""Settled dues remembered, so that the same due is not counted or opened again."""
DELAY_MIN_MS = -30 * DAY_MS
DELAY_MAX_MS = 120 * DAY_MS
LATE_DAYS = 30
"""Days past due at which a loan counts as late for good: the label of lending, "30 days"."""
DELAYS_MAX = 8
"""Delays remembered one by one, the latest by time of payment."""
DELAYS_MIN, EARLIER_MIN = 4, 4
"""Dues paid from which on a rise of delays is looked for, and from which on a usual is known."""
CHECK_DAYS = (1, 3, 7, 15, 30, 60, 90)
"""Days past due at which a merchant is looked at without an event."""

_EXPOSURE = INDEX["exposure_minor"]
_UTILISATION = INDEX["utilisation"]
_PAST_DUE = INDEX["days_past_due"]
_PAST_DUE_MINOR = INDEX["past_due_minor"]
_PAST_DUE_COUNT = INDEX["past_due_count"]
_DUE_NEXT = INDEX["due_next_28d_minor"]
_LATE_SHARE = INDEX["repayment_late_share"]
_DELAY_MEAN = INDEX["repayment_delay_mean_days"]
_DELAY_LAST = INDEX["repayment_delay_last_days"]
_DELAY_CUSUM = INDEX["repayment_delay_cusum_days"]
_SETTLED = INDEX["loans_settled_count"]

NO_LENDING: NDArray[np.int64] = np.array([_EXPOSURE, _SETTLED])
"""What of the lending part is 0 for a merchant without loans and without a limit; all else is
NaN. ``LendingBook.fill`` of an empty book writes the same."""


class Loan(Struct, gc=False):
    """One loan. ``ahead_minor`` was repaid before the disbursement or a due was seen.

    ``line_id`` is the line under which it was drawn, where its disbursement says so.
    """

    outstanding_minor: int = 0
    ahead_minor: int = 0
    disbursed: bool = False
    line_id: str | None = None


class DueDate(Struct, gc=False):
    """One open due. Without ``amount_minor`` any repayment that names it or its loan settles it.

    ``implied`` dues come from a disbursement with ``due_at``; a due of its own replaces them.
    """

    due_at: int
    loan: str
    amount_minor: int | None = None
    implied: bool = False


class LendingBook(Struct, gc=False):
    """Loans, open dues and punctuality of one merchant, changed by ``apply`` alone.

    Lines come without duplicates, possibly out of order. Dues are settled by ``due_at`` where a
    repayment gives it, else first in, first out. Amounts of another currency than the first are
    not summed, but counted in ``mismatched``. ``late`` are the loans of which ``newly_late`` was
    told, or that defaulted.
    """

    currency: str | None = None
    loans: dict[str, Loan] = field(default_factory=dict)
    dues: list[DueDate] = field(default_factory=list)
    settled: list[tuple[str, int]] = field(default_factory=list)
    known_dues: bool = False
    paid_count: int = 0
    late_count: int = 0
    delay_sum_ms: int = 0
    delays: list[tuple[int, int]] = field(default_factory=list)
    """Time of payment and delay (ms) of the dues paid last, in order of the former."""
    settled_count: int = 0
    defaulted_count: int = 0
    mismatched: int = 0
    late: list[str] = field(default_factory=list)

    @property
    def exposure_minor(self) -> int:
        """Outstanding debt over all loans, in minor units."""
        return sum([loan.outstanding_minor for loan in self.loans.values()])

    @property
    def owed_by_line_minor(self) -> dict[str, int]:
        """Outstanding debt by line, of the loans that name theirs, in minor units."""
        owed: dict[str, int] = {}
        for loan in self.loans.values():
            if loan.line_id is not None:
                owed[loan.line_id] = owed.get(loan.line_id, 0) + loan.outstanding_minor
        return owed

    # --- lines ---------------------------------------------------------------------------------

    def apply(self, line: LogLine) -> None:
        """Take a line of ``lending.events``; those of no consequence here are ignored."""
        name = line.loan_id or line.line_id
        if line.type == "loan.disbursed":
            self._disburse(line, name or "")
        elif line.type == "repayment.due":
            at = line.occurred_at if line.due_at is None else line.due_at
            self._fall_due(DueDate(at, name or "", self._amount(line)))
        elif line.type == "repayment.received":
            self._repay(line, name)
        elif line.type == "loan.settled":
            self._settle(line.occurred_at, name)
        elif line.type == "loan.defaulted":
            self.defaulted_count += 1
            self._tell_late(name or "")

    def _amount(self, line: LogLine) -> int | None:
        if line.amount is None or line.currency is None:
            return None
        if self.currency is None:
            self.currency = line.currency
        if line.currency != self.currency:
            self.mismatched += 1
            return None
        return line.amount

    def _loan(self, name: str) -> Loan:
        loan = self.loans.get(name)
        if loan is None:
            if len(self.loans) >= LOANS_MAX:
                self._forget_loan()
            loan = self.loans[name] = Loan()
        return loan

    def _forget_loan(self) -> None:
        held = [name for name in self.loans if name]
        repaid = (name for name in held if not self.loans[name].outstanding_minor)
        name = next(repaid, held[0])
        gone = self.loans.pop(name)
        if gone.outstanding_minor:
            unnamed = self.loans.setdefault("", Loan(disbursed=True))
            unnamed.outstanding_minor += gone.outstanding_minor
        for due in self.dues:
            if due.loan == name:
                due.loan = ""

    def _disburse(self, line: LogLine, name: str) -> None:
        loan = self._loan(name)
        amount = self._amount(line) or 0
        ahead = 0
        if not loan.disbursed:  # repayments that came before their loan
            ahead = min(loan.ahead_minor, amount)
            loan.ahead_minor -= ahead
        loan.disbursed = True
        loan.line_id = line.line_id or loan.line_id
        loan.outstanding_minor += amount - ahead
        if line.due_at is not None and not any(d.loan == name and not d.implied for d in self.dues):
            self._fall_due(DueDate(line.due_at, name, amount - ahead, implied=True))

    def _fall_due(self, due: DueDate) -> None:
        self.known_dues = True
        if (due.loan, due.due_at) in self.settled:
            return
        if not due.implied:
            self.dues = [d for d in self.dues if not (d.implied and d.loan == due.loan)]
            loan = self.loans.get(due.loan)
            if loan is not None and loan.disbursed and loan.ahead_minor:
                paid = min(loan.ahead_minor, due.amount_minor or 0)
                loan.ahead_minor -= paid
                if due.amount_minor is None or paid == due.amount_minor:
                    if due.amount_minor is None:
                        loan.ahead_minor = 0
                    self._record(due, due.due_at)
                    return
                due.amount_minor -= paid
        for known in self.dues:
            if (known.loan, known.due_at) == (due.loan, due.due_at):
                known.amount_minor = due.amount_minor or known.amount_minor
                return
        self.dues.append(due)
        self.dues.sort(key=lambda d: d.due_at)  # stable: equal dates stay in order of arrival
        del self.dues[DUES_MAX:]

    def _repay(self, line: LogLine, name: str | None) -> None:
        amount = self._amount(line)
        if line.due_at is not None:
            rest = self._repay_due(line, name, amount or 0)
        else:
            rest = self._repay_oldest(line, name, amount or 0)
        self._reduce(name, amount or 0, rest)
        for due in [d for d in self.dues if d.implied and self._is_repaid(d.loan)]:
            self.dues.remove(due)
            self._record(due, line.occurred_at)

    def _is_repaid(self, name: str) -> bool:
        loan = self.loans.get(name)
        return loan is not None and loan.disbursed and loan.outstanding_minor == 0

    def _repay_due(self, line: LogLine, name: str | None, amount: int) -> int:
        """Settle the due that the repayment names. Returns what is left of the amount."""
        at = line.due_at
        assert at is not None
        for due in self.dues:
            if due.due_at == at and name in (None, due.loan):
                return self._pay(due, line.occurred_at, amount)
        due = DueDate(at, name or "")
        if (due.loan, at) not in self.settled:
            self.known_dues = True
            self._record(due, line.occurred_at)
            return 0
        return amount

    def _repay_oldest(self, line: LogLine, name: str | None, amount: int) -> int:
        for due in list(self.dues):
            if amount > 0 and name in (None, due.loan):
                amount = self._pay(due, line.occurred_at, amount)
        return amount

    def _pay(self, due: DueDate, at: int, amount: int) -> int:
        owed = due.amount_minor
        if owed is not None and amount < owed:
            due.amount_minor = owed - amount
            return 0
        self.dues.remove(due)
        self._record(due, at)
        return 0 if owed is None else amount - owed

    def _reduce(self, name: str | None, amount: int, rest: int) -> None:
        """Take a repayment off the debt; ``rest`` of it met no due and is held for the next."""
        if name is not None and name not in self.loans:
            self._loan(name).ahead_minor += amount
            return
        names = [name] if name is not None else list(self.loans)
        for each in names:
            loan = self.loans[each]
            if not loan.disbursed:
                loan.ahead_minor += amount if name is not None else 0
                continue
            paid = min(amount, loan.outstanding_minor)
            loan.outstanding_minor -= paid
            amount -= paid
            held = min(rest, paid)
            loan.ahead_minor += held
            rest -= held

    def _settle(self, at: int, name: str | None) -> None:
        self.settled_count += 1
        for each in [name] if name is not None else list(self.loans):
            loan = self.loans.get(each)
            if loan is not None:
                loan.outstanding_minor = loan.ahead_minor = 0
            self._close_dues(each, at)
        if name is None:
            self.dues.clear()

    def _close_dues(self, name: str, at: int) -> None:
        """The loan is repaid: what was due by then, or stood for the whole loan, is settled."""
        for due in [d for d in self.dues if d.loan == name]:
            self.dues.remove(due)
            if due.implied or due.due_at <= at:
                self._record(due, at)

    def _record(self, due: DueDate, at: int) -> None:
        delay_ms = min(max(at - due.due_at, DELAY_MIN_MS), DELAY_MAX_MS)
        self.paid_count += 1
        self.late_count += at // DAY_MS > due.due_at // DAY_MS
        self.delay_sum_ms += delay_ms
        self.delays.append((at, delay_ms))
        self.delays.sort(key=lambda paid: paid[0])  # stable: equal times stay in order of arrival
        del self.delays[:-DELAYS_MAX]
        self.settled.append((due.loan, due.due_at))
        del self.settled[:-SETTLED_MAX]

    # --- what follows from it ------------------------------------------------------------------

    def days_past_due(self, as_of: int) -> int:
        """Calendar days (UTC) since the oldest unpaid due date; 0 when none is past."""
        return max(as_of // DAY_MS - self.dues[0].due_at // DAY_MS, 0) if self.dues else 0

    def newly_late(self, as_of: int) -> str | None:
        """The loan of the oldest due unpaid for ``LATE_DAYS`` that was not told before, or None.

        It is told now: once a loan. Dues that name no loan ("") are told again only after none of
        them was as late.
        """
        if not self.dues and not self.late:
            return None
        until = as_of // DAY_MS - LATE_DAYS
        late = [due.loan for due in self.dues if due.due_at // DAY_MS <= until]
        if "" in self.late and "" not in late:
            self.late.remove("")
        for name in late:
            if name not in self.late:
                self._tell_late(name)
                return name
        return None

    def _tell_late(self, name: str) -> None:
        if name not in self.late:
            self.late.append(name)
            del self.late[:-LOANS_MAX]

    def delay_rise_days(self) -> float:
        """One-sided CUSUM (Page, 1954) of the delays remembered, in days (see ``catalogue``).

        NaN with fewer than ``DELAYS_MIN`` dues paid.
        """
        if self.paid_count < DELAYS_MIN:
            return np.nan
        earlier = self.paid_count - len(self.delays)
        usual_ms = 0.0
        if earlier >= EARLIER_MIN:
            rest_ms = self.delay_sum_ms - sum([delay for _, delay in self.delays])
            usual_ms = max(rest_ms / earlier, 0.0)
        total = 0.0
        for _, delay_ms in self.delays:
            total = max(total + min((delay_ms - usual_ms) / DAY_MS, 15.0) - 1.0, 0.0)
        return total

    def next_check_ms(self, as_of: int) -> int:
        """The next day end at which a due has been unpaid for one of ``CHECK_DAYS``; or NEVER."""
        ends = (
            (due.due_at // DAY_MS + days + 1) * DAY_MS for due in self.dues for days in CHECK_DAYS
        )
        return min((end for end in ends if end > as_of + 1), default=NEVER)

    def fill(self, vector: NDArray[np.float64] | Any, as_of: int, limit_minor: int) -> None:
        """Write the lending part of a feature vector (see ``catalogue``), NaN so far."""
        exposure = self.exposure_minor
        vector[_EXPOSURE] = exposure
        vector[_UTILISATION] = exposure / limit_minor if limit_minor > 0 else np.nan
        vector[_PAST_DUE] = self.days_past_due(as_of) if self.known_dues else np.nan
        today = as_of // DAY_MS
        past, past_minor, next_minor = 0, 0, 0
        for due in self.dues:
            day, amount = due.due_at // DAY_MS, due.amount_minor or 0
            if day < today:
                past += 1
                past_minor += amount
            elif day < today + 28:
                next_minor += amount
        vector[_PAST_DUE_MINOR] = past_minor if self.known_dues else np.nan
        vector[_PAST_DUE_COUNT] = past if self.known_dues else np.nan
        vector[_DUE_NEXT] = next_minor if self.known_dues else np.nan
        judged = self.paid_count + past
        vector[_LATE_SHARE] = (self.late_count + past) / judged if judged else np.nan
        paid_ms = self.paid_count * DAY_MS
        vector[_DELAY_MEAN] = self.delay_sum_ms / paid_ms if paid_ms else np.nan
        vector[_DELAY_LAST] = self.delays[-1][1] / DAY_MS if paid_ms else np.nan
        vector[_DELAY_CUSUM] = self.delay_rise_days()
        vector[_SETTLED] = self.settled_count

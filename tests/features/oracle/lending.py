"""What a merchant owes and how punctually it repays, played from the raw lending lines.

A line concerns the loan of its ``loan_id``, else of its ``line_id``; a repayment or settlement
without either concerns all loans, any other line the loan without a name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from features.lines import LogLine
from tests.features.oracle.history import DAY_MS, Values, ratio

HELD = 64
"""Loans, open dues and settled dues held."""
EARLIEST_MS, LATEST_MS = -30 * DAY_MS, 120 * DAY_MS
AHEAD_DAYS = 28
DELAYS_LISTED, DELAYS_MIN, EARLIER_MIN = 8, 4, 4


@dataclass
class Debt:
    """One loan: what is left, what was repaid ahead, and whether its disbursement came."""

    left: int = 0
    ahead: int = 0
    drawn: bool = False


@dataclass
class Instalment:
    """One open due; without ``owed`` any repayment settles it. ``whole``: of a disbursement."""

    at: int
    loan: str
    owed: int | None
    whole: bool = False


@dataclass
class Ledger:
    """All that counts of the lines so far."""

    currency: str | None = None
    debts: dict[str, Debt] = field(default_factory=dict)
    open: list[Instalment] = field(default_factory=list)
    closed: list[tuple[str, int]] = field(default_factory=list)
    paid: list[tuple[int, int]] = field(default_factory=list)
    """Payment and due times of the dues paid, in order of arrival."""
    ever_due: bool = False
    settled: int = 0

    def take(self, line: LogLine) -> None:
        """Play one line."""
        name = line.loan_id or line.line_id
        match line.type:
            case "loan.disbursed":
                self._draw(line, name or "")
            case "repayment.due":
                at = line.occurred_at if line.due_at is None else line.due_at
                self._fall_due(Instalment(at, name or "", self._money(line)))
            case "repayment.received":
                self._repay(line, name)
            case "loan.settled":
                self._settle(line.occurred_at, name)

    def _money(self, line: LogLine) -> int | None:
        """The amount where it is in the currency of the first."""
        if line.amount is None or line.currency is None:
            return None
        self.currency = self.currency or line.currency
        return line.amount if line.currency == self.currency else None

    # --- loans -----------------------------------------------------------------------------

    def _debt(self, name: str) -> Debt:
        if name not in self.debts:
            if len(self.debts) >= HELD:
                self._forget()
            self.debts[name] = Debt()
        return self.debts[name]

    def _forget(self) -> None:
        """The oldest repaid loan goes, else the oldest joins the one without a name."""
        named = [name for name in self.debts if name]
        gone = next((name for name in named if self.debts[name].left == 0), named[0])
        left = self.debts.pop(gone).left
        if left:
            self.debts.setdefault("", Debt(drawn=True)).left += left
        for due in self.open:
            due.loan = "" if due.loan == gone else due.loan

    def _draw(self, line: LogLine, name: str) -> None:
        debt, amount = self._debt(name), self._money(line) or 0
        paid = 0 if debt.drawn else min(debt.ahead, amount)
        debt.ahead -= paid
        debt.left += amount - paid
        debt.drawn = True
        scheduled = any(due.loan == name and not due.whole for due in self.open)
        if line.due_at is not None and not scheduled:
            self._fall_due(Instalment(line.due_at, name, amount - paid, whole=True))

    # --- dues ------------------------------------------------------------------------------

    def _fall_due(self, due: Instalment) -> None:
        self.ever_due = True
        if (due.loan, due.at) in self.closed:
            return
        if not due.whole:
            self.open = [d for d in self.open if d.loan != due.loan or not d.whole]
            if self._paid_ahead(due):
                self._close(due, due.at)
                return
        for same in self.open:
            if same.loan == due.loan and same.at == due.at:
                same.owed = due.owed or same.owed
                return
        later = [place for place, other in enumerate(self.open) if other.at > due.at]
        self.open.insert(later[0] if later else len(self.open), due)
        self.open = self.open[:HELD]

    def _paid_ahead(self, due: Instalment) -> bool:
        """Take what was repaid ahead off a due; whether that pays it."""
        debt = self.debts.get(due.loan)
        if debt is None or not debt.drawn or not debt.ahead:
            return False
        if due.owed is None:
            debt.ahead = 0
            return True
        taken = min(debt.ahead, due.owed)
        debt.ahead -= taken
        due.owed -= taken
        return due.owed == 0

    def _close(self, due: Instalment, at: int) -> None:
        self.paid.append((at, due.at))
        self.closed = [*self.closed, (due.loan, due.at)][-HELD:]

    def _pay(self, due: Instalment, at: int, amount: int) -> int:
        """Pay one due. Returns what is left of the amount."""
        if due.owed is not None and amount < due.owed:
            due.owed -= amount
            return 0
        self.open = [other for other in self.open if other is not due]
        self._close(due, at)
        return 0 if due.owed is None else amount - due.owed

    # --- repayments ------------------------------------------------------------------------

    def _repay(self, line: LogLine, name: str | None) -> None:
        amount = self._money(line) or 0
        concerned = [due for due in self.open if name in (None, due.loan)]
        rest = amount
        if line.due_at is None:
            for due in concerned:
                rest = self._pay(due, line.occurred_at, rest) if rest else 0
        else:
            meant = [due for due in concerned if due.at == line.due_at]
            if meant:
                rest = self._pay(meant[0], line.occurred_at, amount)
            elif (name or "", line.due_at) not in self.closed:
                self.ever_due = True
                self._close(Instalment(line.due_at, name or "", None), line.occurred_at)
                rest = 0
        self._reduce(name, amount, rest)
        for due in list(self.open):
            debt = self.debts.get(due.loan)
            if due.whole and debt is not None and debt.drawn and debt.left == 0:
                self.open = [other for other in self.open if other is not due]
                self._close(due, line.occurred_at)

    def _reduce(self, name: str | None, amount: int, rest: int) -> None:
        """Take a repayment off the debt; ``rest`` of it met no due and counts for the next."""
        if name is not None and not self._debt(name).drawn:
            self.debts[name].ahead += amount
            return
        for each in list(self.debts.values()) if name is None else [self.debts[name]]:
            if each.drawn:
                paid = min(amount, each.left)
                each.left -= paid
                amount -= paid
                kept = min(rest, paid)
                each.ahead += kept
                rest -= kept

    def _settle(self, at: int, name: str | None) -> None:
        self.settled += 1
        names = list(self.debts) if name is None else [name]
        for each in names:
            if each in self.debts:
                self.debts[each].left = self.debts[each].ahead = 0
        for each in names:
            for due in [due for due in self.open if due.loan == each]:
                if due.whole or due.at <= at:
                    self._close(due, at)
        self.open = [due for due in self.open if name is not None and due.loan != name]


def delay_rise(paid: list[tuple[int, int]]) -> Fraction | None:
    """CUSUM in days of the delays paid last; ``paid`` are times of payment with their delays."""
    if len(paid) < DELAYS_MIN:
        return None
    by_payment = sorted(paid, key=lambda each: each[0])
    earlier, late = by_payment[:-DELAYS_LISTED], by_payment[-DELAYS_LISTED:]
    usual = Fraction()
    if len(earlier) >= EARLIER_MIN:
        usual = max(Fraction(sum(delay for _, delay in earlier), len(earlier)), usual)
    total = Fraction()
    for _, delay in late:
        total = max(total + min((delay - usual) / DAY_MS, Fraction(15)) - 1, Fraction())
    return total


def lending(lines: Sequence[LogLine], as_of: int, limit_minor: int) -> Values:
    """All features of the module ``features.families.lending``, of one merchant's lines."""
    ledger = Ledger()
    for line in lines:
        ledger.take(line)
    today = as_of // DAY_MS
    exposure = sum(debt.left for debt in ledger.debts.values())
    past = [due for due in ledger.open if due.at // DAY_MS < today]
    coming = [due for due in ledger.open if today <= due.at // DAY_MS < today + AHEAD_DAYS]
    oldest = min((due.at // DAY_MS for due in ledger.open), default=today)
    delays = [min(max(at - due, EARLIEST_MS), LATEST_MS) for at, due in ledger.paid]
    late = sum(at // DAY_MS > due // DAY_MS for at, due in ledger.paid)
    last_at = max((at for at, _ in ledger.paid), default=0)
    last = [delay for delay, (at, _) in zip(delays, ledger.paid, strict=True) if at == last_at]
    dues: Values = {
        "days_past_due": max(today - oldest, 0),
        "past_due_minor": sum(due.owed or 0 for due in past),
        "past_due_count": len(past),
        "due_next_28d_minor": sum(due.owed or 0 for due in coming),
    }
    return {
        "exposure_minor": exposure,
        "utilisation": Fraction(exposure, limit_minor) if limit_minor > 0 else None,
        **(dues if ledger.ever_due else dict.fromkeys(dues)),
        "repayment_late_share": ratio(late + len(past), len(ledger.paid) + len(past)),
        "repayment_delay_mean_days": ratio(sum(delays), len(delays) * DAY_MS),
        "repayment_delay_last_days": Fraction(last[-1], DAY_MS) if last else None,
        "repayment_delay_cusum_days": delay_rise(
            [(at, delay) for (at, _), delay in zip(ledger.paid, delays, strict=True)]
        ),
        "loans_settled_count": ledger.settled,
    }

"""What a policy would have earned and lost on loans that were really drawn.

A loan of the log was drawn under the limits of its time. Under another policy its merchant could
have drawn at most what that policy's lines left free, so a share of the loan, 0 to 1, is funded:
interest, funding cost and loss count by that share. Draws that only a higher limit would have
allowed are not in the log, and nothing is assumed about them: a policy that grants more than the
one of the log is not paid for it.
"""

from collections.abc import Iterator

from msgspec import Struct, field

from features.lines import LogLine

DAY_MS = 86_400_000
YEAR_DAYS = 365.0


class Terms(Struct, kw_only=True, frozen=True):
    """Prices by which loans are valued: ratios of the amount outstanding, a year's where annual.

    ``loss_given_default`` is the share of what is outstanding at default that never comes back.
    """

    annual_rate: float = 0.15
    annual_funding_cost: float = 0.04
    loss_given_default: float = 0.7


class Money(Struct, kw_only=True):
    """Minor units of one currency, as real numbers: shares of loans are no whole cents.

    ``interest`` and ``funding_cost`` of what was funded; ``loss`` of funded loans that defaulted;
    ``loss_avoided`` and ``withheld_bad`` of the parts not funded of loans that defaulted;
    ``withheld_good`` and ``interest_forgone`` of those that did not.
    """

    funded: float = 0.0
    interest: float = 0.0
    funding_cost: float = 0.0
    loss: float = 0.0
    loss_avoided: float = 0.0
    withheld_good: float = 0.0
    withheld_bad: float = 0.0
    interest_forgone: float = 0.0

    @property
    def net(self) -> float:
        """Interest less funding cost and loss."""
        return self.interest - self.funding_cost - self.loss


class _Loan(Struct):
    """One loan as it ran, and the share of it that each policy funded."""

    currency: str
    amount: int
    outstanding: int
    since_ms: int
    shares: list[float]
    minor_days: float = 0.0
    """Outstanding amount times days, so far."""


class _Merchant(Struct):
    loans: dict[str, _Loan] = field(default_factory=dict)
    limits: list[dict[str, int]] = field(default_factory=list)
    """By policy: line -> limit in force."""


class Outcomes:
    """Loans of the log against the limits of several policies, in log order."""

    def __init__(self, policies: int, terms: Terms) -> None:
        self._policies = policies
        self._terms = terms
        self._merchants: dict[str, _Merchant] = {}
        self._money: dict[tuple[str, str], list[Money]] = {}
        self.ended = self.defaulted = 0
        self.unmatched = 0
        """Repayments and ends of loans whose disbursement is not in the log."""

    def limit(self, policy: int, merchant_id: str, line_id: str, limit_minor: int) -> None:
        """A policy's line has a new limit."""
        self._merchant(merchant_id).limits[policy][line_id] = limit_minor

    def take(self, line: LogLine) -> bool:
        """A line of ``lending.events``. True where a loan ended in default."""
        merchant = self._merchant(line.merchant_id)
        name = line.loan_id or line.line_id or ""
        if line.type == "loan.disbursed":
            self._disburse(merchant, name, line)
            return False
        loan = merchant.loans.get(name)
        if loan is None:
            self.unmatched += line.type != "repayment.due"
            return False
        if line.type == "repayment.received":
            _run(loan, line.occurred_at)
            if line.currency == loan.currency:
                loan.outstanding = max(loan.outstanding - (line.amount or 0), 0)
        elif line.type in ("loan.settled", "loan.defaulted"):
            _run(loan, line.occurred_at)
            defaulted = line.type == "loan.defaulted"
            self._end(line.merchant_id, loan, defaulted=defaulted)
            del merchant.loans[name]
            self.ended += 1
            self.defaulted += defaulted
            return defaulted
        return False

    def finish(self, at: int) -> None:
        """The log ends at ``at`` (epoch ms): loans still running count as good so far."""
        for merchant_id, merchant in self._merchants.items():
            for loan in merchant.loans.values():
                _run(loan, at)
                self._end(merchant_id, loan, defaulted=False)
            merchant.loans.clear()

    def results(self) -> Iterator[tuple[str, str, list[Money]]]:
        """Merchant, currency and the money of each policy, in the order of first results."""
        for (merchant, currency), money in self._money.items():
            yield merchant, currency, money

    def _merchant(self, merchant_id: str) -> _Merchant:
        found = self._merchants.get(merchant_id)
        if found is None:
            found = _Merchant(limits=[{} for _ in range(self._policies)])
            self._merchants[merchant_id] = found
        return found

    def _disburse(self, merchant: _Merchant, name: str, line: LogLine) -> None:
        amount, currency = line.amount or 0, line.currency or ""
        if not amount:
            return
        shares = []
        for policy, limits in enumerate(merchant.limits):
            drawn = sum(loan.outstanding * loan.shares[policy] for loan in merchant.loans.values())
            free = max(sum(limits.values()) - drawn, 0.0)
            shares.append(min(free / amount, 1.0))
        known = merchant.loans.get(name)
        if known is not None and known.currency == currency:
            # A further draw under the same loan: shares mix by amount.
            _run(known, line.occurred_at)
            total = known.amount + amount
            mixed = zip(known.shares, shares, strict=True)
            known.shares = [(a * known.amount + b * amount) / total for a, b in mixed]
            known.amount, known.outstanding = total, known.outstanding + amount
            return
        merchant.loans[name] = _Loan(currency, amount, amount, line.occurred_at, shares)

    def _end(self, merchant_id: str, loan: _Loan, *, defaulted: bool) -> None:
        money = self._money.setdefault(
            (merchant_id, loan.currency), [Money() for _ in range(self._policies)]
        )
        terms, years = self._terms, loan.minor_days / YEAR_DAYS
        loss = terms.loss_given_default * loan.outstanding if defaulted else 0.0
        for share, each in zip(loan.shares, money, strict=True):
            each.funded += share * loan.amount
            each.interest += share * years * terms.annual_rate
            each.funding_cost += share * years * terms.annual_funding_cost
            each.loss += share * loss
            if defaulted:
                each.loss_avoided += (1 - share) * loss
                each.withheld_bad += (1 - share) * loan.amount
            else:
                each.withheld_good += (1 - share) * loan.amount
                each.interest_forgone += (1 - share) * years * terms.annual_rate


def _run(loan: _Loan, at: int) -> None:
    """Let a loan run until ``at``; lines out of order do not turn it back."""
    if at > loan.since_ms:
        loan.minor_days += loan.outstanding * (at - loan.since_ms) / DAY_MS
        loan.since_ms = at

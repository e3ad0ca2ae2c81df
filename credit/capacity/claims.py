"""Capacities from books of claims: receivables on debtors, and accepted bills."""

from collections.abc import Mapping

from credit.capacity.amounts import Capacity, Seen, of_book
from credit.kinds import Bills, Receivables


def receivables(kind: Receivables, seen: Seen) -> Capacity:
    """Claims by age at their advance rates, no debtor above its share.

    The basis is what is claimed on debtors that count, at any age that counts. Of the two views,
    delivered and invoiced, the one that the product names, or the larger.
    """
    views = []
    if kind.documents != "invoiced":
        views.append(_advanced(kind, seen.books.delivered))
    if kind.documents != "delivered":
        views.append(_advanced(kind, seen.books.invoiced))
    total, basis = max(views)
    return of_book("capacity_receivables", float(basis), total)


def _advanced(kind: Receivables, claims: tuple[tuple[str, int, int], ...]) -> tuple[float, int]:
    core = {each.id: each for each in kind.core_enterprises}
    basis = 0
    advanced: dict[str, float] = {}
    for debtor, age_days, amount in claims:
        known = core.get(debtor)
        if known is None and kind.core_only:
            continue
        rate = next((each.rate for each in kind.advances if age_days < each.below_days), None)
        if rate is None:
            continue
        basis += amount
        factor = 1.0 if known is None else known.rate_factor
        advanced[debtor] = advanced.get(debtor, 0.0) + amount * rate * factor
    shares = {name: core[name].share_max for name in advanced if name in core}
    return concentrated(advanced, shares, kind.debtor_share_max), basis


def bills(kind: Bills, seen: Seen) -> Capacity:
    """Open bills at the rates of their acceptors, no acceptor above its share."""
    rates = {each.id: each.rate for each in kind.acceptors}
    broken = {name for name, days in seen.books.dishonoured if days <= kind.dishonour_days}
    basis = 0
    advanced: dict[str, float] = {}
    for acceptor, days, amount in seen.books.bills:
        if acceptor in broken or not 0 <= days <= kind.maturity_days_max:
            continue
        basis += amount
        rate = rates.get(acceptor, kind.other_rate)
        advanced[acceptor] = advanced.get(acceptor, 0.0) + amount * rate
    total = concentrated(advanced, {}, kind.acceptor_share_max)
    return of_book("capacity_bills", float(basis), total)


def concentrated(
    amounts: Mapping[str, float], shares: Mapping[str, float], other_share: float
) -> float:
    """The sum of amounts, each at most its share of all of them together.

    What a debtor owes beyond its share is left out, as borrowing bases do. ``shares`` by name,
    ``other_share`` for all others.
    """
    names = sorted(amounts)
    total = sum(amounts[name] for name in names)
    return sum(min(amounts[name], shares.get(name, other_share) * total) for name in names)

"""What bounds automatic changes as a whole: budgets, leases, the circuit breaker, the holdout.

**Budgets.** A change by rule takes what it moves from the budgets that its policy sets for the UTC
day of event time: of the merchant, of its segment, of the portfolio; cuts (``decrease``, ``close``)
and raises (``open``, ``increase``) apart. A freeze takes nothing: it holds money at risk. The
merchant's budget is counted with the merchant. Those of segments and the portfolio span partitions:
each partition has a *purse* that only ``budget.leased`` lines of its log fill; so scoring stays a
function of its log, and what is spent never exceeds what was granted. A change that does not fit
waits, takes nothing, and is decided anew at the next assessment. What a purse lacks, or has half
spent, it asks for (``Ask``), once until the next grant: ``credit.treasury`` answers with a lease.

**Headroom.** A funder's bound of exposure (``exposure_cap_minor``) is leased in the same way, but
stands for no day: raises take from it, cuts give back.

**Breaker.** Within ``window_ms`` a partition counts lines that it cut or froze by rule, and how
much of their limits. Where these are at least ``lines_min`` lines and ``lines_share`` of its open
lines, or ``exposure_share`` of its limits in one currency, it trips: cuts and freezes by rule wait,
until ``reset_ms`` have passed or the desk resumes automation.

**Holdout.** A stable hash of the merchant, under the policy's salt, puts ``holdout_share`` of
merchants aside: no rule cuts or raises them. They open, freeze and are reviewed as all others.
"""

import hashlib
from typing import NamedTuple

from msgspec import Struct, field

from credit.policy import Breaker, DailyBudget, Policy
from features.layout import DAY_MS
from schemas.outputs import LimitAction

WINDOW_PARTS = 64
"""Parts of the breaker's window: a cut counts until the end of the part in which it leaves."""
DAYS_KEPT = 32
"""Days whose budgets are kept; for one that is forgotten nothing is granted or spent any more."""
BUDGETS_MAX = 4096
"""Leases held; past it the oldest day's are forgotten."""

CUTS: frozenset[LimitAction] = frozenset({"decrease", "close"})
RAISES: frozenset[LimitAction] = frozenset({"open", "increase"})
STANDING = -1
"""The ``day`` of a lease that stands for no day."""


def budget_id(scope: str, what: str, currency: str, name: str = "") -> str:
    """The name of a leased budget: ``portfolio.cuts.CNY``, ``segment.raises.CNY.retail``.

    ``scope`` is ``portfolio``, ``segment`` or ``funder``, ``what`` is ``cuts``, ``raises`` or, for
    a funder, ``exposure``; a segment or funder comes last, for it may have dots.
    """
    return ".".join((scope, what, currency, name) if name else (scope, what, currency))


class Lease(Struct, gc=False):
    """What was granted of one budget for one day, and what of it is spent, in minor units.

    ``asked_minor`` is the largest move that was asked for since the last grant, -1 if none was.
    """

    granted_minor: int = 0
    spent_minor: int = 0
    asked_minor: int = -1

    @property
    def left_minor(self) -> int:
        """What may still be spent."""
        return self.granted_minor - self.spent_minor


class Ask(NamedTuple):
    """What a partition tells of one of its leases, in minor units.

    ``wanted_minor`` is the move that waits for it, 0 where it is merely half spent.
    """

    day: int
    budget: str
    granted_minor: int
    spent_minor: int
    wanted_minor: int


class Purse(Struct):
    """The leases of one partition by UTC day and budget; filled by ``budget.leased`` alone.

    ``day`` is the latest that was begun, under ``policy``; ``asking`` what was not yet told.
    """

    leases: dict[int, dict[str, Lease]] = field(default_factory=dict)
    day: int = -1
    policy: str = ""
    asking: list[tuple[int, str, int]] = field(default_factory=list)

    def grant(self, budget: str, day: int, amount_minor: int) -> None:
        """Add to a lease of a UTC day (its number, of event time), or of ``STANDING``."""
        held = self.leases.setdefault(day, {})
        if budget not in held:
            self._make_room()
            held = self.leases.setdefault(day, {})
            held[budget] = Lease()
        held[budget].granted_minor += amount_minor
        held[budget].asked_minor = -1

    def begins(self, day: int, policy: Policy) -> bool:
        """Whether a day, or a policy within it, is new here and has leased budgets.

        Headroom is asked for anew then: what bounds it may have changed.
        """
        if day <= self.day and policy.version == self.policy:
            return False
        self.day, self.policy = max(day, self.day), policy.version
        for old in [each for each in self.leases if STANDING < each <= self.day - DAYS_KEPT]:
            del self.leases[old]
        if not bounds_of(policy):
            return False
        for lease in self.leases.get(STANDING, {}).values():
            lease.asked_minor = -1
        return True

    def fill(self, policy: Policy, partitions: int) -> None:
        """Grant an equal share of all budgets of the day that began, and of headroom.

        Where no treasury is: less than a lease would give where merchants are uneven, never more.
        """
        for (stands, budget), bound in bounds_of(policy).items():
            day = STANDING if stands else self.day
            lease = self.leases.get(day, {}).get(budget, Lease())
            self.grant(budget, day, max(bound // partitions - lease.granted_minor, 0))

    def fits(self, wanted: dict[tuple[int, str], int]) -> bool:
        """Whether every amount, by day and budget, is there; what gives back always fits."""
        return all(
            amount <= max(self._left(day, budget), 0) or amount <= 0
            for (day, budget), amount in wanted.items()
        )

    def spend(self, wanted: dict[tuple[int, str], int]) -> None:
        """Take amounts that fit; negative ones are given back."""
        for (day, budget), amount in wanted.items():
            if amount:
                lease = self.leases.setdefault(day, {}).setdefault(budget, Lease())
                lease.spent_minor += amount
                if lease.granted_minor > 0 and 2 * lease.left_minor <= lease.granted_minor:
                    self._ask(day, budget, 0)

    def wait(self, wanted: dict[tuple[int, str], int], policy: Policy) -> None:
        """Ask for what a change that waits lacks, unless it is more than there can ever be."""
        bounds = bounds_of(policy)
        for (day, budget), amount in wanted.items():
            bound = bounds.get((day == STANDING, budget), 0)
            if max(self._left(day, budget), 0) < amount <= bound:
                self._ask(day, budget, amount)

    def take_asks(self) -> list[Ask]:
        """What is to be told, once."""
        asks = [
            Ask(day, budget, lease.granted_minor, lease.spent_minor, wanted)
            for day, budget, wanted in self.asking
            for lease in (self.leases[day][budget],)
        ]
        self.asking = []
        return asks

    def _ask(self, day: int, budget: str, wanted_minor: int) -> None:
        held = self.leases.setdefault(day, {})
        if budget not in held:
            self._make_room()
        lease = self.leases.setdefault(day, {}).setdefault(budget, Lease())
        if wanted_minor > lease.asked_minor:
            lease.asked_minor = wanted_minor
            self.asking.append((day, budget, wanted_minor))

    def _left(self, day: int, budget: str) -> int:
        lease = self.leases.get(day, {}).get(budget)
        return 0 if lease is None else lease.left_minor

    def _make_room(self) -> None:
        while sum(len(each) for each in self.leases.values()) >= BUDGETS_MAX:
            days = sorted(day for day in self.leases if day != STANDING)
            if len(days) < 2:
                return
            del self.leases[days[0]]


class Spent(Struct, gc=False):
    """What rules moved of one merchant on one UTC day, in minor units by currency."""

    day: int
    cuts_minor: dict[str, int] = field(default_factory=dict)
    raises_minor: dict[str, int] = field(default_factory=dict)


def merchant_fits(
    budget: DailyBudget, spent: Spent | None, day: int, currency: str, moved_minor: int
) -> bool:
    """Whether a move (negative = a cut) fits into what the merchant's day leaves."""
    bounds = budget.cuts_minor if moved_minor < 0 else budget.raises_minor
    bound = bounds.get(currency)
    if bound is None:
        return True
    used = 0
    if spent is not None and spent.day == day:
        by_currency = spent.cuts_minor if moved_minor < 0 else spent.raises_minor
        used = by_currency.get(currency, 0)
    return used + abs(moved_minor) <= bound


def merchant_spends(spent: Spent | None, day: int, currency: str, moved_minor: int) -> Spent:
    """The merchant's count with a move added."""
    if spent is None or spent.day != day:
        spent = Spent(day)
    by_currency = spent.cuts_minor if moved_minor < 0 else spent.raises_minor
    by_currency[currency] = by_currency.get(currency, 0) + abs(moved_minor)
    return spent


def bounds_of(policy: Policy) -> dict[tuple[bool, str], int]:
    """What a policy bounds over all partitions, in minor units: by whether it stands, and budget.

    Daily budgets of the portfolio and of segments, and the exposure of funders, which stands. A
    funder of several products is bounded by its lowest cap.
    """
    rails = policy.guardrails
    found: dict[tuple[bool, str], int] = {}
    scopes = [("portfolio", "", rails.portfolio)]
    scopes += [("segment", name, budget) for name, budget in rails.segments.items()]
    for scope, name, budget in scopes:
        for what, by_currency in (("cuts", budget.cuts_minor), ("raises", budget.raises_minor)):
            for currency, bound in by_currency.items():
                found[False, budget_id(scope, what, currency, name)] = bound
    for product in policy.terms.values():
        for funder in product.funders:
            for currency, cap in funder.exposure_cap_minor.items():
                key = True, budget_id("funder", "exposure", currency, funder.name)
                found[key] = min(cap, found.get(key, cap))
    return found


def leased_budgets(
    policy: Policy, segment: str, currency: str, day: int, action: LimitAction, moved_minor: int
) -> dict[tuple[int, str], int]:
    """What a change by rule takes from budgets that span partitions, by day and budget."""
    what = "cuts" if action in CUTS else "raises" if action in RAISES else ""
    if not what or not moved_minor:
        return {}
    rails = policy.guardrails
    wanted = {}
    scopes = (("portfolio", "", rails.portfolio), ("segment", segment, rails.segments.get(segment)))
    for scope, name, budget in scopes:
        if budget is None:
            continue
        bounds = budget.cuts_minor if what == "cuts" else budget.raises_minor
        if currency in bounds:
            wanted[day, budget_id(scope, what, currency, name)] = abs(moved_minor)
    return wanted


def in_holdout(policy: Policy, merchant_id: str) -> bool:
    """Whether the merchant is set aside for measurement."""
    rails = policy.guardrails
    if not rails.holdout_share:
        return False
    text = f"{len(rails.holdout_salt)}:{rails.holdout_salt}{merchant_id}".encode()
    place = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return place < rails.holdout_share * 2**64


class Wave(Struct):
    """Cuts and freezes by rule of a part of the window: lines, and limits by currency."""

    lines: int = 0
    minor: dict[str, int] = field(default_factory=dict)


class BreakerState(Struct):
    """What the breaker of one partition knows. ``tripped_until`` is epoch ms, 0 while closed."""

    open_lines: int = 0
    limits_minor: dict[str, int] = field(default_factory=dict)
    waves: dict[int, Wave] = field(default_factory=dict)
    tripped_until: int = 0

    def waits(self, as_of: int) -> bool:
        """Whether cuts and freezes by rule wait at ``as_of`` (epoch ms)."""
        return as_of < self.tripped_until

    def reset(self) -> None:
        """Let cuts and freezes go on, and count anew."""
        self.tripped_until = 0
        self.waves.clear()

    def moved(self, currency: str, before_minor: int, after_minor: int) -> None:
        """Count a line's new limit among the partition's."""
        self.open_lines += (after_minor > 0) - (before_minor > 0)
        held = self.limits_minor.get(currency, 0) + after_minor - before_minor
        self.limits_minor[currency] = held

    def cut(self, breaker: Breaker | None, as_of: int, currency: str, cut_minor: int) -> bool:
        """Count a cut or freeze by rule, after ``moved``; True where the breaker trips by it."""
        if breaker is None:
            return False
        part_ms = max(breaker.window_ms // WINDOW_PARTS, 1)
        part = as_of // part_ms
        for old in [each for each in self.waves if each <= part - WINDOW_PARTS]:
            del self.waves[old]
        wave = self.waves.setdefault(part, Wave())
        wave.lines += 1
        wave.minor[currency] = wave.minor.get(currency, 0) + cut_minor
        lines = sum(each.lines for each in self.waves.values())
        cut = sum(each.minor.get(currency, 0) for each in self.waves.values())
        # Limits as they stood before the wave, but for what opened within it.
        held = self.limits_minor.get(currency, 0) + cut
        much = lines >= breaker.lines_share * max(
            self.open_lines, 1
        ) or cut >= breaker.exposure_share * max(held, 1)
        if lines < breaker.lines_min or not much or self.waits(as_of):
            return False
        self.tripped_until = as_of + breaker.reset_ms
        return True


def utc_day(as_of: int) -> int:
    """The number of the UTC day of an event time in epoch milliseconds."""
    return as_of // DAY_MS

"""The treasury: grants leases of budgets that span partitions, and never more than there is.

It knows the policies that partitions tell, and what it granted; both come from the one log of
``risk.budget-requests``. So its grants are a function of that log, whatever the order in which the
partitions' words arrive in it.

**A budget of a day** is what the policy in force there says; where partitions tell several policies
for one day, the lowest bound of all counts. So a lower budget holds from the place where it is
first told, a higher one from the next day on. When a day is first told, each partition gets an
equal share of half of the budget, or what its largest change waited for on the day before: that
merchant is perhaps assessed once a day. Who comes first turns with the day, so that a budget which
is too small for all serves all in turn. A partition that has half spent its grants, or has a change
that waits, gets a further part, and more where the change needs it, until nothing is left. What is
granted is never taken back.

**Headroom** of a funder is granted in the same way, but stands: its bound is that of the policies
told for the latest day. What cuts give back stays with the partition that made them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field

from credit.guardrails import DAYS_KEPT, STANDING, bounds_of
from credit.policy import Policy

_START_PARTS = 2
"""The first grants of all partitions together are the budget divided by this."""
_LEAST_PARTS = 20
"""No further grant is less than a partition's equal share divided by this, while that is left."""


class Grant(NamedTuple):
    """One lease: so much more of a budget for a partition, on a day or ``STANDING``."""

    day: int
    budget: str
    partition: int
    amount_minor: int
    granted_minor: int
    """What the partition was granted in all, with this."""


class Account(Struct):
    """One budget of one day, in minor units; the lists are by partition.

    ``spent_minor`` is what each last told, ``wanted_minor`` the largest change that waited there.
    """

    bound_minor: int
    granted_minor: list[int]
    spent_minor: list[int]
    wanted_minor: list[int]

    @property
    def left_minor(self) -> int:
        """What may still be granted."""
        return max(self.bound_minor - sum(self.granted_minor), 0)


class Day(Struct):
    """The accounts of a day by budget; ``told`` are the versions of policies told for it."""

    accounts: dict[str, Account] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


class Treasury(Struct):
    """All days that are known, and headroom under ``STANDING``.

    ``latest`` is the latest day told; ``changed`` are days that changed since ``take_changed``.
    """

    partitions: int
    latest: int = -1
    days: dict[int, Day] = field(default_factory=dict)
    changed: list[int] = field(default_factory=list)

    def begin(self, day: int, policy: Policy) -> list[Grant]:
        """A day begins somewhere under a policy: the first grants of what is new by it."""
        if day < 0 or day <= self.latest - DAYS_KEPT:
            return []
        if policy.version in self.days.get(day, Day()).told:
            return []
        bounds = bounds_of(policy)
        if not bounds:
            return []
        held = self._day(day)
        held.told.append(policy.version)
        newer, self.latest = day > self.latest, max(day, self.latest)
        self._forget_old()
        grants: list[Grant] = []
        for (stands, budget), bound in bounds.items():
            if not stands:
                grants += self._bound(day, budget, bound, replace=False)
            elif day == self.latest:
                grants += self._bound(STANDING, budget, bound, replace=newer)
        return grants

    def ask(
        self,
        partition: int,
        day: int,
        budget: str,
        *,
        granted_minor: int,
        spent_minor: int,
        wanted_minor: int,
    ) -> list[Grant]:
        """A partition tells what it was granted and spent, and what waits there (0: nothing).

        It gets nothing where what is under way to it will do, or nothing is left.
        """
        account = self.days.get(day, Day()).accounts.get(budget)
        if account is None or not 0 <= partition < self.partitions:
            return []
        self._note(day)
        account.spent_minor[partition] = spent_minor
        account.wanted_minor[partition] = max(wanted_minor, account.wanted_minor[partition])
        under_way = account.granted_minor[partition] - granted_minor
        has = granted_minor - spent_minor + max(under_way, 0)
        if has >= wanted_minor and (wanted_minor or 2 * has > account.granted_minor[partition]):
            return []
        least = max(account.bound_minor // (_LEAST_PARTS * self.partitions), 1)
        part = max(account.left_minor // (_START_PARTS * self.partitions), least)
        grants = self._grant(day, budget, account, partition, max(part, wanted_minor - has))
        return grants + self._grant_later(day, budget, partition, wanted_minor)

    def take_changed(self) -> list[int]:
        """Days that changed since the last call; those that are not in ``days`` were forgotten."""
        changed, self.changed = self.changed, []
        return changed

    def accounts(self, day: int) -> Iterator[tuple[str, Account]]:
        """The accounts of a day, or of ``STANDING``, by budget."""
        yield from sorted(self.days.get(day, Day()).accounts.items())

    def restore(self, day: int, held: Day) -> None:
        """Put a day back as it was when it last changed."""
        self.days[day] = held
        self.latest = max(day, self.latest)

    def _day(self, day: int) -> Day:
        self._note(day)
        return self.days.setdefault(day, Day())

    def _note(self, day: int) -> None:
        if day not in self.changed:
            self.changed.append(day)

    def _bound(self, day: int, budget: str, bound: int, *, replace: bool) -> list[Grant]:
        held = self._day(day)
        account = held.accounts.get(budget)
        if account is not None:
            account.bound_minor = bound if replace else min(bound, account.bound_minor)
            return []
        none = [0] * self.partitions
        account = held.accounts[budget] = Account(bound, none, list(none), list(none))
        share = bound // (_START_PARTS * self.partitions)
        waited = self._waited(day, budget) or none
        grants: list[Grant] = []
        for place in range(self.partitions):
            partition = (day + place) % self.partitions
            wanted = max(share, waited[partition])
            grants += self._grant(day, budget, account, partition, wanted)
        return grants

    def _waited(self, day: int, budget: str) -> list[int] | None:
        """What waited for a budget on the latest day before, by partition."""
        before = max((each for each in self.days if STANDING < each < day), default=STANDING)
        account = self.days[before].accounts.get(budget) if before > STANDING else None
        return None if account is None else account.wanted_minor

    def _grant(
        self, day: int, budget: str, account: Account, partition: int, wanted_minor: int
    ) -> list[Grant]:
        amount = min(wanted_minor, account.left_minor)
        if amount <= 0:
            return []
        self._note(day)
        account.granted_minor[partition] += amount
        return [Grant(day, budget, partition, amount, account.granted_minor[partition])]

    def _grant_later(self, day: int, budget: str, partition: int, wanted_minor: int) -> list[Grant]:
        """What waited on a day that is over may have its turn on the latest."""
        account = self.days.get(self.latest, Day()).accounts.get(budget)
        if account is None or not STANDING < day < self.latest:
            return []
        has = account.granted_minor[partition] - account.spent_minor[partition]
        return self._grant(self.latest, budget, account, partition, wanted_minor - has)

    def _forget_old(self) -> None:
        for day in [d for d in self.days if d != STANDING and d <= self.latest - DAYS_KEPT]:
            del self.days[day]
            self._note(day)

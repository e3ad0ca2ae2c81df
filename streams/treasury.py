"""The treasury as a processor: ``risk.budget-requests`` in, ``budget.leased`` lines out.

A pure object over one log, with its state as keyed items, of which each transaction writes those
that changed. What it decides is in ``credit.treasury``.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from credit.guardrails import STANDING, bounds_of
from credit.policy import Policy, load_policy
from credit.treasury import Day, Grant, Treasury
from ops.errors import FatalError
from schemas import topics
from schemas.codec import encode
from schemas.events import GLOBAL_MERCHANT, BudgetLeased
from schemas.outputs import BudgetRequest
from streams.records import Artifacts, Output, Record

Policies = Callable[[str], Policy]
"""The policy of a version that stands in the log."""
_CURRENCY_PART = 2
"""Of a budget's name by dots, see ``credit.guardrails.budget_id``."""


class BudgetFigures(NamedTuple):
    """One budget as the treasury knows it, in minor units; ``spent`` as partitions last told."""

    budget: str
    bound_minor: int
    granted_minor: int
    spent_minor: int


def policies_of(artifacts: Artifacts, start: str) -> Policies:
    """Policies by version: that of the text in force at the start of the log, and published ones.

    Raises ``FatalError`` for a version that is neither.
    """
    first = load_policy(start)
    known = {first.version: first}

    def find(version: str) -> Policy:
        if version not in known:
            digest = artifacts.digest_of("policy", version)
            if digest is None:
                raise FatalError(f"policy {version} is in force and was not published")
            known[version] = load_policy(artifacts.get("policy", version, digest).decode())
        return known[version]

    return find


class Treasurer:
    """Answers requests with leases. ``partitions`` is their number."""

    def __init__(self, partitions: int, policies: Policies) -> None:
        self._treasury = Treasury(partitions)
        self._policies = policies
        self._bounds: dict[str, bool] = {}

    def process(self, record: Record) -> list[Output]:
        """One request. Returns the leases that answer it."""
        said = _decode(record.value or b"")
        if not said.budget_id:
            return self.begin(said.day or 0, said.policy_version, said.as_of)
        grants = self._treasury.ask(
            said.partition,
            STANDING if said.day is None else said.day,
            said.budget_id,
            granted_minor=said.granted_minor,
            spent_minor=said.spent_minor,
            wanted_minor=said.wanted_minor,
        )
        return _leases(grants, said.as_of)

    def begin(self, day: int, policy_version: str, as_of: int) -> list[Output]:
        """A UTC day (its number) begins under a policy. Returns its first leases."""
        return _leases(self._treasury.begin(day, self._policies(policy_version)), as_of)

    def bounds(self, policy_version: str) -> bool:
        """Whether a policy has budgets that span partitions."""
        if policy_version not in self._bounds:
            self._bounds[policy_version] = bool(bounds_of(self._policies(policy_version)))
        return self._bounds[policy_version]

    def figures(self) -> list[BudgetFigures]:
        """Budgets of the latest day, and headroom."""
        treasury = self._treasury
        days = (STANDING, treasury.latest) if treasury.latest >= 0 else (STANDING,)
        return [
            BudgetFigures(
                budget, account.bound_minor, sum(account.granted_minor), sum(account.spent_minor)
            )
            for day in days
            for budget, account in treasury.accounts(day)
        ]

    def dirty(self) -> list[tuple[bytes, bytes | None]]:
        """Items that changed since the last call; None for one that is gone."""
        return [
            (str(day).encode(), None if held is None else msgspec.msgpack.encode(held))
            for day in self._treasury.take_changed()
            for held in (self._treasury.days.get(day),)
        ]

    def restore(self, items: dict[bytes, bytes | None]) -> None:
        """State as of the last commit, from the last value of every key.

        Raises ``FatalError`` where it is of another number of partitions.
        """
        for key, raw in items.items():
            if raw is None:
                continue
            held = msgspec.msgpack.decode(raw, type=Day)
            for budget, account in held.accounts.items():
                if len(account.granted_minor) != self._treasury.partitions:
                    raise FatalError(
                        f"the treasury granted {budget} to {len(account.granted_minor)} "
                        f"partitions, there are {self._treasury.partitions}; the number of "
                        "partitions must not change"
                    )
            self._treasury.restore(int(key), held)


def _leases(grants: Iterable[Grant], as_of: int) -> list[Output]:
    return [
        Output(topics.CONTROL, 0, GLOBAL_MERCHANT.encode(), encode(_lease(grant, as_of)))
        for grant in grants
    ]


def _lease(grant: Grant, as_of: int) -> BudgetLeased:
    name = f"{grant.budget}\0{grant.day}\0{grant.partition}\0{grant.granted_minor}".encode()
    return BudgetLeased(
        event_id="lease-" + hashlib.blake2b(name, digest_size=12).hexdigest(),
        merchant_id=GLOBAL_MERCHANT,
        occurred_at=as_of,
        budget_id=grant.budget,
        partition=grant.partition,
        amount_minor=grant.amount_minor,
        currency=grant.budget.split(".")[_CURRENCY_PART],
        day=None if grant.day == STANDING else grant.day,
    )


_decode = msgspec.json.Decoder(BudgetRequest).decode

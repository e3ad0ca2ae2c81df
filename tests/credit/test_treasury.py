"""The treasury grants what there is, to whoever waits, and never more."""

from collections import deque

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from credit.guardrails import DAYS_KEPT, STANDING, Lease, Purse, bounds_of
from credit.policy import DailyBudget, Guardrails, Policy
from credit.product import Funder
from credit.treasury import Day, Grant, Treasury
from tests.credit.desk import POLICY

CUTS, BANK = "portfolio.cuts.CNY", "funder.exposure.CNY.bank"
SEGMENT = "segment.raises.CNY.retail"


def policy(version: str, cuts: int, cap: int | None = None, segment: int | None = None) -> Policy:
    """A policy with a budget of cuts, and perhaps a funder's cap and a segment's raises."""
    name, product = next(iter(POLICY.terms.items()))
    bank = Funder(name="bank", share=1.0, exposure_cap_minor={} if cap is None else {"CNY": cap})
    segments = {} if segment is None else {"retail": DailyBudget(raises_minor={"CNY": segment})}
    return structs.replace(
        POLICY,
        version=version,
        guardrails=Guardrails(
            portfolio=DailyBudget(cuts_minor={"CNY": cuts}, raises_minor={}), segments=segments
        ),
        terms={name: structs.replace(product, funders=(bank,))},
    )


class World:
    """Partitions with purses, the log of their requests, and leases that are under way."""

    def __init__(self, partitions: int, policies: list[Policy]) -> None:
        self.treasury = Treasury(partitions)
        self.saved: dict[int, bytes] = {}
        self.policies = {each.version: each for each in policies}
        self.purses = [Purse() for _ in range(partitions)]
        self.waiting: list[deque[Grant]] = [deque() for _ in range(partitions)]
        self.requests: deque[tuple[str, tuple[object, ...]]] = deque()
        self.spent: dict[tuple[int, str], int] = {}
        self.granted: dict[tuple[int, str], int] = {}
        self.told = ""

    def begin(self, partition: int, day: int, version: str) -> None:
        """An assessment of the day in a partition."""
        purse, self.told = self.purses[partition], version
        if purse.begins(day, self.policies[version]):
            self.requests.append(("begin", (purse.day, version)))

    def move(self, partition: int, day: int, budget: str, amount: int) -> bool:
        """A change that wants so much; whether it was made."""
        purse, wanted = self.purses[partition], {(day, budget): amount}
        made = purse.fits(wanted)
        if made:
            purse.spend(wanted)
            self.spent[day, budget] = self.spent.get((day, budget), 0) + amount
        else:
            purse.wait(wanted, self.policies[self.told or next(iter(self.policies))])
        self.requests += [("ask", (partition, *ask)) for ask in purse.take_asks()]
        return made

    def answer(self) -> None:
        """The treasury reads one request, and commits."""
        if not self.requests:
            return
        kind, said = self.requests.popleft()
        if kind == "begin":
            day, version = said
            grants = self.treasury.begin(day, self.policies[version])  # type: ignore[index,arg-type]
        else:
            partition, day, budget, granted, spent, wanted = said
            grants = self.treasury.ask(
                partition,  # type: ignore[arg-type]
                day,  # type: ignore[arg-type]
                budget,  # type: ignore[arg-type]
                granted_minor=granted,  # type: ignore[arg-type]
                spent_minor=spent,  # type: ignore[arg-type]
                wanted_minor=wanted,  # type: ignore[arg-type]
            )
        for grant in grants:
            self.waiting[grant.partition].append(grant)
            key = grant.day, grant.budget
            self.granted[key] = self.granted.get(key, 0) + grant.amount_minor
        for changed in self.treasury.take_changed():
            held = self.treasury.days.get(changed)
            if held is None:
                self.saved.pop(changed, None)
            else:
                self.saved[changed] = msgspec.msgpack.encode(held)

    def deliver(self, partition: int) -> None:
        """One lease comes in a partition's log."""
        if self.waiting[partition]:
            grant = self.waiting[partition].popleft()
            self.purses[partition].grant(grant.budget, grant.day, grant.amount_minor)

    def restart(self) -> None:
        """Another owner goes on from what was committed."""
        self.treasury = Treasury(self.treasury.partitions)
        for day, raw in sorted(self.saved.items(), reverse=True):
            self.treasury.restore(day, msgspec.msgpack.decode(raw, type=Day))

    def settle(self) -> None:
        """All that is under way arrives."""
        while self.requests or any(self.waiting):
            self.answer()
            for partition in range(len(self.purses)):
                self.deliver(partition)


PARTITIONS, DAYS = 3, 4
VERSIONS = [policy("high", 1000, 500, 90), policy("low", 300, 200), policy("tiny", 2, 1)]
ACTS = st.one_of(
    st.tuples(
        st.just("move"),
        st.integers(0, PARTITIONS - 1),
        st.integers(0, DAYS - 1),
        st.sampled_from([CUTS, SEGMENT, BANK]),
        st.integers(1, 400),
    ),
    st.tuples(st.just("give back"), st.integers(0, PARTITIONS - 1), st.integers(1, 50)),
    st.tuples(st.just("deliver"), st.integers(0, PARTITIONS - 1)),
    st.tuples(st.just("answer")),
    st.tuples(st.just("restart")),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["high", "low", "tiny"]), min_size=DAYS, max_size=DAYS),
    st.lists(ACTS, max_size=120),
)
def test_no_interleaving_grants_or_spends_more_than_the_policy_of_the_day(
    in_force: list[str], acts: list[tuple[str, int, int, str, int]]
) -> None:
    world = World(PARTITIONS, VERSIONS)
    bounds = [bounds_of(world.policies[version]) for version in in_force]
    held = [0] * PARTITIONS
    for act in acts:
        if act[0] == "move":
            _, partition, day, budget, amount = act
            # A partition's clock never goes back, and with it the policy of its day.
            world.begin(partition, day, in_force[max(day, world.purses[partition].day)])
            made = world.move(partition, STANDING if budget == BANK else day, budget, amount)
            held[partition] += amount if made and budget == BANK else 0
        elif act[0] == "give back":
            back = min(act[2], held[act[1]])
            held[act[1]] -= back
            assert back == 0 or world.move(act[1], STANDING, BANK, -back)
        elif act[0] == "deliver":
            world.deliver(act[1])
        elif act[0] == "answer":
            world.answer()
        else:
            world.restart()
        for (day, budget), granted in world.granted.items():
            bound = 500 if day == STANDING else bounds[day].get((False, budget), 0)
            assert granted <= bound
            assert world.spent.get((day, budget), 0) <= granted


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(0, 5000),
    st.lists(st.tuples(st.integers(0, 7), st.integers(1, 3000)), max_size=40),
)
def test_who_waits_gets_what_it_wants_while_it_is_left(
    partitions: int, bound: int, moves: list[tuple[int, int]]
) -> None:
    world = World(partitions, [policy("p", bound)])
    for partition in range(partitions):
        world.begin(partition, 0, "p")
    world.settle()
    for number, amount in moves:
        partition = number % partitions
        lease = world.purses[partition].leases.get(0, {}).get(CUTS, Lease())
        left = world.treasury.days[0].accounts[CUTS].left_minor
        reachable = left + lease.left_minor
        made = world.move(partition, 0, CUTS, amount)
        world.settle()
        assert made or amount > reachable or world.move(partition, 0, CUTS, amount)
        world.settle()
        assert world.spent.get((0, CUTS), 0) <= bound


def test_all_partitions_can_begin_and_one_can_have_the_rest() -> None:
    world = World(4, [policy("p", 1000)])
    world.begin(2, 5, "p")
    world.settle()
    assert [purse.leases[5][CUTS].granted_minor for purse in world.purses] == [125] * 4
    while world.move(0, 5, CUTS, 50) or world.requests:
        world.settle()
    assert world.treasury.days[5].accounts[CUTS].left_minor == 0
    assert world.purses[0].leases[5][CUTS].granted_minor == 625


def test_a_change_larger_than_a_share_gets_what_it_wants() -> None:
    world = World(4, [policy("p", 1000)])
    world.begin(0, 5, "p")
    world.settle()
    assert not world.move(1, 5, CUTS, 600)
    assert not world.move(1, 5, CUTS, 600) and len(world.requests) == 1, "asked once"
    world.settle()
    assert world.move(1, 5, CUTS, 600)


def test_a_partition_that_was_told_nothing_is_left_asks_no_more() -> None:
    world = World(1, [policy("p", 100)])
    world.begin(0, 5, "p")
    world.settle()
    assert world.move(0, 5, CUTS, 50)
    world.settle()
    assert not world.move(0, 5, CUTS, 60)
    world.settle()
    assert world.treasury.days[5].accounts[CUTS].left_minor == 0
    world.move(0, 5, CUTS, 60)
    world.settle()
    assert not world.move(0, 5, CUTS, 60) and not world.requests


def test_more_than_a_day_s_whole_budget_is_not_asked_for() -> None:
    world = World(1, [policy("p", 100)])
    world.begin(0, 5, "p")
    world.settle()
    assert not world.move(0, 5, CUTS, 101) and not world.requests


def test_what_waits_at_the_end_of_a_day_is_granted_on_the_next() -> None:
    world = World(4, [policy("p", 1000)])
    world.begin(0, 5, "p")
    world.settle()
    assert not world.move(1, 5, CUTS, 600)
    world.settle()
    world.begin(0, 6, "p")
    world.settle()
    assert world.purses[1].leases[6][CUTS].granted_minor == 600
    assert not world.move(2, 5, CUTS, 380)
    world.settle()
    assert world.purses[2].leases[6][CUTS].left_minor == 150, "all that was left"


def test_a_budget_that_is_too_small_for_all_serves_all_in_turn() -> None:
    world = World(3, [policy("p", 100)])
    served = set()
    for day in range(10, 17):
        world.begin(0, day, "p")
        world.settle()
        served |= {each for each in range(3) if world.move(each, day, CUTS, 90)}
        world.settle()
    assert served == {0, 1, 2}


def test_a_lower_budget_holds_where_it_is_told_and_a_higher_one_from_the_next_day() -> None:
    world = World(2, VERSIONS)
    world.begin(0, 5, "high")
    world.settle()
    world.begin(1, 5, "low")
    world.settle()
    assert world.granted[5, CUTS] == 500 and world.treasury.days[5].accounts[CUTS].left_minor == 0
    world.begin(0, 6, "low")
    world.begin(1, 6, "high")
    world.settle()
    assert world.treasury.days[6].accounts[CUTS].bound_minor == 300
    world.begin(1, 7, "high")
    world.settle()
    assert world.treasury.days[7].accounts[CUTS].bound_minor == 1000
    assert world.treasury.days[STANDING].accounts[BANK].bound_minor == 500


def test_headroom_that_waits_comes_when_the_cap_is_raised() -> None:
    world = World(1, VERSIONS)
    world.begin(0, 5, "low")
    world.settle()
    assert not world.move(0, STANDING, BANK, 400)
    world.settle()
    assert world.granted[STANDING, BANK] == 100, "400 can never be"
    world.begin(0, 6, "high")
    assert not world.move(0, STANDING, BANK, 400)
    world.settle()
    assert world.move(0, STANDING, BANK, 400)


def test_what_is_given_back_stays_with_the_partition() -> None:
    world = World(2, VERSIONS)
    world.begin(0, 5, "high")
    world.settle()
    assert world.move(0, STANDING, BANK, 100)
    world.settle()
    granted = world.granted[STANDING, BANK]
    assert world.move(0, STANDING, BANK, -100)
    world.settle()
    assert world.granted[STANDING, BANK] == granted
    assert world.move(0, STANDING, BANK, 100)


def test_days_that_are_long_past_are_forgotten_and_never_granted_again() -> None:
    world = World(1, VERSIONS)
    for day in range(DAYS_KEPT + 5):
        world.begin(0, day, "high")
        world.settle()
    assert len([day for day in world.treasury.days if day != STANDING]) == DAYS_KEPT
    assert set(world.saved) == set(world.treasury.days), "what is forgotten is deleted"
    world.restart()
    assert world.treasury.begin(1, VERSIONS[1]) == []


@pytest.mark.parametrize("repeats", [2, 3])
def test_a_request_that_comes_again_grants_nothing(repeats: int) -> None:
    treasury = Treasury(2)
    treasury.begin(5, VERSIONS[0])
    said = {"granted_minor": 250, "spent_minor": 0, "wanted_minor": 300}
    first = treasury.ask(0, 5, CUTS, **said)
    assert sum(grant.amount_minor for grant in first) >= 50
    for _ in range(repeats):
        assert treasury.ask(0, 5, CUTS, **said) == [] and treasury.begin(5, VERSIONS[0]) == []


def test_a_policy_without_shared_budgets_is_told_nothing_of() -> None:
    purse = Purse()
    assert not purse.begins(5, POLICY)
    assert Treasury(2).begin(5, POLICY) == []
    assert purse.begins(5, VERSIONS[0]), "but for the one that comes after it"

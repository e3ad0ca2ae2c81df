"""What holds of all lines of a partition under any stream of events and commands."""

import random
from collections import Counter, defaultdict
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from credit.capacity.amounts import Books
from credit.guardrails import STANDING
from credit.holding import Guard, Holding, Outcome, Who
from credit.merchant import (
    answer_merchant,
    command_merchant,
    decide_merchant,
)
from credit.opening import Application
from credit.policy import Approvals, Breaker, DailyBudget, Guardrails, Tier
from credit.product import Funder
from features.lines import LogLine
from schemas.outputs import LimitAction, LimitChange
from tests.credit.desk import PORTFOLIO, facts, later, merchant, with_terms

DAY_MS = 86_400_000
ACTIONS = ("open", "increase", "override")
FUNDERS = (
    Funder(
        name="bank",
        share=0.6,
        bands=("A", "B"),
        line_cap_minor={"CNY": 900_000},
        exposure_cap_minor={"CNY": 10**9},
    ),
    Funder(name="own", share=0.4),
)
GUARDED = structs.replace(
    with_terms(PORTFOLIO, "co-lending", funders=FUNDERS),
    approvals=Approvals(
        tiers=(
            Tier(actions=ACTIONS, total_above_ratio=0.01, change_above_ratio=0, approvers=1),
            Tier(actions=ACTIONS, total_above_ratio=0.03, change_above_ratio=0, approvers=2),
        ),
        timeout_days=5,
    ),
    guardrails=Guardrails(
        merchant=DailyBudget(cuts_minor={"CNY": 900_000}, raises_minor={"CNY": 700_000}),
        portfolio=DailyBudget(cuts_minor={"CNY": 10**9}, raises_minor={"CNY": 10**9}),
        breaker=Breaker(
            window_ms=DAY_MS, lines_min=2, lines_share=0.5, exposure_share=0.5, reset_ms=2 * DAY_MS
        ),
    ),
    acknowledge_within_ms=DAY_MS,
)
PRODUCTS = ("working-capital", "co-lending", "supply-chain", "rural-seasonal", "boats")
MERCHANTS = ("m1", "m2")
PEOPLE = ("li", "wu", "xu")

Stream = list[tuple[str, int, dict[str, Any]]]
ACTS = 120
CHOICES: dict[str, dict[str, list[Any]]] = {
    "assess": {
        "turnover": [10_000, 10_000, 60_000, 3_000, 0],
        "silence": [0.0] * 7 + [30.0],
        "band": ["A", "A", "B", "B", "C", "E", "insufficient_history"],
        "drawn": [0, 200_000],
        "claims": [0, 10**6, 3 * 10**6],
        "paused": [False] * 9 + [True],
    },
    "apply": {"product": list(PRODUCTS), "amount": [50_000, 400_000, 10**8]},
    "command": {
        "kind": [
            *["merchant.freeze", "merchant.release", "merchant.release", "limit.reject"],
            *["limit.override"] * 3,
            *["limit.approve"] * 8,
        ],
        "actor": list(PEOPLE),
        "amount": [0, 300_000, 1_000_000, 10**9],
        "nth": [0, 0, 0, 1, 2],
    },
    "answer": {
        "kind": ["limit.acknowledged", "limit.acknowledged", "limit.rejected"],
        "nth": [0, 0, 1, 3],
    },
    "lease": {"amount": [300_000, 2_000_000]},
}
"""What may happen, and from what each part of it is drawn."""


def stream_of(seed: int) -> Stream:
    """A stream long enough for proposals, cool-downs and budgets to meet."""
    rnd = random.Random(seed)
    stream = []
    for _ in range(ACTS):
        what = rnd.choices(tuple(CHOICES), (45, 12, 25, 8, 10))[0]
        act = {name: rnd.choice(choices) for name, choices in CHOICES[what].items()}
        days = rnd.choice([0, 0, 0, 0, 1, 4, 30])
        stream.append((rnd.choice(MERCHANTS), days, {"what": what, **act}))
    return stream


streams = st.integers(0, 2**32).map(stream_of)


class Run:
    """A partition of two merchants under a stream, with all that it said."""

    def __init__(self, stream: Stream) -> None:
        self.guard = Guard()
        self.holdings = {name: Holding() for name in MERCHANTS}
        self.changes: list[LimitChange] = []
        self.waits: list[str] = []
        self.granted: dict[tuple[int, str], int] = defaultdict(int)
        self.moved: dict[tuple[str, int, bool], int] = defaultdict(int)
        self.at = later(0)
        for n, (name, days, act) in enumerate(stream):
            self.at += days * DAY_MS + 1000
            self._act(name, f"e{n}", act)

    def _who(self, name: str, cause: str, owed: int = 0) -> Who:
        return Who(
            merchant_id=name,
            segment="retail",
            region=None,
            registered=True,
            exposure_minor=owed,
            owed_minor={},
            as_of=self.at,
            causes=[cause],
            model_version="m",
            feature_version="f",
            rules_version="r",
            horizon_days=90,
        )

    def _act(self, name: str, cause: str, act: dict[str, Any]) -> None:
        holding, what = self.holdings[name], act["what"]
        if what == "assess":
            self._assess(name, cause, act)
        elif what == "apply":
            holding.applications[act["product"]] = Application(act["amount"], self.at, cause, "CNY")
        elif what == "lease":
            day = self.at // DAY_MS
            for at, budget, amount in (
                (day, "portfolio.cuts.CNY", act["amount"]),
                (day, "portfolio.raises.CNY", act["amount"]),
                (STANDING, "funder.exposure.CNY.bank", act["amount"] // 20),
            ):
                self.guard.purse.grant(budget, at, amount)
                self.granted[at, budget] += amount
        else:
            said = LogLine(
                type=act["kind"],
                event_id=cause,
                merchant_id=name,
                occurred_at=self.at,
                actor=act.get("actor"),
                reason="so",
                amount=act.get("amount"),
                currency="CNY",
                decision_id=self._meant(name, act),
            )
            does = command_merchant if what == "command" else answer_merchant
            self._note(does(GUARDED, self._who(name, cause), holding, said, self.guard))

    def _assess(self, name: str, cause: str, act: dict[str, Any]) -> None:
        claims = tuple((debtor, 1, act["claims"]) for debtor in "abc" if act["claims"])
        vector = merchant(
            act["turnover"],
            silence_days=act["silence"],
            turnover_usual_28d_minor=1_000_000.0,
            other_debt_minor=0.0,
        )
        found = facts(
            vector,
            at=self.at,
            band=act["band"],
            books=Books(delivered=claims),
            paused=act["paused"],
        )
        who = self._who(name, cause, act["drawn"])
        outcome = decide_merchant(GUARDED, who, self.holdings[name], found, self.guard)
        assert not (act["paused"] and outcome.changes)
        for change in outcome.changes:
            by = change.new_limit_minor - change.previous_limit_minor
            counts = change.action in ("open", "increase", "decrease", "close")
            if change.state == "sent" and counts:
                self.moved[name, self.at // DAY_MS, by < 0] += abs(by)
        self._note(outcome)

    def _meant(self, name: str, act: dict[str, Any]) -> str:
        """A decision of the merchant: one that is pending for people, or was sent to the core."""
        if act["what"] == "command":
            lines = self.holdings[name].lines
            found = [
                pending.decision_id
                for product in sorted(lines)
                if (pending := lines[product].pending) is not None
            ]
        else:
            found = [
                change.decision_id
                for change in self.changes
                if change.merchant_id == name and change.state == "sent"
            ]
        return found[-1 - act["nth"] % len(found)] if found else "dc_none"

    def _note(self, outcome: Outcome) -> None:
        self.changes += outcome.changes
        self.waits += outcome.waited


@settings(max_examples=60, deadline=None)
@given(streams)
def test_every_line_has_one_history_without_gaps(
    stream: Stream,
) -> None:
    run = Run(stream)
    by_line: dict[str, list[LimitChange]] = defaultdict(list)
    for change in run.changes:
        by_line[change.line_id].append(change)
        assert change.reasons and change.causes
        assert len({reason.code for reason in change.reasons}) == len(change.reasons)
    for history in by_line.values():
        limit, pending, frozen = 0, None, False
        for n, change in enumerate(history, 1):
            assert change.version == n
            assert change.previous_limit_minor == limit
            if change.state == "proposed":
                assert pending is None and change.approval == "required"
                pending = change
                continue
            if change.state == "withdrawn":
                assert pending is not None and change.new_limit_minor == limit
                pending = None
                continue
            if pending is not None:
                assert change.approval == "granted"
                assert change.new_limit_minor <= max(pending.new_limit_minor, limit)
                pending = None
            if frozen:
                assert change.action in ("release", "freeze"), "a freeze wins over all else"
            frozen = change.action == "freeze"
            limit = change.new_limit_minor
    assert len({change.decision_id for change in run.changes}) == len(run.changes)
    for name, holding in run.holdings.items():
        for line in holding.lines.values():
            last = by_line[line.line_id][-1]
            assert last.merchant_id == name and last.version == line.version


@settings(max_examples=60, deadline=None)
@given(streams)
def test_caps_budgets_and_funders_hold(stream: Stream) -> None:
    run = Run(stream)
    for change in run.changes:
        if change.state != "sent" or not change.new_limit_minor:
            continue
        terms = GUARDED.terms[change.product]
        assert change.new_limit_minor <= terms.currencies["CNY"].cap_minor
        if terms.funders:
            assert sum(part.limit_minor for part in change.funders) == change.new_limit_minor
            for part in change.funders:
                assert part.limit_minor >= 0
                assert part.funder != "bank" or part.limit_minor <= 900_000
        else:
            assert change.funders == []
    for (_, _, is_cut), moved in run.moved.items():
        assert moved <= (900_000 if is_cut else 700_000)
    for day, leases in run.guard.purse.leases.items():
        for budget, lease in leases.items():
            assert lease.granted_minor == run.granted[day, budget]
            assert 0 <= lease.spent_minor <= lease.granted_minor
    shares = [
        part
        for holding in run.holdings.values()
        for line in holding.lines.values()
        for part in line.shares
        if part.funder == "bank"
    ]
    headroom = run.guard.purse.leases.get(STANDING, {}).get("funder.exposure.CNY.bank")
    used = 0 if headroom is None else headroom.spent_minor
    assert used == sum(part.limit_minor for part in shares)


@settings(max_examples=60, deadline=None)
@given(streams)
def test_what_needs_people_has_them(stream: Stream) -> None:
    proposals: dict[str, LimitChange] = {}
    for change in Run(stream).changes:
        if change.state == "proposed":
            proposals[change.line_id] = change
        elif change.approval == "granted":
            proposal = proposals[change.line_id]
            assert change.actor in PEOPLE and change.actor != proposal.actor
        elif change.action in ACTIONS and change.state == "sent":
            terms = GUARDED.terms[change.product].currencies["CNY"]
            moved = abs(change.new_limit_minor - change.previous_limit_minor)
            assert change.new_limit_minor <= 0.01 * terms.cap_minor or not moved
        if change.actor is None and change.state == "sent":
            assert change.approval == "automatic"


@settings(max_examples=25, deadline=None)
@given(streams)
def test_the_same_stream_gives_the_same_partition(
    stream: Stream,
) -> None:
    first, second = Run(stream), Run(stream)
    assert first.changes == second.changes
    assert first.holdings == second.holdings and first.guard == second.guard


def test_the_streams_reach_what_they_are_to_try() -> None:
    runs = [Run(stream_of(seed)) for seed in range(20)]
    changes = [change for run in runs for change in run.changes]
    states = Counter(change.state for change in changes)
    actions = Counter(change.action for change in changes)
    assert min(states[state] for state in ("sent", "proposed", "withdrawn")) > 50, states
    assert sum(change.approval == "granted" for change in changes) > 8
    assert all(actions[each] for each in get_args(LimitAction)), actions
    waits = Counter(what for run in runs for what in run.waits)
    expected = ("merchant_budget", "leased_budget", "funder_headroom", "breaker")
    assert all(waits[what] for what in expected), waits
    assert sum(bool(change.funders) for change in changes) > 5

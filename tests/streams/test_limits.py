"""Credit lines in scoring: books, approvals, leases and the core's answers, as lines of the log."""

import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from features.layout import WATCHED
from schemas import topics
from schemas.outputs import Alert, BudgetRequest, LimitChange
from streams.artifacts import MemoryArtifacts, builtin_policy, genesis
from streams.limits import CORE_SILENT
from streams.records import Output, Record
from streams.scoring import Scoring
from streams.versions import Genesis

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 19_723 * DAY_MS
_SHIPPED = builtin_policy("portfolio-1.yaml")
_BUDGETS = _SHIPPED[_SHIPPED.index("  portfolio:\n") : _SHIPPED.index("  merchant:\n")]
UNLEASED = _SHIPPED.replace(_BUDGETS, "").replace("exposure_cap_minor: {CNY: 5000000000}", "")
LEASED = UNLEASED.replace(
    "guardrails:\n",
    "guardrails:\n  portfolio: {raises_minor: {CNY: 3000000}, cuts_minor: {CNY: 3000000}}\n",
    1,
)
BUDGETED = (
    LEASED.replace("total_above_ratio: 0.5", "total_above_ratio: 0.05")
    .replace("total_above_ratio: 0.8", "total_above_ratio: 0.2")
    .replace("holdout_share: 0.02", "holdout_share: 0.0")
)
"""All products, approvals, a breaker, and budgets that must be leased."""


def start(text: str) -> Genesis:
    return msgspec.structs.replace(genesis(), policy_text=text)


class Partition:
    """One partition, fed line by line; what it said can be answered."""

    def __init__(self, text: str = BUDGETED) -> None:
        self.scoring = Scoring(MemoryArtifacts(), start(text))
        self.lines: list[bytes] = []
        self.outputs: list[Output] = []
        self.changes: list[LimitChange] = []
        self.at = START_MS

    def feed(self, kind: str, merchant: str = "m", **fields: Any) -> list[LimitChange]:
        number = len(self.lines)
        line = {
            "type": kind,
            "event_id": f"e{number}",
            "merchant_id": merchant,
            "occurred_at": self.at,
            **fields,
        }
        raw = msgspec.json.encode(line)
        self.lines.append(raw)
        found = self.scoring.process(Record(topics.EVENTS, 0, number, None, raw, [], 0))
        self.outputs += found
        made = changes(found)
        self.changes += made
        return made

    def money(self, kind: str, amount: int, merchant: str = "m", **fields: Any) -> Any:
        return self.feed(kind, merchant, amount=amount, currency="CNY", **fields)

    def trade(self, days: int, merchants: tuple[str, ...] = ("m",), amount: int = 100_000) -> None:
        for _ in range(days):
            for merchant in merchants:
                self.money("order.paid", amount, merchant)
            self.at += DAY_MS

    def ledger(self, merchant: str = "m") -> Any:
        slot = self.scoring.engine.index.slot_of(merchant)
        assert slot is not None
        return self.scoring.ledgers[slot]


def changes(outputs: list[Output]) -> list[LimitChange]:
    return [
        msgspec.json.decode(o.value or b"", type=LimitChange)
        for o in outputs
        if o.topic == topics.LIMIT_CHANGES
    ]


def alerts(outputs: list[Output]) -> list[Alert]:
    return [
        msgspec.json.decode(o.value or b"", type=Alert) for o in outputs if o.topic == topics.ALERTS
    ]


def supplier() -> Partition:
    """A merchant with history that applied for a line on its claims."""
    partition = Partition(UNLEASED)
    partition.trade(60, amount=2_000_000)
    partition.feed("merchant.updated", segment="parts")
    assert not partition.money("credit.applied", 50_000_000, product="supply-chain")
    return partition


def test_a_line_on_claims_moves_with_each_parcel_and_each_settlement() -> None:
    partition = supplier()
    moved: list[LimitChange] = []
    for n in range(3):
        moved += partition.money(
            "shipment.delivered", 200_000, counterparty_id=f"cp{n}", order_id=f"o{n}"
        )
    opened, raised = moved
    assert (opened.product, opened.action) == ("supply-chain", "open")
    assert (raised.product, raised.action) == ("supply-chain", "increase")
    assert opened.causes == ["e61", "e63"], "the application, and the parcel that opened it"
    assert partition.ledger().receivables is not None
    cuts: list[LimitChange] = []
    for n in range(3):
        partition.at += 8 * DAY_MS
        cuts += partition.money("order.paid", 2_000_000)
        cuts += partition.money(
            "settlement.received", 200_000, counterparty_id=f"cp{n}", order_id=f"o{n}"
        )
    of_line = [c for c in cuts if c.product == "supply-chain"]
    assert of_line and {c.action for c in of_line} == {"decrease"}
    assert of_line[0].reasons[0].code == "capacity_receivables"
    assert of_line[-1].new_limit_minor == 100_000, "nothing is claimed: the floor"


def test_payments_for_older_claims_do_not_eat_up_a_book_that_just_began() -> None:
    partition = Partition(UNLEASED)

    def day(number: int) -> None:
        """Invoices to three buyers, of whom each pays a month later."""
        for name in ("cp0", "cp1", "cp2"):
            named = {"counterparty_id": name}
            partition.money("invoice.issued", 200_000, invoice_id=f"{name}-{number}", **named)
            if number >= 30:
                partition.money("settlement.received", 200_000, **named)
        partition.at += DAY_MS

    for number in range(60):
        day(number)
    partition.feed("merchant.updated", segment="parts")
    partition.money("credit.applied", 50_000_000, product="supply-chain")
    for number in range(60, 96):
        day(number)
    of_line = [c for c in partition.changes if c.product == "supply-chain"]
    assert (of_line[0].action, {c.action for c in of_line[1:]}) == ("open", {"increase"})
    claimed = sum(amount for _, _, amount in partition.ledger().books(partition.at).invoiced)
    assert claimed == 30 * 3 * 200_000, "a month of invoices, once all of before is paid"


def test_only_those_who_rest_on_books_are_watched() -> None:
    partition = supplier()
    partition.trade(2, ("other",))
    engine = partition.scoring.engine
    seen = {
        name: bool(engine._rows["seen"][engine.index.slot_of(name)] & WATCHED)
        for name in ("m", "other")
    }
    assert seen == {"m": True, "other": False}
    assert partition.ledger().receivables is not None
    before = sum(o.topic == topics.ASSESSMENTS for o in partition.outputs)
    partition.at += 1000
    partition.money("shipment.delivered", 100, "other")
    assert sum(o.topic == topics.ASSESSMENTS for o in partition.outputs) == before


def test_a_proposal_is_approved_by_a_command_in_the_log() -> None:
    text = builtin_policy("working-capital-1.yaml").replace(
        "override_days: 30",
        "override_days: 30\napprovals: {tiers: [{actions: [open], total_above_ratio: 0, "
        "change_above_ratio: 0, approvers: 1}]}",
    )
    partition = Partition(text)
    partition.trade(60)
    (proposed,) = partition.changes
    assert (proposed.state, proposed.approval, proposed.version) == ("proposed", "required", 1)
    said = {"actor": "li", "reason": "fine"}
    assert not partition.feed("limit.approve", decision_id="dc_other", **said)
    (sent,) = partition.feed("limit.approve", decision_id=proposed.decision_id, **said)
    assert (sent.state, sent.approval, sent.version) == ("sent", "granted", 2)
    assert sent.new_limit_minor == proposed.new_limit_minor
    assert partition.scoring.stats["commands_without_target"] == 1


def test_a_lease_of_this_partition_alone_lets_a_change_through() -> None:
    partition = Partition(LEASED)
    partition.trade(60)
    assert not partition.changes
    assert partition.scoring.stats["guardrail_leased_budget"] > 0
    lease = {"budget_id": "portfolio.raises.CNY", "amount_minor": 3_000_000, "currency": "CNY"}
    for number, expected in ((1, 0), (0, 1)):
        day = partition.at // DAY_MS
        for ahead in range(4):
            partition.feed("budget.leased", "*", partition=number, day=day + ahead, **lease)
        partition.trade(3)
        assert len(partition.changes) == expected


def requests(partition: Partition) -> list[BudgetRequest]:
    return [
        msgspec.json.decode(o.value or b"", type=BudgetRequest)
        for o in partition.outputs
        if o.topic == topics.BUDGET_REQUESTS
    ]


def test_each_day_is_told_once_when_the_one_before_it_ends() -> None:
    partition = Partition(LEASED)
    first = partition.at // DAY_MS
    partition.trade(6)
    said = requests(partition)
    assert [each.day for each in said] == list(range(first + 1, first + 1 + len(said)))
    assert len(said) >= 4
    assert {each.policy_version for each in said} == {"portfolio-1"}
    assert not any(each.budget_id for each in said)
    assert not requests(Partition(UNLEASED))


def test_a_change_that_waits_asks_once_for_what_it_lacks() -> None:
    partition = Partition(LEASED)
    partition.trade(60)
    asked = [each for each in requests(partition) if each.budget_id]
    assert asked and {each.budget_id for each in asked} == {"portfolio.raises.CNY"}
    assert len({each.day for each in asked}) == len(asked), "once a day"
    assert all(each.wanted_minor > 0 == each.granted_minor for each in asked)


def test_without_a_treasury_a_partition_has_its_equal_share_of_each_budget() -> None:
    alone = Partition(LEASED)
    alone.scoring = Scoring(MemoryArtifacts(), start(LEASED), share_of=2)
    alone.trade(60)
    (opened,) = alone.changes
    assert opened.new_limit_minor <= 1_500_000 and not requests(alone)
    least = Partition(LEASED)
    least.scoring = Scoring(MemoryArtifacts(), start(LEASED), share_of=4)
    lease = {"budget_id": "portfolio.raises.CNY", "amount_minor": 3_000_000, "currency": "CNY"}
    least.trade(58)
    for ahead in range(4):
        day = least.at // DAY_MS + ahead
        least.feed("budget.leased", "*", partition=0, day=day, **lease)
    least.trade(3)
    assert not least.changes, "a quarter is too little, and leases are for another policy"


def test_a_core_that_is_silent_is_told_and_its_answer_ends_the_alert() -> None:
    text = builtin_policy().replace(
        "override_days: 30", "override_days: 30\nacknowledge_within_ms: 3600000"
    )
    partition = Partition(text)
    partition.trade(62)
    (opened,) = partition.changes
    (alert,) = [a for a in alerts(partition.outputs) if a.kind == CORE_SILENT]
    assert (alert.state, alert.evidence) == ("open", [opened.decision_id])
    before = len(partition.outputs)
    partition.feed("limit.acknowledged", decision_id=opened.decision_id)
    (closed,) = alerts(partition.outputs[before:])
    assert (closed.alert_id, closed.state) == (alert.alert_id, "closed")
    assert partition.ledger().lending.lines["working-capital"].core_state == "acknowledged"


def test_a_rejected_change_is_rolled_back_and_a_stranger_s_answer_is_counted() -> None:
    partition = Partition(builtin_policy())
    partition.trade(60)
    (opened,) = partition.changes
    assert not partition.feed("limit.rejected", decision_id="dc_other")
    assert partition.scoring.stats["answers_without_target"] == 1
    (undone,) = partition.feed("limit.rejected", decision_id=opened.decision_id, reason="closed")
    assert (undone.action, undone.version, undone.new_limit_minor) == ("rollback", 2, 0)


# --- a life with everything in it ----------------------------------------------------------------

MERCHANTS = tuple(f"m{n}" for n in range(5))
PRODUCTS = ("working-capital", "supply-chain", "bill-financing", "co-lending", "platform-embedded")


def live(seed: int, count: int) -> Partition:
    """A partition under random business, applications, commands, answers and leases."""
    rnd = random.Random(seed)
    partition = Partition(BUDGETED)
    for merchant in MERCHANTS:
        partition.feed("merchant.registered", merchant, segment="retail", currency="CNY")
    while len(partition.lines) < count:
        partition.at += rnd.randrange(2 * HOUR_MS)
        _act(partition, rnd, rnd.choice(MERCHANTS))
    return partition


def _act(partition: Partition, rnd: random.Random, merchant: str) -> None:
    kind = rnd.choices(
        ("order.paid", "claims", "bill", "lend", "apply", "desk", "core", "lease", "profile"),
        (60, 14, 4, 2, 3, 1, 5, 9, 1),
    )[0]
    amount = rnd.randrange(1, 900_000)
    named = {"counterparty_id": f"cp{rnd.randrange(4)}", "order_id": f"o{rnd.randrange(50)}"}
    if kind == "order.paid":
        partition.money(kind, amount, merchant)
    elif kind == "claims":
        tag = rnd.choice(["shipment.delivered"] * 3 + ["settlement.received", "shipment.returned"])
        partition.money(tag, amount, merchant, **named)
    elif kind == "bill":
        tag = rnd.choice(["bill.accepted"] * 3 + ["bill.settled", "bill.dishonoured"])
        due = partition.at + rnd.randrange(90) * DAY_MS
        bill = {"bill_id": f"b{rnd.randrange(20)}", "due_at": due}
        partition.money(tag, 3 * amount, merchant, counterparty_id="bank", **bill)
    elif kind == "lend":
        tag = rnd.choice(["loan.disbursed", "repayment.received"])
        partition.money(tag, amount // 10, merchant, loan_id="l", due_at=START_MS + 900 * DAY_MS)
    elif kind == "apply":
        wanted = {"product": rnd.choice(PRODUCTS), "channel": rnd.choice([None, "erp"])}
        partition.money("credit.applied", 10 * amount, merchant, **wanted)
    elif kind == "profile":
        partition.feed("merchant.updated", merchant, segment=rnd.choice(["retail", "food"]))
    elif kind == "lease":
        budget = rnd.choice(["portfolio.raises.CNY"] * 3 + ["portfolio.cuts.CNY"])
        granted = rnd.choice([10**6, 10**9])
        lease = {"budget_id": budget, "amount_minor": granted, "currency": "CNY"}
        partition.feed("budget.leased", "*", partition=0, day=partition.at // DAY_MS, **lease)
    elif kind == "desk":
        said = {"actor": rnd.choice(["li", "wu"]), "reason": "so"}
        tag = rnd.choice(["merchant.freeze"] + ["merchant.release"] * 4 + ["limit.override"])
        money = {"amount": amount, "currency": "CNY"} if tag == "limit.override" else {}
        partition.feed(tag, merchant, **said, **money)
    else:
        _answer(partition, rnd)


def _answer(partition: Partition, rnd: random.Random) -> None:
    latest = partition.changes[-1 - rnd.randrange(3)] if len(partition.changes) > 3 else None
    if latest is None:
        return
    if latest.state == "proposed":
        tag = rnd.choice(["limit.approve"] * 4 + ["limit.reject"])
        said = {"actor": rnd.choice(["li", "wu"]), "reason": "so"}
        partition.feed(tag, latest.merchant_id, decision_id=latest.decision_id, **said)
    else:
        tag = rnd.choice(["limit.acknowledged"] * 4 + ["limit.rejected"])
        partition.feed(tag, latest.merchant_id, decision_id=latest.decision_id)


@pytest.fixture(scope="module")
def lived() -> Partition:
    return live(seed=5, count=5_000)


def test_a_life_has_every_state_and_most_actions_in_it(lived: Partition) -> None:
    states = Counter(change.state for change in lived.changes)
    actions = {change.action for change in lived.changes}
    products = {change.product for change in lived.changes if change.new_limit_minor}
    assert min(states[each] for each in ("sent", "proposed", "withdrawn")) >= 3, states
    assert {"open", "decline", "increase", "decrease", "freeze", "release", "override"} <= actions
    assert {"working-capital", "supply-chain", "bill-financing"} <= products
    assert any(a.kind == CORE_SILENT for a in alerts(lived.outputs))


def test_outputs_do_not_depend_on_how_lines_share_records(lived: Partition) -> None:
    for at_once in (7, 300):
        scoring = Scoring(MemoryArtifacts(), start(BUDGETED))
        found: list[Output] = []
        for offset, first in enumerate(range(0, len(lived.lines), at_once)):
            value = b"\n".join(lived.lines[first : first + at_once])
            found += scoring.process(Record(topics.EVENTS, 0, offset, None, value, [], 0))
        assert found == lived.outputs


def test_a_restored_partition_goes_on_as_if_nothing_had_been(lived: Partition) -> None:
    half = len(lived.lines) // 2
    first = Scoring(MemoryArtifacts(), start(BUDGETED))
    found: list[Output] = []
    for offset, line in enumerate(lived.lines[:half]):
        found += first.process(Record(topics.EVENTS, 0, offset, None, line, [], 0))
    second = Scoring(MemoryArtifacts(), start(BUDGETED))
    second.restore_header(first.header())
    for page in range(first.engine.page_count):
        second.restore_page(page, first.page(page))
    for block in range(first.engine.dedup_block_count):
        second.engine.import_dedup_block(block, first.engine.export_dedup_block(block))
    for offset, line in enumerate(lived.lines[half:], half):
        found += second.process(Record(topics.EVENTS, 0, offset, None, line, [], 0))
    assert found == lived.outputs
    assert second.digest == lived.scoring.digest

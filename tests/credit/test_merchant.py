"""Several lines of one merchant: applications, affordability, approvals, guardrails, the core."""

from typing import Any

import pytest
from msgspec import structs
from numpy.typing import NDArray

from credit.capacity.amounts import Books
from credit.holding import LINES_MAX, Guard, Holding, Outcome, Who, case_of
from credit.lines import Line, line_id_of
from credit.merchant import (
    answer_merchant,
    command_merchant,
    decide_merchant,
    overdue_lines,
)
from credit.opening import Application
from credit.policy import (
    Affordability,
    Approvals,
    Breaker,
    DailyBudget,
    Guardrails,
    Policy,
    Stress,
    Tier,
)
from credit.product import Channel, Funder, Pricing
from features.lines import LogLine
from tests.credit.desk import NAME, POLICY, PORTFOLIO, START_MS, facts, later, merchant, with_terms

WC = line_id_of("m1", NAME)
LOOSE = structs.replace(
    PORTFOLIO, affordability=None, approvals=Approvals(), guardrails=Guardrails()
)
"""All products without what bounds them together."""


def who(at: int = START_MS, cause: str = "e1", **changes: Any) -> Who:
    known: dict[str, Any] = {
        "merchant_id": "m1",
        "segment": "retail",
        "region": None,
        "registered": True,
        "exposure_minor": 0,
        "owed_minor": {},
        "model_version": "prior-1",
        "feature_version": "f1",
        "rules_version": "r1",
        "horizon_days": 90,
        **changes,
    }
    return Who(as_of=at, causes=[cause], **known)


def decide(
    holding: Holding,
    vector: NDArray[Any] | None = None,
    *,
    policy: Policy = POLICY,
    guard: Guard | None = None,
    at: int = START_MS,
    about: dict[str, Any] | None = None,
    **known: Any,
) -> Outcome:
    found = facts(merchant(10_000) if vector is None else vector, at=at, **known)
    return decide_merchant(policy, who(at, **(about or {})), holding, found, guard or Guard())


def said(kind: str, at: int = START_MS, **fields: Any) -> LogLine:
    known: dict[str, Any] = {"actor": "li", "reason": "seen", **fields}
    return LogLine(type=kind, event_id=f"c-{kind}-{at}", merchant_id="m1", occurred_at=at, **known)


def tell(
    holding: Holding,
    kind: str,
    *,
    policy: Policy = POLICY,
    guard: Guard | None = None,
    at: int = START_MS,
    about: dict[str, Any] | None = None,
    **fields: Any,
) -> Outcome:
    line = said(kind, at, **fields)
    about = {"cause": line.event_id, **(about or {})}
    return command_merchant(policy, who(at, **about), holding, line, guard or Guard())


def apply_for(
    holding: Holding, product: str, amount: int = 10**9, at: int = START_MS, **more: Any
) -> None:
    holding.applications[product] = Application(amount, at, f"a-{product}", "CNY", **more)


def actions(outcome: Outcome) -> list[tuple[str, str, int, int]]:
    return [(c.action, c.state, c.version, c.new_limit_minor) for c in outcome.changes]


def opened(policy: Policy = POLICY, **known: Any) -> Holding:
    holding = Holding()
    assert decide(holding, policy=policy, **known).changes
    return holding


# --- applications -----------------------------------------------------------------------------


def test_an_application_that_opens_nothing_is_declined_with_its_reasons() -> None:
    holding = Holding()
    apply_for(holding, NAME, 500_000)
    outcome = decide(holding, band="E")
    assert actions(outcome) == [("decline", "sent", 1, 0)]
    (change,) = outcome.changes
    assert "applied_amount" in [reason.code for reason in change.reasons]
    assert len(change.reasons) >= 2
    assert change.causes == ["a-working-capital", "e1"]
    assert not holding.applications
    assert holding.lines[NAME].closed
    assert actions(decide(holding)) == [("open", "sent", 2, 500_000)]


def test_an_application_for_what_is_not_offered_is_declined_and_lines_stay_bounded() -> None:
    holding = Holding()
    apply_for(holding, "boats")
    outcome = decide(holding, band="E")
    assert [r.code for r in outcome.changes[0].reasons] == ["product_not_offered", "applied_amount"]
    for n in range(LINES_MAX + 5):
        apply_for(holding, f"boats-{n}")
    outcome = decide(holding, band="E")
    assert len(holding.lines) == LINES_MAX
    assert "lines_max" in outcome.waited


def test_while_automation_is_paused_an_application_waits_and_lapses_in_the_end() -> None:
    holding = Holding()
    apply_for(holding, NAME)
    assert not decide(holding, paused=True).changes
    assert NAME in holding.applications
    outcome = decide(holding, paused=True, at=later(14))
    assert outcome.waited == ["application_lapsed"] and not holding.applications


def test_an_application_that_waited_names_its_own_event_as_a_cause() -> None:
    holding = Holding()
    apply_for(holding, NAME, 400_000)
    decide(holding, paused=True)
    (change,) = decide(holding, at=later(1), about={"cause": "e9"}).changes
    assert change.causes == ["a-working-capital", "e9"]


def test_a_line_on_claims_waits_for_its_book_to_fill_and_moves_with_it() -> None:
    holding = opened(LOOSE)
    apply_for(holding, "supply-chain")
    vector = merchant(10_000)
    assert not decide(holding, vector, policy=LOOSE).changes
    claims = Books(delivered=tuple((name, 0, 4_000_000) for name in "abc"))
    outcome = decide(holding, vector, policy=LOOSE, books=claims, at=later(2))
    lines = {change.product: change for change in outcome.changes}
    # Four fifths of the claims, of which its probability of default allows nine tenths.
    assert lines["supply-chain"].new_limit_minor == 8_640_000
    assert lines["supply-chain"].reasons[1].code == "capacity_receivables"
    fewer = Books(delivered=tuple((name, 0, 2_000_000) for name in "abc"))
    cut = decide(holding, vector, policy=LOOSE, books=fewer, at=later(3))
    change = next(c for c in cut.changes if c.product == "supply-chain")
    assert (change.action, change.reasons[0].code) == ("decrease", "capacity_receivables")
    assert change.new_limit_minor == 4_320_000


def test_an_application_on_claims_that_never_come_is_declined_after_its_time() -> None:
    holding = Holding()
    apply_for(holding, "supply-chain")
    vector = merchant(10_000)
    assert not decide(holding, vector, policy=PORTFOLIO, band="D", at=later(13)).changes
    outcome = decide(holding, vector, policy=PORTFOLIO, band="C", at=later(14))
    declined = [c for c in outcome.changes if c.product == "supply-chain"]
    assert [c.action for c in declined] == ["decline"]


def test_a_thin_file_may_start_where_the_product_says_so() -> None:
    holding = Holding()
    apply_for(holding, "rural-seasonal", 250_000)
    outcome = decide(holding, policy=PORTFOLIO, band="insufficient_history")
    assert actions(outcome) == [("open", "sent", 1, 250_000)]
    assert [r.code for r in outcome.changes[0].reasons][:2] == ["applied_amount", "thin_file"]
    other = Holding()
    apply_for(other, NAME, 250_000)
    assert actions(decide(other, policy=PORTFOLIO, band="insufficient_history")) == [
        ("decline", "sent", 1, 0)
    ]


def test_a_channel_has_its_cap_and_who_comes_through_none_is_not_eligible() -> None:
    terms = with_terms(channels=(Channel(name="pos", line_cap_minor={"CNY": 300_000}),))
    assert not decide(Holding(), policy=terms).changes
    holding = Holding()
    apply_for(holding, NAME, channel="pos")
    assert actions(decide(holding, policy=terms)) == [("open", "sent", 1, 150_000)]
    for at in range(30, 360, 30):
        decide(holding, merchant(90_000), policy=terms, at=later(at))
    assert 230_000 < holding.lines[NAME].limit_minor <= 300_000
    other = Holding()
    apply_for(other, NAME, channel="erp")
    assert decide(other, policy=terms).changes[0].reasons[0].code == "not_eligible"


# --- affordability, margin, stress ---------------------------------------------------------------

CASH = Affordability(
    service_share_max=0.5,
    cash_share=0.1,
    line_term_days=280,
    other_term_days=280,
    needs_bureau=False,
)


def test_all_known_debt_bounds_what_lines_may_be_together() -> None:
    policy = structs.replace(POLICY, affordability=CASH)
    # 1,000,000 a month x 0.1 x 0.5 = 50,000 of service, over 10 months 500,000 of debt.
    debts = {0.0: 500_000, 200_000.0: 300_000, 10**9: None}
    for debt, most in debts.items():
        holding = Holding()
        outcome = decide(holding, merchant(10_000, other_debt_minor=debt), policy=policy)
        assert [c.new_limit_minor for c in outcome.changes] == ([] if most is None else [most])
    more = opened(policy)
    apply_for(more, "co-lending")
    both = structs.replace(PORTFOLIO, affordability=CASH, minimum_margin=None)
    outcome = decide(more, policy=both, at=later(1))
    (declined,) = [c for c in outcome.changes if c.product == "co-lending"]
    assert declined.action == "decline" and declined.reasons[0].code == "affordability"


def test_debt_of_no_line_takes_room_too() -> None:
    policy = structs.replace(POLICY, affordability=CASH)
    owed = decide(Holding(), policy=policy, about={"exposure_minor": 150_000})
    assert [c.new_limit_minor for c in owed.changes] == [350_000]


def test_without_a_bureau_s_answer_nothing_rises_where_it_is_needed() -> None:
    policy = structs.replace(POLICY, affordability=structs.replace(CASH, needs_bureau=True))
    holding = Holding()
    apply_for(holding, NAME)
    (change,) = decide(
        holding, merchant(10_000, other_debt_minor=float("nan")), policy=policy
    ).changes
    assert change.action == "decline" and change.reasons[0].code == "debt_unknown"


def test_a_line_opens_only_where_its_margin_suffices() -> None:
    price = Pricing(
        annual_rate=0.16, funding_rate=0.05, operating_rate=0.01, loss_given_default=0.5
    )
    terms = with_terms(pricing=price)
    vector = merchant(10_000)
    probability = facts(vector).verdict.probability_of_default
    assert probability is not None
    margin = 0.10 - 0.5 * (1 - (1 - probability) ** (365 / 90))
    for asked, opens in ((margin - 1e-9, True), (margin + 1e-9, False)):
        policy = structs.replace(terms, minimum_margin=asked)
        assert bool(decide(Holding(), vector, policy=policy).changes) is opens


def test_the_switch_for_downturns_holds_back_and_cuts_only_where_it_says_so() -> None:
    half = Stress(segments={"retail": 0.5})
    holding = opened()
    raised = decide(holding, merchant(10_000), at=later(30))
    assert raised.changes and holding.lines[NAME].limit_minor == 650_000
    mild = structs.replace(POLICY, stress=half)
    assert not decide(holding, policy=mild, at=later(40)).changes
    assert [c.new_limit_minor for c in decide(Holding(), policy=mild).changes] == [250_000]
    hard = structs.replace(POLICY, stress=structs.replace(half, cuts=True))
    (cut,) = decide(holding, policy=hard, at=later(40)).changes
    assert (cut.new_limit_minor, cut.reasons[0].code) == (500_000, "stress")
    assert not decide(opened(), policy=hard, at=later(1), about={"segment": "farm"}).changes


# --- several lines --------------------------------------------------------------------------------


def two_lines() -> tuple[Holding, Policy]:
    policy = LOOSE
    holding = opened(policy)
    apply_for(holding, "co-lending", at=START_MS + 1000)
    outcome = decide(holding, policy=policy, at=START_MS + 1000)
    assert [c.product for c in outcome.changes] == ["co-lending"]
    return holding, policy


def test_loans_that_name_no_line_belong_to_the_oldest() -> None:
    holding, policy = two_lines()
    other = holding.lines["co-lending"].line_id
    owed = who(exposure_minor=500, owed_minor={other: 200})
    drawn = {name: case_of(policy, owed, holding, name, None).drawn_minor for name in holding.lines}
    assert drawn == {NAME: 300, "co-lending": 200}


def test_a_freeze_of_the_merchant_freezes_all_lines_and_opens_no_other() -> None:
    holding, policy = two_lines()
    outcome = tell(holding, "merchant.freeze", policy=policy, at=later(1))
    assert [c.action for c in outcome.changes] == ["freeze", "freeze"]
    apply_for(holding, "green-uplift", at=later(2))
    assert not decide(holding, policy=policy, at=later(2)).changes
    outcome = tell(holding, "merchant.release", policy=policy, at=later(3))
    assert [c.action for c in outcome.changes] == ["release", "release"]


def test_an_override_is_of_the_line_that_it_names() -> None:
    holding, policy = two_lines()
    named = holding.lines["co-lending"].line_id
    outcome = tell(
        holding,
        "limit.override",
        policy=policy,
        at=later(1),
        line_id=named,
        amount=700_000,
        currency="CNY",
    )
    assert [(c.product, c.new_limit_minor) for c in outcome.changes] == [("co-lending", 700_000)]
    assert not tell(holding, "limit.override", line_id="ln_none", amount=1, currency="CNY").taken


def test_funders_carry_the_whole_limit_and_a_worse_band_loses_a_partner() -> None:
    holding, policy = two_lines()
    line = holding.lines["co-lending"]
    assert sum(share.limit_minor for share in line.shares) == line.limit_minor
    assert [share.funder for share in line.shares] == ["partner-bank", "own-book"]
    worse = merchant(2_000, turnover_usual_28d_minor=1_000_000)
    outcome = decide(holding, worse, policy=policy, at=later(1), band="C", hits=[])
    (cut,) = [c for c in outcome.changes if c.product == "co-lending"]
    assert [(f.funder, f.limit_minor) for f in cut.funders] == [("own-book", cut.new_limit_minor)]


def test_a_line_of_a_product_no_longer_offered_ends_with_its_term() -> None:
    holding, _ = two_lines()
    for at in (later(100), later(300)):
        outcome = decide(holding, at=at)
        assert all(c.product == NAME for c in outcome.changes)
    outcome = decide(holding, at=later(366))
    (closed,) = [c for c in outcome.changes if c.product == "co-lending"]
    assert (closed.action, closed.reasons[1].code) == ("close", "product_not_offered")


# --- approvals --------------------------------------------------------------------------------

ONE = Tier(
    actions=("open", "increase", "override"), total_above_ratio=0, change_above_ratio=0, approvers=1
)
TIERS = structs.replace(POLICY, approvals=Approvals(tiers=(ONE,), timeout_days=3))
FOUR_EYES = structs.replace(
    POLICY, approvals=Approvals(tiers=(ONE, structs.replace(ONE, approvers=2)))
)


def pending(holding: Holding, name: str = NAME) -> str:
    proposal = holding.lines[name].pending
    assert proposal is not None
    return proposal.decision_id


def test_a_proposal_moves_no_limit_until_somebody_approves() -> None:
    holding = Holding()
    outcome = decide(holding, policy=TIERS)
    assert actions(outcome) == [("open", "proposed", 1, 500_000)]
    (change,) = outcome.changes
    assert (change.approval, change.previous_limit_minor) == ("required", 0)
    assert holding.lines[NAME].limit_minor == 0
    assert not decide(holding, policy=TIERS, at=later(1)).changes
    done = tell(holding, "limit.approve", policy=TIERS, at=later(1), decision_id=change.decision_id)
    assert actions(done) == [("open", "sent", 2, 500_000)]
    assert (done.changes[0].approval, done.changes[0].actor) == ("granted", "li")
    assert holding.lines[NAME].limit_minor == 500_000
    assert holding.lines[NAME].pending is None
    again = tell(holding, "limit.approve", policy=TIERS, decision_id=change.decision_id)
    assert not again.taken


def test_four_eyes_are_two_persons() -> None:
    holding = Holding()
    decide(holding, policy=FOUR_EYES)
    asked = {"policy": FOUR_EYES, "decision_id": pending(holding)}
    assert not tell(holding, "limit.approve", **asked).changes
    second = tell(holding, "limit.approve", **asked)
    assert second.taken and not second.effective
    assert actions(tell(holding, "limit.approve", actor="wu", **asked))[0][1] == "sent"


def test_nobody_approves_an_override_of_their_own() -> None:
    holding = opened()
    outcome = tell(holding, "limit.override", policy=TIERS, amount=900_000, currency="CNY")
    assert actions(outcome) == [("override", "proposed", 2, 900_000)]
    asked = {"policy": TIERS, "decision_id": pending(holding)}
    assert not tell(holding, "limit.approve", **asked).changes
    assert actions(tell(holding, "limit.approve", actor="wu", **asked)) == [
        ("override", "sent", 3, 900_000)
    ]
    assert holding.lines[NAME].override_until == later(30)


@pytest.mark.parametrize("how", ["rejected", "too late", "approved too late"])
def test_a_proposal_that_is_turned_down_or_late_is_withdrawn(how: str) -> None:
    holding = Holding()
    decide(holding, policy=TIERS)
    name = pending(holding)
    if how == "rejected":
        outcome = tell(holding, "limit.reject", policy=TIERS, at=later(3), decision_id=name)
    elif how == "too late":
        outcome = decide(holding, policy=TIERS, at=later(3))
    else:
        outcome = tell(holding, "limit.approve", policy=TIERS, at=later(3), decision_id=name)
    assert actions(outcome) == [("open", "withdrawn", 2, 0)]
    assert holding.lines[NAME].pending is None
    assert not decide(holding, policy=TIERS, at=later(10)).changes, "the cool-down began anew"
    assert decide(holding, policy=TIERS, at=later(40)).changes


def test_a_freeze_takes_the_place_of_a_proposal() -> None:
    for by_rule in (True, False):
        holding = opened()
        decide(holding, merchant(50_000), policy=TIERS, at=later(30))
        assert holding.lines[NAME].pending is not None
        if by_rule:
            silent = merchant(10_000, silence_days=25)
            outcome = decide(holding, silent, policy=TIERS, at=later(31))
        else:
            outcome = tell(holding, "merchant.freeze", policy=TIERS, at=later(31))
        assert actions(outcome) == [
            ("increase", "withdrawn", 3, 500_000),
            ("freeze", "sent", 4, 0),
        ]
        assert holding.lines[NAME].frozen_limit_minor == 500_000


def test_tiers_go_by_exposure_and_by_size_of_change() -> None:
    tier = Tier(
        actions=("increase",), total_above_ratio=0.02, change_above_ratio=0.004, approvers=1
    )
    policy = structs.replace(POLICY, approvals=Approvals(tiers=(tier,)))
    # The cap is 30,000,000: above 600,000 in all, and by more than 120,000.
    raised = decide(opened(), merchant(50_000), policy=policy, at=later(30))
    assert actions(raised) == [("increase", "proposed", 2, 650_000)]
    small = Holding()
    decide(small, merchant(9_000), policy=policy)
    assert actions(decide(small, merchant(50_000), policy=policy, at=later(30)))[0][1] == "sent"


# --- guardrails --------------------------------------------------------------------------------


def test_a_change_without_a_lease_waits_and_comes_with_it() -> None:
    rails = Guardrails(portfolio=DailyBudget(raises_minor={"CNY": 10**9}))
    policy = structs.replace(POLICY, guardrails=rails)
    holding, guard = Holding(), Guard()
    outcome = decide(holding, policy=policy, guard=guard)
    assert outcome.waited == ["leased_budget"] and not holding.lines
    guard.purse.grant("portfolio.raises.CNY", START_MS // 86_400_000, 600_000)
    assert decide(holding, policy=policy, guard=guard).changes
    assert not decide(Holding(), policy=policy, guard=guard).changes, "100,000 are left"


def test_a_merchant_s_own_budget_bounds_its_day() -> None:
    rails = Guardrails(merchant=DailyBudget(raises_minor={"CNY": 600_000}))
    policy = structs.replace(PORTFOLIO, guardrails=rails, affordability=None)
    policy = structs.replace(policy, approvals=Approvals())
    holding = Holding()
    apply_for(holding, "co-lending")
    outcome = decide(holding, policy=policy)
    assert [c.product for c in outcome.changes] == [NAME]
    assert outcome.waited == ["merchant_budget"]
    assert "co-lending" in holding.applications
    assert [c.product for c in decide(holding, policy=policy, at=later(1)).changes] == [
        "co-lending"
    ]


def test_the_holdout_opens_and_freezes_but_is_neither_raised_nor_cut() -> None:
    rails = Guardrails(holdout_share=0.5, holdout_salt="h")
    policy = structs.replace(POLICY, guardrails=rails)
    seen = set()
    for n in range(12):
        holding, about = Holding(), {"merchant_id": f"m{n}"}
        assert decide(holding, policy=policy, about=about).changes
        raised = decide(holding, merchant(50_000), policy=policy, at=later(30), about=about)
        seen.add((bool(raised.changes), *raised.waited))
        silent = merchant(10_000, silence_days=25)
        frozen = decide(holding, silent, policy=policy, at=later(31), about=about)
        assert frozen.changes[0].action == "freeze"
    assert seen == {(True,), (False, "holdout")}


def test_the_breaker_holds_cuts_and_freezes_by_rule_but_not_those_by_hand() -> None:
    breaker = Breaker(
        window_ms=3_600_000, lines_min=2, lines_share=0.5, exposure_share=0.5, reset_ms=86_400_000
    )
    policy = structs.replace(POLICY, guardrails=Guardrails(breaker=breaker))
    guard = Guard()
    holdings = [Holding() for _ in range(4)]
    for holding in holdings:
        decide(holding, policy=policy, guard=guard)
    silent = merchant(10_000, silence_days=25)
    first, second, third, _ = (
        decide(h, silent, policy=policy, guard=guard, at=later(1)) for h in holdings
    )
    assert (first.tripped, second.tripped) == (False, True)
    assert third.waited == ["breaker"] and not third.changes
    by_hand = tell(holdings[2], "merchant.freeze", policy=policy, guard=guard, at=later(1))
    assert by_hand.changes[0].action == "freeze"
    late = decide(holdings[3], silent, policy=policy, guard=guard, at=later(2))
    assert late.changes[0].action == "freeze"


def test_a_funder_s_exposure_never_exceeds_its_headroom() -> None:
    bank = Funder(name="bank", share=1.0, exposure_cap_minor={"CNY": 10**9})
    terms = with_terms(funders=(bank,))
    guard = Guard()
    holding = Holding()
    assert decide(holding, policy=terms, guard=guard).waited == ["funder_headroom"]
    guard.purse.grant("funder.exposure.CNY.bank", -1, 600_000)
    assert decide(holding, policy=terms, guard=guard).changes
    assert decide(Holding(), policy=terms, guard=guard).waited == ["funder_headroom"]
    by_hand = tell(
        holding, "limit.override", policy=terms, guard=guard, amount=700_000, currency="CNY"
    )
    assert not by_hand.changes and not by_hand.effective
    tell(holding, "limit.override", policy=terms, guard=guard, amount=100_000, currency="CNY")
    assert decide(Holding(), policy=terms, guard=guard).changes


def test_a_freeze_keeps_its_headroom_for_the_release() -> None:
    bank = Funder(name="bank", share=1.0, exposure_cap_minor={"CNY": 10**9})
    terms, guard, holding = with_terms(funders=(bank,)), Guard(), Holding()
    guard.purse.grant("funder.exposure.CNY.bank", -1, 500_000)
    decide(holding, policy=terms, guard=guard)
    frozen = tell(holding, "merchant.freeze", policy=terms, guard=guard, at=later(1))
    assert frozen.changes[0].funders == []
    assert decide(Holding(), policy=terms, guard=guard).waited == ["funder_headroom"]
    released = tell(holding, "merchant.release", policy=terms, guard=guard, at=later(2))
    assert released.changes[0].new_limit_minor == 500_000


# --- the lending core --------------------------------------------------------------------------


def answer(
    holding: Holding, kind: str, line: Line, at: int = START_MS, policy: Policy = POLICY
) -> Outcome:
    told = LogLine(
        type=kind,
        event_id=f"k{at}",
        merchant_id="m1",
        occurred_at=at,
        decision_id=line.sent_decision_id,
        reason="not possible",
    )
    return answer_merchant(policy, who(at, cause=told.event_id), holding, told, Guard())


def test_the_core_s_acknowledgement_is_noted_once() -> None:
    holding = opened()
    line = holding.lines[NAME]
    assert line.core_state == "sent"
    assert answer(holding, "limit.acknowledged", line).taken
    after = holding.lines[NAME]
    assert (after.core_state, after.booked_minor) == ("acknowledged", 500_000)
    assert answer(holding, "limit.acknowledged", line).changes == []
    assert holding.lines[NAME] == after


def test_what_the_core_rejects_goes_back_to_what_it_has() -> None:
    holding = opened()
    answer(holding, "limit.acknowledged", holding.lines[NAME])
    decide(holding, merchant(50_000), at=later(30))
    raised = holding.lines[NAME]
    outcome = answer(holding, "limit.rejected", raised, later(30))
    assert actions(outcome) == [("rollback", "sent", 3, 500_000)]
    assert outcome.changes[0].reasons[0].text.endswith("not possible")
    assert not answer(holding, "limit.rejected", raised, later(31)).taken, "it was overtaken"
    stuck = answer(holding, "limit.rejected", holding.lines[NAME], later(31))
    assert stuck.taken and not stuck.changes
    assert holding.lines[NAME].core_state == "rejected"


def test_a_core_that_never_acknowledged_gets_back_the_limit_before() -> None:
    holding = opened()
    decide(holding, merchant(50_000), at=later(30))
    outcome = answer(holding, "limit.rejected", holding.lines[NAME], later(30))
    assert actions(outcome) == [("rollback", "sent", 3, 500_000)]


def test_a_rejected_change_takes_the_place_of_a_proposal() -> None:
    holding = opened()
    answer(holding, "limit.acknowledged", holding.lines[NAME])
    cut = merchant(2_000, turnover_usual_28d_minor=1_000_000)
    decide(holding, cut, at=later(1), hits=[])
    line = holding.lines[NAME]
    decide(holding, merchant(50_000), policy=TIERS, at=later(40))
    assert holding.lines[NAME].pending is not None
    outcome = answer(holding, "limit.rejected", line, later(41))
    assert [(c.state, c.action) for c in outcome.changes] == [
        ("withdrawn", "increase"),
        ("sent", "rollback"),
    ]
    assert outcome.changes[1].new_limit_minor == 500_000


def test_a_freeze_that_the_core_rejects_stays() -> None:
    holding = opened()
    answer(holding, "limit.acknowledged", holding.lines[NAME])
    tell(holding, "merchant.freeze", at=later(1))
    assert not answer(holding, "limit.rejected", holding.lines[NAME], later(1)).changes
    assert holding.lines[NAME].frozen_by == "desk"


def test_a_core_that_does_not_answer_in_time_is_told_by_the_line() -> None:
    policy = structs.replace(POLICY, acknowledge_within_ms=3_600_000)
    holding = opened(policy)
    assert overdue_lines(policy, who(START_MS + 3_599_999), holding) == []
    late = who(START_MS + 3_600_000)
    assert [line.line_id for line in overdue_lines(policy, late, holding)] == [WC]
    assert overdue_lines(POLICY, late, holding) == []
    answer(holding, "limit.acknowledged", holding.lines[NAME])
    assert overdue_lines(policy, late, holding) == []

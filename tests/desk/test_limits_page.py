"""The page of limits: proposals and four eyes, changes, budgets, breaker and kill switch."""

from typing import Any

import pytest

from credit.guardrails import budget_id
from credit.policy import load_policy
from desk import limits
from desk.policy_books import BreakerBounds
from schemas.outputs import FunderShare, LimitChange
from sinks.embedded import EmbeddedEngine
from streams.artifacts import builtin_policy
from tests.desk.conftest import Sent, Store
from tests.desk.credit_desk import CreditDesk, Log, credit, line, log
from tests.sinks.outputs import DAY_MS, START_MS, limit_change
from tideline.policy_book import Book

__all__ = ["credit", "log"]

PRODUCT = "working-capital"
CAP = 30_000_000
"""Of the shipped product in CNY, which the tiers of approval are shares of."""


@pytest.fixture
def booked(engine: EmbeddedEngine, outbox: Sent) -> CreditDesk:
    """A desk that knows the shipped policies."""
    return CreditDesk(engine, outbox, Book(list))


def change(merchant: str, version: int, state: str = "sent", **over: Any) -> LimitChange:
    fields = {
        "decision_id": f"d-{merchant}-{version}",
        "line_id": f"line-{merchant}",
        "merchant_id": merchant,
        "product": PRODUCT,
        "version": version,
        "action": "increase",
        "previous_limit_minor": 100_000,
        "new_limit_minor": 300_000,
        "drawn_minor": 40_000,
        "decided_at": START_MS + version * DAY_MS,
        "effective_at": START_MS + version * DAY_MS,
        "state": state,
        "approval": "required" if state == "proposed" else "automatic",
        "policy_version": "portfolio-1",
        "actor": None,
        "funders": [FunderShare(funder="own", limit_minor=300_000)],
        **over,
    }
    return limit_change(1, **fields)


def approval(number: int, actor: str, decision_id: str, **over: Any) -> dict[str, Any]:
    fields = {"merchant_id": "m-1", "actor": actor, "decision_id": decision_id, **over}
    return line("limit.approve", number, **fields)


@pytest.fixture
def proposed(store: Store) -> None:
    """A line of each of two funders, each with an open proposal; one that was withdrawn."""
    store(
        change("m-1", 1, action="open", new_limit_minor=100_000, previous_limit_minor=0),
        change("m-1", 2, "proposed", new_limit_minor=CAP, actor="lin", action="override"),
        change(
            "m-2",
            1,
            action="open",
            new_limit_minor=100_000,
            previous_limit_minor=0,
            funders=[FunderShare(funder="partner", limit_minor=100_000)],
        ),
        change("m-2", 2, "proposed", new_limit_minor=18_000_000),
        change("m-3", 1, "proposed"),
        change("m-3", 2, "withdrawn"),
    )


def test_without_a_proposal_the_page_says_so(credit: CreditDesk) -> None:
    text = credit.text("/limits")
    assert "No proposal waits" in text and "No limit has changed yet" in text


@pytest.mark.usefixtures("proposed")
def test_open_proposals_are_those_that_no_later_change_ended(booked: CreditDesk) -> None:
    text = booked.text("/limits")
    assert "Proposals that wait for people 2" in text
    assert "Override 1,000.00 CNY → 300,000.00 CNY" in text
    assert "Proposed by lin" in text and "Proposed by rule of policy portfolio-1" in text
    assert "The merchant's limits together 1,000.00 CNY → 300,000.00 CNY" in text
    # above 0.8 of the cap two persons must agree, above 0.5 one
    assert text.count("Approvals 0 of 2") == 1 and text.count("Approvals 0 of 1") == 1
    assert "Withdrawn unless approved by 2023-11-23 22:13 UTC" in text


@pytest.mark.usefixtures("proposed")
def test_approvals_count_each_person_once_and_never_the_proposer(
    booked: CreditDesk, log: Log
) -> None:
    log(
        approval(1, "lin", "d-m-1-2"),
        approval(2, "chen", "d-m-1-2", reason="papers seen"),
        approval(3, "chen", "d-m-1-2"),
        approval(4, "chen", "d-of-another-line"),
    )
    text = booked.text("/limits")
    assert "Approvals 1 of 2 · chen" in text
    assert "approved – papers seen" in text
    assert "another person must as well" in booked.become("chen", "approver").text("/limits")
    refused = booked.post("/limits/decisions", decision_id="d-m-1-2", verdict="approve", reason="x")
    assert refused.status_code == 403 and not booked.commands()


@pytest.mark.usefixtures("proposed")
def test_who_proposed_it_is_told_and_refused_but_may_take_it_back(booked: CreditDesk) -> None:
    booked.become("lin", "approver")
    assert "You proposed it: somebody else must approve it." in booked.text("/limits")
    fields = {"decision_id": "d-m-1-2", "reason": "my own"}
    assert booked.post("/limits/decisions", verdict="approve", **fields).status_code == 403
    assert not booked.commands()
    assert booked.post("/limits/decisions", verdict="reject", **fields).status_code == 303
    assert booked.commands()[0]["type"] == "limit.reject"


@pytest.mark.usefixtures("proposed")
def test_an_approval_is_one_command_however_often_it_is_clicked(booked: CreditDesk) -> None:
    fields = {"decision_id": "d-m-1-2", "verdict": "approve", "reason": "papers seen"}
    first, again = (booked.post("/limits/decisions", **fields) for _ in range(2))
    assert first.headers["location"] == again.headers["location"] == "/limits?sent=approve"
    assert "The approval was sent" in booked.text("/limits?sent=approve")
    sent = booked.commands()
    assert {each["event_id"] for each in sent} == {sent[0]["event_id"]}
    assert sent[0] | {"event_id": ""} == {
        "type": "limit.approve",
        "event_id": "",
        "merchant_id": "m-1",
        "occurred_at": sent[0]["occurred_at"],
        "actor": "mei",
        "decision_id": "d-m-1-2",
        "reason": "papers seen",
    }
    other = booked.post("/limits/decisions", **fields | {"decision_id": "d-m-2-2"})
    assert other.status_code == 303, "the same rendering, but another proposal"
    assert booked.commands()[-1]["event_id"] != sent[0]["event_id"]


@pytest.mark.usefixtures("proposed")
@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"verdict": "approve", "reason": "x"}, 400, "`decision_id` is missing"),
        ({"decision_id": "d-m-1-2", "verdict": "approve"}, 400, "`reason` is missing"),
        ({"decision_id": "d-m-1-2", "verdict": "keep", "reason": "x"}, 400, "approve or reject"),
        ({"decision_id": "d-m-3-1", "verdict": "approve", "reason": "x"}, 404, ""),
        ({"decision_id": "' OR 1 --", "verdict": "approve", "reason": "x"}, 404, ""),
    ],
)
def test_a_wrong_decision_is_refused_with_what_is_wrong(
    booked: CreditDesk, fields: dict[str, str], status: int, said: str
) -> None:
    answer = booked.post("/limits/decisions", **fields)
    assert answer.status_code == status and said in answer.text
    assert not booked.commands()


@pytest.mark.usefixtures("proposed")
def test_a_funder_sees_and_decides_its_own_proposals_alone(booked: CreditDesk) -> None:
    booked.become("pat", "approver", "partner")
    text = booked.text("/limits")
    assert "m-2" in text and "m-1" not in text and "Proposals that wait for people 1" in text
    assert " own " not in text and "Daily budgets" not in text and "Circuit breaker" not in text
    fields = {"verdict": "approve", "reason": "ours"}
    foreign = booked.post("/limits/decisions", decision_id="d-m-1-2", **fields)
    assert foreign.status_code == 404 and not booked.commands()
    assert booked.post("/limits/decisions", decision_id="d-m-2-2", **fields).status_code == 303
    pause = booked.post("/limits/automation", switch="pause", reason="x")
    assert pause.status_code == 403, "the kill switch is of all merchants"


@pytest.mark.usefixtures("proposed")
@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_who_may_not_approve_finds_no_button_and_no_way(booked: CreditDesk, role: Any) -> None:
    booked.become("ann", role)
    page = booked.get("/limits").text
    assert "Your role may not approve limits" in page and "/limits/decisions" not in page
    fields = {"decision_id": "d-m-1-2", "verdict": "approve", "reason": "x"}
    assert booked.post("/limits/decisions", **fields).status_code == 403
    assert not booked.commands()


def test_many_proposals_come_in_pages(credit: CreditDesk, store: Store) -> None:
    store(*(change(f"m-{n:03}", 1, "proposed", decided_at=START_MS + n) for n in range(23)))
    first, last = credit.text("/limits"), credit.text("/limits?page=2")
    assert "1 to 20 of 23, the longest wait first" in first
    assert "21 to 23 of 23" in last and "Those that have waited longer" in last
    assert first.count("Approvals 0 of") == 20 and last.count("Approvals 0 of") == 3
    for odd in ("0", "-1", "x", "²", "9" * 40):
        assert credit.get(f"/limits?page={odd}").status_code == 200


@pytest.mark.usefixtures("proposed")
def test_changes_are_filtered_by_action_product_state_and_policy(booked: CreditDesk) -> None:
    withdrawn = booked.text("/limits?state=withdrawn")
    assert "change 2 Increase Withdrawn" in withdrawn and "Override Proposed" not in withdrawn
    assert "No change fits these filters" in booked.text("/limits?product=none")
    both = booked.text("/limits?action=open&policy_version=portfolio-1")
    assert both.count("Line opened Sent") == 2
    assert "No change fits" in booked.text("/limits?action=open&policy_version=portfolio-9")
    assert booked.text("/limits?action=%27%20OR%201%3D1")


def test_the_kill_switch_shows_who_and_why_and_sends_a_command(
    booked: CreditDesk, log: Log
) -> None:
    assert "Running automatic limit changes" in booked.text("/limits")
    paused = booked.post("/limits/automation", switch="pause", reason="payments feed is broken")
    assert paused.headers["location"] == "/limits?sent=pause#automation"
    sent = booked.commands()[0]
    assert (sent["type"], sent["merchant_id"]) == ("automation.pause", "*")
    assert sent["reason"] == "payments feed is broken"
    log(
        line("automation.pause", 1, actor="mei", reason="first"),
        line("automation.resume", 2, actor="lin", reason="mended"),
        line("automation.pause", 3, actor="chen", reason="again"),
    )
    text = booked.text("/limits")
    assert "Automation is paused: no rule moves a limit." in text
    assert "Paused by chen, 2023-11-14 22:13 UTC: again" in text
    assert "Resume automation" in text and "Pause automation" not in text


def test_budgets_show_bound_leased_and_spent_by_day(
    booked: CreditDesk, store: Store, log: Log
) -> None:
    day = START_MS // DAY_MS
    noon = day * DAY_MS + DAY_MS // 2

    def lease(number: int, budget: str, amount: int, **over: Any) -> dict[str, Any]:
        fields = {"budget_id": budget, "partition": number, "amount_minor": amount, "day": day}
        return line("budget.leased", number, currency="CNY", **{**fields, **over})

    cuts, rural = (
        budget_id("portfolio", "cuts", "CNY"),
        budget_id("segment", "cuts", "CNY", "rural"),
    )
    activated = line(
        "policy.activated", 0, version="portfolio-1", digest="d", artifact="policy", occurred_at=1
    )
    log(
        activated,
        lease(1, cuts, 400_000_000),
        lease(2, cuts, 100_000_000),
        lease(3, rural, 50_000_000),
        lease(4, cuts, 7, day=day - 30),
        lease(5, budget_id("funder", "exposure", "CNY", "own"), 9, day=None),
    )
    cut = {"action": "decrease", "previous_limit_minor": 300_000, "decided_at": noon}
    store(
        change("m-1", 1, new_limit_minor=100_000, **cut),
        change("m-2", 1, new_limit_minor=250_000, segment="rural", **cut),
        change("m-3", 1, new_limit_minor=0, approval="granted", **cut),
        change("m-4", 1, new_limit_minor=0, **{**cut, "action": "freeze"}),
    )
    text = booked.text("/limits")
    date = "2023-11-14"
    assert f"{date} Cuts · portfolio 20,000,000.00 CNY 5,000,000.00 CNY 2,500.00 CNY" in text
    assert f"{date} Cuts · rural 2,000,000.00 CNY 500,000.00 CNY 500.00 CNY" in text
    assert "portfolio-1 policy in force" in text and "2.0 % holdout" in text
    assert "0.07 CNY" not in text, "a lease of a month ago is not of the last seven days"


def test_headroom_of_funders_is_the_cap_less_what_they_carry() -> None:
    policy = load_policy(builtin_policy("portfolio-1.yaml"))
    funder = next(f for p in policy.terms.values() for f in p.funders if f.exposure_cap_minor)
    currency, cap = next(iter(funder.exposure_cap_minor.items()))
    rails = Book(list).guardrails("portfolio-1")
    carried = [
        {"funder": funder.name, "currency": currency, "carried_minor": 1_000},
        {"funder": "nobody", "currency": currency, "carried_minor": 5},
    ]
    rows = limits.headroom_rows(carried, rails)
    assert [row["cap_minor"] for row in rows] == [cap, None]


BREAKER = BreakerBounds(3_600_000, 10, 0.05, 0.2, 21_600_000)


@pytest.mark.parametrize(
    ("cut_lines", "open_lines", "cut", "limits_minor", "trips"),
    [
        (10, 200, 1, 1_000, True),
        (9, 20, 1, 1_000, False),
        (10, 201, 1, 1_000, False),
        (10, 10_000, 250, 1_000, True),
        (10, 10_000, 240, 1_000, False),
        (0, 0, 0, 0, False),
    ],
)
def test_the_breaker_is_at_its_bounds_by_lines_or_by_limits(
    cut_lines: int, open_lines: int, cut: int, limits_minor: int, trips: bool
) -> None:
    row = {
        "partition": 3,
        "currency": "CNY",
        "cut_lines": cut_lines,
        "open_lines": open_lines,
        "cut_minor": cut,
        "limits_minor": limits_minor,
    }
    assert limits.wave_rows([row], BREAKER)[0]["trips"] is trips


def test_a_wave_of_cuts_by_rule_shows_in_its_partition(
    booked: CreditDesk, store: Store, log: Log
) -> None:
    log(line("policy.activated", 0, version="portfolio-1", digest="d", occurred_at=1))
    store(
        *(
            change(f"m-{n}", 1, action="decrease", new_limit_minor=50_000, decided_at=START_MS + n)
            for n in range(12)
        )
    )
    text = booked.text("/limits")
    assert "At its bounds circuit breaker, as stored" in text
    assert "0 12 100.0 % 50.0 % At its bounds" in text


def test_without_a_book_the_number_of_approvers_is_unknown(
    credit: CreditDesk, store: Store
) -> None:
    store(change("m-1", 1, "proposed"))
    assert "Approvals 0 of unknown" in credit.text("/limits")


@pytest.mark.usefixtures("proposed")
def test_the_page_reads_in_chinese(booked: CreditDesk) -> None:
    booked.client.cookies.set("tideline_language", "zh")
    text = booked.text("/limits")
    assert "批准" in text and "驳回" in text and "熔断器" not in text.split("自动化与护栏")[0]
    assert "Reason (goes" not in text and "Proposals" not in text

"""A limit that takes two people, and whose business it is."""

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Open

if TYPE_CHECKING:
    from tests.browser.lending import Line
    from tests.browser.running import RunningDemo


@pytest.fixture(scope="module")
def approved(waiting: list["Line"], funded: "RunningDemo", open_as: Open) -> "Line":
    """A line whose override was approved by a second person and has been booked by the core."""
    from playwright.sync_api import expect

    from tests.browser import lending
    from tests.browser.watching import DESKTOP, Look

    line = waiting[0]
    looked = open_as("omar", Look(DESKTOP, "en", "light"))
    looked.open("/limits")
    proposal = looked.page.locator("article.proposal", has_text=line.merchant_id)
    expect(proposal).to_contain_text("0 of 1")
    proposal.get_by_label("Reason").fill(lending.SAID[3])
    proposal.get_by_role("button", name="Approve").click()
    looked.page.wait_for_url("**/limits?sent=approve")
    assert looked.complaints == []
    lending.booked(funded, line)
    return line


def test_who_may_not_approve_or_proposed_it_is_refused(
    waiting: list["Line"], funded: "RunningDemo", open_as: Open
) -> None:
    from playwright.sync_api import expect

    from tests.browser import lending
    from tests.browser.watching import DESKTOP, Look

    for name, line, said in (
        ("mei", waiting[1], "Your role may not approve limits."),
        ("omar", waiting[2], "You proposed it: somebody else must approve it."),
    ):
        looked = open_as(name, Look(DESKTOP, "en", "light"))
        looked.open("/limits")
        proposal = looked.page.locator("article.proposal", has_text=line.merchant_id)
        expect(proposal).to_contain_text(said)
        expect(proposal.get_by_role("button", name="Approve")).to_have_count(0)
        refused = looked.context.request.post(
            "/limits/decisions",
            form={
                "csrf": looked.page.locator("[name=csrf]").first.input_value(),
                "request_id": f"a-request-of-{name}",
                "decision_id": lending.open_proposal(funded, line),
                "verdict": "approve",
                "reason": "It is mine",
            },
            headers={"origin": funded.desk},
        )
        assert refused.status == 403


def test_a_limit_is_approved_by_a_second_person_and_reaches_the_lending_core(
    approved: "Line", funded: "RunningDemo"
) -> None:
    from tests.browser import lending

    booked = lending.booked(funded, approved)
    assert [int(row["minor"]) for row in booked] == [lending.raised(approved)]
    trail = funded.query(
        "SELECT type, actor FROM events WHERE merchant_id = {merchant:String}"
        " AND type IN ('limit.override', 'limit.approve') ORDER BY type",
        merchant=approved.merchant_id,
    )
    assert [(row["type"], row["actor"]) for row in trail] == [
        ("limit.approve", "omar"),
        ("limit.override", "mei"),
    ]


def test_a_funder_sees_the_merchants_that_it_funds_and_no_others(
    approved: "Line", funded: "RunningDemo", open_as: Open
) -> None:
    from tests.browser import lending
    from tests.browser.watching import DESKTOP, Look

    rows = funded.eventually(
        "SELECT DISTINCT merchant_id FROM merchant_funders WHERE funder = {funder:String}",
        funder=lending.FUNDER,
    )
    own = {row["merchant_id"] for row in rows}
    others = [
        row["merchant_id"]
        for row in funded.query("SELECT merchant_id FROM merchants_current ORDER BY merchant_id")
        if row["merchant_id"] not in own
    ]
    assert approved.merchant_id in own
    assert others
    bank = open_as(lending.FUNDER, Look(DESKTOP, "en", "light"))
    for merchant_id in sorted(own)[:2]:
        assert bank.open(f"/merchants/{merchant_id}") == 200
    for merchant_id in others[:3]:
        assert bank.open(f"/merchants/{merchant_id}") == 404

    for path in ("/", "/portfolio", "/limits", "/scorecard", "/merchants?q="):
        assert bank.open(path) == 200
        shown = bank.page.eval_on_selector_all(
            "main a[href^='/merchants/']", "links => links.map((link) => link.textContent.trim())"
        )
        assert set(shown) <= own, path
    assert [bank.open(path) for path in ("/policy", "/audit")] == [403, 403]
    assert bank.elsewhere == []

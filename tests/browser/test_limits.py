"""A limit that takes two people, and whose business it is."""

from typing import TYPE_CHECKING

from tests.browser.conftest import Open

if TYPE_CHECKING:
    from tests.browser.lending import Line
    from tests.browser.running import RunningDemo


def test_a_limit_is_approved_by_a_second_person_and_reaches_the_lending_core(
    waiting: list["Line"], funded: "RunningDemo", open_as: Open
) -> None:
    from playwright.sync_api import expect

    from tests.browser import lending
    from tests.browser.watching import DESKTOP, Look

    line, look = waiting[0], Look(DESKTOP, "en", "light")
    decision_id = lending.open_proposal(funded, line)
    first, second = open_as("mei", look), open_as("omar", look)

    first.open("/limits")
    own = first.page.locator("article.proposal", has_text=line.merchant_id)
    expect(own).to_contain_text("somebody else must approve it")
    expect(own.get_by_role("button", name="Approve")).to_have_count(0)
    refused = first.context.request.post(
        "/limits/decisions",
        form={
            "csrf": first.page.locator("[name=csrf]").first.input_value(),
            "request_id": "a-request-of-the-first-person",
            "decision_id": decision_id,
            "verdict": "approve",
            "reason": "It is mine",
        },
        headers={"origin": funded.desk},
    )
    assert refused.status == 403

    second.open("/limits")
    other = second.page.locator("article.proposal", has_text=line.merchant_id)
    other.get_by_label("Reason").fill("Sales bear it")
    other.get_by_role("button", name="Approve").click()
    second.page.wait_for_url("**/limits?sent=approve")

    booked = funded.eventually(
        "SELECT decision_id, new_limit_minor AS minor FROM limit_changes"
        " WHERE line_id = {line:String} AND action = 'override' AND state = 'sent'"
        " AND decision_id IN (SELECT decision_id FROM events WHERE type = 'limit.acknowledged')",
        line=line.line_id,
    )
    assert [int(row["minor"]) for row in booked] == [line.limit_minor // 1000 * 1200]
    trail = funded.query(
        "SELECT type, actor FROM events WHERE merchant_id = {merchant:String}"
        " AND type IN ('limit.override', 'limit.approve') ORDER BY type",
        merchant=line.merchant_id,
    )
    assert [(row["type"], row["actor"]) for row in trail] == [
        ("limit.approve", "omar"),
        ("limit.override", "mei"),
    ]
    assert first.complaints == second.complaints == []


def test_a_funder_sees_the_merchants_that_it_funds_and_no_others(
    waiting: list["Line"], funded: "RunningDemo", open_as: Open
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
    assert own and others
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

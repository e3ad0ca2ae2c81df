"""An alert from its arrival to what the models learn of it."""

import re
from typing import TYPE_CHECKING

from tests.browser.conftest import Open

if TYPE_CHECKING:
    from tests.browser.running import RunningDemo
    from tests.browser.watching import Arrival


def test_an_alert_appears_on_an_open_queue_without_a_reload(new_alerts: "Arrival") -> None:
    assert new_alerts.after - new_alerts.before
    assert new_alerts.same_page
    assert new_alerts.complaints == []


def test_an_alert_is_explained_assigned_and_closed_and_the_learner_has_the_label(
    filled: "RunningDemo", open_as: Open
) -> None:
    from playwright.sync_api import expect

    from tests.browser.lending import SAID
    from tests.browser.running import until
    from tests.browser.watching import DESKTOP, Look, settle

    looked = open_as("mei", Look(DESKTOP, "en", "light"))
    page = looked.page
    looked.open("/")
    row = page.locator("tr[data-alert]").first
    alert_id = row.get_attribute("data-alert")
    assert alert_id is not None
    row.locator("a.open").click()
    page.wait_for_url("**/alerts/**")

    expect(page.locator("#alert").get_by_role("heading", name="Why")).to_be_visible()
    page.locator("#alert h1 a").click()
    page.wait_for_url("**/merchants/**")
    settle(page)
    assert page.locator("#plots-canvas canvas").count() >= 3
    assert page.locator("#why tbody tr").count() >= 1
    page.go_back()

    page.get_by_role("button", name="Assign to me").click()
    expect(page.locator("#alert .figures")).to_contain_text("mei", timeout=60_000)
    close = page.locator("form[data-act-form=close]")
    close.get_by_label("Confirmed").check()
    close.get_by_label("Reason").fill(SAID[4])
    before = filled.total("learner", "tideline_labels_received", outcome="verdict_confirmed")
    close.get_by_role("button", name="Close the alert").click()
    expect(page.locator("#alert .figures")).to_contain_text(
        re.compile("closed", re.IGNORECASE), timeout=60_000
    )
    expect(page.locator("#actions")).to_be_hidden()

    stored = filled.eventually(
        "SELECT outcome FROM outcomes WHERE kind = 'alert' AND about = {alert:String}",
        alert=alert_id,
    )
    assert [row["outcome"] for row in stored] == ["verdict_confirmed"]
    until(
        lambda: (
            filled.total("learner", "tideline_labels_received", outcome="verdict_confirmed")
            > before
        ),
        "the learner has the label",
    )
    trail = filled.query(
        "SELECT type, actor, reason FROM events WHERE alert_id = {alert:String}"
        " ORDER BY occurred_at, type",
        alert=alert_id,
    )
    assert {(row["type"], row["actor"]) for row in trail} == {
        ("alert.assign", "mei"),
        ("alert.close", "mei"),
    }
    assert looked.complaints == []

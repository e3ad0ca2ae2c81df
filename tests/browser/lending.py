"""Policies and limits, moved at the desk as people move them."""

import re
from importlib.resources import files
from typing import Any, NamedTuple

from playwright.sync_api import Page, expect

from streams.artifacts import DEFAULT_POLICY
from tests.browser.running import RunningDemo, until

VERSION = "two-funders-1"
FUNDER = "bank-a"
"""As the demo's user who sees no more than a funder's own."""

SAID = (
    "Overrides are looked at by two, and a bank shares the lines",
    "Agreed with the bank",
    "A new shop and larger orders",
    "Sales bear it",
    "Spoke with the owner: two buyers do not pay",
)
"""Reasons that people state here: of a draft, its publication, an override, its approval, and
of the end of an alert."""

_APPROVALS = """
approvals:
  tiers:
    - {actions: [override], total_above_ratio: 0.0, change_above_ratio: 0.0, approvers: 1}
"""
_FUNDERS = f"""
funders:
  - {{name: {FUNDER}, share: 0.7}}
  - {{name: own-book, share: 0.3}}
"""


def policy_text() -> str:
    """The shipped policy, with its product under two funders and each override approved."""
    policy = files("credit.policies").joinpath(DEFAULT_POLICY).read_text("utf-8")
    product = files("credit.products").joinpath(DEFAULT_POLICY).read_text("utf-8")
    shipped = DEFAULT_POLICY.removesuffix(".yaml")
    policy = policy.replace(f"version: {shipped}", f"version: {VERSION}")
    policy = policy.replace(f"products: [{shipped}]", f"products: [{VERSION}]")
    product = product.replace(f"version: {shipped}", f"version: {VERSION}")
    return f"{policy}{_APPROVALS}---\n{product}{_FUNDERS}"


def propose_policy(page: Page, text: str) -> None:
    """Check a text and leave it for somebody else to publish."""
    page.goto("/policy")
    page.locator("summary", has=page.locator(":scope + form.draft")).click()
    page.fill("form.draft textarea", text)
    page.click("form.draft button.main")
    page.fill("#reason", SAID[0])
    page.click("button[formaction='/policy/propose']")
    page.wait_for_url("**/policy?sent=proposed")


def publish_policy(page: Page) -> None:
    """Publish the draft that waits."""
    page.goto("/policy")
    page.get_by_role("link", name=VERSION).click()
    page.fill("#publish-reason", SAID[1])
    page.get_by_role("button", name="Publish", exact=True).click()
    page.wait_for_url("**/policy?sent=published")


class Line(NamedTuple):
    """A line that is not frozen, of a merchant with this one only."""

    merchant_id: str
    line_id: str
    limit_minor: int


def lines(demo: RunningDemo) -> list[Line]:
    """Lines that may be moved, the largest first."""
    rows = demo.query(
        "SELECT any(merchant_id) AS merchant, line_id, argMax(new_limit_minor, version) AS minor"
        " FROM limit_changes GROUP BY line_id HAVING argMax(action, version) != 'freeze'"
        " AND argMax(state, version) = 'sent' AND minor > 10000 AND minor < 2000000"
        " ORDER BY minor DESC, line_id LIMIT 20"
    )
    return [Line(row["merchant"], row["line_id"], int(row["minor"])) for row in rows]


def propose_limit(page: Page, line: Line) -> None:
    """Preview an override that raises a line, send it, and see that it waits for somebody else."""
    page.goto(f"/merchants/{line.merchant_id}")
    form = page.locator("details.action-form", has_text="Set a limit")
    form.locator("summary").click()
    form.locator("[name=amount]").fill(f"{raised(line) / 100:.2f}")
    form.locator("[name=reason]").fill(SAID[2])
    form.locator("button.main").click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("One other person must approve it")
    preview.get_by_role("button", name="Send the command").click()
    page.wait_for_url(re.compile(r"/commands/"))
    expect(page.locator(".steps")).to_contain_text("Proposed, waiting for approval", timeout=60_000)


def open_proposal(demo: RunningDemo, line: Line) -> str:
    """The id of the proposal of a line that waits."""
    rows = demo.eventually(
        "SELECT decision_id FROM limit_changes WHERE line_id = {line:String}"
        " AND state = 'proposed' ORDER BY version DESC LIMIT 1",
        line=line.line_id,
    )
    return str(rows[0]["decision_id"])


def raised(line: Line) -> int:
    """A fifth more than the limit, in whole units of money: minor units."""
    return line.limit_minor * 12 // 1000 * 100


def booked(demo: RunningDemo, line: Line) -> list[dict[str, Any]]:
    """The overrides of a line that the lending core has acknowledged, once there are any."""
    return demo.eventually(
        "SELECT decision_id, new_limit_minor AS minor FROM limit_changes"
        " WHERE line_id = {line:String} AND action = 'override' AND state = 'sent'"
        " AND decision_id IN (SELECT decision_id FROM events WHERE type = 'limit.acknowledged')",
        line=line.line_id,
    )


def in_force(demo: RunningDemo) -> None:
    """Wait until every partition decides under the policy that was published."""
    until(
        lambda: demo.query(
            "SELECT 1 FROM policies_in_force WHERE version = {version:String}", version=VERSION
        ),
        f"{VERSION} in force",
    )

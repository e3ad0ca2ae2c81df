"""The desk without a mouse, and in the dark."""

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Open

if TYPE_CHECKING:
    from tests.browser.running import RunningDemo
    from tests.browser.watching import Watched

HERE = "() => document.activeElement.closest('tr')?.dataset.alert ?? null"
OUTLINE = "() => getComputedStyle(document.activeElement).outlineStyle"


@pytest.fixture
def looked(filled: "RunningDemo", open_as: Open) -> "Watched":
    """The queue of an analyst."""
    from tests.browser.watching import DESKTOP, Look

    found = open_as("mei", Look(DESKTOP, "en", "light"))
    found.open("/")
    return found


def test_j_and_k_move_through_the_queue_and_o_opens_an_alert(looked: "Watched") -> None:
    page = looked.page
    shown = page.eval_on_selector_all(
        "tr[data-alert]:has(a.open)",
        "rows => rows.filter((row) => row.offsetParent).map((row) => row.dataset.alert)",
    )
    page.keyboard.press("j")
    assert page.evaluate(HERE) == shown[0]
    assert page.evaluate(OUTLINE) == "solid"
    page.keyboard.press("j")
    assert page.evaluate(HERE) == shown[1]
    page.keyboard.press("k")
    assert page.evaluate(HERE) == shown[0]
    page.keyboard.press("o")
    page.wait_for_url(f"**/alerts/{shown[0]}")


def test_a_question_mark_shows_the_keys_and_escape_hides_them(looked: "Watched") -> None:
    keys = looked.page.locator("#keys")
    looked.page.keyboard.press("?")
    keys.wait_for(state="visible")
    looked.page.keyboard.press("Escape")
    keys.wait_for(state="hidden")


def test_a_slash_goes_to_the_search_and_the_search_finds_a_merchant(looked: "Watched") -> None:
    page = looked.page
    merchant_id = page.locator("tr[data-alert] td.who a").first.inner_text()
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.type") == "search"
    page.keyboard.type(merchant_id)
    page.keyboard.press("Enter")
    page.wait_for_url("**/merchants**")
    assert merchant_id in page.locator("main").inner_text()


def test_the_first_tab_leads_past_the_bar_to_the_content(looked: "Watched") -> None:
    page = looked.page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"


def test_the_dark_theme_is_chosen_in_the_menu_and_stays(looked: "Watched") -> None:
    page = looked.page
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    # The attribute is there before the style sheet is.
    page.wait_for_load_state("load")
    dark = page.evaluate(ground)
    looked.open("/limits")
    assert page.evaluate(ground) == dark != light
    assert looked.complaints == []

"""Each page at both sizes, in both languages and both themes."""

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from desk.i18n import catalogue
from tests.browser.conftest import Open
from tests.browser.screens import SCREENS, Screen
from tests.test_imports import ROOT

if TYPE_CHECKING:
    from tests.browser.lending import Line
    from tests.browser.running import RunningDemo
    from tests.browser.watching import Findings, Watched

LOOKS = ("desktop-en-light", "desktop-zh-dark", "phone-en-dark", "phone-zh-light")
PICTURES = ROOT / "docs" / "desk"
PICTURE_BYTES_MAX = 300_000
ALSO_PICTURED = {
    ("queue", "desktop-zh-dark"),
    ("merchant", "desktop-zh-dark"),
    ("queue", "phone-en-dark"),
    ("merchant", "phone-zh-light"),
}
"""Pictures beside those of each page on a desktop in English."""

_PHRASE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_COMMAND = re.compile(r"[a-z]+\.[a-z]+ desk-")

Opened = dict[tuple[str | None, str, bool], "Watched"]


@pytest.fixture(scope="module")
def places(waiting: list["Line"], funded: "RunningDemo") -> dict[str, str]:
    """The alert at the top and its merchant."""
    rows = funded.query(
        "SELECT alert_id AS alert, merchant_id AS merchant FROM alerts_open"
        " WHERE merchant_id != '' ORDER BY exposure_minor DESC, alert_id LIMIT 1"
    )
    return {name: str(value) for name, value in rows[0].items()}


@pytest.fixture(scope="module")
def opened() -> Opened:
    """Contexts by person, look, and whether they are for axe."""
    return {}


def look_of(name: str) -> Any:
    from tests.browser.watching import DESKTOP, PHONE, Look

    size, language, theme = name.split("-")
    return Look(DESKTOP if size == "desktop" else PHONE, language, theme)  # type: ignore[arg-type]


def context(opened: Opened, open_as: Open, who: str | None, look: str, *, axe: bool) -> "Watched":
    """The context of a person for a look, opened when first asked for."""
    key = (who, look, axe)
    if key not in opened:
        opened[key] = open_as(who, look_of(look), bypass_csp=axe)
    return opened[key]


def faults(found: "Findings", status: int) -> list[str]:
    """What a page must not show, in words."""
    said = [] if found.status == status else [f"answered {found.status}, not {status}"]
    said += [f"the console says: {text}" for text in found.complaints]
    said += [f"asks another host: {url}" for url in found.elsewhere]
    if found.sideways_px > 0:
        said.append(f"is {found.sideways_px} px wider than its window")
    return said


def english(texts: list[str]) -> list[str]:
    """Texts of a Chinese page that are English, but for what people wrote and names of commands."""
    from tests.browser.lending import SAID

    keys = {text for text, chinese in catalogue("zh").items() if chinese != text}
    return sorted(
        text
        for text in set(texts)
        if text in keys
        or (_PHRASE.search(text) and not _CHINESE.search(text) and not _COMMAND.match(text))
        if not any(said in text for said in SAID)
    )


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_page_is_quiet_stays_at_home_and_fits(
    screen: Screen, look: str, places: dict[str, str], opened: Opened, open_as: Open
) -> None:
    from tests.browser.watching import findings

    looked = context(opened, open_as, screen.who, look, axe=False)
    found = findings(looked, screen.path.format(**places))
    picture(looked, screen, look)
    assert faults(found, screen.status) == []
    if "-zh-" in look:
        assert english(found.texts) == []


@pytest.mark.parametrize("look", ["desktop-en-light", "phone-zh-dark"])
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_page_has_no_barrier(
    screen: Screen, look: str, places: dict[str, str], opened: Opened, open_as: Open
) -> None:
    from tests.browser.watching import barriers

    looked = context(opened, open_as, screen.who, look, axe=True)
    assert looked.open(screen.path.format(**places)) == screen.status
    assert barriers(looked.page) == []


def test_a_desk_that_has_nothing_yet_says_so_on_each_page(
    seen_empty: dict[str, "Findings"],
) -> None:
    assert {path: faults(found, 200) for path, found in seen_empty.items()} == {
        path: [] for path in seen_empty
    }
    assert any(text.startswith("Nothing is stored yet.") for text in seen_empty["/"].texts)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_desk_whose_store_is_down_says_so(
    language: str, demo: "RunningDemo", open_as: Open
) -> None:
    from tests.browser.watching import findings, log_in

    looked = open_as(None, look_of(f"desktop-{language}-light"), origin=demo.silent)
    log_in(looked.page, "mei", demo.passwords["mei"])
    found = findings(looked, "/")
    picture(looked, Screen("store-down", "/"), f"desktop-{language}-light")
    assert faults(found, 503) == []
    heading = looked.page.locator("h1").inner_text()
    assert (
        heading
        == {
            "en": "The store does not answer",
            "zh": catalogue("zh").get("The store does not answer"),
        }[language]
    )


def test_a_queue_that_loses_the_desk_says_so_and_finds_it_again(
    filled: "RunningDemo", open_as: Open
) -> None:
    from playwright.sync_api import expect

    page = open_as("mei", look_of("desktop-en-light")).page
    page.route("**/live", lambda route: route.abort())
    page.goto("/")
    live = page.locator("#live")
    expect(live).to_have_text("Offline, trying again")
    page.unroute("**/live")
    expect(live).to_have_attribute("data-state", re.compile("live|stale"), timeout=30_000)


def picture(looked: "Watched", screen: Screen, look: str) -> None:
    """Keep a picture of the page as it is, where pictures are wanted."""
    if look == "desktop-en-light":
        path = PICTURES / f"{screen.name}.png"
    elif (screen.name, look) in ALSO_PICTURED:
        path = PICTURES / f"{screen.name}-{look}.png"
    else:
        return
    if os.environ.get("TIDELINE_SCREENSHOTS") == "1":
        PICTURES.mkdir(exist_ok=True)
        looked.page.screenshot(path=path, animations="disabled")
        assert path.stat().st_size < PICTURE_BYTES_MAX

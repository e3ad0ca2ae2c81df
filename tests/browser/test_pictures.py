"""The document of the desk shows each page."""

from tests.browser.screens import SCREENS
from tests.test_imports import ROOT

DOCUMENT = (ROOT / "docs" / "desk.md").read_text("utf-8")


def test_the_document_of_the_desk_has_a_picture_of_each_page() -> None:
    missing = [screen.name for screen in SCREENS if f"](desk/{screen.name}.png)" not in DOCUMENT]
    assert missing == []
    assert [s.name for s in SCREENS if not (ROOT / "docs/desk" / f"{s.name}.png").exists()] == []

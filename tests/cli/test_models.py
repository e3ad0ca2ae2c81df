"""``tideline models``: the cards as a list, as JSON and as the page in docs."""

import json
from pathlib import Path

from detectors.model_document import ALL_CARDS
from tests.cli.test_commands import tideline

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_page_in_docs_is_what_the_command_prints(tmp_path: Path) -> None:
    printed = tideline("models", "--markdown", cwd=tmp_path).stdout
    assert printed == PAGE.read_text("utf-8"), "run `make schema`"


def test_the_cards_are_listed_for_machines_and_for_people(tmp_path: Path) -> None:
    listed = json.loads(tideline("models", "--json", cwd=tmp_path).stdout)["models"]
    assert [card["name"] for card in listed] == [card.name for card in ALL_CARDS]
    assert "boosted" in tideline("models", cwd=tmp_path, COLUMNS="200").stdout

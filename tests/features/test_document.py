"""The page of the catalogue, and its labels."""

import re
from pathlib import Path

import pytest

from features.catalogue import CATALOGUE
from features.document import markdown

PAGE = Path(__file__).parents[2] / "docs" / "features.md"
CHINESE = re.compile("[\u4e00-\u9fff]")


def test_the_page_in_docs_is_that_of_the_catalogue() -> None:
    assert PAGE.read_text("utf-8") == markdown(), "run `make schema`"


def test_every_feature_has_a_row_with_its_formula_and_labels() -> None:
    rows = {row.split("|")[1].strip(): row for row in markdown().splitlines() if "| `" in row[:3]}
    assert list(rows) == [f"`{feature.name}`" for feature in CATALOGUE]
    for feature in CATALOGUE:
        row = rows[f"`{feature.name}`"]
        assert feature.label in row and feature.label_zh in row
        assert feature.formula.replace("|", "\\|") in row
        assert len(re.findall(r"(?<!\\)\|", row)) == 8


def test_every_family_stands_in_one_place() -> None:
    families = [f.family for f in CATALOGUE]
    headings = re.findall(r"^## (.+)$", markdown(), re.MULTILINE)
    assert headings == [
        "Definitions",
        "Windows",
        *(f.capitalize() for f in dict.fromkeys(families)),
    ]


@pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)
def test_labels_are_in_both_languages_and_fit_a_table(feature) -> None:
    assert CHINESE.search(feature.label_zh) and not CHINESE.search(feature.label)
    assert len(feature.label) <= 70 and len(feature.label_zh) <= 30
    assert not feature.label.endswith(".") and not feature.label_zh.endswith("。")


def test_no_two_features_share_a_label() -> None:
    assert len({f.label for f in CATALOGUE}) == len(CATALOGUE)
    assert len({f.label_zh for f in CATALOGUE}) == len(CATALOGUE)

"""The model cards: one of each model of the registry, with what runs."""

import re

from detectors.anomaly_inputs import INPUTS as ANOMALY_INPUTS
from detectors.anomaly_learning import PARAMETERS
from detectors.contest import START
from detectors.model_document import ANOMALY_CARDS, CARDS, PRIOR_CARD, markdown, start_of
from detectors.transform import INPUT_NAMES

PAGE = markdown()


def test_every_model_that_may_be_in_force_has_its_card() -> None:
    assert CARDS[0].name == PRIOR_CARD
    assert {card.name for card in CARDS} == {PRIOR_CARD, *START}


def test_a_card_shows_the_parameters_of_the_version_that_its_model_makes() -> None:
    sections = {each.split("\n")[0]: each for each in PAGE.split("\n### ")[1:]}
    for card in CARDS:
        section = sections[card.title]
        assert card.limits in section and card.explanation in section
        for name, value in start_of(card).parameters.items():
            assert f"`{name}` {value:g}" in section


def test_the_parts_of_the_anomaly_score_have_cards_with_what_runs() -> None:
    sections = {each.split("\n")[0]: each for each in PAGE.split("\n### ")[1:]}
    for card in ANOMALY_CARDS:
        assert card.limits in sections[card.title]
    for name, value in PARAMETERS.items():
        assert f"`{name}` {value:g}" in sections["Half-space trees"]
    assert all(f"`{name}`" in PAGE for name in ANOMALY_INPUTS)
    assert "Parameters**: none" in sections["Distance from the own usual"]


def test_the_page_lists_every_input_once_and_says_how_labels_ripen() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| (?:higher|lower|not) ", PAGE, re.MULTILINE)
    assert rows == list(INPUT_NAMES)
    assert "30 days before" in PAGE and "waits 30 days more" in PAGE

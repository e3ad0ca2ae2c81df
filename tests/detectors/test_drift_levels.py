"""Every line of the table of levels and actions is what the code does, and what the manual says."""

import random
from pathlib import Path

import pytest

from detectors.drift import REFERENCE, Drift
from detectors.drift_alarms import PAUSE_LABELS, DriftAlarms
from detectors.drift_levels import INPUTS_SHARE, TABLE, level_of, markdown, pause_of

ROOT = Path(__file__).parents[2]
INPUTS = {f"x{number}": (f"x{number}#0", f"x{number}#1") for number in range(8)}
SCORE = ("band#A", "band#E")


def population(moved: int, score_moved: bool) -> Drift:
    """A settled reference, and a recent sample in which so many inputs have begun to move."""
    drift, rng = Drift(), random.Random(1)
    for number in range(2 * REFERENCE + REFERENCE // 2):
        recent = number >= 2 * REFERENCE
        bins = [
            f"{name}#{int(rng.random() < (0.95 if recent and i < moved else 0.1))}"
            for i, name in enumerate(INPUTS)
        ]
        risky = rng.random() < (0.95 if recent and score_moved else 0.1)
        drift.note([*bins, SCORE[risky]])
    return drift


def pause(drift: Drift, alarms: DriftAlarms | None = None, held: bool = False) -> str | None:
    return pause_of(drift, alarms or DriftAlarms(), inputs=INPUTS, score=SCORE, labels_held=held)


@pytest.mark.parametrize(
    ("psi", "level"),
    [(0.0, "none"), (0.0999, "none"), (0.1, "watch"), (0.2499, "watch"), (0.25, "act"), (9, "act")],
)
def test_an_index_has_the_level_of_the_table(psi: float, level: str) -> None:
    assert level_of(psi) == level


def test_nothing_waits_while_nothing_moves_or_one_input_alone_does() -> None:
    assert pause(Drift()) is None
    assert pause(population(0, False)) is None
    few = population(1, False)
    assert level_of(few.psi(INPUTS)["x0"]) == "act"
    assert pause(few) is None


def test_promotions_wait_while_a_quarter_of_the_inputs_moves() -> None:
    assert INPUTS_SHARE * len(INPUTS) == 2
    assert pause(population(2, False)) == "inputs_move"


def test_promotions_wait_while_the_score_moves() -> None:
    assert pause(population(0, True)) == "score_moves"


def test_promotions_wait_after_an_error_that_rose_for_its_labels() -> None:
    alarms = DriftAlarms()
    for _ in range(500):
        alarms.note_label(0.1, False, 0)
    while alarms.count("error", "up") == 0:
        alarms.note_label(0.1, True, 0)
    for _ in range(PAUSE_LABELS):
        assert pause(Drift(), alarms) == "error_rose"
        alarms.note_label(0.1, False, 0)
    assert pause(Drift(), alarms) is None


def test_the_gravest_reason_is_the_one_that_is_named() -> None:
    assert pause(population(8, True), held=True) == "labels_held"
    assert pause(population(8, True)) == "score_moves"


def test_the_manual_has_the_table_and_every_reason() -> None:
    text = (ROOT / "docs" / "drift.md").read_text("utf-8")
    assert markdown() in text
    for reason in ("labels_held", "error_rose", "score_moves", "inputs_move"):
        assert f"| `{reason}` |" in text


def test_every_alert_that_the_table_names_exists() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "rules" / "models.yml").read_text("utf-8")
    named = {
        word for row in TABLE for word in row.action.replace("(", " ").replace(")", " ").split()
    }
    alerts = {word for word in named if word.startswith("Tideline")}
    assert len(alerts) == 4
    for alert in alerts:
        assert f"alert: {alert}\n" in rules

"""docs/alerts.md says what the code does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import convert, structs

from desk import capacity
from detectors import episodes
from detectors.alert_terms import AlertTerms
from detectors.episodes import CURED_AFTER_MS, DAY_MS, EVIDENCE_KEPT, NEWS_EVERY_MS, Episode
from detectors.lasting import CURED_KEPT, cured_after, may_reopen

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
TERMS = AlertTerms()
AT_MS = 1_760_000_000_000
STATES = ("open", "assigned", "acknowledged", "snoozed", "closed")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def episode(state: Any) -> Episode:
    opened = episodes.open_episode("m", "k", "warning", [], ["e"], AT_MS, TERMS)
    until = AT_MS + DAY_MS if state == "snoozed" else None
    return structs.replace(opened, state=state, snoozed_until=until)


def after(state: str, happens: str) -> Episode:
    """The episode after what the head of a column names."""
    now, before = AT_MS + 1000, episode(state)
    if happens == "alert.assign":
        return episodes.assign(before, "bo", "ann", now)
    if happens == "alert.acknowledge":
        return episodes.acknowledge(before, "ann", now)
    if happens == "alert.snooze":
        return episodes.snooze(before, now + DAY_MS, "ann", now, TERMS)
    if happens == "alert.close":
        return episodes.close(before, "confirmed", "ann", now)
    if happens == "snooze over":
        return episodes.wake(before, AT_MS + DAY_MS)[0]
    if happens == "severity rises":
        return episodes.hit(before, "critical", [], [], now, TERMS)[0]
    if happens == "severity falls":
        lower, _ = episodes.hit(before, "info", [], [], now, TERMS)
        asleep = structs.replace(lower, snoozed_until=AT_MS + 90 * DAY_MS)
        return episodes.hit(asleep, "info", [], [], now + TERMS.falls_after_ms, TERMS)[0]
    if happens == "clear for 7 days":
        return episodes.clear(episodes.clear(before, now)[0], now + 7 * DAY_MS)[0]
    assert happens == "fires again", happens
    return episodes.hit(before, "warning", [], ["e2"], now, TERMS)[0]


def test_the_table_of_states_has_every_state_and_cell() -> None:
    head, *rows = table(section("States"))
    assert tuple(row[0] for row in rows) == STATES
    assert all(len(row) == len(head) for row in rows)
    assert set(rows[-1][1:-1]) == {"–"} and rows[-1][-1] == "open, or another alert"


@pytest.mark.parametrize(
    ("state", "happens", "said"),
    [
        (row[0], happens, said)
        for row in table(section("States"))[1:-1]
        for happens, said in zip(table(section("States"))[0][1:], row[1:], strict=True)
    ],
)
def test_what_happens_leads_to_the_state_that_the_table_says(
    state: str, happens: str, said: str
) -> None:
    found = after(state, happens)
    if said == "–":
        assert found == episode(state)
    else:
        assert found.state == said
        assert found.version > 1 or happens == "fires again"


def test_the_times_of_the_text_are_those_of_the_code() -> None:
    states, again = section("States"), section("Opening again")
    assert NEWS_EVERY_MS == DAY_MS and "at most once a day" in states
    assert f"the latest {EVIDENCE_KEPT} events" in states
    assert f"met for {TERMS.falls_after_hours} hours (*policy*)" in states
    assert f"not met for {CURED_AFTER_MS // DAY_MS} days" in states
    assert f"at most {TERMS.snooze_days_max} days (*policy*)" in states
    assert f"within {TERMS.reopen_within_days} days (*policy*)" in again
    assert f"latest {CURED_KEPT} cured" in again
    closed = episodes.close(episode("open"), "cured", None, AT_MS)
    cured = cured_after(TERMS, {}, closed, AT_MS)
    assert may_reopen(cured, "k", AT_MS + TERMS.reopen_within_days * DAY_MS) == closed
    assert may_reopen(cured, "k", AT_MS + TERMS.reopen_within_days * DAY_MS + 1) is None


def test_the_hours_of_the_deadlines_are_those_of_the_code() -> None:
    for severity, seen, done in table(section("Deadlines"))[1:]:
        assert seen == f"{getattr(TERMS.acknowledge_within_hours, severity)} hours"
        assert done == f"{getattr(TERMS.close_within_hours, severity)} hours"


def test_the_policy_of_the_page_has_the_defaults_and_a_suppression() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", section("Terms of a policy"), re.DOTALL)
    terms = convert(yaml.safe_load(block)["alerts"], AlertTerms)
    assert structs.replace(terms, suppress=()) == TERMS
    assert len(terms.suppress) == 1


def test_the_formula_has_the_numbers_of_the_queue() -> None:
    text = section("What to work first")
    assert f"exposure + {capacity.DRAWING_SHARE} × headroom" in text
    assert f"{capacity.UNKNOWN_PROBABILITY} where history does not suffice" in text
    weights = ", ".join(f"{name} {each:g}" for name, each in capacity.SEVERITY_WEIGHTS.items())
    assert f"Severity weights: {weights}." in text
    assert f"time left / {capacity.NEAR_MS // 3_600_000} hours" in text
    assert f"takes {capacity.MINUTES} minutes" in text

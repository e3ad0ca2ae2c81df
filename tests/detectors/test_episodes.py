"""Episodes: one open per kind, evidence joins, closing has an outcome."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from detectors.alert_terms import AlertTerms, Hours
from detectors.episodes import (
    CURED_AFTER_MS,
    DAY_MS,
    EVIDENCE_KEPT,
    Episode,
    acknowledge,
    assign,
    clear,
    close,
    open_episode,
    reopen,
    snooze,
    wake,
)
from detectors.episodes import hit as hit_under
from detectors.rules import HOUR_MS, SEVERITY_RANK
from schemas.outputs import Reason

REASONS = [Reason(code="days_silent", text="There was no business for 8 days", feature="x")]
AT_MS = 1_760_000_000_000
TERMS = AlertTerms(
    falls_after_hours=48,
    reopen_within_days=14,
    snooze_days_max=30,
    acknowledge_within_hours=Hours(critical=2, warning=20, info=100),
    close_within_hours=Hours(critical=50, warning=200, info=700),
)


def opened(severity="warning", at: int = AT_MS) -> Episode:
    return open_episode("m1", "sales_silence", severity, REASONS, ["e1"], at, TERMS)


def hit(episode: Episode, severity: Any, *rest: Any) -> tuple[Episode, bool]:
    return hit_under(episode, severity, *rest, TERMS)


def test_the_same_opening_has_the_same_id_and_another_has_another() -> None:
    assert opened() == opened()
    assert opened(at=AT_MS + 1).alert_id != opened().alert_id


def test_evidence_joins_quietly_and_is_told_at_most_daily() -> None:
    joined, news = hit(opened(), "warning", REASONS, ["e2"], AT_MS + 1000)
    assert not news
    assert (joined.evidence, joined.evidence_count, joined.version) == (["e1", "e2"], 2, 1)
    told, news = hit(joined, "warning", REASONS, ["e3"], AT_MS + DAY_MS)
    assert news and told.version == 2
    assert told.updated_at == AT_MS + DAY_MS


def test_the_same_evidence_again_is_no_news() -> None:
    joined, news = hit(opened(), "warning", REASONS, ["e1"], AT_MS + 5 * DAY_MS)
    assert not news and joined.evidence_count == 1


def test_a_rise_in_severity_is_told_at_once_and_wakes_a_snoozed_episode() -> None:
    asleep = snooze(opened(), AT_MS + 9 * DAY_MS, "li", AT_MS, TERMS)
    quiet, news = hit(asleep, "warning", REASONS, ["e2"], AT_MS + 1)
    assert not news and quiet.state == "snoozed"
    woken, news = hit(quiet, "critical", REASONS, ["e3"], AT_MS + 2)
    assert news and (woken.state, woken.severity) == ("open", "critical")
    assert woken.snoozed_until is None


def test_severity_falls_once_the_lower_one_has_held_and_that_is_told() -> None:
    episode, news = hit(opened("critical"), "warning", REASONS, ["e2"], AT_MS + HOUR_MS)
    assert (episode.severity, news) == ("critical", False)
    episode, news = hit(episode, "info", REASONS, [], AT_MS + 48 * HOUR_MS)
    assert (episode.severity, news) == ("critical", False)
    fallen, news = hit(episode, "info", REASONS, [], AT_MS + 49 * HOUR_MS)
    assert (fallen.severity, fallen.version, news) == ("warning", 2, True), "the highest meanwhile"
    assert (fallen.acknowledge_by, fallen.close_by) == (episode.acknowledge_by, episode.close_by)


def test_the_higher_severity_met_again_starts_the_wait_anew() -> None:
    episode, _ = hit(opened("critical"), "warning", REASONS, [], AT_MS + HOUR_MS)
    episode, _ = hit(episode, "critical", REASONS, [], AT_MS + 40 * HOUR_MS)
    episode, news = hit(episode, "warning", REASONS, [], AT_MS + 50 * HOUR_MS)
    assert (episode.severity, news) == ("critical", False)
    assert hit(episode, "warning", REASONS, [], AT_MS + 97 * HOUR_MS)[0].severity == "critical"
    assert hit(episode, "warning", REASONS, [], AT_MS + 98 * HOUR_MS)[0].severity == "warning"


@given(st.lists(st.tuples(st.sampled_from(["info", "warning", "critical"]), st.integers(0, 90))))
def test_severity_is_never_below_what_was_met_within_the_time_of_a_fall(steps: Any) -> None:
    episode, met, now = opened(), [("warning", AT_MS)], AT_MS
    for severity, hours in steps:
        now += hours * HOUR_MS
        met.append((severity, now))
        before = episode
        episode, news = hit(episode, severity, REASONS, [], now)
        assert episode.version == before.version + news
        assert news or episode.severity == before.severity
        lately = [SEVERITY_RANK[s] for s, at in met if at > now - TERMS.falls_after_ms]
        assert SEVERITY_RANK[episode.severity] >= max(lately)


def test_late_evidence_of_a_lower_severity_begins_the_wait_at_its_own_time() -> None:
    episode, _ = hit(opened("critical"), "warning", REASONS, [], AT_MS + 10 * HOUR_MS)
    episode, news = hit(episode, "warning", REASONS, [], AT_MS + HOUR_MS)
    assert (episode.lower_since, news) == (AT_MS + HOUR_MS, False)


def test_deadlines_run_from_the_opening_by_severity_and_a_rise_brings_them_forward() -> None:
    episode = opened()
    assert (episode.acknowledge_by, episode.close_by) == (
        AT_MS + 20 * HOUR_MS,
        AT_MS + 200 * HOUR_MS,
    )
    early, _ = hit(episode, "critical", REASONS, [], AT_MS + HOUR_MS)
    assert (early.acknowledge_by, early.close_by) == (AT_MS + 3 * HOUR_MS, AT_MS + 51 * HOUR_MS)
    late, _ = hit(episode, "critical", REASONS, [], AT_MS + 199 * HOUR_MS)
    assert (late.acknowledge_by, late.close_by) == (episode.acknowledge_by, episode.close_by), (
        "a rise puts no deadline off"
    )


def test_a_snooze_ends_by_the_clock_and_a_longer_one_than_allowed_is_shortened() -> None:
    asleep = snooze(opened(), AT_MS + DAY_MS, "li", AT_MS, TERMS, "call back")
    assert (asleep.snoozed_until, asleep.note) == (AT_MS + DAY_MS, "call back")
    assert wake(asleep, AT_MS + DAY_MS - 1) == (asleep, False)
    woken, news = wake(asleep, AT_MS + DAY_MS)
    assert news and (woken.state, woken.version, woken.snoozed_until) == ("open", 3, None)
    assert (woken.actor, woken.note) == (None, None)
    long = snooze(opened(), AT_MS + 31 * DAY_MS, "li", AT_MS, TERMS)
    assert long.snoozed_until == AT_MS + 30 * DAY_MS
    assert long.note == "shortened to 30 days, the longest that the policy allows"


def test_a_cured_episode_opens_again_as_the_same_with_new_clocks() -> None:
    closed = close(
        acknowledge(assign(opened(), "wang", "li", AT_MS), "wang", AT_MS), "cured", "wang", AT_MS
    )
    again = reopen(closed, "critical", REASONS, ["e2"], AT_MS + DAY_MS, TERMS)
    assert (again.alert_id, again.opened_at, again.version) == (closed.alert_id, AT_MS, 5)
    assert (again.state, again.outcome, again.reopened) == ("open", None, 1)
    assert (again.severity, again.assignee, again.actor) == ("critical", "wang", None)
    assert again.acknowledged_at is None
    assert again.acknowledge_by == AT_MS + DAY_MS + 2 * HOUR_MS
    assert again.evidence == ["e1", "e2"]


def test_to_acknowledge_or_snooze_is_to_take_note_and_the_first_time_counts() -> None:
    given_away = assign(opened(), "wang", "li", AT_MS + 1)
    assert given_away.acknowledged_at is None
    seen = acknowledge(given_away, "wang", AT_MS + 2)
    assert seen.acknowledged_at == AT_MS + 2
    assert acknowledge(seen, "wang", AT_MS + 3).acknowledged_at == AT_MS + 2
    assert snooze(opened(), AT_MS + DAY_MS, "li", AT_MS + 4, TERMS).acknowledged_at == AT_MS + 4


@pytest.mark.parametrize("state", ["assigned", "acknowledged", "snoozed"])
def test_a_fall_and_a_clearing_leave_the_work_of_people_as_it_is(state: Any) -> None:
    until = AT_MS + 20 * DAY_MS if state == "snoozed" else None
    worked = structs.replace(opened("critical"), state=state, snoozed_until=until)
    worked, _ = hit(worked, "info", REASONS, [], AT_MS + 1)
    fallen, news = hit(worked, "info", REASONS, [], AT_MS + 1 + 48 * HOUR_MS)
    assert news and (fallen.severity, fallen.state) == ("info", state)
    assert clear(fallen, AT_MS + 60 * HOUR_MS)[0].state == state


def test_evidence_kept_is_bounded_and_counted_whole() -> None:
    episode = opened()
    for n in range(100):
        episode, _ = hit(episode, "warning", REASONS, [f"x{n}"], AT_MS + n)
    assert len(episode.evidence) == EVIDENCE_KEPT
    assert episode.evidence_count == 101


def test_a_condition_gone_for_long_enough_closes_as_cured() -> None:
    waiting, news = clear(opened(), AT_MS + 1)
    assert not news and waiting.state == "open"
    cured, news = clear(waiting, AT_MS + 1 + CURED_AFTER_MS)
    assert news and (cured.state, cured.outcome) == ("closed", "cured")


def test_a_condition_that_returns_starts_the_wait_again() -> None:
    waiting, _ = clear(opened(), AT_MS + 1)
    back, _ = hit(waiting, "warning", REASONS, ["e2"], AT_MS + 2)
    again, news = clear(back, AT_MS + 2 + CURED_AFTER_MS)
    assert not news and again.state == "open"


def test_every_command_is_one_version_on_with_its_actor() -> None:
    episode = opened()
    for n, changed in enumerate(
        (
            assign(episode, "wang", "li", AT_MS + 1),
            acknowledge(episode, "li", AT_MS + 1),
            snooze(episode, AT_MS + DAY_MS, "li", AT_MS + 1, TERMS),
            close(episode, "false_alarm", "li", AT_MS + 1),
        )
    ):
        assert (changed.version, changed.actor) == (2, "li"), n

"""Episodes: one open per kind, evidence joins, closing has an outcome."""

from detectors.episodes import (
    CURED_AFTER_MS,
    DAY_MS,
    EVIDENCE_KEPT,
    Episode,
    acknowledge,
    assign,
    clear,
    close,
    hit,
    open_episode,
    snooze,
)
from schemas.outputs import Reason

REASONS = [Reason(code="days_silent", text="There was no business for 8 days", feature="x")]
AT_MS = 1_760_000_000_000


def opened(severity="warning") -> Episode:
    return open_episode("m1", "sales_silence", severity, REASONS, ["e1"], AT_MS)


def test_the_same_opening_has_the_same_id_and_another_has_another() -> None:
    assert opened() == opened()
    later = open_episode("m1", "sales_silence", "warning", REASONS, ["e1"], AT_MS + 1)
    assert later.alert_id != opened().alert_id


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
    asleep = snooze(opened(), AT_MS + 9 * DAY_MS, "li", AT_MS)
    quiet, news = hit(asleep, "warning", REASONS, ["e2"], AT_MS + 1)
    assert not news and quiet.state == "snoozed"
    woken, news = hit(quiet, "critical", REASONS, ["e3"], AT_MS + 2)
    assert news and (woken.state, woken.severity) == ("open", "critical")


def test_severity_never_falls_while_open() -> None:
    kept, _ = hit(opened("critical"), "warning", REASONS, ["e2"], AT_MS + 1)
    assert kept.severity == "critical"


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
            snooze(episode, AT_MS + DAY_MS, "li", AT_MS + 1),
            close(episode, "false_alarm", "li", AT_MS + 1),
        )
    ):
        assert (changed.version, changed.actor) == (2, "li"), n

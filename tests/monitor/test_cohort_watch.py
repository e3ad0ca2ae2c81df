"""When the monitor tells of a cohort: daily while it stands out, once when it has calmed."""

from detectors.cohorts import WINDOW_DAYS
from schemas.events import CohortAlerted, CohortCalmed
from streams.monitor.cohort_watch import EVIDENCE_MAX, CohortWatch
from streams.monitor.cohorts import DAY_MS
from streams.monitor.portfolio import Episode

from .test_cohorts import TODAY, crowd

NOW = TODAY * DAY_MS
COHORT = "cohort:carrier:c3"


def watch() -> CohortWatch:
    """A watch over a crowd of whom those of one carrier fell."""
    people = crowd("carrier:c3", 0.7)
    found = CohortWatch(lambda: people)
    for each in people:
        found.counts.put(None, each)
    return found


def episode(state: str) -> Episode:
    """The cohort's alert as it comes back from scoring."""
    return Episode("unspecified", "cohort_carrier", "critical", state, 1, NOW, 0, COHORT)


def test_what_stands_out_is_told_with_its_figures_and_the_alerts_of_its_members() -> None:
    (told,) = watch().look(NOW)
    assert isinstance(told, CohortAlerted)
    assert (told.merchant_id, told.actor) == (COHORT, "monitor")
    assert f"{told.struck} of {told.members} merchants of carrier c3" in told.reason
    alerts = (told.evidence or "").split()
    assert len(alerts) == min(told.struck, EVIDENCE_MAX - 1) and alerts[-1].startswith("al_")


def test_it_is_told_once_a_day_under_one_id_that_a_restart_repeats() -> None:
    first = watch()
    (told,) = first.look(NOW)
    assert first.look(NOW + 1) == [] and first.look(NOW + 2 * 3_600_000) == []
    (tomorrow,) = first.look(NOW + DAY_MS)
    assert tomorrow.event_id != told.event_id
    (again,) = watch().look(NOW + 5)
    assert again.event_id == told.event_id


def test_a_cohort_that_has_calmed_is_told_of_while_its_alert_is_open() -> None:
    found = watch()
    later = NOW + WINDOW_DAYS * DAY_MS
    assert found.look(later) == [], "nothing was said of it"
    found.put_episode("al", episode("open"))
    assert found.open == {COHORT}
    (told,) = found.look(later + DAY_MS)
    assert isinstance(told, CohortCalmed) and told.merchant_id == COHORT
    found.put_episode("al", episode("closed"))
    assert found.open == frozenset()
    assert found.look(later + 2 * DAY_MS) == []


def test_an_open_alert_stays_while_its_cohort_still_stands_out() -> None:
    found = watch()
    found.put_episode("al", episode("open"))
    assert [type(each) for each in found.look(NOW)] == [CohortAlerted]

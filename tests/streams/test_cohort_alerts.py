"""Alerts about cohorts: opened, added to, worked and closed by lines of the log."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas import topics
from schemas.outputs import Alert
from streams.artifacts import MemoryArtifacts, genesis
from streams.cohort_alerts import cohort_id
from streams.intake import Intake
from streams.records import Record
from streams.scoring import Scoring

from .conftest import NOW_MS

NORTH = cohort_id("region", "north")
FOUND: dict[str, Any] = {
    "actor": "monitor",
    "reason": "12 of 40 merchants of region north were struck in 7 days, 1.5 would be usual",
    "members": 40,
    "struck": 12,
    "expected": 1.5,
    "evidence": "al_1 al_2",
}


class Log:
    """What one partition says, line by line, through intake and scoring."""

    def __init__(self, intake: Intake, artifacts: MemoryArtifacts) -> None:
        self._intake = intake
        self.scoring = Scoring(artifacts, genesis())
        self.offset = 0

    def add(self, record: Record) -> list[Any]:
        """Outputs of one input record: alerts decoded, of others the topic."""
        self._intake.take(record, NOW_MS)
        said: list[Any] = []
        for output in self._intake.flush():
            assert output.topic == topics.EVENTS, output
            taken = Record(output.topic, 0, self.offset, None, output.value, [], NOW_MS)
            self.offset += 1
            for each in self.scoring.process(taken):
                alert = each.topic == topics.ALERTS
                said.append(msgspec.json.decode(each.value, type=Alert) if alert else each.topic)
        return said


@pytest.fixture
def log(intake: Intake, artifacts: MemoryArtifacts) -> Log:
    return Log(intake, artifacts)


Make = Callable[..., dict[str, Any]]
ToRecord = Callable[..., Record]


def test_a_cohort_opens_one_alert_that_says_why_and_names_its_evidence(
    log: Log, make_event: Make, to_record: ToRecord
) -> None:
    first = make_event("cohort.alerted", NORTH, **FOUND)
    (alert,) = log.add(to_record(first))
    assert (alert.merchant_id, alert.kind, alert.state) == (NORTH, "cohort_region", "open")
    assert alert.severity == "critical", "30 % of its merchants"
    assert alert.evidence == [first["event_id"], "al_1", "al_2"]
    (reason,) = alert.reasons
    assert reason.text == FOUND["reason"]
    assert (reason.value, reason.usual) == (0.3, 0.0375)


def test_told_again_it_stays_one_episode_that_gathers_evidence(
    log: Log, make_event: Make, to_record: ToRecord
) -> None:
    start = NOW_MS - 5 * 86_400_000
    (opened,) = log.add(
        to_record(make_event("cohort.alerted", NORTH, **{**FOUND, "struck": 5}, occurred_at=start))
    )
    assert opened.severity == "warning"
    later = {**FOUND, "evidence": "al_2 al_3", "occurred_at": start + 2 * 86_400_000}
    (again,) = log.add(to_record(make_event("cohort.alerted", NORTH, **later)))
    assert (again.alert_id, again.version, again.severity) == (opened.alert_id, 2, "critical")
    assert set(again.evidence) >= {"al_1", "al_2", "al_3"}


def test_it_closes_when_it_has_calmed_and_opens_again_as_the_same(
    log: Log, make_event: Make, to_record: ToRecord
) -> None:
    (opened,) = log.add(to_record(make_event("cohort.alerted", NORTH, **FOUND)))
    (closed,) = log.add(to_record(make_event("cohort.calmed", NORTH, actor="monitor")))
    assert (closed.state, closed.outcome) == ("closed", "cured")
    assert log.add(to_record(make_event("cohort.calmed", NORTH, actor="monitor"))) == []
    (again,) = log.add(to_record(make_event("cohort.alerted", NORTH, **FOUND)))
    assert (again.alert_id, again.version, again.state) == (opened.alert_id, 3, "open")
    assert again.reopened == 1


def test_the_desk_works_it_and_its_verdict_is_no_label(
    log: Log, make_event: Make, to_record: ToRecord
) -> None:
    (opened,) = log.add(to_record(make_event("cohort.alerted", NORTH, **FOUND)))
    desk = {"actor": "li", "alert_id": opened.alert_id}
    (seen,) = log.add(to_record(make_event("alert.acknowledge", NORTH, **desk)))
    assert (seen.state, seen.actor) == ("acknowledged", "li")
    said = log.add(to_record(make_event("alert.close", NORTH, outcome="confirmed", **desk)))
    assert [each.state for each in said] == ["closed"], "an alert and no assessment"


def test_a_merchant_is_no_cohort(log: Log, make_event: Make, to_record: ToRecord) -> None:
    assert log.add(to_record(make_event("cohort.alerted", "m1", **FOUND))) == []
    assert log.scoring.stats["commands_without_target"] == 1


def test_a_restored_partition_still_has_its_cohorts(
    log: Log, make_event: Make, to_record: ToRecord, artifacts: MemoryArtifacts
) -> None:
    log.add(to_record(make_event("cohort.alerted", NORTH, **FOUND)))
    restored = Scoring(artifacts, genesis())
    restored.restore_header(log.scoring.header())
    restored.restore_page(0, log.scoring.page(0))
    log.scoring = restored
    (closed,) = log.add(to_record(make_event("cohort.calmed", NORTH, actor="monitor")))
    assert closed.state == "closed"

"""A core enterprise of the simulator stops paying: the monitor says so within days, of it alone."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ops.settings import Settings
from schemas import topics
from schemas.outputs import Alert
from schemas.privacy import pseudonym
from streams.artifacts import MemoryArtifacts
from streams.intake_host import intake_of
from streams.monitor.cohort_watch import CohortWatch
from streams.monitor.cohorts import DAY_MS, Member, Named, belongs, struck
from streams.pipeline import Pipeline
from streams.records import Record
from tideline.simulator.economy import Economy, Scenario
from tideline.simulator.write import write_run

KEY = b"a key of thirty-two bytes length"
WATCHED_DAYS = 6


class Monitor:
    """What the monitor does with the log and its alerts, without Kafka."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.watch = CohortWatch(lambda: self.members.values())
        self.told: list[Any] = []
        self._read = msgspec.json.Decoder(Named).decode_lines

    def log(self, record: Record) -> None:
        """A record of the log."""
        for line in self._read(record.value or b""):
            self._put(line.merchant_id, belongs(self._member(line.merchant_id), line))
            self.told += self.watch.look(line.occurred_at)

    def said(self, topic: str, value: bytes) -> None:
        """An output of scoring."""
        if topic == topics.ALERTS:
            alert = msgspec.json.decode(value, type=Alert)
            found = struck(self._member(alert.merchant_id), alert.alert_id, alert.opened_at)
            self._put(alert.merchant_id, found)

    def _member(self, merchant: str) -> Member:
        return self.members.get(merchant) or Member(0)

    def _put(self, merchant: str, found: Member) -> None:
        known = self.members.get(merchant)
        if found is not (known or Member(0)) and found != known:
            self.watch.counts.put(known, found)
            self.members[merchant] = found


@pytest.mark.timeout(300)
def test_the_default_of_a_core_enterprise_is_told_within_a_week(tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    scenario = Scenario(merchants=150, days=170, seed=4, share_bad=0.03, segments=("manufacturer",))
    truth = tmp_path / "truth.ndjson"
    write_run(Economy(scenario), str(events), truth, lambda _: None)
    world = [msgspec.json.decode(raw) for raw in truth.read_bytes().splitlines()]
    (planted,) = [each for each in world if each.get("event") == "core_default"]
    until = planted["from_at"] + WATCHED_DAYS * DAY_MS

    monitor = Monitor()
    kafka = Settings().kafka.model_copy(update={"partitions": 1})
    settings = Settings().model_copy(update={"kafka": kafka})
    artifacts = MemoryArtifacts()
    pipeline = Pipeline(
        intake_of(settings, KEY, artifacts), artifacts, monitor.said, learner=None, tap=monitor.log
    )
    with events.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if msgspec.json.decode(raw, type=Named).occurred_at > until:
                continue
            pipeline.feed("events", number, raw.rstrip(), until)
    pipeline.finish(until)

    core = pseudonym(KEY, planted["core_id"])
    assert {each.merchant_id for each in monitor.told} <= {
        f"cohort:core_enterprise:{core}",
        f"cohort:payer:{core}",
    }
    assert monitor.told, "nothing was told"
    assert planted["from_at"] < monitor.told[0].occurred_at

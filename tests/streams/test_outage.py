"""A feed that goes quiet for everyone is nobody's fall: through engine, detectors and policy."""

import msgspec
import pytest

from schemas import topics
from schemas.outputs import Alert, Assessment, LimitChange
from streams.artifacts import MemoryArtifacts, genesis
from streams.checkpoints import Checkpointer, Shelf, latest_manifest, load
from streams.records import Output, Record
from streams.scoring import Scoring

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 19_723 * DAY_MS  # 2024-01-01, a Monday
MERCHANTS = 30
DAYS = 100
OUTAGE_DAYS = 26


class Town:
    """Merchants that sell and send three times a day; a day is one record of the log."""

    def __init__(self) -> None:
        self.scoring = Scoring(MemoryArtifacts(), genesis())
        self.outputs: list[Output] = []
        self.offset = 0

    def run(self, days: int, *, selling: frozenset[int]) -> None:
        for _ in range(days):
            lines = [
                self._line(kind, merchant, hour)
                for hour in (8, 12, 18)
                for merchant in range(MERCHANTS)
                for kind in ("order.paid", "shipment.dispatched")
                if merchant in selling or kind != "order.paid"
            ]
            value = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            record = Record(topics.EVENTS, 0, self.offset, None, value, [], 0)
            self.outputs += self.scoring.process(record)
            self.offset += 1

    def _line(self, kind: str, merchant: int, hour: int) -> dict[str, object]:
        at = START_MS + self.offset * DAY_MS + hour * HOUR_MS + merchant * 1_000
        line: dict[str, object] = {
            "type": kind,
            "event_id": f"{kind}/{merchant}/{at}",
            "merchant_id": f"m{merchant}",
            "occurred_at": at,
        }
        return line | {"amount": 500_000, "currency": "CNY"} if kind == "order.paid" else line

    def alerts(self) -> set[tuple[str, str]]:
        """Merchant and kind of all alerts so far."""
        found = [msgspec.json.decode(v, type=Alert) for v in self._values(topics.ALERTS)]
        return {(alert.merchant_id, alert.kind) for alert in found}

    def changes(self) -> list[LimitChange]:
        """All limit changes so far."""
        values = self._values(topics.LIMIT_CHANGES)
        return [msgspec.json.decode(value, type=LimitChange) for value in values]

    def latest(self, merchant: str) -> Assessment:
        """The last assessment of a merchant."""
        values = self._values(topics.ASSESSMENTS)
        found = (msgspec.json.decode(value, type=Assessment) for value in reversed(values))
        return next(each for each in found if each.merchant_id == merchant)

    def _values(self, topic: str) -> list[bytes]:
        return [output.value or b"" for output in self.outputs if output.topic == topic]


EVERYBODY = frozenset(range(MERCHANTS))


@pytest.fixture
def town() -> Town:
    """A town that has traded for a while, and has lines."""
    town = Town()
    town.run(DAYS, selling=EVERYBODY)
    assert len(town.changes()) >= MERCHANTS
    assert town.alerts() == set()
    return town


def test_while_all_sales_are_gone_nobody_is_blamed(town: Town) -> None:
    before = len(town.changes())
    town.run(OUTAGE_DAYS, selling=frozenset())
    assert {feed.feed: feed.state for feed in town.scoring.engine.feeds} == {
        "transactions": "quiet",
        "logistics": "healthy",
    }
    features = town.latest("m3").features
    assert features["parcels_28d"] == 84
    assert not features.keys() & {"turnover_28d_minor", "turnover_28d_peer_percentile"}
    assert town.alerts() == set()
    assert town.changes()[before:] == []


def test_one_merchant_whose_sales_are_gone_is_seen(town: Town) -> None:
    before = len(town.changes())
    town.run(OUTAGE_DAYS, selling=EVERYBODY - {3})
    assert all(feed.state == "healthy" for feed in town.scoring.engine.feeds)
    assert town.latest("m3").features["turnover_7d_minor"] == 0
    assert ("m3", "sales_collapse") in town.alerts()
    assert {merchant for merchant, _ in town.alerts()} == {"m3"}
    cuts = [change for change in town.changes()[before:] if change.action in ("decrease", "freeze")]
    assert {change.merchant_id for change in cuts} == {"m3"}


def test_after_an_outage_a_merchant_is_judged_again(town: Town) -> None:
    town.run(2, selling=frozenset())
    town.run(9, selling=EVERYBODY)
    assert all(feed.state == "healthy" for feed in town.scoring.engine.feeds)
    assert town.latest("m3").features["turnover_7d_minor"] == 7 * 3 * 500_000
    assert town.alerts() == set()


def test_a_checkpoint_carries_feeds_and_peers(town: Town) -> None:
    town.run(OUTAGE_DAYS, selling=frozenset())
    checkpointer = Checkpointer(town.scoring, Shelf(0))
    checkpointer.begin()
    records: dict[bytes, bytes] = {}
    while checkpointer.running:
        records |= {o.key or b"": o.value or b"" for o in checkpointer.carry(1 << 20)}
    manifest = latest_manifest(records, Shelf(0))
    assert manifest is not None
    other = Scoring(MemoryArtifacts(), genesis())
    load(other, manifest, records, Shelf(0))
    assert other.engine.feeds == town.scoring.engine.feeds
    replica = Town()
    replica.scoring, replica.offset = other, town.offset
    written = len(town.outputs)
    for each in (town, replica):
        each.run(12, selling=EVERYBODY)
    assert replica.outputs == town.outputs[written:]
    assert "turnover_28d_peer_percentile" in town.latest("m3").features

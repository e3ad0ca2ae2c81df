"""What an assessment carries of the vector."""

import msgspec

from features.catalogue import NAMES
from schemas import topics
from schemas.outputs import Assessment
from streams.artifacts import MemoryArtifacts, genesis
from streams.records import Record
from streams.scoring import Scoring

from .conftest import NOW_MS

DAY_MS = 86_400_000


def test_features_that_are_not_available_are_left_out() -> None:
    lines = [
        {
            "type": "order.paid",
            "event_id": f"e{day}",
            "merchant_id": "m",
            "occurred_at": NOW_MS + day * DAY_MS,
            "amount": 1_000,
            "currency": "CNY",
        }
        for day in range(40)
    ]
    value = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    scoring = Scoring(MemoryArtifacts(), genesis())
    outputs = scoring.process(Record(topics.EVENTS, 0, 0, None, value, [], 0))
    found = [
        msgspec.json.decode(output.value or b"", type=Assessment)
        for output in outputs
        if output.topic == topics.ASSESSMENTS
    ]
    last = found[-1].features
    assert last["turnover_28d_minor"] == 28_000
    assert "review_mean_4w" not in last and "parcels_28d" not in last
    assert all(value is not None for value in last.values())
    assert list(last) == [name for name in NAMES if name in last], "in the order of the catalogue"

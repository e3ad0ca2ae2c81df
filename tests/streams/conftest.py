"""Small builders of records and events."""

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas.events import BY_TAG
from streams.artifacts import MemoryArtifacts
from streams.intake import Intake
from streams.records import Record

NOW_MS = 1_760_000_000_000
KEY = b"a key of thirty-two bytes length"


@pytest.fixture
def make_event() -> Callable[..., dict[str, Any]]:
    """An event as a dict: a type and what differs from the defaults."""
    counter = itertools.count(1)

    def build(type: str, merchant_id: str = "m1", **fields: Any) -> dict[str, Any]:
        number = next(counter)
        event = {
            "type": type,
            "event_id": f"e{number}",
            "merchant_id": merchant_id,
            "occurred_at": NOW_MS - 86_400_000 + number,
        }
        if type.startswith(("order.paid", "order.refunded", "invoice", "loan.disb", "repayment.r")):
            event |= {"amount": 1000, "currency": "CNY"}
        return event | fields

    return build


@pytest.fixture
def artifacts() -> MemoryArtifacts:
    """Versions in memory."""
    return MemoryArtifacts()


@pytest.fixture
def intake(artifacts: MemoryArtifacts) -> Intake:
    """An intake over four partitions."""
    return Intake(partitions=4, privacy_key=KEY, artifacts=artifacts)


@pytest.fixture
def to_record(intake: Intake) -> Callable[..., Record]:
    """A Kafka record of one event, on the partition and topic where it belongs."""
    counter = itertools.count()

    def build(event: dict[str, Any] | bytes, **changes: Any) -> Record:
        if isinstance(event, bytes):
            record = Record("merchant.transactions", 0, next(counter), None, event, [], NOW_MS)
        else:
            merchant = event["merchant_id"]
            partition = 0 if merchant == "*" else intake.partition_of(merchant)
            topic = BY_TAG[event["type"]].topic
            value = msgspec.json.encode(event)
            record = Record(topic, partition, next(counter), merchant.encode(), value, [], NOW_MS)
        return record._replace(**changes)

    return build

"""Every product that ships opens for merchants that trade as it asks, without a broker."""

from collections import defaultdict

import msgspec
import pytest

from credit.policy import load_policy
from schemas import topics
from schemas.outputs import LimitChange
from streams.artifacts import MemoryArtifacts, builtin_policy, genesis
from streams.intake import Intake
from streams.partitions import held_start
from streams.pipeline import Pipeline
from tests.credit.borrowers import (
    HISTORY_DAYS,
    TRADES,
    Fields,
    applies,
    borrower,
    day_of,
    registered,
)

POLICY = builtin_policy("portfolio-1.yaml")
PRODUCTS = tuple(load_policy(POLICY).terms)
DAYS = HISTORY_DAYS + 5


@pytest.fixture(scope="module")
def answered() -> dict[str, LimitChange]:
    """The first change of each merchant's line of the product that it applied for."""
    artifacts = MemoryArtifacts()
    intake = Intake(partitions=4, privacy_key=bytes(32), artifacts=artifacts)
    said: list[tuple[str, bytes]] = []
    pipeline = Pipeline(
        intake,
        artifacts,
        lambda *each: said.append(each),
        learner=None,
        start=held_start(genesis(), POLICY),
    )
    trades = {borrower(product): product for product in TRADES}
    events: list[Fields] = list(map(registered, trades))
    for merchant, product in trades.items():
        events.append(applies(merchant, product))
        for day in range(DAYS):
            events += day_of(merchant, product, day)
    for number, event in enumerate(sorted(events, key=lambda each: each["occurred_at"])):
        pipeline.feed("f", number, msgspec.json.encode(event), event["occurred_at"])
    pipeline.finish(events[-1]["occurred_at"])
    decode = msgspec.json.Decoder(LimitChange).decode
    found: dict[str, list[LimitChange]] = defaultdict(list)
    for topic, value in said:
        assert topic != topics.DEAD_LETTERS, value
        if topic == topics.LIMIT_CHANGES:
            change = decode(value)
            if trades[change.merchant_id] == change.product:
                found[change.product].append(change)
    return {product: changes[0] for product, changes in found.items()}


def test_somebody_applies_for_each_product() -> None:
    assert set(PRODUCTS) == set(TRADES)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_opens_for_a_merchant_that_trades_as_it_asks(
    answered: dict[str, LimitChange], product: str
) -> None:
    change = answered[product]
    assert (change.action, change.version) == ("open", 1), change.reasons
    assert change.new_limit_minor >= 100_000
    assert change.state == ("proposed" if product == "rural-seasonal" else "sent")

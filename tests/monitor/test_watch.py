"""A monitor that gets nowhere ends; one that is caught up or works on does not."""

import asyncio
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from ops.errors import FatalError
from ops.metrics import Metrics
from ops.settings import Settings
from streams.monitor.watch import Watch


class Tp(NamedTuple):
    topic: str
    partition: int


class Consumer:
    """Positions and ends of partitions, as Faust's consumer tells them."""

    def __init__(self) -> None:
        self.ends = {Tp("risk.events", 0): 10, Tp("monitor-feeds-changelog", 0): 99}
        self.positions = {Tp("risk.events", 0): 4, Tp("monitor-feeds-changelog", 0): 0}

    def assignment(self) -> set[Tp]:
        return set(self.ends)

    async def position(self, tp: Tp) -> int:
        return self.positions[tp]

    def highwater(self, tp: Tp) -> int:
        return self.ends[tp]


def made(stall_s: float = -1.0) -> tuple[Any, Watch, Metrics]:
    """An app (its outside only), recovered, and what watches it; any stall is too long.

    Two sessions of 6 s are added to the patience with a recovery.
    """
    app = SimpleNamespace(
        consumer=Consumer(),
        conf=SimpleNamespace(id="monitor"),
        rebalancing=False,
        rebalancing_count=1,
        tables=SimpleNamespace(
            actives_ready=True, recovery=SimpleNamespace(active_remaining_total=lambda: 5)
        ),
    )
    metrics = Metrics()
    return (
        app,
        Watch(app, Settings(), metrics, stall_s=stall_s, recovery_stall_s=stall_s - 12),
        metrics,
    )


def lag(metrics: Metrics) -> float | None:
    labels = {"group": "monitor", "topic": "risk.events", "partition": "0"}
    return metrics.registry.get_sample_value("tideline_consumer_lag_records", labels)


def test_the_lag_of_inputs_is_shown_while_they_are_assigned() -> None:
    app, watch, metrics = made(stall_s=60)
    asyncio.run(watch.look())
    assert lag(metrics) == 6
    app.consumer.ends = {}
    asyncio.run(watch.look())
    assert lag(metrics) is None


def test_a_monitor_that_leaves_records_waiting_ends() -> None:
    app, watch, _ = made()
    asyncio.run(watch.look())
    app.consumer.positions[Tp("risk.events", 0)] = 5
    asyncio.run(watch.look())
    with pytest.raises(FatalError, match="5 records are waiting"):
        asyncio.run(watch.look())


def test_a_monitor_that_has_caught_up_may_wait_for_ever() -> None:
    app, watch, _ = made()
    app.consumer.positions[Tp("risk.events", 0)] = 10
    for _ in range(3):
        asyncio.run(watch.look())


def test_a_recovery_that_gets_nowhere_ends() -> None:
    app, watch, _ = made()
    app.tables.actives_ready = False
    asyncio.run(watch.look())
    app.tables.recovery.active_remaining_total = lambda: 4
    asyncio.run(watch.look())
    with pytest.raises(FatalError, match="not recovered"):
        asyncio.run(watch.look())

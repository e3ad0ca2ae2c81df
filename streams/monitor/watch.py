"""Notices that Faust has stopped getting anywhere, which it does not notice itself."""

import logging
import time
from typing import Any

import faust
from aiokafka.errors import IllegalStateError  # type: ignore[import-untyped]

from ops.errors import FatalError
from ops.metrics import Metrics
from ops.settings import Settings
from streams.monitor.app import INPUTS, is_ready

log = logging.getLogger(__name__)

STALL_S = 120.0
"""Longest time without any progress; a process that ends is restarted, one that hangs is not."""
RECOVERY_STALL_S = 20.0
"""The same while tables are restored, besides two sessions (a group waits for members that died):
Faust at times never fetches what it took over from another process, and a restart does."""


class Watch:
    """Measures consumer lag and progress; ``look`` is called every few seconds."""

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        metrics: Metrics,
        *,
        stall_s: float = STALL_S,
        recovery_stall_s: float = RECOVERY_STALL_S,
    ) -> None:
        self._app = app
        self._prefix = settings.kafka.topic_prefix
        self._metrics = metrics
        self._stall_s = stall_s
        self._recovery_stall_s = recovery_stall_s + settings.kafka.session_timeout_ms / 500
        self._progress: Any = None
        self._progress_at = time.monotonic()
        self._shown: set[tuple[str, int]] = set()

    async def look(self) -> None:
        """Publish the lag. Raises ``FatalError`` when there was no progress for too long."""
        app = self._app
        ready = is_ready(app)
        positions = await self._positions() if ready else {}
        behind = sum(self._show_lag(positions).values())
        recovery = app.tables.recovery
        progress = (
            (app.rebalancing_count, positions)
            if ready
            else (app.rebalancing_count, recovery.active_remaining_total())
        )
        stall_s = self._stall_s if ready else self._recovery_stall_s
        caught_up = ready and behind == 0
        if caught_up or progress != self._progress:
            self._progress = progress
            self._progress_at = time.monotonic()
        elif time.monotonic() - self._progress_at > stall_s:
            what = f"{behind} records are waiting" if ready else "it is not recovered"
            raise FatalError(f"the monitor made no progress for {stall_s:.0f} s: {what}")

    async def _positions(self) -> dict[Any, int]:
        found = {}
        for tp in self._app.consumer.assignment():
            if tp.topic.removeprefix(self._prefix) in INPUTS:
                try:
                    position = await self._app.consumer.position(tp)
                except IllegalStateError:
                    continue  # revoked just now
                if position is not None:
                    found[tp] = position
        return found

    def _show_lag(self, positions: dict[Any, int]) -> dict[tuple[str, int], int]:
        group = self._app.conf.id
        lags: dict[tuple[str, int], int] = {}
        for tp, position in positions.items():
            end = self._app.consumer.highwater(tp)
            if end is not None:
                lags[tp.topic.removeprefix(self._prefix), tp.partition] = max(end - position, 0)
        for (topic, partition), lag in lags.items():
            self._metrics.consumer_lag.labels(group, topic, str(partition)).set(lag)
        for topic, partition in self._shown - set(lags):
            self._metrics.forget_source(group, topic, partition)
        self._shown = set(lags)
        return lags

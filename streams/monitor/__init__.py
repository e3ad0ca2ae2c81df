"""Monitors on Faust: what can be computed again from the risk.* topics."""

import asyncio
import os
import tempfile
from pathlib import Path

from ops.errors import FatalError
from ops.health import HealthServer
from ops.metrics import Metrics
from ops.settings import Settings
from ops.signals import StopFlag
from streams.monitor.app import COMPONENT, build_app

START_S = 120.0
STOP_S = 3.0


def run_monitor(
    settings: Settings,
    metrics: Metrics,
    health: HealthServer,
    stop: StopFlag,
    *,
    declare: bool = True,
) -> None:
    """Run the monitors until told to stop. Raises ``FatalError`` when Faust fails to start."""
    health.ready(COMPONENT, False, "recovering its tables")
    with tempfile.TemporaryDirectory(prefix="tideline-monitor-") as name:
        folder = Path(name)
        asyncio.run(_run(settings, metrics, health, stop, folder=folder, declare=declare))


async def _run(
    settings: Settings,
    metrics: Metrics,
    health: HealthServer,
    stop: StopFlag,
    *,
    folder: Path,
    declare: bool,
) -> None:
    # Faust binds to the running event loop when the app is built.
    app = build_app(settings, metrics, health, folder=folder, declare=declare)
    app.finalize()
    try:
        await asyncio.wait_for(app.start(), START_S)
    except TimeoutError:
        raise FatalError(f"the monitor did not start in {START_S:.0f} s") from None
    while not stop.is_set():
        await asyncio.sleep(0.2)
        if app.crashed:
            raise FatalError(f"the monitor ended: {app.crash_reason!r}")
    health.ready(COMPONENT, False, "stopping")
    try:
        await asyncio.wait_for(app.stop(), STOP_S)
    except TimeoutError:
        # Everything it holds can be computed again; a hung client must not hold up the stop.
        os._exit(0)

"""Monitors on Faust: what can be computed again from the risk.* topics."""

import asyncio
import logging
import os
import time

import faust

from ops.errors import FatalError
from ops.health import HealthServer
from ops.kafka import topic_name
from ops.metrics import Metrics
from ops.settings import Settings
from ops.signals import StopFlag
from streams.monitor.app import COMPONENT, INPUTS, build_app, monitor_snapshot
from streams.monitor.changelogs import prepare_topics
from streams.monitor.client import changelog_name
from streams.monitor.state import TABLES
from streams.monitor.watch import Watch
from streams.runtime import EXIT_RESTART

__all__ = ["build_app", "monitor_snapshot", "run_monitor"]

log = logging.getLogger(__name__)

START_S = 120.0
STOP_S = 3.0
LOOK_EVERY_S = 2.0


def run_monitor(
    settings: Settings,
    metrics: Metrics,
    health: HealthServer,
    stop: StopFlag,
    *,
    declare: bool = True,
) -> None:
    """Run the monitors until told to stop.

    ``declare`` False is for the embedded broker: the tables' topics appear by themselves, and
    checksums are not looked at (see ``MonitorApp``). Raises
    ``ConfigurationError`` when the partition counts do not fit, ``FatalError`` when Faust does not
    start, ends, or gets nowhere.
    """
    health.ready(COMPONENT, False, "recovering its tables")
    changelogs = [changelog_name(settings, table) for table in TABLES]
    inputs = [topic_name(settings, name) for name in INPUTS]
    prepare_topics(settings, inputs, changelogs, declare=declare)
    asyncio.run(_run(settings, metrics, health, stop, check_crcs=declare))


async def _run(
    settings: Settings, metrics: Metrics, health: HealthServer, stop: StopFlag, *, check_crcs: bool
) -> None:
    app = build_app(settings, metrics, health, check_crcs=check_crcs)
    app.finalize()
    try:
        await _work(app, Watch(app, settings, metrics), stop)
    except FatalError as error:
        log.critical("monitor_ends", extra={"error": str(error)})
        await _stop(app, EXIT_RESTART)
        raise
    health.ready(COMPONENT, False, "stopping")
    await _stop(app, 0)


async def _work(app: faust.App, watch: Watch, stop: StopFlag) -> None:
    starting = asyncio.ensure_future(app.start())
    give_up_at = time.monotonic() + START_S
    look_at = time.monotonic()
    while not stop.is_set():
        await asyncio.sleep(0.2)
        if app.crashed:
            raise FatalError(f"the monitor ended: {app.crash_reason!r}")
        if not starting.done():
            if time.monotonic() > give_up_at:
                raise FatalError(f"the monitor did not start in {START_S:.0f} s")
            continue
        if starting.exception() is not None:
            raise FatalError(f"the monitor did not start: {starting.exception()!r}")
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_EVERY_S
            await watch.look()


async def _stop(app: faust.App, exit_code: int) -> None:
    """Leave the group; what does not stop in time is left behind with the process.

    Nothing is lost by that: everything it holds can be computed again.
    """
    try:
        await asyncio.wait_for(app.stop(), STOP_S)
    except Exception:
        log.warning("monitor_did_not_stop", exc_info=True)
        logging.shutdown()
        os._exit(exit_code)

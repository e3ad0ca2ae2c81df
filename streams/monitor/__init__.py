"""Monitors on Faust: what can be computed again from the risk.* topics."""

import asyncio
import os
import tempfile
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from ops.errors import FatalError
from ops.health import HealthServer
from ops.kafka import admin_config
from ops.metrics import Metrics
from ops.settings import Settings
from ops.signals import StopFlag
from streams.monitor.app import COMPONENT, TABLES, build_app

START_S = 120.0
CREATE_S = 30.0
COMPACTED = {"cleanup.policy": "compact"}
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
    if declare:
        _create_changelogs(settings)
    with tempfile.TemporaryDirectory(prefix="tideline-monitor-") as name:
        folder = Path(name)
        asyncio.run(_run(settings, metrics, health, stop, folder=folder, declare=declare))


def _create_changelogs(settings: Settings) -> None:
    """Faust creates its topics too, but agents may write before they are to be seen."""
    admin = AdminClient(admin_config(settings))
    names = [f"{settings.kafka.topic_prefix}monitor-{table}-changelog" for table in TABLES]
    existing = admin.list_topics(timeout=CREATE_S).topics
    kafka = settings.kafka
    new = [
        NewTopic(
            n, kafka.partitions, kafka.replication_factor, config={"cleanup.policy": "compact"}
        )
        for n in names
        if n not in existing
    ]
    for created in admin.create_topics(new).values() if new else ():
        created.result(CREATE_S)


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

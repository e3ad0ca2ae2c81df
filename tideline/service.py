"""How a role runs as a process: logging, metrics, health, signals, and a loud end."""

import gc
import logging
import os
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

from ops.health import HealthServer
from ops.logs import configure_logging
from ops.metrics import Metrics
from ops.settings import Settings
from ops.signals import StopFlag
from streams.host import Host
from streams.runtime import EXIT_RESTART, Runtime

log = logging.getLogger(__name__)

GC_YOUNG_OBJECTS = 50_000
"""New objects before the collector looks at them: a micro-batch makes thousands that just die."""


class Service(NamedTuple):
    """What a role gets from its process."""

    settings: Settings
    metrics: Metrics
    health: HealthServer
    stop: StopFlag


@contextmanager
def service(settings: Settings, name: str):  # type: ignore[no-untyped-def]
    """Logging, ``/metrics``, ``/healthz``, ``/readyz`` and graceful stop for one process."""
    configure_logging(settings)
    metrics = Metrics()
    health = HealthServer(metrics, settings.metrics.host, settings.metrics.port)
    stop = StopFlag.install()
    log.info("started", extra={"service": name, "metrics_port": health.port})
    try:
        yield Service(settings, metrics, health, stop)
    finally:
        health.stop()
        log.info("stopped", extra={"service": name})


def run_hosts(service: Service, hosts: list[Callable[[], Host]]) -> None:
    """Run each host in a thread of its own until told to stop.

    Crash-only: when one ends with an error the whole process ends at once, and a restart restores.
    """

    # One after the other: msgspec prepares a type when it first converts to it, without a lock, and
    # two threads that do so at once crash the interpreter. Roles share the types of policies.
    building = threading.Lock()

    def run(build: Callable[[], Host]) -> None:
        try:
            with building:
                host = build()
            runtime = Runtime(
                host,
                settings=service.settings,
                metrics=service.metrics,
                health=service.health,
            )
            runtime.run(service.stop.is_set)
        except BaseException:
            log.critical("worker_ends", exc_info=True)
            logging.shutdown()
            os._exit(EXIT_RESTART)

    gc.set_threshold(GC_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    threads = [threading.Thread(target=run, args=(build,)) for build in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

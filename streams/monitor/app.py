"""The Faust app of the monitors: agents keep tables, a timer publishes what they hold.

At least once, on state that can be computed again: every update replaces by identity and version or
is counted by its position in the log, so that what is delivered twice counts once. Faust flushes
the changelogs before it commits positions. An error in an agent ends the process at once: Faust
would acknowledge the record and go on.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import faust

from ops.health import HealthServer
from ops.kafka import topic_name
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from schemas.codec import encode
from schemas.events import tag_of
from streams.monitor.client import MonitorApp
from streams.monitor.state import State, Unreadable
from streams.monitor.view import Gauges
from streams.runtime import EXIT_RESTART

log = logging.getLogger(__name__)

PUBLISH_EVERY_S = 2.0
SAY_EVERY_S = 30.0
COMPONENT = "monitor"
NO_VALUE = Unreadable(1, "the record has no value")

Take = Callable[[State, Any], Unreadable | None]


def build_app(
    settings: Settings, metrics: Metrics, health: HealthServer, *, check_crcs: bool = True
) -> faust.App:
    """The app, to be built where its event loop runs; its topics are there before it starts.

    ``monitor_snapshot`` gives its figures; ``check_crcs`` is that of ``MonitorApp``.
    """
    app = MonitorApp(settings, check_crcs=check_crcs)
    state = State(app, settings.kafka.partitions)
    app.figures = state
    # Faust has restored all tables before it tells the first of them.
    state.exposures.on_recover(_recovered(state))
    for logical, take in _TAKES.items():
        _add_agent(app, settings, metrics, state, logical, take)
    gauges = Gauges(metrics)
    commands = _topic(app, settings, topics.COMMANDS)
    said = [time.monotonic()]

    @app.timer(PUBLISH_EVERY_S)
    async def publish() -> None:
        if not is_ready(app):
            health.ready(COMPONENT, False, "recovering its tables")
            return
        view = state.view()
        gauges.show(view)
        for told in state.cohorts.look(state.now_ms()):
            await commands.send(key=told.merchant_id.encode(), value=encode(told))
            log.info("cohort_told", extra={"cohort": told.merchant_id, "what": tag_of(type(told))})
        metrics.last_processed(COMPONENT, time.time_ns() // 1_000_000)
        health.ready(COMPONENT, True, "")
        health.beat(COMPONENT)
        if time.monotonic() - said[0] >= SAY_EVERY_S:
            said[0] = time.monotonic()
            log.info("monitor_summary", extra=view.as_json())

    return app


def monitor_snapshot(app: faust.App) -> dict[str, Any]:
    """The figures of an app that ``build_app`` made, as JSON types."""
    figures: State = app.figures
    return figures.view().as_json()


def is_ready(app: faust.App) -> bool:
    """Whether the tables are recovered and no rebalance is under way."""
    return bool(app.tables.actives_ready and not app.rebalancing)


def _take_assessment(state: State, message: Any) -> Unreadable | None:
    return state.take_assessment(message.partition, message.value)


def _take_alert(state: State, message: Any) -> Unreadable | None:
    return state.take_alert(message.partition, message.value)


def _take_change(state: State, message: Any) -> Unreadable | None:
    return state.take_change(message.partition, message.value)


def _take_lines(state: State, message: Any) -> Unreadable | None:
    return state.take_lines(
        message.partition, message.offset, round(message.timestamp * 1000), message.value
    )


_TAKES: dict[str, Take] = {
    topics.ASSESSMENTS: _take_assessment,
    topics.ALERTS: _take_alert,
    topics.LIMIT_CHANGES: _take_change,
    topics.EVENTS: _take_lines,
}
INPUTS = tuple(_TAKES)


def _add_agent(
    app: faust.App, settings: Settings, metrics: Metrics, state: State, logical: str, take: Take
) -> None:
    source = _topic(app, settings, logical)
    taken = metrics.events.labels(COMPONENT, "in")
    unreadable = metrics.events.labels(COMPONENT, "unreadable")

    # Concurrency 1: Faust loses records when several instances acknowledge out of order.
    @app.agent(source, name=f"monitor.{logical}", concurrency=1)
    async def agent(stream: Any) -> None:
        try:
            async for event in stream.events():
                message = event.message
                metrics.event_seen(COMPONENT, round(message.timestamp * 1000))
                found = take(state, message) if message.value is not None else NO_VALUE
                if found is None:
                    taken.inc()
                    continue
                unreadable.inc(found.lines)
                log.warning(
                    "unreadable_record",
                    extra={
                        "topic": logical,
                        "partition": message.partition,
                        "offset": message.offset,
                        "lines": found.lines,
                        "error": found.why,
                    },
                )
        except Exception:
            end_process()


def _topic(app: faust.App, settings: Settings, logical: str) -> Any:
    return app.topic(
        topic_name(settings, logical),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )


def _recovered(state: State) -> Callable[[], Any]:
    async def recovered() -> None:
        try:
            state.recovered()
        except Exception:
            end_process()

    return recovered


def end_process() -> None:
    """End at once, before Faust acknowledges what was not done; a restart restores."""
    log.critical("monitor_ends", exc_info=True)
    logging.shutdown()
    os._exit(EXIT_RESTART)

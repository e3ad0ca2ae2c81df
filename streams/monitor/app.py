"""The Faust app of the monitors: agents keep tables, a timer publishes what they hold.

At least once, on state that can be computed again: every update replaces or takes a maximum, except
the feeds' hourly counts, where what is delivered twice after a crash counts twice. An error in an
agent ends the process at once: Faust would acknowledge the event and go on.
"""

import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
import msgspec

from ops.health import HealthServer
from ops.kafka import topic_name
from ops.metrics import Metrics
from ops.settings import Settings
from schemas import topics
from schemas.outputs import Alert, Assessment
from streams.monitor import portfolio

log = logging.getLogger(__name__)

PUBLISH_EVERY_S = 2.0
COMPONENT = "monitor"
TABLES = ("exposures", "episodes", "feeds")
_assessment = msgspec.json.Decoder(Assessment).decode
_alert = msgspec.json.Decoder(Alert).decode


class _Line(msgspec.Struct):
    type: str
    occurred_at: int


_lines = msgspec.json.Decoder(_Line).decode_lines


def build_app(
    settings: Settings,
    metrics: Metrics,
    health: HealthServer,
    *,
    folder: Path,
    declare: bool = True,
) -> faust.App:
    """The app. ``folder`` takes Faust's own files, which nothing depends on.

    ``declare`` False leaves topics to appear by themselves (embedded broker).
    """
    kafka = settings.kafka
    app = faust.App(
        f"{kafka.topic_prefix}monitor",
        broker=[f"kafka://{address}" for address in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        datadir=str(folder),
        topic_partitions=kafka.partitions,
        topic_replication_factor=kafka.replication_factor,
        topic_allow_declare=declare,
        topic_disable_leader=True,
        web_enabled=False,
        web_tables_enabled=False,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        broker_commit_interval=1.0,
        # A killed monitor's member has to go before its successor gets the partitions.
        broker_session_timeout=kafka.session_timeout_ms / 1000,
        broker_heartbeat_interval=kafka.session_timeout_ms / 4000,
    )

    def topic(name: str) -> Any:
        return app.topic(
            topic_name(settings, name),
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
        )

    def table(name: str) -> Any:
        return app.Table(name, partitions=kafka.partitions)

    exposures, episodes, feeds = map(table, TABLES)

    @app.agent(topic(topics.ASSESSMENTS))
    async def take_assessments(stream: Any) -> None:
        async for raw in stream:
            await _guarded(_take_assessment, exposures, raw, metrics)

    @app.agent(topic(topics.ALERTS))
    async def take_alerts(stream: Any) -> None:
        async for raw in stream:
            await _guarded(_take_alert, episodes, raw, metrics)

    @app.agent(topic(topics.EVENTS))
    async def take_log(stream: Any) -> None:
        async for event in stream.events():
            place = event.message.partition
            await _guarded(_take_lines(place), feeds, event.value, metrics)

    @app.timer(PUBLISH_EVERY_S)
    async def publish() -> None:
        _publish(metrics, exposures, episodes, feeds)
        health.ready(COMPONENT, True, "")
        health.beat(COMPONENT)

    return app


async def _guarded(
    take: Callable[[Any, bytes], Awaitable[None]], table: Any, raw: bytes, metrics: Metrics
) -> None:
    """Bytes that cannot be read are counted and left; any other error ends the process."""
    try:
        await take(table, raw)
        metrics.events.labels(COMPONENT, "in").inc()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        metrics.events.labels(COMPONENT, "unreadable").inc()
        log.warning("unreadable_record", extra={"error": str(error)})
    except Exception:
        log.critical("monitor_ends", exc_info=True)
        logging.shutdown()
        os._exit(1)


async def _take_assessment(table: Any, raw: bytes) -> None:
    found = _assessment(raw)
    known = _load(table, found.merchant_id, portfolio.Exposure)
    fresh = portfolio.Exposure(found.segment, found.currency, found.exposure_minor, found.as_of)
    table[found.merchant_id] = msgspec.to_builtins(portfolio.newer_exposure(known, fresh))


async def _take_alert(table: Any, raw: bytes) -> None:
    found = _alert(raw)
    fresh = portfolio.Episode(
        found.segment, found.kind, found.severity, found.state, found.version, found.opened_at
    )
    known = _load(table, found.alert_id, portfolio.Episode)
    table[found.alert_id] = msgspec.to_builtins(portfolio.newer_episode(known, fresh))


def _take_lines(partition: int) -> Callable[[Any, bytes], Awaitable[None]]:
    async def take(table: Any, raw: bytes) -> None:
        times: dict[str, list[int]] = {}
        for line in _lines(raw):
            feed = portfolio.feed_of(line.type)
            if feed is not None:
                times.setdefault(feed, []).append(line.occurred_at)
        for feed, found in times.items():
            key = f"{feed}/{partition}"
            known = _load(table, key, portfolio.Feed)
            table[key] = msgspec.to_builtins(portfolio.advance_feed(known, found), str_keys=True)

    return take


def _load(table: Any, key: str, kind: type[Any]) -> Any:
    stored = table.get(key)
    return None if stored is None else msgspec.convert(stored, kind, strict=False)


def _publish(metrics: Metrics, exposures: Any, episodes: Any, feeds: Any) -> None:
    states = [msgspec.convert(v, portfolio.Episode) for v in list(episodes.values())]
    by_feed = {
        key: msgspec.convert(v, portfolio.Feed, strict=False) for key, v in list(feeds.items())
    }
    metrics.monitor_exposure.clear()
    held = (msgspec.convert(v, portfolio.Exposure) for v in list(exposures.values()))
    for labels, minor in portfolio.exposure_by_segment(held).items():
        metrics.monitor_exposure.labels(*labels).set(minor)
    metrics.monitor_open_alerts.clear()
    for where, count in portfolio.open_by_segment(states).items():
        metrics.monitor_open_alerts.labels(*where).set(count)
    metrics.monitor_alerts_window.clear()
    now = portfolio.latest_time(by_feed, states)
    for what, count in portfolio.opened_in_window(states, now).items():
        metrics.monitor_alerts_window.labels(*what).set(count)
    rates: dict[str, float] = {}
    latest: dict[str, int] = {}
    for key, feed in by_feed.items():
        name = key.rpartition("/")[0]
        rates[name] = rates.get(name, 0.0) + portfolio.events_per_minute(feed)
        latest[name] = max(latest.get(name, 0), feed.last_event_at)
    for name, rate in rates.items():
        metrics.monitor_feed_rate.labels(name).set(rate)
        metrics.monitor_feed_last_event.labels(name).set(latest[name] / 1000)


def _credentials(settings: Settings) -> Any:
    kafka = settings.kafka
    if kafka.security_protocol == "plaintext":
        return None
    context = None
    if "ssl" in kafka.security_protocol:
        path = kafka.ssl_ca_location
        context = ssl.create_default_context(cafile=str(path) if path else None)
    if kafka.sasl_mechanism is None:
        return faust.SSLCredentials(context)
    password = kafka.sasl_password
    return faust.SASLCredentials(
        mechanism=kafka.sasl_mechanism,
        username=kafka.sasl_username,
        password=password.get_secret_value() if password else "",
        ssl_context=context,
    )

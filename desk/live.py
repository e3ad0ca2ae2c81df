"""What is stored, as of now, for all who look: one look at the store a second, told to everyone."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool

from desk.ports import Engine
from ops.errors import TidelineError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
BEAT_S = 15.0
"""A viewer hears something at least so often, so that silence means a broken connection."""
VIEWERS_MAX = 500

_LOOK = (
    "SELECT 'alerts' AS name, toInt64(count()) AS stored, toInt64(0) AS event_ms,"
    " toInt64(0) AS kafka_ms FROM alerts"
    " UNION ALL SELECT 'limit_changes', toInt64(count()), 0, 0 FROM limit_changes"
    " UNION ALL SELECT 'assessments', toInt64(count()), 0, 0 FROM assessments"
    # Only parts that may hold something newer are read.
    " UNION ALL SELECT 'latest', 0, max(toUnixTimestamp64Milli(as_of)), max(kafka_timestamp_ms)"
    " FROM assessments WHERE as_of >= fromUnixTimestamp64Milli({event_ms:Int64}, 'UTC')"
    " UNION ALL SELECT 'log', 0, 0, max(kafka_timestamp_ms) FROM event_records"
    " WHERE kafka_timestamp_ms >= {kafka_ms:Int64}"
)


class Stored(NamedTuple):
    """What was stored at a look.

    ``number`` is raised whenever something else is stored; it says nothing beyond this process.
    ``event_ms`` is the latest event time of an assessment, ``kafka_ms`` when the latest record was
    written to Kafka (epoch ms, 0 = none). ``answers`` is false while the store does not.
    """

    number: int = 0
    alerts: int = 0
    limit_changes: int = 0
    assessments: int = 0
    event_ms: int = 0
    kafka_ms: int = 0
    answers: bool = True

    def is_as(self, other: "Stored") -> bool:
        """Whether nothing was stored in between."""
        return self._replace(number=0) == other._replace(number=0)


class TooManyViewers(TidelineError):
    """No more connections are kept open at once."""


class Live:
    """Looks for all viewers. Safe to share between threads and event loops.

    The thread that looks runs while somebody is connected. ``clock_ms`` is wall-clock epoch ms.
    """

    def __init__(
        self, engine: Engine, clock_ms: Callable[[], int], *, viewers_max: int = VIEWERS_MAX
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._viewers_max = viewers_max
        self._stored = Stored()
        self._looked_s = float("-inf")
        self._looking = threading.Lock()
        self._lock = threading.Lock()
        self._viewers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def stored(self) -> Stored:
        """What is stored, as of at most a second ago. Raises what the engine raises."""
        if time.monotonic() - self._looked_s > LOOK_EVERY_S:
            return self.look()
        return self._stored

    def look(self) -> Stored:
        """What is stored as of now. Raises what the engine raises."""
        with self._looking:
            before = self._stored
            found = self._engine.query(
                _LOOK, {"event_ms": before.event_ms, "kafka_ms": before.kafka_ms}
            )
            rows = {row["name"]: row for row in found}
            now = Stored(
                before.number,
                rows["alerts"]["stored"],
                rows["limit_changes"]["stored"],
                rows["assessments"]["stored"],
                max(before.event_ms, rows["latest"]["event_ms"]),
                max(before.kafka_ms, rows["latest"]["kafka_ms"], rows["log"]["kafka_ms"]),
            )
            if not now.is_as(before):
                self._stored = now._replace(number=before.number + 1)
            self._looked_s = time.monotonic()
            return self._stored

    @property
    def viewers(self) -> int:
        """How many are connected."""
        return len(self._viewers)

    @property
    def is_full(self) -> bool:
        """Whether another connection would be one too many."""
        return len(self._viewers) >= self._viewers_max

    def close(self) -> None:
        """End all connections, and take no more."""
        self._closed.set()
        self._tell()

    async def follow(self, may_go_on: Callable[[], bool]) -> AsyncIterator[str]:
        """Server-sent events for one viewer until it goes, the desk ends, or ``may_go_on`` does.

        ``queue`` events say that something else is stored, ``beat`` that nothing is; both carry the
        same fields. Raises ``TooManyViewers``.
        """
        news = asyncio.Event()
        self._join(news)
        try:
            told = -1
            yield "retry: 3000\n\n"
            while not self._closed.is_set():
                stored = self._stored
                yield self._message("beat" if stored.number == told else "queue", stored)
                told = stored.number
                try:
                    await asyncio.wait_for(news.wait(), BEAT_S)
                except TimeoutError:
                    if not await run_in_threadpool(may_go_on):
                        break
                news.clear()
            yield "event: end\ndata: {}\n\n"
        finally:
            with self._lock:
                self._viewers.pop(news, None)

    def _message(self, event: str, stored: Stored) -> str:
        data = {
            "number": stored.number,
            "event_ms": stored.event_ms,
            "kafka_ms": stored.kafka_ms,
            "now_ms": self._clock_ms(),
            "answers": stored.answers,
        }
        return f"event: {event}\ndata: {msgspec.json.encode(data).decode()}\n\n"

    def _join(self, news: asyncio.Event) -> None:
        with self._lock:
            if self.is_full:
                raise TooManyViewers(f"{self._viewers_max} viewers are connected already")
            self._viewers[news] = asyncio.get_running_loop()
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="desk-live", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            before = self._stored
            try:
                self.look()
            except TidelineError as error:
                if before.answers:
                    log.warning("desk_store_silent", extra={"error": str(error)})
                with self._looking:
                    self._stored = self._stored._replace(answers=False)
            if self._stored != before:
                self._tell()
            if self._closed.wait(LOOK_EVERY_S):
                return
            with self._lock:
                if not self._viewers:
                    self._thread = None
                    return

    def _tell(self) -> None:
        with self._lock:
            viewers = list(self._viewers.items())
        for news, loop in viewers:
            try:
                loop.call_soon_threadsafe(news.set)
            except RuntimeError:  # its loop has ended, and its viewer with it
                continue

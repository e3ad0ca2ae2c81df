"""Many viewers of the live queue at once: each holds ``/live`` and renews its rows at an event."""

import asyncio
import bisect
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

SPREAD_S = 0.4
"""A page waits for up to so long after an event (``desk/static/live.js``)."""
SETTLE_S = 3.0
_SEEN = re.compile(rb'name="seen" value="([^"]*)"')


class Desk(Protocol):
    """A desk under load: ``bench.desk_load.Server``."""

    port: int
    process: Any

    def store_alert(self) -> int:
        """Store one more alert; returns when it was (monotonic ns)."""
        ...


class Viewer:
    """What one viewer heard and saw: moments in monotonic ns."""

    def __init__(self, port: int, cookie: str, seed: int) -> None:
        self._port = port
        self._head = f"host: 127.0.0.1:{port}\r\ncookie: {cookie}\r\n"
        self._draw = random.Random(seed)
        self._renewal: asyncio.Task[None] | None = None
        self._seen = ""
        self._rows: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.heard_ns: list[int] = []
        self.shown_ns: list[int] = []
        self.asked_ms: list[float] = []
        self.bytes = 0

    async def follow(self) -> None:
        """Hold the stream until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"GET /live HTTP/1.1\r\n{self._head}\r\n".encode())
            status = await reader.readline()
            if b" 200 " not in status:
                raise RuntimeError(f"/live: {status!r}")
            while line := await reader.readline():
                if line.startswith(b"event: queue"):
                    self.heard_ns.append(time.monotonic_ns())
                    if self._renewal is None or self._renewal.done():
                        self._renewal = asyncio.create_task(self._renew())
        finally:
            writer.close()

    async def _renew(self) -> None:
        await asyncio.sleep(self._draw.random() * SPREAD_S)
        if self._rows is None:
            self._rows = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._rows
        started = time.monotonic_ns()
        writer.write(f"GET /queue/rows?seen={self._seen} HTTP/1.1\r\n{self._head}\r\n".encode())
        status, length = await reader.readline(), 0
        while (line := await reader.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = await reader.readexactly(length)
        if b" 200 " not in status and b" 204 " not in status:
            raise RuntimeError(f"/queue/rows: {status!r}")
        now = time.monotonic_ns()
        self.bytes += length
        self.asked_ms.append((now - started) / 1e6)
        self.shown_ns.append(now)
        if found := _SEEN.search(body):
            self._seen = found[1].decode()


class Watched(NamedTuple):
    """What was measured; ``stored_ns`` are the moments at which alerts were there."""

    viewers: list[Viewer]
    stored_ns: list[int]
    cpu_s: float
    wall_s: float
    resident_mb: float

    def figures(self, quantiles: Callable[[list[float]], dict[str, float]]) -> dict[str, Any]:
        """For the report: delays from an alert's being stored to the next event of each viewer."""
        heard = [self._next(viewer.heard_ns) for viewer in self.viewers]
        shown = [self._next(viewer.shown_ns) for viewer in self.viewers]
        asked = [each for viewer in self.viewers for each in viewer.asked_ms]
        return {
            "viewers": len(self.viewers),
            "alerts": len(self.stored_ns),
            "ms": {
                "stored to the event heard": quantiles([each for v in heard for each in v]),
                "stored to the new rows shown": quantiles([each for v in shown for each in v]),
                "rows asked for": quantiles(asked),
            },
            "rows_asked_for": len(asked),
            "rows_megabytes": round(sum(viewer.bytes for viewer in self.viewers) / 1e6, 1),
            "never_heard": sum(len(self.stored_ns) - len(each) for each in heard),
            "server_cores": round(self.cpu_s / self.wall_s, 2),
            "server_resident_mb": round(self.resident_mb),
        }

    def _next(self, moments: list[int]) -> list[float]:
        found = []
        for stored in self.stored_ns:
            at = bisect.bisect_left(moments, stored)
            if at < len(moments):
                found.append((moments[at] - stored) / 1e6)
        return found


async def watch(desk: Desk, cookie: str, count: int, seconds: int) -> Watched:
    """``count`` viewers for ``seconds``, an alert stored each second."""
    viewers = [Viewer(desk.port, cookie, seed) for seed in range(count)]
    tasks = [asyncio.create_task(viewer.follow()) for viewer in viewers]
    await asyncio.sleep(SETTLE_S)
    started, before = time.monotonic(), _cpu_s(desk.process.pid)
    stored = []
    for n in range(seconds):
        await asyncio.sleep(max(started + n - time.monotonic(), 0))
        stored.append(await asyncio.to_thread(desk.store_alert))
    await asyncio.sleep(SETTLE_S)
    wall_s, cpu_s = time.monotonic() - started, _cpu_s(desk.process.pid) - before
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Watched(viewers, stored, cpu_s, wall_s, _resident_mb(desk.process.pid))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0

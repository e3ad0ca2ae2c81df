"""The desk over a filled embedded ClickHouse, in a process: ``python -m bench.desk_server``.

Prints its port. Each line on standard input stores one more alert, as a sink would, and is answered
by the moment (monotonic ns) at which that was done. Ends with its standard input.
"""

import sys
import threading
import time
from pathlib import Path

import uvicorn

from bench.desk_rows import ALERTS, HEAVY_MERCHANTS, VERSIONS
from desk.admission import Rules
from desk.app import create_app
from desk.users_file import UsersFile
from sinks.embedded import EmbeddedEngine
from tideline.desk_words import kinds, labels


class Nowhere:
    """An outbox for a desk that is only read: audit entries of refusals and logins are dropped."""

    def send(self, topic: str, key: str, value: bytes) -> None:
        """Drop it."""


class Arrivals:
    """Alerts that are stored one by one, each the first state of a new episode."""

    def __init__(self, engine: EmbeddedEngine, merchants: int, events: int) -> None:
        self._engine = engine
        rows = engine.query("SELECT uniqExact(alert_id) AS alerts FROM alerts")
        self._alerts = int(rows[0]["alerts"])
        self._more = {"merchants": merchants, "events": events, "heavy": HEAVY_MERCHANTS}

    def store(self) -> int:
        """Store one; returns when it was there, monotonic nanoseconds."""
        bound = {"alerts": self._alerts, "first": self._alerts * VERSIONS, "count": 1}
        self._engine.execute(ALERTS, {**self._more, **bound})
        self._alerts += 1
        return time.monotonic_ns()


def main() -> None:
    """Serve until standard input ends."""
    folder, users, merchants, events = sys.argv[1:5]
    engine = EmbeddedEngine(folder, "bench")
    arrivals = Arrivals(engine, int(merchants), int(events))
    app = create_app(
        engine,
        Nowhere(),
        token=None,
        rules=Rules(users=UsersFile(Path(users))),
        labels=labels(),
        kinds=kinds(),
    )
    config = uvicorn.Config(app, port=0, log_level="warning", access_log=False, proxy_headers=False)
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    while not server.started and serving.is_alive():
        time.sleep(0.05)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    for _line in sys.stdin:
        print(arrivals.store(), flush=True)
    app.state.live.close()
    server.should_exit = True
    serving.join(10)
    engine.close()


if __name__ == "__main__":
    main()

"""A sink as a process of its own, to be killed: ``python -m tests.sinks.sink_process OUTAGE``.

While the file ``OUTAGE`` is there, its ClickHouse cannot be reached.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.health import HealthServer
from ops.logs import configure_logging
from ops.metrics import Metrics
from ops.settings import load_settings
from ops.signals import StopFlag
from sinks.engine import Engine, EngineUnavailable, Params, open_engine
from sinks.migrate import migrate
from sinks.sink import Sink


class SwitchedEngine:
    """An engine that refuses while a file is there; an insert then under way loses its answer."""

    def __init__(self, engine: Engine, outage: Path) -> None:
        self._engine = engine
        self._outage = outage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def _answer(self) -> None:
        if self._outage.exists():
            raise EngineUnavailable("switched off")

    def execute(self, sql: str, params: Params | None = None) -> None:
        self._answer()
        self._engine.execute(sql, params)
        self._answer()

    def insert(
        self, table: str, columns: Sequence[str], data: Sequence[Sequence[Any]], *, token: str
    ) -> None:
        self._answer()
        self._engine.insert(table, columns, data, token=token)
        self._answer()

    def query(self, sql: str, params: Params | None = None) -> list[dict[str, Any]]:
        self._answer()
        return self._engine.query(sql, params)


def main() -> None:
    settings = load_settings()
    configure_logging(settings)
    stop = StopFlag.install()
    engine = open_engine(settings.clickhouse)
    migrate(engine)
    metrics = Metrics()
    health = HealthServer(metrics, "127.0.0.1", 0)
    switched: Any = SwitchedEngine(engine, Path(sys.argv[1]))
    Sink(settings, switched, metrics, health).run(stop)
    engine.close()


if __name__ == "__main__":
    main()

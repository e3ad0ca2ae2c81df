"""An embedded ClickHouse per test: one folder for the process, a database for each."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.health import HealthServer
from ops.metrics import Metrics
from sinks.embedded import EmbeddedEngine
from sinks.migrate import migrate

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def clickhouse_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clickhouse")


@pytest.fixture
def bare_engine(clickhouse_folder: Path) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(str(clickhouse_folder), f"test_{next(_numbers)}")
    yield engine
    engine.execute(f"DROP DATABASE {engine.database}")
    engine.close()


@pytest.fixture
def engine(bare_engine: EmbeddedEngine) -> EmbeddedEngine:
    migrate(bare_engine)
    return bare_engine


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def health(metrics: Metrics) -> Iterator[HealthServer]:
    server = HealthServer(metrics, "127.0.0.1", 0)
    yield server
    server.stop()

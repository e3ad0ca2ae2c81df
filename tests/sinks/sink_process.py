"""A sink as a process of its own, to be killed: ``python -m tests.sinks.sink_process``."""

from ops.health import HealthServer
from ops.logs import configure_logging
from ops.metrics import Metrics
from ops.settings import load_settings
from ops.signals import StopFlag
from sinks.engine import open_engine
from sinks.migrate import migrate
from sinks.sink import Sink


def main() -> None:
    settings = load_settings()
    configure_logging(settings)
    stop = StopFlag.install()
    engine = open_engine(settings.clickhouse)
    migrate(engine)
    metrics = Metrics()
    health = HealthServer(metrics, "127.0.0.1", 0)
    Sink(settings, engine, metrics, health).run(stop)
    engine.close()


if __name__ == "__main__":
    main()

"""``desk``: the risk desk's web application over ClickHouse and Kafka."""

import socket
import threading
from typing import Any

import uvicorn

from desk.live import Live
from ops.errors import ConfigurationError
from ops.metrics import Metrics
from ops.settings import Settings, load_settings
from streams.artifacts import builtin_policy
from tideline.console import console
from tideline.desk_rules import address_of, one_time_token, rules_of
from tideline.service import service


class DeskServer(uvicorn.Server):
    """A server that tells viewers who follow to go before it waits for open connections."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As ``uvicorn.Server``."""
        self._live.close()
        await super().shutdown(sockets)


def desk() -> None:
    """Serve the desk; prints its address, with a one-time login where there is no users file."""
    from sinks.engine import open_engine

    settings = load_settings()
    with service(settings, "desk") as process:
        engine = open_engine(settings.clickhouse)
        server, address = desk_server(settings, engine, process.metrics)
        console.print(f"desk: {address}", soft_wrap=True, highlight=False)
        process.health.ready("desk", True, "")
        serving = threading.Thread(target=server.run, name="desk")
        serving.start()
        while serving.is_alive() and not process.stop.wait(0.5):
            process.health.beat("desk")
        server.should_exit = True
        serving.join()
        engine.close()


def desk_server(settings: Settings, engine: Any, metrics: Metrics) -> tuple[uvicorn.Server, str]:
    """A server on the configured port (0 = a free one) and its address to log in at.

    Raises ``ConfigurationError`` where nobody should be served like that.
    """
    from desk.app import create_app
    from desk.capacity import CapacityError
    from desk.outbox import KafkaOutbox
    from desk.queue_view import Workday
    from tideline.desk_preview import LinePreviewer
    from tideline.desk_words import kinds, labels
    from tideline.policy_book import Book, PublishedTexts

    rules, token = rules_of(settings, metrics), one_time_token(settings)
    given = settings.desk
    workday = Workday(given.hours_per_day, given.base_currency, given.rates)
    try:
        workday.check()
    except CapacityError as error:
        raise ConfigurationError(f"TIDELINE_DESK__RATES or __BASE_CURRENCY: {error}") from error
    book = Book(PublishedTexts(settings))
    app = create_app(
        engine,
        KafkaOutbox(settings),
        token=token,
        rules=rules,
        labels=labels(),
        kinds=kinds(),
        workday=workday,
        previewer=LinePreviewer(builtin_policy(), book.policy_text),
        book=book,
        backtests_folder=settings.desk.backtests_folder,
    )
    try:
        listener = socket.create_server((settings.desk.host, settings.desk.port))
    except OSError as error:
        raise ConfigurationError(
            f"TIDELINE_DESK__PORT {settings.desk.port} on {settings.desk.host}: {error.strerror}; "
            "choose another, or 0 for a free one"
        ) from error
    port = listener.getsockname()[1]
    listener.close()
    config = uvicorn.Config(
        app,
        host=settings.desk.host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        # Whoever asks could write these headers: a forged address would have a rate of its own.
        proxy_headers=False,
        server_header=False,
    )
    return DeskServer(config, app.state.live), address_of(settings, port, token)

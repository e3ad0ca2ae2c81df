"""``desk``: the risk desk's web application over ClickHouse and Kafka."""

import secrets
import socket
import threading
from typing import Any

import uvicorn

from features.catalogue import CATALOGUE
from ops.errors import ConfigurationError
from ops.settings import Settings, load_settings
from tideline.console import console
from tideline.service import service


def desk() -> None:
    """Serve the desk; prints an address with a one-time login."""
    from sinks.engine import open_engine

    settings = load_settings()
    with service(settings, "desk") as process:
        engine = open_engine(settings.clickhouse)
        server, address = desk_server(settings, engine)
        console.print(f"desk: {address}", soft_wrap=True, highlight=False)
        process.health.ready("desk", True, "")
        serving = threading.Thread(target=server.run, name="desk")
        serving.start()
        while serving.is_alive() and not process.stop.wait(0.5):
            process.health.beat("desk")
        server.should_exit = True
        serving.join()
        engine.close()


def desk_server(settings: Settings, engine: Any) -> tuple[uvicorn.Server, str]:
    """A server on the configured port (0 = a free one) and its address with the login token."""
    from desk.app import create_app
    from desk.outbox import KafkaOutbox
    from desk.present import Label
    from tideline.policy_book import Book, PublishedTexts

    token = secrets.token_urlsafe(24)
    labels = {f.name: Label(f.label, f.label_zh, f.unit, f.family) for f in CATALOGUE}
    app = create_app(
        engine,
        KafkaOutbox(settings),
        token=token,
        labels=labels,
        book=Book(PublishedTexts(settings)),
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
    )
    return uvicorn.Server(config), f"http://{settings.desk.host}:{port}/login?token={token}"

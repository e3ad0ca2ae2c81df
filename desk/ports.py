"""What the desk needs of the world: a place to read, and a place to send commands and its log."""

from collections.abc import Mapping
from typing import Any, Protocol

Row = dict[str, Any]


class Engine(Protocol):
    """The part of ``sinks.engine.Engine`` that the desk uses."""

    def query(self, sql: str, params: Mapping[str, str | int | float] | None = None) -> list[Row]:
        """Rows of a SELECT by column name."""
        ...


class Outbox(Protocol):
    """Sends records to Kafka; see ``desk.outbox``."""

    def send(self, topic: str, key: str, value: bytes) -> None:
        """Return once Kafka has the record; raise ``OutboxUnavailable`` when it cannot take it."""
        ...

"""What the sink and the desk need of ClickHouse, whichever way it runs.

``open_engine`` gives the embedded engine for ``chdb:///folder`` and the native protocol for
``clickhouse://user@host:9000/database`` (``clickhouses://`` over TLS). Both take the same SQL, with
parameters as ``{name:Type}`` placeholders that are bound and never formatted into the text.

    EngineError              also a TidelineError
      EngineUnavailable      also a RetryableError: the same call may be made again
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from ops.errors import ConfigurationError, RetryableError, TidelineError
from ops.settings import ClickHouse

Param = str | int | float
"""A bound value. Lists and nulls are not taken: the two clients encode them differently."""

Params = Mapping[str, Param]

INSERT_SETTINGS: dict[str, str | int] = {
    # Defaults of these differ between server versions (26.2 turned three of them on).
    "async_insert": 0,
    "deduplicate_insert": "enable",
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # One insert is one block, and so one part for each month that it touches. A month of one
    # batch is then either whole or absent, and a repeat with the same token is recognised.
    "max_insert_block_size": 1_048_576,
    "min_insert_block_size_rows": 1_048_576,
    "min_insert_block_size_bytes": 268_435_456,
    # A backfill may touch more months than the default of 100, and would never get through.
    "max_partitions_per_insert_block": 0,
}
"""Set on every insert, as far as the server knows them."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*):[^{}]+\}")
"""A bound parameter in SQL text."""


class EngineError(TidelineError):
    """ClickHouse refused the call; making it again gives the same answer."""


class EngineUnavailable(EngineError, RetryableError):
    """ClickHouse cannot answer now, or the connection broke before it did.

    Whether an insert took place is unknown: send the same rows with the same token again.
    """


class Engine(Protocol):
    """A ClickHouse database. Safe to share between threads; calls run one at a time."""

    @property
    def database(self) -> str:
        """Name of the database in use."""
        ...

    @property
    def full(self) -> bool:
        """Whether the engine takes the full schema and insert tokens (see ``migrations``)."""
        ...

    def create_database(self) -> None:
        """Create the database if it is not there."""
        ...

    def execute(self, sql: str, params: Params | None = None) -> None:
        """Run one statement that gives no rows."""
        ...

    def insert(
        self, table: str, columns: Sequence[str], data: Sequence[Sequence[Any]], *, token: str
    ) -> None:
        """Insert columns (one sequence for each name, all of one length) as one block.

        Times are epoch milliseconds, strings str or bytes, maps dicts. ``token`` identifies the
        rows: a repeat with the same token adds nothing.
        """
        ...

    def query(self, sql: str, params: Params | None = None) -> list[dict[str, Any]]:
        """Rows of a SELECT by column name; arrays are lists, maps dicts."""
        ...

    def close(self) -> None:
        """Release the engine; it cannot be used afterwards."""
        ...


def open_engine(clickhouse: ClickHouse) -> Engine:
    """The engine that the settings name, with the password of their password file.

    Raises as ``engine_at`` does.
    """
    path = clickhouse.password_file
    try:
        password = path.read_text(encoding="utf-8").strip() if path else ""
    except OSError as error:
        raise ConfigurationError(f"TIDELINE_CLICKHOUSE__PASSWORD_FILE: {error}") from None
    return engine_at(clickhouse.url, clickhouse.database, password=password)


def engine_at(url: str, database: str = "tideline", *, password: str = "") -> Engine:
    """The engine at ``url``; a database named in a ``clickhouse://`` path wins over ``database``.

    A password in the URL is taken but ``password`` is preferred, since addresses end up in logs.
    Raises ``ConfigurationError`` for an address that cannot be one, ``EngineUnavailable`` when the
    folder is in use. A server is first spoken to at the first call.
    """
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        folder = unquote(parts.netloc + parts.path)
        if not folder.strip("/"):
            raise ConfigurationError(
                "the ClickHouse address chdb:// needs a folder: chdb:///folder"
            )
        from sinks.embedded import EmbeddedEngine  # loads 400 MB, and only where it is used

        return EmbeddedEngine(folder, checked_name(database))
    if parts.scheme not in ("clickhouse", "clickhouses"):
        raise ConfigurationError(
            f"the ClickHouse address {redacted(url)} is neither chdb:///folder nor "
            "clickhouse://user@host:9000/database"
        )
    if not parts.hostname:
        raise ConfigurationError(f"the ClickHouse address {redacted(url)} names no host")
    from sinks.native import NativeEngine

    secure = parts.scheme == "clickhouses"
    return NativeEngine(
        parts.hostname,
        parts.port or (9440 if secure else 9000),
        user=unquote(parts.username or "default"),
        password=password or unquote(parts.password or ""),
        database=checked_name(parts.path.strip("/") or database),
        secure=secure,
    )


def redacted(url: str) -> str:
    """The address without its password, for logs and messages."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username or ''}:***@{host}").geturl()


def checked_name(name: str) -> str:
    """``name`` if it can stand in SQL as an identifier; identifiers cannot be bound.

    Raises ``ConfigurationError``.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no ClickHouse name; use letters, digits and _, at most 64, no digit first"
        )
    return name


def insert_head(table: str, columns: Sequence[str]) -> str:
    """``INSERT INTO table (columns)`` with every name checked and quoted."""
    quoted = ", ".join(
        "`" + ".".join(checked_name(part) for part in column.split(".")) + "`" for column in columns
    )
    return f"INSERT INTO {checked_name(table)} ({quoted})"

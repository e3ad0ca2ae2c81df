"""ClickHouse over its native protocol (clickhouse-driver).

A connection that breaks leaves the outcome of an insert unknown. With insert tokens the same rows
are sent again at once; without them (servers before 22.3) the caller must look first, so the
failure is handed up.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from clickhouse_driver import Client
from clickhouse_driver.errors import Error as DriverError
from clickhouse_driver.errors import NetworkError, ServerException, SocketTimeoutError

from sinks.engine import (
    INSERT_SETTINGS,
    PLACEHOLDER,
    EngineError,
    EngineUnavailable,
    Params,
    checked_name,
    insert_head,
)

T = TypeVar("T")

ATTEMPTS = 4
"""Tries of one call; with the pauses between them about 2 s when the server is simply gone."""

PAUSE_S = 0.1
"""First pause; each next one doubles, and up to as much again is added at random."""

CONNECT_S = 5.0
CALL_S = 60.0

FULL_FROM = (22, 3)
"""Insert tokens on plain MergeTree, Map and bound parameters are all there from this version."""

_BROKEN = (EOFError, OSError, NetworkError, SocketTimeoutError)

_TRY_LATER = frozenset(
    {
        159,  # TIMEOUT_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED (the server is shutting down)
        999,  # KEEPER_EXCEPTION
    }
)
_UNKNOWN_DATABASE = 81


class NativeEngine:
    """An engine on a server; connects on first use and again after a break.

    Raises ``EngineUnavailable`` when the server is gone or overloaded after a bounded number of
    tries, ``EngineError`` for everything that it refuses.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        user: str,
        password: str,
        database: str,
        secure: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.database = checked_name(database)
        self._address = f"{host}:{port}"
        self._options: dict[str, Any] = {
            "host": host,
            "port": port,
            "user": user,
            "password": password,
            "secure": secure,
            "connect_timeout": CONNECT_S,
            "send_receive_timeout": CALL_S,
            "client_name": "tideline",
        }
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._full: bool | None = None
        self._insert_settings: dict[str, str | int] | None = None

    @property
    def full(self) -> bool:
        """Whether the server takes the full schema and insert tokens."""
        if self._full is None:
            row = self.query("SELECT version() AS version")[0]
            major, minor = (int(part) for part in str(row["version"]).split(".")[:2])
            self._full = (major, minor) >= FULL_FROM
        return self._full

    def create_database(self) -> None:
        """Create the database if it is not there."""
        # A session cannot start in a database that is missing, so this one starts in another.
        with self._lock, Client(**self._options, database="default") as client:
            self._guard(
                lambda: client.execute(f"CREATE DATABASE IF NOT EXISTS {self.database}"), client
            )

    def execute(self, sql: str, params: Params | None = None) -> None:
        """Run one statement that gives no rows."""
        self._call(lambda client: client.execute(*self._bound(sql, params)))

    def query(self, sql: str, params: Params | None = None) -> list[dict[str, Any]]:
        """Rows of a SELECT by column name."""
        bound = self._bound(sql, params)
        rows, columns = self._call(lambda client: client.execute(*bound, with_column_types=True))
        names = [name for name, _ in columns]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def insert(
        self, table: str, columns: Sequence[str], data: Sequence[Sequence[Any]], *, token: str
    ) -> None:
        """Insert columns as one block."""
        settings = dict(self._known_settings())
        if self.full:
            settings["insert_deduplication_token"] = token
        else:
            columns, data = _without_maps(columns, data)
        head = f"{insert_head(table, columns)} VALUES"
        self._call(
            lambda client: client.execute(
                head, [list(values) for values in data], columnar=True, settings=settings
            ),
            attempts=ATTEMPTS if self.full else 1,
        )

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _call(self, call: Callable[[Client], T], attempts: int = ATTEMPTS) -> T:
        with self._lock:
            for attempt in range(attempts):
                if attempt:
                    pause = PAUSE_S * 2 ** (attempt - 1)
                    self._sleep(pause * (1 + random.random()))  # noqa: S311 - spreads retries only
                if self._client is None:
                    self._client = Client(**self._options, database=self.database)
                client = self._client
                try:
                    return self._guard(lambda: call(client), client)  # noqa: B023 - called here
                except EngineUnavailable as error:
                    self._drop()
                    failure = error
        raise failure

    def _guard(self, call: Callable[[], T], client: Client) -> T:
        try:
            return call()
        except ServerException as error:
            said = f"ClickHouse at {self._address}: code {error.code}, {_first_line(error)}"
            if error.code in _TRY_LATER:
                raise EngineUnavailable(said) from None
            if error.code == _UNKNOWN_DATABASE:
                said = f"ClickHouse at {self._address} has no database {self.database}; " + (
                    "run `tideline migrate`"
                )
            client.disconnect()
            raise EngineError(said) from None
        except _BROKEN as error:
            client.disconnect()
            raise EngineUnavailable(
                f"ClickHouse at {self._address} does not answer: {_first_line(error)}"
            ) from None
        except DriverError as error:
            client.disconnect()
            raise EngineError(f"ClickHouse at {self._address}: {_first_line(error)}") from None

    def _drop(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _bound(self, sql: str, params: Params | None) -> tuple[str, dict[str, Any] | None]:
        # The driver quotes and escapes the values itself; that works with every server version,
        # while parameters bound by the server need 22.8 and cannot stand in all clauses.
        if not params:
            return sql, None
        return PLACEHOLDER.sub(r"%(\1)s", sql.replace("%", "%%")), dict(params)

    def _known_settings(self) -> dict[str, str | int]:
        if self._insert_settings is None:
            known = {row["name"] for row in self.query("SELECT name FROM system.settings")}
            self._insert_settings = {n: v for n, v in INSERT_SETTINGS.items() if n in known}
        return self._insert_settings


def _first_line(error: BaseException) -> str:
    text = error.message if isinstance(error, ServerException) else str(error)
    text = text.strip() or type(error).__name__
    return text.splitlines()[0][:300]


def _without_maps(
    columns: Sequence[str], data: Sequence[Sequence[Any]]
) -> tuple[list[str], list[Sequence[Any]]]:
    """Each column of dicts as two of arrays, ``<name>.name`` and ``<name>.value``."""
    names: list[str] = []
    result: list[Sequence[Any]] = []
    for name, values in zip(columns, data, strict=True):
        if len(values) and isinstance(values[0], dict):
            names += [f"{name}.name", f"{name}.value"]
            result += [[list(v) for v in values], [list(v.values()) for v in values]]
        else:
            names.append(name)
            result.append(values)
    return names, result

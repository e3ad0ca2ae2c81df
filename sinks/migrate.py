"""Numbered SQL migrations, applied in order, once each, and never changed afterwards.

A migration is a file ``NNNN_name.sql`` (numbers rise, one may be left out) of statements that each
end in ``;`` at the end of a line and may be run twice (``IF NOT EXISTS``), since ClickHouse has no
transactional DDL: one that broke half way is run again from its start.
"""

import hashlib
import re
from importlib.resources import files
from typing import NamedTuple

from ops.errors import FatalError
from sinks.engine import Engine

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations
(version UInt32, name String, checksum String, applied_at DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY version
"""


class MigrationError(FatalError):
    """The database and the migrations of this release do not fit together."""


class Migration(NamedTuple):
    """One numbered file; ``checksum`` is SHA-256 of its text."""

    version: int
    name: str
    checksum: str
    statements: tuple[str, ...]


def load(full: bool = True) -> list[Migration]:
    """The migrations of this release in order.

    ``full`` chooses between the true schema and the one reduced for servers before 22.3.
    """
    folder = files("sinks").joinpath("migrations" if full else "migrations_legacy")
    found = []
    for path in folder.iterdir():
        name = _FILE.fullmatch(path.name)
        if name:
            text = path.read_text(encoding="utf-8")
            checksum = hashlib.sha256(text.encode()).hexdigest()
            found.append(Migration(int(name[1]), name[2], checksum, _statements(text)))
    found.sort()
    if len({m.version for m in found}) != len(found):
        raise MigrationError(f"two migrations have one number in {folder}; renumber the newer one")
    return found


def migrate(engine: Engine) -> list[str]:
    """Apply what is pending, in order; returns the names of what was applied.

    Creates the database if need be. Raises ``MigrationError`` when an applied migration differs
    from the file of that number, or the database is ahead of this release.
    """
    engine.create_database()
    engine.execute(_TABLE)
    todo = pending(engine)
    for migration in todo:
        for statement in migration.statements:
            engine.execute(statement)
        engine.insert(
            "schema_migrations",
            ("version", "name", "checksum"),
            ([migration.version], [migration.name], [migration.checksum]),
            token=f"schema_migrations:{migration.version}:{migration.checksum}",
        )
    return [f"{m.version:04}_{m.name}" for m in todo]


def pending(engine: Engine) -> list[Migration]:
    """Migrations of this release that the database does not have.

    Raises ``MigrationError`` as ``migrate`` does.
    """
    migrations = load(engine.full)
    known = engine.query(
        "SELECT count() AS tables FROM system.tables"
        " WHERE database = {database:String} AND name = 'schema_migrations'",
        {"database": engine.database},
    )
    if not known[0]["tables"]:
        return migrations
    applied = {
        int(row["version"]): str(row["checksum"])
        for row in engine.query("SELECT version, checksum FROM schema_migrations")
    }
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"migration {migration.version:04}_{migration.name} was changed after it was "
                f"applied to {engine.database}; restore its text and add a new migration instead"
            )
    if max(applied, default=0) > migrations[-1].version:
        raise MigrationError(
            f"database {engine.database} has migration {max(applied):04}, which this release does "
            "not know; run the newer release"
        )
    return [m for m in migrations if m.version not in applied]


def require_current(engine: Engine) -> None:
    """Raise ``MigrationError`` unless the database has every migration of this release."""
    missing = pending(engine)
    if missing:
        raise MigrationError(
            f"database {engine.database} lacks migration {missing[0].version:04}_"
            f"{missing[0].name}; run `tideline migrate`"
        )


def _statements(text: str) -> tuple[str, ...]:
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return tuple(s.strip() for s in re.split(r";\s*(?:\n|$)", code) if s.strip())

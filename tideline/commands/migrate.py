"""``migrate``: bring the ClickHouse schema up to date."""

from typing import Annotated

import typer

from ops.settings import load_settings
from tideline.console import show


def migrate(
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Apply the numbered migrations that ClickHouse does not have yet."""
    from sinks.engine import open_engine, redacted
    from sinks.migrate import migrate as apply

    settings = load_settings()
    engine = open_engine(settings.clickhouse)
    applied = apply(engine)
    engine.close()
    result = {"engine": redacted(settings.clickhouse.url), "applied": applied}
    show(result, as_json=json, title="Migrations")

"""What the views of the desk say, whichever way their rows came to be."""

from typing import Any

from sinks.engine import Engine

VIEWS = {
    "daily": "merchant_id, day, currency",
    "commands": "event_id",
    "alerts_current": "alert_id",
    "merchants_current": "merchant_id",
    "lines_current": "line_id",
    "counterparty_links FINAL": "counterparty_id, merchant_id",
    "line_funders FINAL": "line_id",
}
"""Views over tables that ClickHouse derives from the stored ones, and the order of their rows."""


def derived_rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """The rows of each view."""
    return {
        view: engine.query(f"SELECT * FROM {view} ORDER BY {key}") for view, key in VIEWS.items()
    }

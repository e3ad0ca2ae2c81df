"""The pages in the bar at the top, for those who may open them."""

from typing import NamedTuple

from desk.identity import Permission, Viewer


class Item(NamedTuple):
    """One entry: its path, its English text, and what is needed to open it."""

    path: str
    text: str
    permission: Permission


ITEMS = (
    Item("/", "Alerts", "read"),
    Item("/models", "Models", "read"),
    Item("/system", "System", "read"),
    Item("/scorecard", "Scorecard", "read"),
    Item("/audit", "Audit", "read_audit"),
)


def navigation(viewer: Viewer) -> list[Item]:
    """The entries for a viewer."""
    return [item for item in ITEMS if viewer.may(item.permission)]

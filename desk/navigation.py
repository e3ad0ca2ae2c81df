"""The pages in the bar at the top, for those who may open them."""

from typing import NamedTuple

from desk.identity import Permission, Viewer


class Item(NamedTuple):
    """One entry: its path, its English text, and what is needed to open it.

    ``whole`` is for who sees all merchants.
    """

    path: str
    text: str
    permission: Permission
    whole: bool = False


ITEMS = (
    Item("/", "Alerts", "read"),
    Item("/portfolio", "Portfolio", "read"),
    Item("/limits", "Limits", "read"),
    Item("/policy", "Policy", "read", whole=True),
    Item("/models", "Models", "read"),
    Item("/system", "System", "read"),
    Item("/scorecard", "Scorecard", "read"),
    Item("/audit", "Audit", "read_audit"),
)


def navigation(viewer: Viewer) -> list[Item]:
    """The entries for a viewer."""
    return [
        item
        for item in ITEMS
        if viewer.may(item.permission) and not (item.whole and viewer.funders is not None)
    ]

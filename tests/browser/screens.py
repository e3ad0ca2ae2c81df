"""Every page of the desk: where it is, who looks, and the name of its picture."""

from typing import NamedTuple

from desk.navigation import ITEMS

NAMES = {"/": "queue"}
"""Pictures of the navigation that are not named by their path."""


class Screen(NamedTuple):
    """A page. ``path`` may hold ``{merchant}`` and ``{alert}``; nobody looks where ``who`` is None.

    ``status`` is what the desk answers with.
    """

    name: str
    path: str
    who: str | None = "omar"
    status: int = 200


SCREENS = (
    *(Screen(NAMES.get(item.path, item.path.strip("/")), item.path) for item in ITEMS),
    Screen("alert", "/alerts/{alert}"),
    Screen("merchant", "/merchants/{merchant}"),
    Screen("merchant-time", "/merchants/{merchant}#time"),
    Screen("merchants", "/merchants?q=R1"),
    Screen("login", "/login", None),
    Screen("not-found", "/nowhere", "omar", 404),
    Screen("funder", "/limits", "bank-a"),
)

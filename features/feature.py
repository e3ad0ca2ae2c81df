"""What one feature is: the columns of the catalogue."""

from typing import Literal

from msgspec import Struct

Unit = Literal["minor", "count", "ratio", "days", "hours", "score", "flag"]
Direction = Literal["up", "down", "none"]
Transform = Literal["log1p", "identity", "asinh"]
Feed = Literal["transactions", "logistics", "payments", "signals", "lending", "peers"]


class Feature(Struct, kw_only=True, frozen=True):
    """One entry of the vector.

    ``windows`` are written as ``features.windows`` reads them, ``label`` and ``label_zh`` name it
    to people in English and Simplified Chinese. ``direction`` is the side that is riskier,
    ``usual`` names the feature that holds its usual level, ``types`` the event types that it is
    made of (a feed's name stands for all of its), ``feeds`` the feeds without which it says nothing
    (it is NaN while one of them is quiet for everyone), ``transform`` the scale on which a model
    should read it, and ``money`` whether it is an amount of the merchant's currency.
    """

    name: str
    family: str
    unit: Unit
    windows: tuple[str, ...]
    formula: str
    direction: Direction
    label: str
    label_zh: str
    cold_start: str
    types: tuple[str, ...]
    feeds: tuple[Feed, ...]
    usual: str | None = None
    transform: Transform = "identity"

    @property
    def money(self) -> bool:
        """Whether it is an amount in minor units."""
        return self.unit == "minor"

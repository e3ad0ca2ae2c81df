"""Types that policies and products share."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.strict_yaml import DocumentError

LendingBand = Literal["A", "B", "C", "D", "E"]
BAND_ORDER: tuple[LendingBand, ...] = ("A", "B", "C", "D", "E")
"""Best first."""

Minor = Annotated[int, Meta(ge=0, le=10**15)]
PositiveMinor = Annotated[int, Meta(ge=1, le=10**15)]
Days = Annotated[int, Meta(ge=0, le=3660)]
PositiveDays = Annotated[int, Meta(ge=1, le=3660)]
Milliseconds = Annotated[int, Meta(ge=0, le=3660 * 86_400_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
PositiveShare = Annotated[float, Meta(gt=0, le=1)]
Months = Annotated[float, Meta(gt=0, le=24)]
AnnualRate = Annotated[float, Meta(ge=0, le=5)]
"""A ratio a year: 0.18 is 18 %."""
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
"""A segment, region, channel or counterparty as it stands in the log."""


class PolicyError(DocumentError):
    """A policy or product that is refused; the message names line, key and remedy.

    ``line`` counts from 1, in a bundle from its beginning.
    """


class Strict(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A part of a document: what is not declared is refused."""


def band_at_least(band: str, worst: LendingBand) -> bool:
    """Whether a band is one of A-E and not worse than ``worst``."""
    return band in BAND_ORDER[: BAND_ORDER.index(worst) + 1]

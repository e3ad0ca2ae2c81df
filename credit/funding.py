"""Who carries which part of a line: funders' shares, appetites and caps."""

from collections.abc import Sequence

from credit.product import Funder, Product
from schemas.outputs import FunderShare


def eligible(product: Product, segment: str, band: str) -> list[Funder]:
    """The funders that take a merchant of this segment and band, in the order of the product."""
    return [
        funder
        for funder in product.funders
        if (not funder.segments or segment in funder.segments)
        and (not funder.bands or band in funder.bands)
    ]


def line_cap_minor(funders: Sequence[Funder], currency: str) -> int | None:
    """The largest line that these funders carry by their shares; None where nothing bounds it."""
    whole = sum(funder.share for funder in funders)
    caps = [
        int(funder.line_cap_minor[currency] * whole / funder.share)
        for funder in funders
        if currency in funder.line_cap_minor
    ]
    return min(caps, default=None)


def allocate(funders: Sequence[Funder], currency: str, limit_minor: int) -> list[FunderShare]:
    """Parts that sum to the limit, by share, none above its funder's cap of a line.

    Each part is rounded down; what is left goes, in order, to funders that have room. A limit
    above what they can carry together is a mistake of the caller (``line_cap_minor``): the rest is
    then the first funder's.
    """
    if not funders or limit_minor == 0:
        return []
    whole = sum(funder.share for funder in funders)
    parts = [int(limit_minor * funder.share / whole) for funder in funders]
    parts = [
        min(part, funder.line_cap_minor.get(currency, part))
        for part, funder in zip(parts, funders, strict=True)
    ]
    left = limit_minor - sum(parts)
    for i, funder in enumerate(funders):
        room = funder.line_cap_minor.get(currency, limit_minor) - parts[i]
        more = min(left, max(room, 0))
        parts[i] += more
        left -= more
    parts[0] += left
    return [
        FunderShare(funder=funder.name, limit_minor=part)
        for funder, part in zip(funders, parts, strict=True)
    ]

"""The capacity of a merchant for a product."""

import math

from msgspec import structs

from credit.capacity import claims, flows
from credit.capacity.amounts import Capacity, Seen
from credit.kinds import (
    Bills,
    Instalments,
    Marketplace,
    Platform,
    Receivables,
    Season,
    TaxAndInvoice,
    Turnover,
)
from credit.kinds import Capacity as Kind
from credit.product import Product, Uplift


def capacity_of(product: Product, seen: Seen) -> Capacity:
    """What the merchant can carry under the product's terms, before risk and caps."""
    found = _of_kind(product.capacity, seen)
    if product.uplift is None or not proved(product.uplift, seen):
        return found
    factor = product.uplift.multiplier
    return structs.replace(
        found,
        lowest=None if found.lowest is None else found.lowest * factor,
        middle=None if found.middle is None else found.middle * factor,
    )


def proved(uplift: Uplift, seen: Seen) -> bool:
    """Whether all evidence for an uplift is there; what is not available is none."""
    return all(
        math.isfinite(seen[each.feature]) and seen[each.feature] >= each.at_least
        for each in uplift.evidence
    )


def _of_kind(kind: Kind, seen: Seen) -> Capacity:
    match kind:
        case Turnover():
            return flows.turnover(kind, seen)
        case TaxAndInvoice():
            return flows.tax_and_invoice(kind, seen)
        case Marketplace():
            return flows.marketplace(kind, seen)
        case Platform():
            return flows.platform(kind, seen)
        case Instalments():
            return flows.instalments(kind, seen)
        case Season():
            return flows.season(kind, seen)
        case Receivables():
            return claims.receivables(kind, seen)
        case Bills():
            return claims.bills(kind, seen)

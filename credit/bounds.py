"""What one line may be at most and at least, by its product, its funders and its channel."""

from msgspec import structs

from credit.changes import Case
from credit.funding import eligible, line_cap_minor
from credit.product import Amounts, Channel, Product


def amounts_of(case: Case, currency: str, band: str, channel: str | None) -> Amounts | None:
    """Bounds of a line of the case's product; None where it is not offered in the currency.

    The cap is the lowest of the product's, of what funders carry at this band, and of the
    channel's; rounded down. It may lie below the floor: then no line opens or stays on.
    """
    product = case.product
    amounts = None if product is None else product.currencies.get(currency)
    if product is None or amounts is None or not (product.funders or product.channels):
        return amounts
    caps = [amounts.cap_minor]
    funded = line_cap_minor(eligible(product, case.segment, band), currency)
    if funded is not None:
        caps.append(funded)
    through = channel_of(product, channel)
    if through is not None:
        caps.append(through.line_cap_minor.get(currency, 0))
    cap = min(caps) // amounts.rounding_minor * amounts.rounding_minor
    return structs.replace(amounts, cap_minor=cap)


def channel_of(product: Product, channel: str | None) -> Channel | None:
    """The terms of a channel by its name; None where the product names it not."""
    return next((each for each in product.channels if each.name == channel), None)

"""Capacities from flows of the merchant: sales, invoices, settlements, cash, seasons."""

import math
from datetime import UTC, datetime, timedelta

from msgspec import structs

from credit.capacity.amounts import Capacity, Seen, of_views
from credit.kinds import Instalments, Marketplace, Platform, Season, TaxAndInvoice, Turnover


def sales_views(seen: Seen) -> tuple[float, ...]:
    """Sales of 28 days by 7 days × 4, by 28 days and by the usual 28 days."""
    return (
        seen["turnover_7d_minor"] * 4,
        seen["turnover_28d_minor"],
        seen["turnover_usual_28d_minor"],
    )


def turnover(kind: Turnover, seen: Seen) -> Capacity:
    """Months of sales, a month being 28 days."""
    return of_views("capacity", sales_views(seen), kind.months)


def tax_and_invoice(kind: TaxAndInvoice, seen: Seen) -> Capacity:
    """Months of what is invoiced, times min(1, declared / invoiced).

    Views: invoiced in 28 days, the sales of 92 days brought to 28, and the usual 28 days.
    """
    views = (
        seen["invoiced_28d_minor"],
        seen["turnover_92d_minor"] * 28 / 92,
        seen["turnover_usual_28d_minor"],
    )
    declared = seen["declared_to_invoiced_ratio"]
    known = math.isfinite(declared) and seen["tax_gap_days"] <= kind.tax_gap_days_max
    share = min(max(declared, 0.0), 1.0) if math.isfinite(declared) else 1.0
    found = of_views("capacity_invoices", views, kind.months * share)
    return found if known else structs.replace(found, lowest=None, lowest_basis=None)


def marketplace(kind: Marketplace, seen: Seen) -> Capacity:
    """Months of sales less refunds and disputes, and the advance on open settlements."""
    lost = [seen["refund_share_28d"], seen["dispute_share_28d"]]
    kept = max(1.0 - sum(share for share in lost if math.isfinite(share)), 0.0)
    open_minor = seen["delivered_unsettled_14d_minor"]
    advance = kind.unsettled_rate * open_minor if math.isfinite(open_minor) else 0.0
    found = of_views("capacity", sales_views(seen), kind.months * kept)
    return structs.replace(
        found,
        lowest=None if found.lowest is None else found.lowest + advance,
        middle=None if found.middle is None else found.middle + advance,
    )


def platform(kind: Platform, seen: Seen) -> Capacity:
    """Months of sales times the share of them that was settled, at most all.

    Raises go by the lower of the settled shares of now and usual, cuts by the higher.
    """
    shares = (seen["settlement_to_sales_28d_ratio"], seen["settlement_usual_ratio"])
    known = [min(max(share, 0.0), 1.0) for share in shares if math.isfinite(share)]
    found = of_views("capacity_settled", sales_views(seen), kind.months)
    whole = found.lowest is not None and len(known) == len(shares)
    lowest = found.lowest if whole else None
    return structs.replace(
        found,
        lowest=None if lowest is None else lowest * min(known),
        middle=found.middle * max(known) if found.middle is not None and known else None,
    )


def instalments(kind: Instalments, seen: Seen) -> Capacity:
    """What a share of the cash that comes in pays off over the months of the lease.

    Views: inflow of 28 days, and sales as the cash that should have come. A machine that stands
    still carries no raise, and of the capacity for cuts only the idle share.
    """
    views = (
        seen["inflow_28d_minor"],
        seen["turnover_28d_minor"],
        seen["turnover_usual_28d_minor"],
    )
    found = of_views("capacity_instalments", views, kind.inflow_share * kind.months)
    days, silence = seen["sensor_days_28d"], seen["sensor_silence_days"]
    runs = days >= kind.sensor_days_min and silence <= kind.sensor_silence_days_max
    if runs:
        return found
    silent = silence > kind.sensor_silence_days_max
    middle = found.middle
    if middle is not None and silent:
        middle *= kind.idle_share
    return structs.replace(found, lowest=None, lowest_basis=None, middle=middle)


def season(kind: Season, seen: Seen) -> Capacity:
    """Months of a month without season, times the weight of the days to come.

    The month without season is the sales of 92 days, brought to 28 and divided by the mean weight
    of those days. Usual sales are seen in the same way over days 29-84.
    """
    ahead = mean_weight(kind, seen.as_of, 1, kind.ahead_days)
    views = (
        seen["turnover_92d_minor"] * 28 / 92 / mean_weight(kind, seen.as_of, -91, 0),
        seen["turnover_usual_28d_minor"] / mean_weight(kind, seen.as_of, -83, -28),
    )
    return of_views("capacity_season", views, kind.months * ahead)


def mean_weight(kind: Season, as_of: int, first: int, last: int) -> float:
    """The mean weight of the UTC days ``first`` to ``last``, counted from that of ``as_of``."""
    today = datetime.fromtimestamp(as_of / 1000, UTC).date()
    weights = [
        kind.calendar[f"{(today + timedelta(days=day)).month:02d}"]
        for day in range(first, last + 1)
    ]
    return sum(weights) / len(weights)

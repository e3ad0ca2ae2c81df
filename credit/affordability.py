"""How much debt in all a merchant's cash flow can serve.

Over 28 days, with own lines as if drawn in full and repaid evenly::

    total / line_term_days x 28 + other_debt / other_term_days x 28
        <= service_share_max x cash_share x sales_28d

``total`` is what all own lines grant, or what is owed where that is more (loans that belong to no
line count too). ``other_debt`` is what a bureau last reported, ``sales_28d`` the lowest of the
views of sales. The bound holds for openings and raises; it cuts nobody.
"""

import math

from credit.capacity.amounts import Seen
from credit.capacity.flows import sales_views
from credit.policy import Affordability


def affordable_total_minor(terms: Affordability, seen: Seen) -> int | None:
    """The most that all own lines together may be, in minor units; None where it is not known.

    It is not known without all views of sales, or, where ``needs_bureau``, without a bureau's
    answer; without one and without that need, debts elsewhere count as none.
    """
    views = sales_views(seen)
    if not all(math.isfinite(view) for view in views):
        return None
    other = seen["other_debt_minor"]
    if not math.isfinite(other):
        if terms.needs_bureau:
            return None
        other = 0.0
    service = terms.service_share_max * terms.cash_share * max(min(views), 0.0)
    own = service - other / terms.other_term_days * 28
    return max(int(own * terms.line_term_days / 28), 0)

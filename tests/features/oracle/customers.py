"""Customers: refunds, cancellations, disputes, reviews, buyers."""

from fractions import Fraction

from tests.features.oracle.counterparties import Counterparties
from tests.features.oracle.history import (
    COUNT_MAX,
    DAY_MS,
    DAYS_HELD,
    SALES,
    SHORT_HELD,
    WEEKS_HELD,
    History,
    Placed,
    Tally,
    Value,
    Values,
    added,
    amount,
    less,
    original_day,
    over,
    ratio,
    share,
    week_of,
)
from tests.features.oracle.sales import net_orders, sales_count

USUAL_WEEKS = (13, 5)
LAG_MAX, LAG_PARTS, LAG_MEMORY = 60, 1024, 16
"""Longest lag of a dispute, parts of a day in which its mean is kept, disputes that make it."""


def week_orders(history: History) -> Tally:
    """Paid - cancelled by week (week ring)."""
    return less(
        history.weeks(["order.paid"], held=WEEKS_HELD, what=amount),
        history.weeks(["order.cancelled"], held=WEEKS_HELD, day=original_day, what=amount),
    )


def week_refunds(history: History) -> Tally:
    """Refunded by week (week ring)."""
    return history.weeks(["order.refunded"], held=WEEKS_HELD, day=original_day, what=amount)


def week_invoices(history: History) -> Tally:
    """Issued by week (week ring)."""
    return history.weeks(["invoice.issued"], held=WEEKS_HELD, what=amount)


def week_voids(history: History) -> Tally:
    """Voided by week (week ring)."""
    return history.weeks(["invoice.voided"], held=WEEKS_HELD, day=original_day, what=amount)


def usual(tally: Tally, as_of: int) -> int:
    """The sum over weeks 5-13 of ``as_of``."""
    week = week_of(as_of // DAY_MS)
    return over(tally, week - USUAL_WEEKS[0], week - USUAL_WEEKS[1])


def _hundredths(event: Placed) -> int:
    assert event.line.rating is not None
    return round(event.line.rating * 100)  # a double; a half goes to the even side


def _reviews(history: History, as_of: int) -> Values:
    history_of_stars = [e for e in history.of("review.posted") if e.line.rating is not None]
    ratings: Tally = {}
    counts: Tally = {}
    for event in history_of_stars:
        week = week_of(event.day)
        if week > week_of(history.head) - WEEKS_HELD and counts.get(week, 0) < COUNT_MAX:
            ratings[week] = ratings.get(week, 0) + _hundredths(event)
            counts[week] = counts.get(week, 0) + 1
    week = week_of(as_of // DAY_MS)

    def mean(back: int) -> Fraction | None:
        count = over(counts, week - back, week)
        return ratio(over(ratings, week - back, week), 100 * count)

    return {
        "review_mean_4w": mean(4),
        "review_mean_13w": mean(13),
        "review_count_4w": over(counts, week - 4, week),
    }


def _refunds(history: History, as_of: int, last: int) -> Value:
    today = as_of // DAY_MS
    refunded = history.days(["order.refunded"], held=SHORT_HELD, day=original_day, what=amount)
    back = over(refunded, today - last + 1, today)
    return share(back, over(net_orders(history), today - last + 1, today) + back)


def dispute_lag(history: History) -> int:
    """The usual days from an order to its dispute: a mean that decays, rounded half up."""
    mean, known = 0, 0
    for event in history.of("order.disputed"):
        if event.original_at is not None:
            known = min(known + 1, LAG_MEMORY)
            lag = min(event.day - event.original_day, LAG_MAX)
            mean += (lag * LAG_PARTS - mean) // known
    return (2 * mean + LAG_PARTS) // (2 * LAG_PARTS)


def _lagged(history: History, as_of: int) -> Values:
    names = ("dispute_share_lagged_28d", "dispute_share_lagged_7d")
    today = as_of // DAY_MS
    last = today - dispute_lag(history)
    disputed = history.days(["order.disputed"], held=SHORT_HELD, most=COUNT_MAX)
    sold = history.days(SALES, held=DAYS_HELD, most=COUNT_MAX)
    month = share(over(disputed, today - 27, today), over(sold, last - 27, last))
    if month is None:
        return dict.fromkeys(names)
    week = (over(disputed, today - 6, today) + 10 * month) / (over(sold, last - 6, last) + 10)
    return dict(zip(names, (month, min(week, Fraction(1))), strict=True))


def customers(history: History, as_of: int) -> Values:
    """All features of the module ``features.families.customers``."""
    today = as_of // DAY_MS
    month = today - 27, today
    paid = history.days(["order.paid"], held=SHORT_HELD, most=COUNT_MAX)
    cancelled = history.days(["order.cancelled"], held=SHORT_HELD, day=original_day, most=COUNT_MAX)
    disputed = history.days(["order.disputed"], held=SHORT_HELD, most=COUNT_MAX)
    week_disputes = history.weeks(["order.disputed"], held=WEEKS_HELD, most=COUNT_MAX)
    week_sales = added(*(history.weeks([kind], held=WEEKS_HELD) for kind in SALES))
    buyers = Counterparties(history, SALES)
    return {
        "refund_share_28d": _refunds(history, as_of, 28),
        "refund_share_7d": _refunds(history, as_of, 7),
        "refund_share_usual": share(
            usual(week_refunds(history), as_of), usual(week_orders(history), as_of)
        ),
        "cancel_share_28d": share(over(cancelled, *month), over(paid, *month)),
        "dispute_share_28d": share(over(disputed, *month), sales_count(history, as_of, 28)),
        "dispute_share_usual": share(usual(week_disputes, as_of), usual(week_sales, as_of)),
        **_lagged(history, as_of),
        **_reviews(history, as_of),
        "buyers_estimate": buyers.estimate(),
        "buyer_top_share": buyers.top_share(),
        "buyer_new_share": buyers.new_share(),
    }

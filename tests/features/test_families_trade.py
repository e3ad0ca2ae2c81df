"""Customers and logistics, each feature worked out by hand. Day 2 is a Monday, 12 a new period."""

from math import log

import pytest
from xxhash import xxh64_intdigest

from features.lines import LogLine
from tests.features.build import at, check, last_values, line, probe
from tests.features.test_families_sales import Case, issued, paid


def cancelled(day: float, **fields: object) -> LogLine:
    return line("order.cancelled", day, **fields)


def refunded(day: float, amount: int, **fields: object) -> LogLine:
    return line("order.refunded", day, amount=amount, **fields)


def sent(day: float, **fields: object) -> LogLine:
    return line("shipment.dispatched", day, **fields)


def delivered(day: float, **fields: object) -> LogLine:
    return line("shipment.delivered", day, **fields)


def by(day: float, *buyers: str, amount: int = 10) -> list[LogLine]:
    return [paid(day, amount, counterparty_id=buyer) for buyer in buyers]


def review(day: float, rating: float | None) -> LogLine:
    return line("review.posted", day, rating=rating)


def bits(*names: str) -> int:
    return len({xxh64_intdigest(name.encode()) % 512 for name in names})


REVIEWS = [review(2, 5.0), review(37, 3.0), review(37, None), probe(38)]
DISPUTES = [paid(2), paid(2), issued(2), issued(2), line("order.disputed", 3)]
# Orders of days 0-34; disputes a week after those of days 26 and 27.
LAGGED = [
    *[paid(d) for d in range(35)],
    *[line("order.disputed", d, ordered_at=at(d - 7)) for d in (33, 34)],
]
AHEAD = [paid(0, promised_at=at(day)) for day in (9, 10, 23, 24)]
SEVEN = [paid(0, 10 * n, counterparty_id=f"c{n}") for n in range(1, 7)]
TIMED = [sent(1.5, ordered_at=at(0)), sent(10.1, ordered_at=at(10))]
UNDER_WAY = [sent(0), sent(1), sent(20), delivered(20)]
TWO = [paid(0), paid(1), sent(1.5)]

CASES: list[Case] = [
    ("refund_share_28d", 0.2, [paid(0), cancelled(0, amount=50), refunded(1, 10), probe(2)]),
    ("refund_share_28d", 0.4, [paid(0), refunded(10, 40, ordered_at=at(0)), probe(10.5)]),
    ("refund_share_7d", None, [paid(0), refunded(10, 40, ordered_at=at(0)), probe(10.5)]),
    ("refund_share_7d", 0.4, [paid(5), refunded(10, 40, ordered_at=at(5)), probe(10.5)]),
    ("refund_share_usual", 0.25, [paid(2, 200), refunded(3, 50), probe(37)]),
    ("refund_share_usual", None, [paid(2, 200), refunded(3, 50), probe(36)]),
    ("refund_share_usual", 0.25, [paid(2, 200), refunded(3, 50), probe(99)]),
    ("refund_share_usual", None, [paid(2, 200), refunded(3, 50), probe(100)]),
    ("cancel_share_28d", 0.25, [*[paid(d) for d in range(4)], cancelled(4), probe(5)]),
    ("cancel_share_28d", 0, [paid(0), paid(29), cancelled(29, ordered_at=at(0)), probe(29)]),
    ("dispute_share_28d", 0.5, [*DISPUTES, probe(4)]),
    ("dispute_share_lagged_28d", 2 / 28, [*LAGGED, probe(34.5)]),
    ("dispute_share_lagged_28d", 0.25, [*DISPUTES, probe(4)]),
    ("dispute_share_lagged_28d", 1, [line("order.disputed", 3), probe(4)]),
    ("dispute_share_lagged_28d", None, [line("order.disputed", 3), probe(40)]),
    # Sales of the last week are none that could be disputed by now.
    ("dispute_share_lagged_28d", 2 / 29, [*LAGGED, *[paid(34.2)] * 50, paid(27), probe(34.5)]),
    ("dispute_share_lagged_7d", (2 + 10 * 2 / 28) / (7 + 10), [*LAGGED, probe(34.5)]),
    ("dispute_share_lagged_7d", 10 * 2 / 28 / 17, [*LAGGED, probe(41.5)]),
    ("dispute_share_usual", 0.25, [*DISPUTES, probe(37)]),
    ("dispute_share_usual", None, [*DISPUTES, probe(36)]),
    ("review_mean_4w", 3.0, REVIEWS),
    ("review_mean_13w", 4.0, REVIEWS),
    ("review_mean_13w", None, [review(1, 5.0), probe(100)]),
    ("review_count_4w", 1, REVIEWS),
    ("review_count_4w", 0, [paid(0), probe(1)]),
    ("buyers_estimate", -512 * log((512 - bits(*"abc")) / 512), [*by(0, *"abca"), probe(1)]),
    ("buyers_estimate", -512 * log(511 / 512), [*by(0, "a"), paid(30), probe(31)]),
    ("buyers_estimate", None, [*by(0, "a"), paid(60), probe(61)]),
    ("buyers_estimate", None, [paid(0), probe(1)]),
    ("buyer_top_share", 0.75, [*by(0, "a", amount=60), *by(0, "b", amount=20), paid(0), probe(1)]),
    ("buyer_top_share", 0.5, [*by(0, "a", amount=61), *by(12, "b", amount=30), probe(13)]),
    ("buyer_top_share", 60 / 215, [*SEVEN, *by(0, "x", amount=5), probe(1)]),
    (
        "buyer_top_share",
        115 / 315,
        [*SEVEN, *by(0, "x", amount=5), *by(0, "y", amount=100), probe(1)],
    ),
    ("buyer_top_share", None, [*by(0, "a", amount=0), probe(1)]),
    ("buyer_new_share", 0.6, [*by(0, *"aabac"), probe(1)]),
    ("buyer_new_share", 0.4, [*by(0, *"aaa"), *by(12, *"ab"), probe(13)]),
    ("buyer_new_share", 4 / 6, [*by(12, *"aab"), *by(11, *"bcd"), probe(13)]),
    ("buyer_new_share", None, [*by(0, *"aaab"), probe(1)]),
    ("parcels_28d", 2, [sent(0), sent(1), sent(28), probe(28)]),
    ("parcels_28d", None, [delivered(0), probe(1)]),
    ("dispatch_delay_28d_hours", (36 + 2) / 2, [*TIMED, sent(10), probe(10.5)]),
    ("dispatch_delay_28d_hours", 10_000, [sent(500, ordered_at=at(0)), probe(500)]),
    ("dispatch_delay_28d_hours", 0, [sent(1, ordered_at=at(2)), probe(1.5)]),
    ("dispatch_delay_28d_hours", None, [sent(0), probe(1)]),
    ("dispatch_delay_7d_hours", 2, [*TIMED, probe(10.5)]),
    ("delivery_time_28d_hours", 60, [delivered(2.5, ordered_at=at(0)), probe(3)]),
    (
        "late_delivery_share_28d",
        0.5,
        [delivered(2.1, promised_at=at(1.9)), delivered(2.9, promised_at=at(2)), probe(3)],
    ),
    ("late_delivery_share_28d", None, [delivered(2), probe(3)]),
    ("in_transit_parcels", 2, [*UNDER_WAY, probe(20.5)]),
    ("in_transit_14d_parcels", 1, [*UNDER_WAY, probe(20.5)]),
    ("in_transit_14d_parcels", 0, [*UNDER_WAY[:2], delivered(2), probe(14.9)]),
    (
        "lost_share_28d",
        0.25,
        [*[sent(d) for d in range(4)], line("shipment.lost", 4), probe(5)],
    ),
    (
        "return_share_28d",
        0.25,
        [*[sent(d) for d in range(4)], line("shipment.returned", 4), probe(5)],
    ),
    ("overdue_shipments", 1, [paid(0, promised_at=at(3)), probe(45.5)]),
    ("overdue_shipments", 0, [paid(0, promised_at=at(3)), probe(46.5)]),
    (
        "overdue_shipment_share",
        0.5,
        [paid(0, promised_at=at(3)), paid(0, promised_at=at(4)), delivered(4), probe(5)],
    ),
    ("promises_due_14d", 2, [*AHEAD, probe(10.5)]),
    ("promises_due_14d", 1, [*AHEAD, delivered(10.2, promised_at=at(23)), probe(10.5)]),
    ("promises_due_14d", None, [paid(0), probe(1)]),
    # Of two deliveries one came late, and two promises are overdue: 3 of 4, and 1 of 10 besides.
    (
        "late_orders_expected_14d",
        4 / 14 * 4 / 2,
        [*AHEAD, delivered(9, promised_at=at(10)), delivered(25, promised_at=at(24)), probe(25.5)],
    ),
    ("late_orders_expected_14d", 0, [sent(0, promised_at=at(3)), probe(1)]),
    ("late_orders_expected_14d", None, [paid(0), probe(1)]),
    ("unshipped_share_28d", 0.5, [*TWO, probe(4)]),
    ("unshipped_orders_28d", 1, [*TWO, probe(4)]),
    ("unshipped_orders_28d", 0, [*TWO, probe(3.9)]),
    ("unshipped_orders_28d", None, [paid(0), delivered(1), probe(4)]),
    ("oldest_unshipped_days", 3, [*TWO, probe(4)]),
    ("oldest_unshipped_days", 0, [paid(0), sent(1), probe(4)]),
    (
        "unshipped_minor",
        75,
        [paid(1, 100), paid(1, 51), sent(2, ordered_at=at(1)), probe(4)],
    ),
    ("parcels_without_orders_share", 0.75, [paid(0), sent(1), sent(2), sent(2), sent(2)]),
    ("parcels_without_orders_share", None, [sent(0), probe(1)]),
]


@pytest.mark.parametrize(("name", "expected", "lines"), CASES)
def test_a_feature_of_trade_is_what_the_hand_finds(
    name: str, expected: float | None, lines: list[LogLine]
) -> None:
    check(name, expected, lines)


def test_the_lag_of_disputes_is_learnt_and_follows_them() -> None:
    def share_after(before: list[int], late: list[int]) -> float:
        sold = [paid(day) for day in range(60, 100)] + [paid(day) for day in range(80, 90)]
        early = [line("order.disputed", 60, ordered_at=at(60 - lag)) for lag in before]
        lines = [line("order.disputed", 99, ordered_at=at(99 - lag)) for lag in late]
        return last_values(*early, *sold, *lines, probe(99.5))["dispute_share_lagged_28d"]

    # Days 80-89 have two sales each: how many of them the month has tells the lag.
    assert share_after([], [3]) == 1 / (28 + 10)
    assert share_after([], [14, 16]) == 2 / (25 + 5)
    # The mean of all would be 14 days, after which the month had 32 sales.
    assert share_after([30] * 20, [3] * 30) == 30 / (28 + 10)


def test_a_dispatch_serves_an_order_of_up_to_27_days_before() -> None:
    early = last_values(paid(0), paid(1), sent(27), probe(27))
    assert early["oldest_unshipped_days"] == 26
    late = last_values(paid(0), paid(1), sent(28), probe(28))
    assert late["unshipped_orders_28d"] == 0


def test_a_void_of_the_same_parcel_twice_takes_nothing_below_zero() -> None:
    found = last_values(sent(0), delivered(1), delivered(1), line("shipment.lost", 1), probe(2))
    assert found["in_transit_parcels"] == 0

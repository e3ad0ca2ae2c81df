"""The sales features, each worked out by hand. Day 0 is a Saturday; noon is half a day."""

from math import sqrt

import pytest

from features.lines import LogLine
from tests.features.build import at, check, line, probe

Case = tuple[str, float | None, list[LogLine]]


def paid(day: float, amount: int = 100, **fields: object) -> LogLine:
    return line("order.paid", day, amount=amount, **fields)


def issued(day: float, amount: int = 100, **fields: object) -> LogLine:
    return line("invoice.issued", day, amount=amount, **fields)


def daily(first: int, last: int) -> list[LogLine]:
    return [paid(d + 0.5) for d in range(first, last + 1)]


# hour 23 | hours 24 ... 47, the last 24 as of day 1, 23:45
HOURS = [paid(0.98), paid(1.0, 10), issued(1.5, 5), probe(1.99)]
RISING = [paid(d + 0.5, 10 * (d + 1)) for d in range(28)]
WEEKS = [paid(7 * week, 10 * (week + 1)) for week in range(6)]
HUGE = [paid(7 * week, 10**15) for week in range(12) for _ in range(week + 1)]
WEEKDAYS = [paid(0, 120), paid(7, 100), paid(14, 90), paid(21, 110), paid(28, 100)]
CORRECTED = [
    paid(0, 100),
    paid(200, 50),
    line("order.refunded", 300, amount=30, ordered_at=at(0)),
    paid(250, 7),
]
YEAR = [paid(2, 100), paid(352, 150)]
TWICE = [paid(d + h) for d in range(39) for h in (0.5, 0.6)]

CASES: list[Case] = [
    ("gross_sales_24h_minor", 15, HOURS),
    ("gross_sales_24h_minor", None, [line("order.disputed", 0), probe(1)]),
    ("sales_count_24h", 2, HOURS),
    ("sales_count_1h", 2, [paid(1.4), paid(1.5), issued(1.51), probe(1.53)]),
    ("sales_count_1h", 0, [paid(1.4), probe(1.53)]),
    ("turnover_7d_minor", 11, [paid(0, 5), paid(1, 10), paid(7, 1), probe(7.5)]),
    ("turnover_28d_minor", 11, [paid(0, 5), paid(1, 10), paid(28, 1), probe(28)]),
    ("turnover_total_minor", 127, CORRECTED),
    ("turnover_total_minor", 300, [paid(0, 50), issued(0, 300), probe(400)]),
    ("turnover_total_minor", 0, [paid(0, 50), line("order.cancelled", 1, amount=60), probe(2)]),
    ("turnover_total_minor", None, [line("order.refunded", 1, amount=60), probe(2)]),
    ("turnover_92d_minor", 11, [paid(7, 100), paid(8, 10), paid(99, 1), probe(99.5)]),
    ("turnover_28d_minor", 60, [paid(0), line("order.cancelled", 1, amount=40), probe(2)]),
    ("turnover_28d_minor", 70, [issued(0), line("invoice.voided", 1, amount=30), probe(2)]),
    ("turnover_usual_28d_minor", 2800, [*daily(0, 60), probe(60.9)]),
    ("turnover_change_7d_ratio", 0.0, [*daily(0, 60), probe(68)]),
    ("turnover_change_28d_ratio", 1.0, [*daily(0, 60), probe(60.9)]),
    ("daily_sales_median_28d_minor", 145, [*RISING, probe(28.9)]),
    ("daily_sales_median_28d_minor", None, [*RISING, probe(27.9)]),
    ("daily_sales_spread_28d_ratio", 1.4826 * 70 / 145, [*RISING, probe(28.9)]),
    ("daily_sales_spread_28d_ratio", None, [paid(0), probe(28.9)]),
    ("zero_sales_days_28d", 3, [paid(0), paid(2), paid(5), probe(6.5)]),
    ("sales_count_7d", 3, [paid(1), paid(2), paid(3), issued(3), probe(4)]),
    ("sales_count_28d", 2, [paid(0), issued(1), issued(2), issued(3), probe(29)]),
    ("turnover_volatility_ratio", 10 * sqrt(35 / 12) / 35, [*WEEKS, probe(41.9)]),
    ("turnover_volatility_ratio", None, [*WEEKS[:3], probe(26.9)]),
    ("turnover_trend_12w_ratio", 10 / 35, [*WEEKS, probe(41.9)]),
    ("turnover_trend_12w_ratio", None, [*WEEKS, probe(40.9)]),
    ("turnover_trend_12w_ratio", 1 / 6.5, [*HUGE, probe(83.9)]),
    ("turnover_year_ratio", 1.5, [*YEAR, probe(366)]),
    (
        "turnover_year_ratio",
        2.0,
        [
            *YEAR,
            line("order.refunded", 352, amount=25, ordered_at=at(2)),
            line("order.refunded", 353, amount=25),
            paid(353, 25),
            issued(353, 25),
            line("invoice.voided", 353, amount=25),
            probe(366.2),
        ],
    ),
    ("turnover_year_ratio", None, [paid(100), probe(200)]),
    ("daily_sales_surprise_score", -60 / 14.826, [*WEEKDAYS, paid(35, 40), probe(36.5)]),
    ("daily_sales_surprise_score", 20, [*WEEKDAYS, paid(35, 10**6), probe(36.5)]),
    ("daily_sales_surprise_score", None, [*WEEKDAYS[2:], paid(35, 40), probe(36.5)]),
    ("weekend_sales_share_84d", 0.5, [paid(0, 10), paid(1, 20), paid(2, 30), probe(3)]),
    (
        "sales_burst_24h_ratio",
        3,
        [*daily(0, 27), *[paid(28.1) for _ in "abc"], probe(28.9)],
    ),
    ("sales_burst_24h_ratio", None, [*daily(2, 28), probe(28.9)]),
    # 12 a day that is over: hours 12 and 14 of days 0-38, halved on day 12: 12 + 54 in the profile
    ("sales_hour_surprise_score", -2 / sqrt(3), [*TWICE, probe(39.7)]),
    ("sales_hour_surprise_score", None, [*daily(0, 38), probe(39.7)]),
    ("sale_size_28d_minor", 75, [paid(0), paid(0), line("order.refunded", 1, amount=50), probe(2)]),
    ("sale_size_28d_minor", 0, [paid(0), line("order.refunded", 1, amount=150), probe(2)]),
    ("sale_size_28d_minor", None, [paid(0), probe(28)]),
    ("sale_size_change_ratio", 1.5, [paid(0), paid(20, 300), probe(20.5)]),
    ("sale_size_change_ratio", None, [paid(0), probe(20.5)]),
]


@pytest.mark.parametrize(("name", "expected", "lines"), CASES)
def test_a_sales_feature_is_what_the_hand_finds(
    name: str, expected: float | None, lines: list[LogLine]
) -> None:
    check(name, expected, lines)

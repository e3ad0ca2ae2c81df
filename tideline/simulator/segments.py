"""Kinds of merchants and their habits.

Sizes and costs are judgement, of the order of what is published for micro-merchants; rates with a
source name it. Olist: Brazilian E-Commerce Public Dataset (Kaggle, 2018). Visa: Visa Dispute
Monitoring Program. JPMorgan: Cash is King (JPMorgan Chase Institute, 2016).
"""

from typing import Literal

from msgspec import Struct

Settles = Literal["acquirer", "escrow", "platform", "buyer"]
SETTLE_DAYS: dict[Settles, int] = {"acquirer": 1, "escrow": 2, "platform": 7, "buyer": 28}
"""Days from the sale to the money; with escrow from the delivery."""
RATING_SHARES = (0.115, 0.147, 0.229, 0.422, 1.0)
"""One to five stars, cumulated (Olist: 11.5, 3.2, 8.2, 19.3 and 57.8 %)."""
DISPUTE_SHARE = 0.0012
"""Of orders; far below the 0.9 % at which Visa starts to monitor."""
VOID_SHARE = 0.09
"""Of invoices issued: the median of 82 real small enterprises (quartiles 6 and 14 %)."""
LOST_SHARE = 0.002
BUFFER_DAYS, BUFFER_SPREAD = 27.0, 1.0
"""Days of outflow held in cash: median 27, lower quarter 13 (JPMorgan)."""


class Segment(Struct, frozen=True, kw_only=True):
    """Habits of one kind of merchant.

    ``orders`` a day and ``ticket_minor`` are medians over merchants; their logarithms spread by
    ``orders_spread`` and ``ticket_spread``, the amounts of one merchant by ``amount_spread``.
    ``goods`` and ``fixed`` are costs as shares of usual sales. ``season`` is the swing of a year
    that peaks on day ``peak_day``, ``harvest`` twelve months of a harsher one. ``before_festival``
    and ``festival`` are levels around Chinese New Year, ``hours`` the opening hours (UTC).
    """

    name: str
    share: float
    orders: float
    ticket_minor: int
    settles: Settles
    goods: float
    fixed: float
    orders_spread: float = 0.8
    ticket_spread: float = 0.5
    amount_spread: float = 0.6
    parcels: bool = False
    online: bool = False
    invoices: bool = False
    machines: bool = False
    reviews: float = 0.0
    refunds: float = 0.02
    cancels: float = 0.02
    weekend: float = 1.0
    season: float = 0.1
    peak_day: int = 330
    harvest: tuple[float, ...] = ()
    before_festival: float = 1.2
    festival: float = 0.4
    hours: tuple[int, int] = (0, 14)
    instalments: int = 6
    every_days: int = 30
    advance: float = 0.5
    product: str = "working-capital"


SEGMENTS: tuple[Segment, ...] = (
    Segment(
        name="retail", share=0.26, orders=4.0, ticket_minor=6_000, settles="acquirer",
        goods=0.68, fixed=0.14, weekend=1.25, refunds=0.015,
    ),
    Segment(
        name="restaurant", share=0.18, orders=6.0, ticket_minor=4_500, settles="acquirer",
        goods=0.42, fixed=0.40, weekend=1.35, reviews=0.06, refunds=0.01, cancels=0.015,
        before_festival=1.1, festival=0.6, hours=(2, 13),
    ),
    Segment(
        name="marketplace", share=0.22, orders=2.5, ticket_minor=12_000, settles="escrow",
        goods=0.66, fixed=0.15, parcels=True, online=True, reviews=0.35, refunds=0.06,
        cancels=0.03, season=0.15, festival=0.25, hours=(0, 16), advance=0.4,
        product="marketplace-seller",
    ),
    Segment(
        name="platform", share=0.10, orders=2.5, ticket_minor=9_000, settles="platform",
        goods=0.60, fixed=0.20, parcels=True, online=True, reviews=0.10, refunds=0.04,
        festival=0.3, advance=0.4, product="platform-embedded",
    ),
    Segment(
        name="wholesale", share=0.10, orders=1.2, ticket_minor=180_000, settles="platform",
        goods=0.80, fixed=0.07, parcels=True, invoices=True, refunds=0.02, weekend=0.5,
        amount_spread=0.8, before_festival=1.35, festival=0.1, hours=(0, 10),
        advance=0.25, product="tax-and-invoice",
    ),
    Segment(
        name="manufacturer", share=0.08, orders=0.7, ticket_minor=600_000, settles="buyer",
        goods=0.62, fixed=0.22, invoices=True, machines=True, refunds=0.0, cancels=0.0,
        weekend=0.3, amount_spread=0.7, festival=0.03, hours=(0, 10), product="supply-chain",
    ),
    Segment(
        name="rural", share=0.06, orders=1.0, ticket_minor=40_000, settles="platform",
        goods=0.50, fixed=0.08, refunds=0.005, cancels=0.005, season=0.0,
        harvest=(0.15, 0.1, 0.1, 0.15, 0.4, 1.2, 1.0, 0.6, 2.4, 3.6, 1.9, 0.4),
        before_festival=1.0, festival=0.5, hours=(0, 11), instalments=2, every_days=120,
        advance=1.2, product="rural-seasonal",
    ),
)  # fmt: skip
NAMES = tuple(segment.name for segment in SEGMENTS)
REGIONS = ("east", "south", "north", "west", "central")
CARRIERS = 8
CARRIER_SHARES = (0.28, 0.48, 0.64, 0.77, 0.87, 0.93, 0.97, 1.0)
"""Parcels by carrier, cumulated."""

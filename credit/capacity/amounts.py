"""The answer of every kind of capacity, and rounding."""

import math

from msgspec import Struct

from features.catalogue import INDEX


class Books(Struct, frozen=True):
    """Claims of a merchant as of now, as delivered and as invoiced, and its bills.

    Claims are (debtor, age in whole days, open minor units), ``bills`` (acceptor, whole days to
    maturity, minor units); ``dishonoured`` the acceptors that dishonoured a bill, with the whole
    days since the latest.
    """

    delivered: tuple[tuple[str, int, int], ...] = ()
    invoiced: tuple[tuple[str, int, int], ...] = ()
    bills: tuple[tuple[str, int, int], ...] = ()
    dishonoured: tuple[tuple[str, int], ...] = ()


NO_BOOKS = Books()


class Seen(Struct, frozen=True):
    """What a capacity is made of: the vector (catalogue order), event time in ms, and the books."""

    vector: list[float]
    as_of: int
    books: Books = NO_BOOKS

    def __getitem__(self, feature: str) -> float:
        """The value of a feature; NaN where not available."""
        return self.vector[INDEX[feature]]


class Capacity(Struct, frozen=True):
    """What can be carried, in minor units, as seen with less and with more confidence.

    ``lowest`` carries raises (it asks all views to agree, None unless all are known), ``middle``
    carries cuts (so that one quiet week cuts nobody, None if no view is known). Each ``basis`` is
    the figure of the reason ``code`` behind it: 28 days of sales, the claims that count.
    """

    code: str
    lowest: float | None
    middle: float | None
    lowest_basis: float | None
    middle_basis: float | None


def of_views(code: str, views: tuple[float, ...], factor: float) -> Capacity:
    """``factor`` times the lowest and the middle of several views of one figure, NaN = unknown."""
    known = sorted(max(view, 0.0) for view in views if math.isfinite(view))
    lowest = known[0] if len(known) == len(views) else None
    middle = known[len(known) // 2] if known else None
    return Capacity(
        code=code,
        lowest=None if lowest is None else lowest * factor,
        middle=None if middle is None else middle * factor,
        lowest_basis=lowest,
        middle_basis=middle,
    )


def of_book(code: str, basis: float, amount: float) -> Capacity:
    """A capacity from a book, which is a fact: raises and cuts see the same."""
    return Capacity(code, amount, amount, basis, basis)


def round_down(amount: float, unit: int) -> int:
    """The largest multiple of ``unit`` not above ``amount``."""
    return math.floor(amount) // unit * unit


def round_up(amount: float, unit: int) -> int:
    """The smallest multiple of ``unit`` not below ``amount``."""
    return -(-math.ceil(amount) // unit) * unit

"""How lines moved: cuts, those taken back, and naive policies beside them."""

import msgspec

from schemas.documents import example
from schemas.outputs import LimitChange
from tideline.backtesting.conduct import Conduct
from tideline.backtesting.naive import YEAR_MS, Naive

DAY_MS = 86_400_000


def change(action: str, day: int, before: int, after: int) -> LimitChange:
    """A change of the only line."""
    fields = {
        **example(LimitChange),
        "merchant_id": "m",
        "line_id": "a",
        "action": action,
        "decided_at": day * DAY_MS,
        "previous_limit_minor": before,
        "new_limit_minor": after,
    }
    return msgspec.convert(fields, LimitChange)


def test_a_cut_is_taken_back_when_the_line_is_at_its_old_limit_in_time() -> None:
    conduct = Conduct()
    conduct.changed(change("open", 0, 0, 100))
    conduct.changed(change("decrease", 1, 100, 60))
    conduct.changed(change("increase", 30, 60, 80))
    assert (conduct.cuts, conduct.reverted) == (1, 0)
    conduct.changed(change("increase", 60, 80, 100))
    assert conduct.reverted == 1
    conduct.changed(change("freeze", 100, 100, 0))
    conduct.changed(change("release", 300, 0, 100))
    assert (conduct.cuts, conduct.reverted) == (2, 1)
    assert (conduct.merchants_cut, conduct.merchants_cut_good) == (1, 1)


def test_a_cut_before_a_default_was_right() -> None:
    conduct = Conduct()
    conduct.changed(change("decrease", 1, 100, 60))
    conduct.defaulted("m")
    conduct.changed(change("override", 2, 60, 100))
    assert conduct.reverted == 0
    assert (conduct.merchants_cut, conduct.merchants_cut_good) == (1, 0)


def test_never_change_keeps_the_first_opening() -> None:
    naive = Naive("never-change")
    assert naive.opened("m", "a", 100, 0) == 100
    assert naive.opened("m", "a", 500, 1) is None
    assert naive.assessed("m", "E", 90.0, 2 * YEAR_MS) == []


def test_late_cut_stops_the_line_while_a_repayment_is_late() -> None:
    naive = Naive("late-cut")
    naive.opened("m", "a", 100, 0)
    assert naive.assessed("m", "A", None, 1) == []
    assert naive.assessed("m", "A", 1.0, 2) == [("a", 0)]
    assert naive.assessed("m", "A", 2.0, 3) == []
    assert naive.assessed("m", "A", 0.0, 4) == [("a", 100)]


def test_static_score_looks_once_a_year() -> None:
    naive = Naive("static-score")
    naive.opened("m", "a", 100, 0)
    assert naive.assessed("m", "E", None, YEAR_MS - 1) == []
    assert naive.assessed("m", "E", None, YEAR_MS) == [("a", 0)]
    assert naive.assessed("m", "A", None, YEAR_MS + 1) == []
    assert naive.assessed("m", "A", None, 2 * YEAR_MS) == [("a", 100)]
    assert naive.assessed("x", "A", None, 0) == []

"""What is drawn and what could still be drawn over the lines of a merchant."""

import pytest

from credit.holding import Holding
from credit.lines import Line


def line(name: str, limit_minor: int, opened_at: int = 1, currency: str = "CNY") -> Line:
    return Line(
        line_id=f"ln_{name}",
        product=name,
        currency=currency,
        version=1,
        limit_minor=limit_minor,
        frozen_by=None,
        frozen_limit_minor=0,
        opened_at=opened_at,
        changed_at=opened_at,
        cut_at=None,
        expires_at=10,
        last_action="open",
    )


@pytest.mark.parametrize(
    ("owed", "exposure", "headroom"),
    [
        ({}, 0, 1500),
        ({}, 400, 1100),
        ({"ln_new": 200}, 600, 600 + 300),
        ({"ln_new": 700}, 700, 1000),
        ({}, 5000, 500),
    ],
)
def test_what_belongs_to_no_line_is_drawn_on_the_oldest_and_none_makes_up_for_another(
    owed: dict[str, int], exposure: int, headroom: int
) -> None:
    holding = Holding(lines={"old": line("old", 1000), "new": line("new", 500, 2)})
    assert holding.headroom_minor(owed, exposure, "CNY") == headroom


def test_a_frozen_line_and_one_in_another_currency_leave_nothing_to_draw() -> None:
    lines = {"frozen": line("frozen", 0), "dollars": line("dollars", 900, 2, "USD")}
    holding = Holding(lines=lines)
    assert holding.headroom_minor({}, 0, "CNY") == 0
    assert holding.headroom_minor({}, 0, "USD") == 900
    assert Holding().headroom_minor({}, 700, "CNY") == 0

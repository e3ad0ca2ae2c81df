"""The naive scores that models must beat."""

import math

from detectors.floors import FLOORS, floors
from tests.detectors.merchants import vector_of


def test_each_floor_ranks_by_its_one_thing() -> None:
    usual = floors(vector_of(turnover_92d_minor=3_000_000), key="m")
    assert tuple(usual) == FLOORS
    small = floors(vector_of(turnover_92d_minor=1_000), key="m")
    fallen = floors(vector_of(turnover_change_28d_ratio=0.2), key="m")
    late = floors(vector_of(days_past_due=9), key="m")
    was_late = floors(vector_of(days_past_due=0, repayment_delay_last_days=4), key="m")
    assert small["smallness"] > usual["smallness"]
    assert fallen["last_month_fall"] > usual["last_month_fall"]
    assert late["lateness"] > was_late["lateness"] > usual["lateness"]


def test_chance_depends_on_the_key_alone_and_nothing_is_nan() -> None:
    one, other = floors(vector_of(), key="a"), floors(vector_of(tenure_days=3), key="a")
    assert one["random"] == other["random"] != floors(vector_of(), key="b")["random"]
    unknown = floors([math.nan] * len(vector_of()), key="a")
    assert all(math.isfinite(value) for value in unknown.values())
    assert 0 <= unknown["random"] < 1

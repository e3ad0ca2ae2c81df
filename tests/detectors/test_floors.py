"""The naive scores that models must beat."""

import math

import numpy as np

from detectors.floors import FLOORS, centred, naive_scores
from tests.detectors.merchants import vector_of


def scores(**changes: float) -> dict[str, float]:
    found = naive_scores(np.array([vector_of(**changes)]))[0].tolist()
    return dict(zip(FLOORS, found, strict=True))


def test_each_floor_ranks_by_its_one_thing() -> None:
    usual = scores(turnover_92d_minor=3_000_000, days_past_due=0, repayment_delay_last_days=1)
    assert scores(turnover_92d_minor=1_000)["volume-rank"] > usual["volume-rank"]
    assert scores(turnover_change_28d_ratio=0.2)["last-month-fall"] > usual["last-month-fall"]
    assert scores(days_past_due=9)["days-past-due"] > usual["days-past-due"]
    assert scores(repayment_delay_last_days=4)["last-lateness"] > usual["last-lateness"]


def test_what_is_not_known_ranks_in_the_middle() -> None:
    assert math.isnan(scores(turnover_92d_minor=math.nan)["volume-rank"])
    assert centred(np.array([1.0, math.nan, 3.0, 9.0])).tolist() == [1.0, 3.0, 3.0, 9.0]
    assert centred(np.array([math.nan, math.nan])).tolist() == [0.0, 0.0]

"""Troubles found in time: delays, false alerts and the threshold that is compared at."""

import numpy as np
import pytest

from tideline.evaluation.detection import FALSE_PER_MONTH, Calendar
from tideline.evaluation.questions import Questions, questions
from tideline.evaluation.watch import Opened

DAY_MS = 86_400_000
DAYS, MERCHANTS = 60, 40
BEGINS, ENDS = 20, 30


def made(bad_merchants: int = 2) -> Questions:
    """A question a day and merchant; the first merchants are bad from day 20 to 30."""
    day, merchant = np.divmod(np.arange(DAYS * MERCHANTS), MERCHANTS)
    bad = (merchant < bad_merchants) & (day >= BEGINS) & (day < ENDS)
    return questions(
        [f"m{i}" for i in merchant.tolist()],
        day * DAY_MS,
        bad,
        (day + 8) * DAY_MS,
        judged_from=5 * DAY_MS,
    )


def scores_of(asked: Questions, rises: dict[str, int]) -> np.ndarray:
    """1 from a merchant's day on (until day 35), else a small number that tells nothing."""
    judged = asked.take(asked.at >= asked.judged_from)
    day = judged.at // DAY_MS
    from_day = np.array([rises.get(m, 999) for m in judged.merchants])
    noise = np.random.default_rng(0).random(len(day)) * 0.01
    return np.where((day >= from_day) & (day < 35), 1.0, noise)


def test_the_delay_runs_from_the_first_bad_day_to_the_first_alert() -> None:
    asked = made()
    calendar = Calendar(asked, 14 * DAY_MS, 3)
    found = calendar.of_scores(scores_of(asked, {"m0": BEGINS + 2, "m1": BEGINS + 6}))
    assert (found.troubles, found.found_share, found.days_to_alert) == (2, 1.0, 4.0)
    assert found.false_alerts_per_month <= FALSE_PER_MONTH


def test_an_alert_that_comes_too_late_finds_nothing() -> None:
    asked = made()
    calendar = Calendar(asked, 14 * DAY_MS, 3)
    alerts = [
        Opened("m0", "late", (ENDS + 20) * DAY_MS),
        Opened("m1", "in time", (BEGINS + 4) * DAY_MS + 1),
        Opened("stranger", "unknown", BEGINS * DAY_MS),
    ]
    found = calendar.of_alerts(alerts)
    assert (found.found_share, found.days_to_alert) == (0.5, 5.0)


def test_false_alerts_are_counted_by_healthy_months() -> None:
    asked = made(bad_merchants=1)
    calendar = Calendar(asked, 14 * DAY_MS, 3)
    found = calendar.of_alerts([Opened("m9", "false", 40 * DAY_MS)])
    # m0 is ill from day 20 to 29 and 14 days on; days 5 to 59 are judged.
    months = (39 * 55 + 55 - 24) / 30
    assert found.false_alerts_per_month == pytest.approx(1 / months)


def test_one_bad_day_is_no_trouble_where_three_make_one() -> None:
    asked = made()
    labels = asked.labels & (asked.at == BEGINS * DAY_MS)
    calendar = Calendar(asked._replace(labels=labels), 14 * DAY_MS, 3)
    assert calendar.of_alerts([]).troubles == 0

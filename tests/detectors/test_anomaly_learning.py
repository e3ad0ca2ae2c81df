"""Learning what is usual: warm-up, windows, pace, and who keeps a place."""

import numpy as np

from detectors.anomaly_learning import (
    ABANDONED_MS,
    PACE_MS,
    REFIT_EVERY,
    WARM_UP,
    WINDOW,
    AnomalyLearning,
)
from detectors.anomaly_model import SEGMENTS_MAX, encode_anomaly
from detectors.anomaly_score import rate
from features.catalogue import INDEX
from tests.detectors.merchants import vector_of
from tests.detectors.usual import DAY_MS, usual


def feed(learning: AnomalyLearning, vectors, segment: str = "s", at: int = 0) -> list[bytes]:
    """Learn from vectors, all of one time; versions are published as they fall due."""
    made = []
    for vector in vectors:
        learning.learn(segment, vector, at)
        if learning.is_due():
            made.append(encode_anomaly(learning.publish(f"anomaly-{len(made) + 1}")))
    return made


def test_the_first_version_comes_when_a_window_has_warmed_up() -> None:
    learning = AnomalyLearning()
    assert feed(learning, usual(WARM_UP - 1, 1)) == []
    assert len(feed(learning, usual(1, 2))) == 1
    assert learning.published is not None
    assert list(learning.published.segments) == ["s"]
    assert learning.published.n_learned == WARM_UP


def test_a_segment_without_a_window_of_its_own_is_in_the_pool_alone() -> None:
    learning = AnomalyLearning()
    feed(learning, usual(200, 1), "a")
    made = feed(learning, usual(200, 2), "b")
    assert len(made) == 1 and learning.published is not None
    assert learning.published.segments == {}


def test_the_same_rows_give_the_same_bytes() -> None:
    vectors = usual(WARM_UP + 2 * REFIT_EVERY, 3)
    assert feed(AnomalyLearning(), vectors) == feed(AnomalyLearning(), vectors)


def test_a_version_a_day_and_none_while_nothing_changes() -> None:
    learning = AnomalyLearning()
    feed(learning, usual(WINDOW, 1))
    moved = usual(WINDOW, 2)
    moved[:, INDEX["refund_share_28d"]] += 0.3
    assert feed(learning, moved, at=PACE_MS - 1) == []
    assert len(feed(learning, usual(1, 3), at=PACE_MS)) == 1
    again = usual(WINDOW, 4)
    again[:, INDEX["refund_share_28d"]] += 0.3
    feed(learning, again, at=3 * PACE_MS)
    feed(learning, again, at=9 * PACE_MS)
    assert feed(learning, again, at=20 * PACE_MS) == []


def test_what_was_unusual_becomes_usual_when_all_do_it() -> None:
    learning = AnomalyLearning()
    feed(learning, usual(WINDOW, 1))
    odd = vector_of(refund_share_28d=0.4, refund_share_usual=0.4)
    then = rate(learning.published, odd[None], ["s"])[0].score
    moved = usual(WINDOW, 2)
    moved[:, INDEX["refund_share_28d"]] += 0.38
    moved[:, INDEX["refund_share_usual"]] += 0.38
    feed(learning, moved, at=5 * DAY_MS)
    feed(learning, moved[:1], at=7 * DAY_MS)
    now = rate(learning.published, odd[None], ["s"])[0].score
    assert then is not None and now is not None and then > 0.99 > 0.95 > now


def test_numbers_that_are_not_finite_count_as_not_available() -> None:
    vectors = usual(WARM_UP, 1)
    poisoned = vectors.copy()
    poisoned[::3, INDEX["refund_share_28d"]] = np.inf
    poisoned[1::3, INDEX["silence_days"]] = -np.inf
    vectors[::3, INDEX["refund_share_28d"]] = np.nan
    vectors[1::3, INDEX["silence_days"]] = np.nan
    learning = AnomalyLearning()
    made = feed(learning, poisoned)
    assert made and made == feed(AnomalyLearning(), vectors)


def test_segments_are_bounded_and_an_abandoned_one_gives_its_place() -> None:
    learning = AnomalyLearning()
    vector = vector_of()
    for number in range(SEGMENTS_MAX):
        learning.learn(f"s{number}", vector, number)
    learning.learn("late", vector, ABANDONED_MS)
    assert "late" not in [window.segment for window in learning.windows]
    learning.learn("late", vector, ABANDONED_MS + 1)
    kept = [window.segment for window in learning.windows]
    assert len(kept) == SEGMENTS_MAX + 1 and "late" in kept and "s0" not in kept

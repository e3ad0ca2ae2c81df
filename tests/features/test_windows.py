"""Windows of features as spans of time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import CATALOGUE
from features.windows import DAY_MS, spans_of

WINDOWS = sorted({window for feature in CATALOGUE for window in feature.windows})


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


AS_OF = ms("2025-03-13T10:20:30")
"""A Thursday; day 20,160 = 28 x 720: the first day of a period."""


#                     6h before 1h           1h
#                 [--------------------)[-----------)
#      02:00     04:00               10:00    as_of     11:00
@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ("1h", "2025-03-13T10:00:00", None),
        ("24h", "2025-03-12T11:00:00", None),
        ("6h before 1h", "2025-03-13T04:00:00", "2025-03-13T10:00:00"),
        ("1d before 1d", "2025-03-12", "2025-03-13"),
        ("7d", "2025-03-07", None),
        ("28d", "2025-02-14", None),
        ("28d before 1d", "2025-02-13", "2025-03-13"),
        ("27d before 1d", "2025-02-14", "2025-03-13"),
        ("25d before 3d", "2025-02-14", "2025-03-11"),
        ("14d before 14d", "2025-02-14", "2025-02-28"),
        ("56d before 28d", "2024-12-20", "2025-02-14"),
        ("4w", "2025-02-10", "2025-03-10"),
        ("4w before 49w", "2024-03-04", "2024-04-01"),
        ("9w before 4w", "2024-12-09", "2025-02-10"),
        ("4w and this", "2025-02-10", None),
        ("13w and this", "2024-12-09", None),
        ("2 periods", "2025-02-13", None),
        ("28d ahead", "2025-03-13", "2025-04-10"),
    ],
)
def test_a_window_is_the_span_that_the_catalogue_means(
    window: str, start: str, end: str | None
) -> None:
    assert spans_of(window, AS_OF) == ((ms(start), ms(end) if end else AS_OF + 1),)


def test_weekdays_before_are_days_a_week_apart() -> None:
    spans = spans_of("8 weekdays before 2d", AS_OF)
    assert spans is not None and len(spans) == 8
    assert spans[0] == (ms("2025-03-05"), ms("2025-03-06"))
    assert spans[-1] == (ms("2025-01-15"), ms("2025-01-16"))


@pytest.mark.parametrize("window", ["now", "all", "decaying", "last 1", "last 8"])
def test_some_windows_are_not_bounded_by_time(window: str) -> None:
    assert spans_of(window, AS_OF) is None


@pytest.mark.parametrize("window", ["", "28", "28 d", "4w before 2d", "9 weeks", "last", "28D"])
def test_what_is_not_of_the_grammar_is_refused(window: str) -> None:
    with pytest.raises(ValueError, match="is no window"):
        spans_of(window, AS_OF)


@pytest.mark.parametrize("window", WINDOWS)
@given(as_of=st.integers(946_684_800_000, 4_102_444_800_000))
def test_every_window_of_the_catalogue_is_a_span_within_what_is_known(
    window: str, as_of: int
) -> None:
    spans = spans_of(window, as_of)
    if spans is None:
        return
    for start, end in spans:
        assert start < end
        assert end <= (as_of // DAY_MS + 28) * DAY_MS if "ahead" in window else end <= as_of + 1

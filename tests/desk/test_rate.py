"""Token buckets: so many at once, so many a second, and no more memory for a flood."""

from hypothesis import given
from hypothesis import strategies as st

from desk import rate
from desk.rate import Buckets, Rate


def test_a_burst_passes_then_one_for_each_interval() -> None:
    now = [0.0]
    buckets = Buckets(Rate(3, 0.5), lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2.0]
    assert buckets.take("b") == 0, "another key has its own"
    now[0] = 1.0
    assert buckets.take("a") == 1.0, "asking too early costs nothing"
    now[0] = 2.0
    assert [buckets.take("a"), buckets.take("a")] == [0, 2.0]


@given(
    st.integers(1, 20),
    st.floats(0.01, 50),
    st.lists(st.floats(0, 10), min_size=1, max_size=100),
)
def test_never_more_pass_than_the_rate_allows(burst: int, per_s: float, gaps: list[float]) -> None:
    now = [0.0]
    buckets = Buckets(Rate(burst, per_s), lambda: now[0])
    passed = 0
    for gap in gaps:
        now[0] += gap
        wait_s = buckets.take("a")
        passed += not wait_s
        assert wait_s <= 1 / per_s + 1e-6
        assert passed <= burst + now[0] * per_s + 1e-6


def test_whoever_waits_as_long_as_told_passes() -> None:
    now = [0.0]
    buckets = Buckets(Rate(1, 1 / 3), lambda: now[0])
    assert buckets.take("a") == 0
    now[0] += buckets.take("a") + 1e-9
    assert buckets.take("a") == 0


def test_a_flood_of_keys_takes_bounded_memory_and_clears_nobodys_record() -> None:
    now = [0.0]
    buckets = Buckets(Rate(2, 0.001), lambda: now[0])
    assert [buckets.take("mei") for _ in range(2)] == [0, 0]
    for number in range(rate.KEYS_MAX * 2):
        now[0] += 0.001
        buckets.take(f"key-{number}")
    assert len(buckets._buckets) <= rate.KEYS_MAX + 1
    assert buckets.take("mei") > 0
    assert buckets.take("newcomer") > 0, "whoever comes in a flood shares what is left"
    now[0] += 10_000
    assert buckets.take("newcomer") == 0
    assert len(buckets._buckets) < 10, "full buckets are dropped"

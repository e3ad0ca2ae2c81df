"""What waits while a feed is quiet: alerts neither open nor clear on it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.holds import rests_on, standing
from detectors.sentinels import cleared, evaluate
from features.availability import feeds_mask, mask
from features.feeds import FEED_NAMES
from tests.detectors.merchants import any_vector, vector_of
from tests.detectors.rulebook import BOOK, KINDS, ORDINARY

FEEDS_OF = {rule.kind: set(rule.feeds) for rule in BOOK.rules}
feeds = st.lists(st.sampled_from(FEED_NAMES), unique=True).map(tuple)


def test_every_kind_rests_on_feeds_that_exist() -> None:
    for kind, needed in FEEDS_OF.items():
        assert needed and needed <= set(FEED_NAMES), kind


def test_silence_rests_on_every_event_feed_and_arrears_on_lending_alone() -> None:
    assert FEEDS_OF["sales_silence"] == set(FEED_NAMES) - {"lending"}
    assert FEEDS_OF["repayment_overdue"] == {"lending"}
    assert rests_on(BOOK, "sales_silence", ["logistics"])
    assert not rests_on(BOOK, "sales_silence", ["lending"])
    assert not rests_on(BOOK, "sales_silence", [])
    assert not rests_on(BOOK, "a.kind.of.others", FEED_NAMES)


def test_hits_on_other_feeds_stand() -> None:
    hits = evaluate(BOOK, vector_of(silence_days=30, days_past_due=20), "retail")
    assert {hit.kind for hit in hits} == {"sales_silence", "repayment_overdue"}
    assert standing(hits, []) == hits
    assert [hit.kind for hit in standing(hits, ["payments"])] == ["repayment_overdue"]
    assert standing(hits, FEED_NAMES) == []


@settings(deadline=None)
@given(any_vector, feeds)
def test_nothing_opens_on_what_is_not_available(vector, quiet: tuple[str, ...]) -> None:
    everything = (1 << len(FEED_NAMES)) - 1
    mask(vector, feeds_mask(quiet), everything)
    hits = evaluate(BOOK, vector, "retail")
    # A rule may fire whose exception is not known while its feed is quiet: it does not stand.
    assert not any(rests_on(BOOK, hit.kind, quiet) for hit in standing(hits, quiet))
    for hit in hits:
        assert all(not math.isnan(r.value) for r in hit.reasons if r.value is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_does_not_clear_while_all_that_it_rests_on_is_quiet(kind: str) -> None:
    vector = vector_of(ORDINARY)
    mask(vector, feeds_mask(tuple(FEEDS_OF[kind])), (1 << len(FEED_NAMES)) - 1)
    assert not cleared(BOOK, kind, vector)

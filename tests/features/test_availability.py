"""What a quiet feed takes from a merchant: what it needs it for, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.availability import NEEDS, feeds_mask, feeds_named, mask
from features.catalogue import CATALOGUE, INDEX, MONEY, NAMES
from features.feeds import FEED_NAMES

EVERYTHING = feeds_mask(FEED_NAMES)
masks = st.integers(0, EVERYTHING)


def lost(quiet: int, used: int) -> set[str]:
    """Names of the features that become NaN."""
    vector = np.arange(len(NAMES), dtype=np.float64)
    mask(vector, quiet, used)
    return {name for name, value in zip(NAMES, vector, strict=True) if np.isnan(value)}


@pytest.mark.parametrize("feature", CATALOGUE, ids=lambda f: f.name)
def test_a_feature_is_lost_with_each_feed_of_the_catalogue(feature) -> None:
    for feed in feature.feeds:
        assert feature.name in lost(feeds_mask((feed,)), EVERYTHING)


@settings(deadline=None)
@given(masks, masks)
def test_only_feeds_that_are_quiet_and_used_matter(quiet: int, used: int) -> None:
    assert lost(quiet, used) == lost(quiet & used, EVERYTHING)
    needs = dict(zip(NAMES, NEEDS.tolist(), strict=True))
    assert lost(quiet, used) == {name for name in NAMES if needs[name] & quiet & used}


@settings(deadline=None)
@given(masks)
def test_what_is_left_keeps_its_value_and_nan_stays(quiet: int) -> None:
    vector = np.arange(len(NAMES), dtype=np.float64)
    vector[::3] = np.nan
    before = vector.copy()
    mask(vector, quiet, EVERYTHING)
    kept = ~np.isnan(vector)
    assert (vector[kept] == before[kept]).all()
    assert (np.isnan(before) <= np.isnan(vector)).all()


@pytest.mark.parametrize("feed", FEED_NAMES)
def test_a_merchant_may_be_silent_only_because_a_feed_of_its_is(feed: str) -> None:
    gone = {"silence_days", "active_days_28d"} & lost(feeds_mask((feed,)), EVERYTHING)
    assert len(gone) == (0 if feed == "lending" else 2)


def test_the_past_stays_known_whatever_is_quiet() -> None:
    assert set(NAMES) - lost(EVERYTHING, EVERYTHING) == {"tenure_days", "silence_usual_days"}


def test_lending_takes_its_own_family_and_its_percentiles() -> None:
    gone = lost(feeds_mask(("lending",)), EVERYTHING)
    assert gone == {f.name for f in CATALOGUE if "lending" in f.feeds}
    assert "days_past_due" in gone and "exposure_peer_percentile" in gone


@pytest.mark.parametrize("name", MONEY)
def test_an_amount_goes_with_its_percentile(name: str) -> None:
    percentile = name.removesuffix("_minor") + "_peer_percentile"
    assert NEEDS[INDEX[name]] == NEEDS[INDEX[percentile]]


def test_a_ratio_to_sales_goes_with_the_sales() -> None:
    for name in ("settlement_to_sales_28d_ratio", "other_debt_to_sales_ratio", "thin_file"):
        for feed in ("transactions", "signals"):
            assert name in lost(feeds_mask((feed,)), EVERYTHING)


@settings(deadline=None)
@given(masks)
def test_names_and_mask_say_the_same(quiet: int) -> None:
    assert feeds_mask(feeds_named(quiet)) == quiet

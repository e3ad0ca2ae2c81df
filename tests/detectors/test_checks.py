"""Tests over the vectors of a batch are those over each of them."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.assess import HISTORY
from detectors.checks import AnyOf, Check, are_met, place
from detectors.sentinels import evaluate
from features.catalogue import INDEX, NAMES
from tests.detectors.rulebook import BOOK

FEATURES = ("tenure_days", "sales_count_28d", "refund_share_28d", "refund_share_usual")
levels = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 28.0])
checks = st.builds(
    Check,
    st.sampled_from(FEATURES),
    st.sampled_from(["ge", "le"]),
    levels,
    st.sampled_from([None, *FEATURES]),
)
groups = st.lists(st.lists(checks, min_size=1, max_size=3), min_size=1, max_size=4)
values = st.fixed_dictionaries({name: st.one_of(st.just(math.nan), levels) for name in FEATURES})


def vector_of(known: dict[str, float]) -> list[float]:
    vector = [math.nan] * len(NAMES)
    for name, value in known.items():
        vector[INDEX[name]] = value
    return vector


@settings(deadline=None)
@given(groups, st.lists(values, max_size=6))
def test_a_batch_passes_as_each_vector_does(groups, rows) -> None:
    some = AnyOf(place(group) for group in groups)
    vectors = [vector_of(row) for row in rows]
    expected = [any(are_met(place(group), vector) for group in groups) for vector in vectors]
    assert [some.met(vector) for vector in vectors] == expected
    assert some.met_by_each(np.array(vectors).reshape(-1, len(NAMES))) == expected


_RULED = sorted({c.feature for r in BOOK.rules for level in r.levels for c in level.tests})
ruled = st.fixed_dictionaries(
    {
        name: st.one_of(st.just(math.nan), st.sampled_from([0.0, 0.01, 0.5, 3.0, 15.0, 100.0]))
        for name in (*_RULED, *(c.feature for r in BOOK.rules for c in r.evidence))
    }
)


@settings(max_examples=300, deadline=None)
@given(ruled)
def test_no_rule_fires_on_a_vector_that_is_not_firing(known) -> None:
    vector = vector_of(known)
    (fires,) = BOOK.firing.met_by_each(np.array([vector]))
    assert fires == bool(evaluate(BOOK, vector, "any"))


def test_history_needs_lending_or_a_month_with_sales() -> None:
    assert HISTORY.met(vector_of({"repayment_late_share": 0.0}))
    assert HISTORY.met(vector_of({"tenure_days": 28, "sales_count_28d": 5}))
    assert HISTORY.met(vector_of({"tenure_days": 28, "turnover_usual_28d_minor": 1}))
    assert not HISTORY.met(vector_of({"tenure_days": 27, "sales_count_28d": 500}))
    assert not HISTORY.met(vector_of({"tenure_days": 400, "sales_count_28d": 4}))
    assert not HISTORY.met(vector_of({"days_past_due": 0.0, "loans_settled_count": 0.0}))

"""A merchant at one time: its vector, its events, and what is said where there are none."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from features.catalogue import INDEX
from ops.errors import ConfigurationError
from streams.artifacts import MemoryArtifacts, builtin_policy
from streams.explain import Explained, Explainer
from streams.intake import Intake

from .conftest import NOW_MS

DAY_MS = 86_400_000
START = NOW_MS - 200 * DAY_MS
AS_OF = START + 100 * DAY_MS
Explain = Callable[..., Explained]


def paid(merchant: str, day: int, amount: int = 1_000, **fields: Any) -> dict[str, Any]:
    at = START + day * DAY_MS
    return {
        "type": "order.paid",
        "event_id": f"{merchant}-{day}",
        "merchant_id": merchant,
        "occurred_at": at,
        "amount": amount,
        "currency": "CNY",
        **fields,
    }


@pytest.fixture
def explain(intake: Intake, artifacts: MemoryArtifacts) -> Explain:
    """Explain one merchant after events in order of arrival."""

    def run(events: list[dict[str, Any]], merchant: str = "m", as_of: int = AS_OF) -> Explained:
        explainer = Explainer(intake, artifacts, merchant, as_of)
        for number, event in enumerate(events, 1):
            explainer.feed(
                *("file", number, msgspec.json.encode(event), NOW_MS),
                merchant_id=event["merchant_id"],
                occurred_at=event.get("occurred_at"),
            )
        return explainer.finish()

    return run


def test_the_vector_is_that_after_all_events_up_to_t_and_none_after(explain: Explain) -> None:
    found = explain([paid("m", day) for day in range(150)])
    assert found.vector[INDEX["turnover_28d_minor"]] == 28_000
    assert found.vector[INDEX["sales_count_28d"]] == 28
    assert found.vector[INDEX["tenure_days"]] == 101
    assert found.vector[INDEX["exposure_minor"]] == 0
    assert (found.currency, found.as_of, found.merchant_id) == ("CNY", AS_OF, "m")


def test_a_late_event_up_to_t_counts_although_it_comes_after_t(explain: Explain) -> None:
    late = paid("m", 99, 500, event_id="late")
    found = explain([*(paid("m", day) for day in range(150)), late])
    assert found.vector[INDEX["turnover_28d_minor"]] == 28_500
    assert found.lines[-1].event_id == "late"


def test_loans_and_profile_are_part_of_it(explain: Explain) -> None:
    registered = {
        "type": "merchant.registered",
        "event_id": "r",
        "merchant_id": "m",
        "occurred_at": START,
        "segment": "tea",
    }
    loan = paid("m", 90, 70_000, type="loan.disbursed", event_id="l", loan_id="l1")
    found = explain([registered, *(paid("m", day) for day in range(101)), loan])
    assert found.segment == "tea"
    assert found.vector[INDEX["exposure_minor"]] == 70_000


def test_its_events_are_kept_once_and_no_others(explain: Explain) -> None:
    events = [paid(name, day) for day in range(50) for name in ("m", "mm", 'm"', "其他")]
    found = explain(events + events)
    assert [line.event_id for line in found.lines] == [f"m-{day}" for day in range(50)]
    assert len(explain(events, 'm"').lines) == len(explain(events, "其他").lines) == 50


def test_events_that_intake_refuses_are_counted_by_reason(explain: Explain) -> None:
    bad = [paid("m", 3, currency="XX"), paid("m", 4, -5), paid("other", 4, -5)]
    found = explain([paid("m", 1), *bad])
    assert [line.event_id for line in found.lines] == ["m-1"]
    assert sum(found.refused.values()) == 2 and found.refused["unknown_currency"] == 1


def test_a_published_policy_is_followed(explain: Explain) -> None:
    publication = {
        "type": "policy.publish",
        "event_id": "p1",
        "merchant_id": "*",
        "occurred_at": START,
        "actor": "ann",
        "document": builtin_policy("working-capital-2.yaml"),
    }
    found = explain([publication, *(paid("m", day) for day in range(60))])
    assert len(found.lines) == 60


@pytest.mark.parametrize(
    ("events", "merchant", "says"),
    [
        ([paid("shop-17", 1), paid("shop-18", 1)], "shop-7", "did you mean 'shop-17'"),
        ([paid("a", 1)], "zzz", "no event of merchant 'zzz' among 1 others$"),
        ([], "m", "no event of merchant 'm' among 0 others"),
        ([paid("m", 120), paid("m", 110)], "m", "no event up to --at, the first is of 2025-07-"),
        (
            [paid("m", 1, currency="XX")],
            "m",
            r"refused every event up to --at \(unknown_currency\)",
        ),
    ],
)
def test_a_merchant_of_whom_nothing_is_known_is_an_error_with_its_remedy(
    explain: Explain, events: list[dict[str, Any]], merchant: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        explain(events, merchant)

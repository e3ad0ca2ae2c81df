"""The pass through the pipeline: a question sees what came before it, and nothing else."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from features.catalogue import INDEX
from streams.artifacts import MemoryArtifacts
from streams.intake import Intake
from streams.pipeline import Pipeline
from tests.cli.test_commands import DAY_MS, START, trade
from tideline.evaluation.leaks import LeakError
from tideline.evaluation.protocols.outcomes import is_outcome
from tideline.evaluation.questions import Questions, nothing_withheld, questions
from tideline.evaluation.watch import Watched, watch
from tideline.sources.records import SourceRecord

NOW_MS = 1_790_000_000_000
ASKED_AT = START + 40 * DAY_MS


def stream(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """Two merchants with daily sales, and what else there is."""
    events = [*trade("a", 60), *trade("b", 60, 50_000), *more]
    return sorted(events, key=lambda e: e["occurred_at"])


def outcome(kind: str, merchant: str, day: float) -> dict[str, Any]:
    at = START + round(day * DAY_MS)
    return {"type": kind, "event_id": f"{merchant}!", "merchant_id": merchant, "occurred_at": at}


def told(events: list[dict[str, Any]]) -> Iterator[tuple[SourceRecord, dict[str, Any]]]:
    for line, event in enumerate(events, 1):
        raw = msgspec.json.encode(event)
        yield SourceRecord("f", line, "t", b"m", raw, event["occurred_at"]), event


def asked() -> Questions:
    return questions(
        ["a", "b", "stranger"],
        [ASKED_AT] * 3,
        [True, False, False],
        [ASKED_AT + DAY_MS] * 3,
        outcome_ids=["a!", "b!", ""],
    )


def run(events: list[dict[str, Any]], withheld: Any = nothing_withheld) -> tuple[Any, Watched]:
    artifacts, watched = MemoryArtifacts(), Watched()
    intake = Intake(partitions=1, privacy_key=bytes(32), artifacts=artifacts)
    pipeline = Pipeline(intake, artifacts, watched.emit, learner=None)
    (batch,) = watch(pipeline, watched, told(events), asked(), withheld, NOW_MS)
    return batch.vectors, watched


def test_a_question_sees_all_up_to_its_time_and_nothing_after() -> None:
    vectors, _ = run(stream())
    assert vectors[0, INDEX["turnover_28d_minor"]] == 28 * 100_000
    assert vectors[1, INDEX["sales_count_28d"]] == 28
    assert np.isnan(vectors[2]).all()
    before = [e for e in stream() if e["occurred_at"] <= ASKED_AT]
    np.testing.assert_array_equal(run(before)[0], vectors)


def test_an_outcome_that_the_source_tells_too_early_is_found_by_its_name() -> None:
    early = stream(outcome("loan.defaulted", "a", 39), outcome("loan.settled", "b", 41))
    with pytest.raises(
        LeakError, match=r"'a!' \(loan.defaulted\) gives the answer of merchant 'a'"
    ):
        run(early)


def test_outcomes_that_are_withheld_leave_no_trace_in_features() -> None:
    events = stream(outcome("loan.defaulted", "a", 39), outcome("loan.settled", "b", 39))
    vectors, watched = run(events, is_outcome)
    np.testing.assert_array_equal(vectors, run(stream())[0])
    assert (watched.withheld, watched.events, watched.refused) == (2, 120, 0)


def test_alert_episodes_are_counted_by_the_months_that_merchants_lived() -> None:
    loan = {"loan_id": "l", "merchant_id": "a", "amount": 900_000, "currency": "CNY"}
    due = START + 45 * DAY_MS
    lent = {"type": "loan.disbursed", "event_id": "d", "occurred_at": START + 10 * DAY_MS}
    unpaid = {"type": "repayment.due", "event_id": "u", "occurred_at": due, "due_at": due}
    _, watched = run(stream(lent | loan, unpaid | loan))
    (alert,) = watched.opened
    assert (alert.merchant_id, alert.kind) == ("a", "repayment_overdue")
    assert due + 2 * DAY_MS < alert.at < due + 5 * DAY_MS
    # Both merchants live from their first day to their sixtieth.
    assert watched.alert_volume() == {"repayment_overdue": pytest.approx(30 / (2 * 59))}

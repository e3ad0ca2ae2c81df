"""Good or bad of the current loan of a borrower, by the history of its earlier ones."""

from tideline.evaluation.protocols.outcomes import is_bad, is_outcome
from tideline.evaluation.questions import (
    Event,
    Protocol,
    Questions,
    Reference,
    Told,
    questions,
)
from tideline.sources.loans import DEFAULT_AFTER_MS
from tideline.sources.records import SourceRecord


def _is_current(record: SourceRecord) -> bool:
    return "current" in record.source.rsplit("/", 1)[-1]


def withheld(record: SourceRecord, event: Event) -> bool:
    """The outcome of a current loan; that of an earlier one is history."""
    return _is_current(record) and is_outcome(record, event)


def ask(told: Told) -> Questions:
    """One question a current loan, when it is disbursed.

    Its answer is mature 30 days after the loan is due, good or bad: a bad one is known only then,
    and a learner that takes the good ones as they come learns a month of nothing else.
    """
    lent: dict[str, int] = {}
    due: dict[str, int] = {}
    outcomes = []
    for record, event in told:
        if not _is_current(record):
            continue
        if event["type"] == "loan.disbursed":
            lent[event["loan_id"]] = event["occurred_at"]
        elif event["type"] == "repayment.due":
            due[event["loan_id"]] = event["due_at"]
        elif is_outcome(record, event):
            outcomes.append(event)
    known = [event for event in outcomes if event["loan_id"] in lent]
    return questions(
        [event["merchant_id"] for event in known],
        [lent[event["loan_id"]] for event in known],
        [is_bad(event) for event in known],
        [
            max(due.get(event["loan_id"], 0) + DEFAULT_AFTER_MS, event["occurred_at"])
            for event in known
        ],
        outcome_ids=[event["event_id"] for event in known],
    )


PROTOCOL = Protocol(
    name="current-loans",
    title="Current loans of a digital lender, good or bad",
    format="loans",
    files=("loans_previous.parquet", "loans_current.parquet"),
    ask=ask,
    withheld=withheld,
    split="entity",
    references=(
        Reference(metric="roc_auc", figure=0.67, of="mean or last lateness alone (0.66 to 0.68)"),
        Reference(metric="roc_auc", figure=0.68, of="logistic regression"),
    ),
    notes=(
        "A good loan is known to be good when it is due, a bad one 30 days later. Both are learnt "
        "at the later time: learnt as they come, the order alone ruins the calibration.",
        "All loans were made within a month, so no answer is mature before the last question and "
        "there is no split by time. The data has no date of a bad outcome, and so no lead time.",
    ),
)

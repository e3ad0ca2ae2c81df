"""Default of card accounts in the month after the last statement."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ops.errors import ConfigurationError
from tideline.evaluation.protocols.outcomes import is_bad, is_outcome
from tideline.evaluation.questions import Protocol, Questions, Reference, Told, questions

ASKED_AT = int(np.datetime64("2005-10-01", "ms").astype(np.int64)) - 1
"""The end of the last month of which bill and payment are given."""
FILE = "cards_monthly.parquet"
PROTECTED = ("SEX", "EDUCATION", "MARRIAGE", "AGE")
MONTH_MS = 30 * 86_400_000


def ask(told: Told) -> Questions:
    """One question an account, all at the end of September 2005.

    The floor ``last-months-behind`` is the age of the due that the last statement named.
    """
    outcomes = []
    behind: dict[str, float] = {}
    for record, event in told:
        if is_outcome(record, event):
            outcomes.append(event)
        elif event["type"] == "repayment.due" and event["occurred_at"] > ASKED_AT - MONTH_MS:
            behind[event["merchant_id"]] = (event["occurred_at"] - event["due_at"]) / MONTH_MS
    return questions(
        [event["merchant_id"] for event in outcomes],
        [ASKED_AT] * len(outcomes),
        [is_bad(event) for event in outcomes],
        [event["occurred_at"] for event in outcomes],
        outcome_ids=[event["event_id"] for event in outcomes],
        floors={"last-months-behind": [behind.get(e["merchant_id"], 0.0) for e in outcomes]},
    )


def fairness(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Attribute -> account -> group, read after the scores are made and for nothing else.

    Ages are in decades. Raises ``ConfigurationError`` where the file lacks them.
    """
    path = folder / FILE
    try:
        table = pq.read_table(path, columns=["ID", *PROTECTED])
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path}: no fairness report: {error}") from error
    accounts = [str(each) for each in table["ID"].to_pylist()]
    groups = {}
    for name in PROTECTED:
        values = table[name].to_pylist()
        if name == "AGE":
            values = [f"{value // 10 * 10} to {value // 10 * 10 + 9}" for value in values]
        groups[name] = dict(zip(accounts, map(str, values), strict=True))
    return groups


PROTOCOL = Protocol(
    name="card-default",
    title="Card accounts, default next month",
    format="cards",
    files=(FILE,),
    ask=ask,
    withheld=is_outcome,
    split="entity",
    references=(
        Reference(metric="roc_auc", figure=0.690, of="last month's delay alone"),
        Reference(metric="roc_auc", figure=0.726, of="published: logistic regression"),
        Reference(metric="roc_auc", figure=0.757, of="published: random forest"),
        Reference(metric="roc_auc", figure=0.761, of="published: gradient boosting"),
    ),
    notes=("Every outcome comes on one day, so there is no split by time and no lead time.",),
    fairness=fairness,
)

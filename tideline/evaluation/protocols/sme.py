"""Default of small enterprises by their invoices: asked at the last invoice."""

from collections import Counter

from tideline.evaluation.protocols.outcomes import is_bad, is_outcome
from tideline.evaluation.questions import Protocol, Questions, Reference, Told, questions


def ask(told: Told) -> Questions:
    """One question an enterprise, at its last invoice; the outcome is known right after it.

    Its size is the total of the invoices issued, less those voided, at least 1.
    """
    sold: Counter[str] = Counter()
    outcomes = []
    for record, event in told:
        merchant, kind = event["merchant_id"], event["type"]
        if is_outcome(record, event):
            outcomes.append(event)
        elif kind == "invoice.issued":
            sold[merchant] += event["amount"]
        elif kind == "invoice.voided" and event["side"] == "issued":
            # A voided invoice was never counted; a reversal takes off one that was.
            sold[merchant] -= event["amount"] if event["reversal"] else 0
    merchants = [event["merchant_id"] for event in outcomes]
    times = [event["occurred_at"] for event in outcomes]
    sizes = [float(max(sold[merchant], 1)) for merchant in merchants]
    return questions(
        merchants,
        times,
        [is_bad(event) for event in outcomes],
        times,
        outcome_ids=[event["event_id"] for event in outcomes],
        floors={"total-sales-ascending": [-size for size in sizes]},
        sizes=sizes,
    )


PROTOCOL = Protocol(
    name="sme-default",
    title="Default of small enterprises, by their invoices",
    format="sme-invoices",
    files=("sme_invoices_labelled.parquet", "sme_labels.csv"),
    ask=ask,
    withheld=is_outcome,
    split="entity",
    references=(
        Reference(metric="roc_auc", figure=0.89, of="total sales, ascending"),
        Reference(metric="roc_auc", figure=0.874, of="logistic regression on 13 aggregates"),
    ),
    notes=(
        "82 enterprises, 18 of them bad: the standard error of an AUC is about 0.05.",
        "The data has no date of default, so there is no lead time.",
    ),
)

"""What the bundled protocols ask, on small made-up streams."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from ops.errors import ConfigurationError
from tideline.evaluation.protocols import PROTOCOLS, cards, files, loans, promises, sme, terminals
from tideline.evaluation.questions import check_judged
from tideline.sources.records import SourceRecord

DAY_MS = 86_400_000
MONDAY = promises.MONDAY_MS + 2000 * promises.WEEK_MS


def told(events: list[dict[str, Any]], source: str = "f.parquet"):  # type: ignore[no-untyped-def]
    """Records in the order of their times."""
    for line, event in enumerate(sorted(events, key=lambda e: e["occurred_at"]), 1):
        raw = msgspec.json.encode(event)
        key = event["merchant_id"].encode()
        yield SourceRecord(source, line, "topic", key, raw, event["occurred_at"]), event


def event(kind: str, merchant: str, at: int, **more: Any) -> dict[str, Any]:
    name = f"{kind}-{merchant}-{at}-{len(more)}"
    return {"type": kind, "event_id": name, "merchant_id": merchant, "occurred_at": at, **more}


def test_an_enterprise_is_asked_about_at_its_last_invoice_and_its_outcome_withheld() -> None:
    stream = [
        event("invoice.issued", "a", 1, amount=500),
        event("invoice.voided", "a", 2, amount=100, side="issued", reversal=True),
        event("invoice.voided", "a", 2, amount=999, side="issued", reversal=False, x=1),
        event("invoice.received", "a", 3, amount=70),
        event("loan.defaulted", "a", 3),
        event("invoice.issued", "b", 4, amount=40),
        event("loan.settled", "b", 4),
    ]
    asked = sme.ask(told(stream))
    assert list(asked.merchants) == ["a", "b"]
    assert asked.at.tolist() == asked.known_at.tolist() == [3, 4]
    assert asked.labels.tolist() == [True, False]
    assert asked.sizes is not None and asked.sizes.tolist() == [400.0, 40.0]
    assert [e["type"] for r, e in told(stream) if sme.PROTOCOL.withheld(r, e)] == [
        "loan.defaulted",
        "loan.settled",
    ]


def test_only_outcomes_of_current_loans_are_asked_for_and_withheld() -> None:
    earlier = [event("loan.settled", "a", 5, loan_id="1")]
    current = [
        event("loan.disbursed", "a", 10, loan_id="2"),
        event("loan.disbursed", "b", 11, loan_id="3"),
        event("repayment.due", "a", 40, loan_id="2", due_at=40),
        event("repayment.due", "b", 45, loan_id="3", due_at=45),
        event("loan.settled", "a", 40, loan_id="2"),
        event("loan.defaulted", "b", 45 + 30 * DAY_MS, loan_id="3"),
    ]
    records = [
        *told(earlier, "data/loans_previous.parquet"),
        *told(current, "data/loans_current.parquet"),
    ]
    asked = loans.ask(records)
    assert asked.at.tolist() == [10, 11]
    # A good loan is not learnt from before a bad one of its age could be.
    assert asked.known_at.tolist() == [40 + 30 * DAY_MS, 45 + 30 * DAY_MS]
    assert asked.labels.tolist() == [False, True]
    assert [e["loan_id"] for r, e in records if loans.withheld(r, e)] == ["2", "3"]


def test_accounts_are_asked_about_before_the_month_that_is_forecast() -> None:
    at = cards.ASKED_AT - 20 * DAY_MS
    stream = [
        event("repayment.due", "a", at, due_at=at - 60 * DAY_MS),
        event("loan.defaulted", "a", cards.ASKED_AT + 30 * DAY_MS),
        event("loan.settled", "b", cards.ASKED_AT + 30 * DAY_MS),
    ]
    asked = cards.ask(told(stream))
    assert set(asked.at.tolist()) == {cards.ASKED_AT}
    assert asked.floors["last-months-behind"].tolist() == [2.0, 0.0]


def test_a_terminal_is_asked_about_each_day_by_what_is_known_of_it() -> None:
    stream = []
    for day in range(40):
        for name in ("T1", "T2"):
            at = day * DAY_MS + 100
            stream.append(event("order.paid", name, at))
            if name == "T1" and day >= 20:
                stream.append(event("order.disputed", name, at + 7 * DAY_MS, ordered_at=at))
    asked = terminals.ask(told(stream))
    day = (asked.at + 1) // DAY_MS
    assert day.min() == terminals.FIRST_DAY and day.max() == 39
    bad = (asked.merchants == "T1") & (day >= 20)
    assert np.array_equal(asked.labels, bad)
    assert (asked.known_at == (day + 8) * DAY_MS).all()
    share = asked.floors["dispute-share-7d"]
    first = np.flatnonzero((asked.merchants == "T1") & (share > 0.01))[0]
    # The fraud of day 20 is disputed on day 27, and so known before day 28.
    assert day[first] == 28


def test_a_promise_breaks_when_its_day_ends_without_the_parcel() -> None:
    def order(number: str, paid: int, promised: int, done: int | None) -> list[dict[str, Any]]:
        made = [event("order.paid", "s", paid, order_id=number, promised_at=promised)]
        if done is not None:
            made.append(event("shipment.delivered", "s", done, order_id=number))
        return made

    def at(day: float) -> int:
        return MONDAY + round(day * DAY_MS)

    stream = [
        *order("kept", at(-20), at(-15), at(-15.5)),
        *order("late", at(-19), at(-3), at(2)),
        *order("open", at(-1), at(5), at(9)),
        *order("ahead", at(3), at(20), None),
        *order("end", at(60), at(70), at(65)),
    ]
    asked = promises.breaks(told(stream))
    place = int(np.flatnonzero(asked.at == MONDAY - 1)[0])
    assert asked.labels[place]
    assert asked.known_at[place] == MONDAY + 14 * DAY_MS
    assert asked.floors["open-promises-near"][place] == 1
    own = (1 + 10 * 0.5) / (2 + 10)  # one of two decided ones broke, which is the mean of all
    assert asked.floors["late-share"][place] == pytest.approx(own)
    placed = promises.placed(told(stream))
    place = int(np.flatnonzero(placed.at == MONDAY - 1)[0])
    assert placed.labels[place]
    assert placed.known_at[place] == at(21)
    assert placed.floors["late-share-by-orders"][place] == pytest.approx(own * 3)


def test_labels_of_a_file_name_their_outcomes_and_bad_lines_their_place(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "merchant_id,as_of,label,known_at,outcome_id\n"
        "a,2025-01-01T00:00:00Z,1,2025-02-01T00:00:00Z,e1\nb,1735689600000,0,1735689600001,\n"
    )
    protocol = files.protocol(path, 0.0, "entity")
    registered = event("merchant.registered", "a", 1, segment="shops")
    asked = protocol.ask(told([registered]))
    assert asked.at.tolist() == [1_735_689_600_000] * 2
    assert list(asked.groups) == ["shops", ""]
    (record,) = told([registered])
    assert protocol.withheld(record[0], {"event_id": "e1"})
    assert not protocol.withheld(record[0], {"event_id": "e2"})
    path.write_text("merchant_id,as_of,label,known_at\na,yesterday,1,5\n")
    with pytest.raises(ConfigurationError, match=r"line 2: `as_of` is 'yesterday'; give RFC 3339"):
        files.protocol(path, 0.0, "entity")
    path.write_text("merchant_id,as_of,label\n")
    with pytest.raises(ConfigurationError, match="no column known_at"):
        files.protocol(path, 0.0, "entity")


def test_data_of_one_kind_of_outcome_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nothing to tell apart"):
        check_judged(sme.ask(told([event("loan.settled", "a", 1)])))


def test_data_too_short_to_judge_is_refused() -> None:
    stream = [event("order.paid", "T1", day * DAY_MS) for day in range(30)]
    with pytest.raises(ConfigurationError, match="0 questions to judge"):
        check_judged(terminals.ask(told(stream)))


def test_protected_attributes_are_read_for_the_fairness_report_alone() -> None:
    for protocol in PROTOCOLS.values():
        assert (protocol.fairness is not None) == (protocol.name == "card-default")

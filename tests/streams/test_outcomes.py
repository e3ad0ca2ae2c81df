"""The labels that scoring gives: of loans, of lateness, of the desk; each on one assessment."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from features.lending import LendingBook
from features.lines import LogLine
from schemas import topics
from schemas.outputs import Alert, Assessment, LimitChange
from streams.artifacts import MemoryArtifacts, genesis
from streams.records import Record
from streams.scoring import Scoring

DAY_MS = 86_400_000
START = 1_760_000_000_000 // DAY_MS * DAY_MS


class Lender:
    """One partition of the log, a record a call."""

    def __init__(self) -> None:
        self.scoring = Scoring(MemoryArtifacts(), genesis())
        self.offset = 0
        self.assessments: list[Assessment] = []
        self.alerts: list[Alert] = []
        self.changes: list[LimitChange] = []

    def log(self, type: str, day: float, merchant: str = "m", **fields: Any) -> list[str]:
        """One line; the topics of what it caused."""
        line = {
            "type": type,
            "event_id": f"e{self.offset}",
            "merchant_id": merchant,
            "occurred_at": START + int(day * DAY_MS),
            **fields,
        }
        value = msgspec.json.encode(line) + b"\n"
        outputs = self.scoring.process(Record(topics.EVENTS, 0, self.offset, None, value, [], 0))
        self.offset += 1
        for output in outputs:
            raw = output.value or b""
            if output.topic == topics.ASSESSMENTS:
                self.assessments.append(msgspec.json.decode(raw, type=Assessment))
            elif output.topic == topics.ALERTS:
                self.alerts.append(msgspec.json.decode(raw, type=Alert))
            else:
                self.changes.append(msgspec.json.decode(raw, type=LimitChange))
        return [output.topic for output in outputs]

    def lend(self, day: float, loan: str | None = "l1", due: float = 10) -> None:
        named = {"loan_id": loan} if loan else {}
        due_at = START + int(due * DAY_MS)
        self.log("loan.disbursed", day, amount=100_000, currency="CNY", due_at=due_at, **named)

    def pass_time(self, day: int, until: int) -> None:
        """Others trade, so that the clock goes on."""
        for each in range(day, until):
            for other in ("x", "y", "z"):
                self.log(
                    "order.paid",
                    each + 0.5,
                    other,
                    order_id=f"{other}{each}",
                    amount=100,
                    currency="CNY",
                )

    @property
    def outcomes(self) -> list[tuple[str, str | None, int]]:
        """Outcome, what it is of, and the day on which it was said."""
        return [
            (a.outcome, a.outcome_of, (a.as_of - START) // DAY_MS)
            for a in self.assessments
            if a.outcome is not None
        ]


@pytest.fixture
def lender() -> Lender:
    return Lender()


@pytest.mark.parametrize("loan", ["l1", None])
def test_thirty_days_past_due_is_said_once_when_it_is_first_so(
    lender: Lender, loan: str | None
) -> None:
    lender.lend(0, loan)
    lender.pass_time(1, 75)
    assert lender.outcomes == [("late_30", loan, 40)]


def test_a_loan_repaid_in_time_or_a_few_days_late_is_not_late(lender: Lender) -> None:
    lender.lend(0)
    lender.pass_time(1, 38)
    lender.log("repayment.received", 38, loan_id="l1", amount=100_000, currency="CNY")
    lender.pass_time(39, 75)
    assert lender.outcomes == []


def test_a_default_has_its_loan_and_no_lateness_is_said_after_it(lender: Lender) -> None:
    lender.lend(0)
    lender.pass_time(1, 20)
    lender.log("loan.defaulted", 20, loan_id="l1")
    lender.pass_time(21, 75)
    assert lender.outcomes == [("defaulted", "l1", 20)]


def test_each_loan_has_its_own_lateness_and_its_own_end(lender: Lender) -> None:
    lender.lend(0, "a", due=5)
    lender.lend(0, "b", due=15)
    lender.pass_time(1, 60)
    lender.log("loan.settled", 60, loan_id="a")
    lender.log("loan.defaulted", 61, loan_id="b")
    assert lender.outcomes == [
        ("late_30", "a", 35),
        ("late_30", "b", 45),
        ("settled", "a", 60),
        ("defaulted", "b", 61),
    ]


def test_lateness_is_remembered_over_a_restart(lender: Lender) -> None:
    lender.lend(0)
    lender.pass_time(1, 45)
    after = Lender()
    after.scoring.restore_header(lender.scoring.header())
    for page in range(lender.scoring.engine.page_count):
        after.scoring.restore_page(page, lender.scoring.page(page))
    after.offset = lender.offset
    slot = lender.scoring.engine.index.slot_of("m")
    assert slot is not None
    book = after.scoring.ledgers[slot].loans
    assert book is not None and book.newly_late(START + 60 * DAY_MS) is None


def test_dues_without_a_loan_are_late_again_only_after_they_were_not() -> None:
    book = LendingBook()

    def line(type: str, day: int, **fields: Any) -> None:
        at = START + day * DAY_MS
        book.apply(LogLine(type=type, event_id="e", merchant_id="m", occurred_at=at, **fields))

    def late(day: int) -> str | None:
        return book.newly_late(START + day * DAY_MS)

    line("repayment.due", 0)
    assert (late(29), late(30), late(31)) == (None, "", None)
    line("repayment.received", 40, amount=1, currency="CNY", due_at=START)
    assert late(41) is None
    line("repayment.due", 50)
    assert (late(79), late(80), late(90)) == (None, "", None)


@pytest.fixture
def alerted(lender: Lender) -> Lender:
    """A merchant with an open alert: its loan is days past due."""
    lender.lend(0)
    lender.pass_time(1, 30)
    assert [a.state for a in lender.alerts if a.merchant_id == "m"][-1] != "closed"
    return lender


@pytest.mark.parametrize("outcome", ["confirmed", "false_alarm", "cured", "defaulted"])
def test_closing_an_alert_gives_its_verdict_and_moves_nothing(
    alerted: Lender, outcome: str
) -> None:
    alert = next(a for a in alerted.alerts if a.merchant_id == "m")
    before = len(alerted.changes)
    caused = alerted.log("alert.close", 30.5, actor="li", alert_id=alert.alert_id, outcome=outcome)
    assert caused == [topics.ALERTS, topics.ASSESSMENTS]
    assert (alerted.alerts[-1].state, alerted.alerts[-1].outcome) == ("closed", outcome)
    said = alerted.assessments[-1]
    assert (said.outcome, said.outcome_of) == (f"verdict_{outcome}", alert.alert_id)
    assert said.trigger == "alert.close" and said.features and said.merchant_id == "m"
    assert len(alerted.changes) == before


def test_a_command_that_closes_nothing_gives_no_label(alerted: Lender) -> None:
    alert = next(a for a in alerted.alerts if a.merchant_id == "m")
    said: Callable[..., list[str]] = alerted.log
    known = {"actor": "li", "alert_id": alert.alert_id}
    assert said("alert.acknowledge", 30.1, **known) == [topics.ALERTS]
    assert said("alert.snooze", 30.2, until_at=START + 31 * DAY_MS, **known) == [topics.ALERTS]
    unknown = {**known, "alert_id": "nobody", "outcome": "confirmed"}
    assert said("alert.close", 30.3, **unknown) == []
    assert alerted.outcomes == []
